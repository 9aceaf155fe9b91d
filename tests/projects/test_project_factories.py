"""The factories of the ``projects`` schema make rows that the constraints accept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from devmentor_models.kit.base import Base
from devmentor_models.projects import models
from devmentor_models.testing.factories import projects as factories
from devmentor_models.testing.factories.base import ModelFactory

ALL: list[type[ModelFactory[Any]]] = [
    value
    for value in vars(factories).values()
    if isinstance(value, type) and value.__module__ == factories.__name__
]


def test_every_model_has_a_factory() -> None:
    """None is forgotten."""
    mapped = {
        mapper.class_ for mapper in Base.registry.mappers if mapper.class_.__module__ == models.__name__
    }
    assert {factory._meta.model for factory in ALL} == mapped


@pytest.mark.parametrize("factory", ALL, ids=lambda factory: factory.__name__)
def test_two_rows_can_be_made(session: Session, factory: type[ModelFactory[Any]]) -> None:
    """With parents of their own, and unique."""
    assert factory.insert(session).id != factory.insert(session).id


def test_a_given_parent_is_used(session: Session) -> None:
    """Children join the project or the epic that they are given."""
    project = factories.ProjectFactory.insert(session)
    epic = factories.EpicFactory.insert(session, project=project)
    task = factories.TaskFactory.insert(session, epic=epic)
    assert (task.user_id, task.project_id, task.epic_id) == (project.user_id, project.id, epic.id)
    file = factories.ProjectFileFactory.insert(session, project=project)
    version = factories.ProjectFileVersionFactory.insert(session, file=file)
    assert (version.user_id, version.project_id) == (project.user_id, project.id)

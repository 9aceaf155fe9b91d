"""The factories of the ``learning`` and ``ai`` schemas make rows that the constraints accept."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.orm import Session

from devmentor_models.ai import models as ai_models
from devmentor_models.kit.base import Base
from devmentor_models.learning import models as learning_models
from devmentor_models.testing.factories import ai, learning
from devmentor_models.testing.factories.base import ModelFactory


def _factories(module: ModuleType) -> list[type[ModelFactory[Any]]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize(("module", "models"), [(ai, ai_models), (learning, learning_models)])
def test_every_learning_and_ai_model_has_a_factory(module: ModuleType, models: ModuleType) -> None:
    """None is forgotten."""
    mapped = {
        mapper.class_ for mapper in Base.registry.mappers if mapper.class_.__module__ == models.__name__
    }
    assert {factory._meta.model for factory in _factories(module)} == mapped


@pytest.mark.parametrize(
    "factory", [*_factories(ai), *_factories(learning)], ids=lambda factory: factory.__name__
)
def test_two_rows_of_each_can_be_made(session: Session, factory: type[ModelFactory[Any]]) -> None:
    """With parents of their own, and unique."""
    assert factory.insert(session).id != factory.insert(session).id


def test_given_parents_are_used(session: Session) -> None:
    """Children join the parents that they are given."""
    roadmap = learning.RoadmapFactory.insert(session)
    step = learning.RoadmapStepFactory.insert(session, roadmap=roadmap)
    progress = learning.ProgressFactory.insert(session, step=step)
    assert (step.user_id, step.roadmap_id) == (roadmap.user_id, roadmap.id)
    assert (progress.user_id, progress.step_id) == (roadmap.user_id, step.id)
    model = ai.EmbeddingModelFactory.insert(session)
    assert ai.ProjectEmbeddingFactory.insert(session, model=model).model_id == model.id

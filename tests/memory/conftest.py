"""Tenants for the tests of the ``memory`` schema: committed, so that either flavour finds them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from devmentor_models import Actor
from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import ProjectFactory


@dataclass(frozen=True)
class Tenant:
    """A user with a project."""

    user_id: UUID
    username: str
    project_id: UUID
    project_name: str

    @property
    def actor(self) -> Actor:
        """The user as an actor."""
        return Actor.user(self.user_id)


def _new_tenant(engine: Engine) -> Tenant:
    with Session(engine) as session:
        user = UserFactory.insert(session)
        project = ProjectFactory.insert(session, user=user)
        tenant = Tenant(user.id, user.username, project.id, project.name)
        session.commit()
    return tenant


def _new_model(engine: Engine, metric: DistanceMetric) -> str:
    with Session(engine) as session:
        name = EmbeddingModelFactory.insert(session, metric=metric).name
        session.commit()
    return name


@pytest.fixture
def tenant(devmentor_engine: Engine) -> Tenant:
    """Return a new user with a project."""
    return _new_tenant(devmentor_engine)


@pytest.fixture
def stranger(devmentor_engine: Engine) -> Tenant:
    """Return another new user with a project."""
    return _new_tenant(devmentor_engine)


@pytest.fixture
def model(devmentor_engine: Engine) -> str:
    """Return the name of an embedding model of 3 dimensions, compared by cosine."""
    return _new_model(devmentor_engine, DistanceMetric.COSINE)


@pytest.fixture(params=list(DistanceMetric))
def any_model(devmentor_engine: Engine, request: pytest.FixtureRequest) -> str:
    """Return the name of an embedding model of 3 dimensions, for each metric in turn."""
    return _new_model(devmentor_engine, request.param)

"""Tenants for the tests of the ``memory`` schema: committed, so that either flavour finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from qdrant_client import QdrantClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from devmentor_models import Actor
from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.mirroring import Mirrored


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


@pytest.fixture(scope="session")
def mirror_urls(devmentor_server: DatabaseServer, devmentor_template: str) -> Iterator[tuple[str, str]]:
    """Yield URLs of a database for the tests of the mirror: for everything, and for the memory service.

    Their own: a worker takes whatever is queued, by other tests as well.
    """
    name = f"devmentor_test_{uuid4().hex}"
    with (
        devmentor_server.database(name, template=devmentor_template, drop=True) as url,
        devmentor_server.login(url, "devmentor_memory") as worker_url,
    ):
        yield url, worker_url


@pytest.fixture
def mirrored(mirror_urls: tuple[str, str]) -> Iterator[Mirrored]:
    """Yield a model of 3 dimensions that is mirrored to a Qdrant in memory, with an empty queue."""
    made = Mirrored(*mirror_urls, QdrantClient(":memory:"))
    with made.database:
        yield made
    made.client.close()

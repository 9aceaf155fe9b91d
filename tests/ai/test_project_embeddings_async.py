"""Vectors of projects: they fit their model, and belong to one tenant (F8)."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import CheckViolation, ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

DIGEST = hashlib.sha256(b"readme").digest()


@pytest.fixture
def owned(devmentor_engine: Engine) -> tuple[Actor, UUID, UUID]:
    """Return an owner, the owner's project, and a model of 3 dimensions."""
    with Session(devmentor_engine) as session:
        project, model = ProjectFactory.insert(session), EmbeddingModelFactory.insert(session)
        made = Actor.user(project.user_id), project.id, model.id
        session.commit()
    return made


async def test_put_find_delete(async_database: AsyncDatabase, owned: tuple[Actor, UUID, UUID]) -> None:
    """A model's vector of a project is one row: put again it is replaced, deleted it is gone."""
    me, project_id, model_id = owned
    async with async_database.begin(me) as tx:
        first = await tx.project_embeddings.put(
            project_id=project_id, model_id=model_id, embedding=[1, 0, 0], content_hash=DIGEST
        )
        again = await tx.project_embeddings.put(
            project_id=project_id, model_id=model_id, embedding=[0, 0.5, 0], content_hash=DIGEST
        )
        assert again is first
    async with async_database.begin(me) as tx:
        found = await tx.project_embeddings.find(project_id, model_id=model_id)
        assert found is not None
        assert (found.embedding, found.dimensions) == ([0, 0.5, 0], 3)
        assert await tx.project_embeddings.delete(project_id, model_id=uuid7()) == 0
        assert await tx.project_embeddings.delete(project_id, model_id=model_id) == 1
        assert await tx.project_embeddings.find(project_id, model_id=model_id) is None
        assert await tx.project_embeddings.delete(project_id) == 0


@pytest.mark.parametrize(
    "vector",
    [[1.0, 2.0], [1.0] * 4, [0.0] * 3, [float("nan"), 1.0, 1.0], [1e6, 0.0, 0.0], []],
    ids=["short", "long", "zero", "nan", "huge", "empty"],
)
async def test_vectors_that_do_not_fit(
    async_database: AsyncDatabase, owned: tuple[Actor, UUID, UUID], vector: list[float]
) -> None:
    """A vector must have its model's length, a direction, and numbers that half precision holds."""
    me, project_id, model_id = owned
    async with async_database.begin(me) as tx:
        with pytest.raises(InvalidValue, match="embedding"):
            await tx.project_embeddings.put(
                project_id=project_id, model_id=model_id, embedding=vector, content_hash=DIGEST
            )
        assert await tx.project_embeddings.find(project_id, model_id=model_id) is None


async def test_missing_parents(
    async_database: AsyncDatabase, new_user: NewUser, owned: tuple[Actor, UUID, UUID]
) -> None:
    """A missing model, a missing project and a stranger's project are not found."""
    me, project_id, model_id = owned
    stranger = Actor.user(new_user().id)
    for actor, project, model in [
        (me, project_id, uuid7()),
        (me, uuid7(), model_id),
        (stranger, project_id, model_id),
    ]:
        with pytest.raises(NotFound):
            async with async_database.begin(actor) as tx:
                await tx.project_embeddings.put(
                    project_id=project, model_id=model, embedding=[1, 0, 0], content_hash=DIGEST
                )


async def test_database_refuses_wrong_lengths_itself(
    async_database: AsyncDatabase, owned: tuple[Actor, UUID, UUID]
) -> None:
    """Whoever goes round the library meets the same rules in the database."""
    me, project_id, model_id = owned
    for dimensions, error in [(3, CheckViolation), (2, ForeignKeyViolation)]:
        with pytest.raises(error):
            async with async_database.begin(me) as tx:
                await tx.session.execute(
                    text(
                        "INSERT INTO ai.project_embeddings"
                        " (user_id, project_id, model_id, dimensions, embedding, content_hash)"
                        " VALUES (:user, :project, :model, :dimensions, '[1,2]', :digest)"
                    ),
                    {
                        "user": me.user_id,
                        "project": project_id,
                        "model": model_id,
                        "dimensions": dimensions,
                        "digest": DIGEST,
                    },
                )

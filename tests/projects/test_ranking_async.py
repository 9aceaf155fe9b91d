"""F8: projects with recent activity, ranked by the similarity of their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.base import table_named
from devmentor_models.kit.ids import uuid7

pytestmark = pytest.mark.anyio


async def _model(database: AsyncDatabase) -> UUID:
    """Return the id of a new embedding model of two dimensions."""
    model_id = uuid7()
    row = {"id": model_id, "name": f"ranking-{model_id.hex}", "dimensions": 2, "metric": "cosine"}
    async with database.begin(Actor.service("ai")) as tx:
        await tx.session.execute(_statement("ai.embedding_models", [row]))
    return model_id


async def _project(
    tx: AsyncTransaction, model_id: UUID, name: str, vector: Sequence[float], documents: int, *, days: int = 0
) -> UUID:
    """Return the id of a project with a vector and documents of a certain age."""
    project = await tx.projects.create(name=name)
    owner = {"user_id": project.user_id, "project_id": project.id}
    digest = hashlib.sha256(name.encode()).digest()
    embedding = {"model_id": model_id, "dimensions": 2, "embedding": vector, "content_hash": digest}
    await tx.session.execute(_statement("ai.project_embeddings", [{**owner, **embedding}]))
    rows = [
        {
            **owner,
            "title": f"{name} {number}",
            "content": "text",
            "source": "note",
            "content_hash": hashlib.sha256(f"{name} {number}".encode()).digest(),
            "created_at": datetime.now(UTC) - timedelta(days=days),
        }
        for number in range(documents)
    ]
    if rows:
        await tx.session.execute(_statement("memory.documents", rows))
    return project.id


def _statement(table: str, rows: list[dict[str, Any]]) -> Any:
    return insert(table_named(table)).values(rows)


async def test_recent_projects_by_distance(
    async_database: AsyncDatabase, owner: UUID, stranger: UUID
) -> None:
    """Only with enough recent documents, only the tenant's live ones, the nearest first, in one statement."""
    async with async_database.begin(Actor.user(stranger)) as tx:
        model_id = await _model(async_database)
        await _project(tx, model_id, "theirs", [1, 0], 3)
    async with async_database.begin(Actor.user(owner)) as tx:
        far = await _project(tx, model_id, "far", [0, 1], 4)
        near = await _project(tx, model_id, "near", [1, 0.1], 3)
        await _project(tx, model_id, "idle", [1, 0], 2)
        await _project(tx, model_id, "old", [1, 0], 9, days=8)
        await _project(tx, await _model(async_database), "other model", [1, 0], 9)
        gone = await _project(tx, model_id, "gone", [1, 0], 9)
        await tx.projects.soft_delete(gone)
        ranked = await tx.projects.ranked_by_activity([1, 0], model_id=model_id, more_than=2)
        assert [(item.project.id, item.documents) for item in ranked] == [(near, 3), (far, 4)]
        assert [round(item.distance, 2) for item in ranked] == [0.0, 1.0]
        wider = await tx.projects.ranked_by_activity(
            [1, 0], model_id=model_id, more_than=2, within=timedelta(days=30), limit=1
        )
        assert [item.project.name for item in wider] == ["old"]


async def test_ranking_takes_one_statement(
    async_database: AsyncDatabase, owner: UUID, statements: list[str]
) -> None:
    """No statement per project."""
    async with async_database.begin(Actor.user(owner)) as tx:
        model_id = await _model(async_database)
        for name in "abc":
            await _project(tx, model_id, name, [1, 1], 1)
        statements.clear()
        assert len(await tx.projects.ranked_by_activity([1, 0], model_id=model_id, more_than=0)) == 3
        assert len(statements) == 1


@pytest.mark.parametrize("embedding", [[0, 0], [float("nan"), 1], "text", []])
async def test_vectors_without_a_direction_are_refused(
    async_database: AsyncDatabase, owner: UUID, embedding: Any
) -> None:
    """Trap 31: a zero vector would make every distance NaN."""
    async with async_database.begin(Actor.user(owner)) as tx:
        with pytest.raises(InvalidValue):
            await tx.projects.ranked_by_activity(embedding, model_id=uuid7())
        with pytest.raises(InvalidValue):
            await tx.projects.ranked_by_activity([1, 0], model_id=uuid7(), limit=0)

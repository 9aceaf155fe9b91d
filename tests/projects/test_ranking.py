# Generated from test_ranking_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""F8: projects with recent activity, ranked by the similarity of their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.base import table_named
from devmentor_models.kit.ids import uuid7

pytestmark = pytest.mark.anyio


def _model(database: Database) -> UUID:
    """Return the id of a new embedding model of two dimensions."""
    model_id = uuid7()
    row = {"id": model_id, "name": f"ranking-{model_id.hex}", "dimensions": 2, "metric": "cosine"}
    with database.begin(Actor.service("ai")) as tx:
        tx.session.execute(_statement("ai.embedding_models", [row]))
    return model_id


def _project(
    tx: Transaction, model_id: UUID, name: str, vector: Sequence[float], documents: int, *, days: int = 0
) -> UUID:
    """Return the id of a project with a vector and documents of a certain age."""
    project = tx.projects.create(name=name)
    owner = {"user_id": project.user_id, "project_id": project.id}
    digest = hashlib.sha256(name.encode()).digest()
    embedding = {"model_id": model_id, "dimensions": 2, "embedding": vector, "content_hash": digest}
    tx.session.execute(_statement("ai.project_embeddings", [{**owner, **embedding}]))
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
        tx.session.execute(_statement("memory.documents", rows))
    return project.id


def _statement(table: str, rows: list[dict[str, Any]]) -> Any:
    return insert(table_named(table)).values(rows)


def test_recent_projects_by_distance(database: Database, owner: UUID, stranger: UUID) -> None:
    """Only with enough recent documents, only the tenant's live ones, the nearest first, in one statement."""
    with database.begin(Actor.user(stranger)) as tx:
        model_id = _model(database)
        _project(tx, model_id, "theirs", [1, 0], 3)
    with database.begin(Actor.user(owner)) as tx:
        far = _project(tx, model_id, "far", [0, 1], 4)
        near = _project(tx, model_id, "near", [1, 0.1], 3)
        _project(tx, model_id, "idle", [1, 0], 2)
        _project(tx, model_id, "old", [1, 0], 9, days=8)
        _project(tx, _model(database), "other model", [1, 0], 9)
        gone = _project(tx, model_id, "gone", [1, 0], 9)
        tx.projects.soft_delete(gone)
        ranked = tx.projects.ranked_by_activity([1, 0], model_id=model_id, more_than=2)
        assert [(item.project.id, item.documents) for item in ranked] == [(near, 3), (far, 4)]
        assert [round(item.distance, 2) for item in ranked] == [0.0, 1.0]
        wider = tx.projects.ranked_by_activity(
            [1, 0], model_id=model_id, more_than=2, within=timedelta(days=30), limit=1
        )
        assert [item.project.name for item in wider] == ["old"]


def test_ranking_takes_one_statement(database: Database, owner: UUID, statements: list[str]) -> None:
    """No statement per project."""
    with database.begin(Actor.user(owner)) as tx:
        model_id = _model(database)
        for name in "abc":
            _project(tx, model_id, name, [1, 1], 1)
        statements.clear()
        assert len(tx.projects.ranked_by_activity([1, 0], model_id=model_id, more_than=0)) == 3
        assert len(statements) == 1


@pytest.mark.parametrize("embedding", [[0, 0], [float("nan"), 1], "text", []])
def test_vectors_without_a_direction_are_refused(database: Database, owner: UUID, embedding: Any) -> None:
    """Trap 31: a zero vector would make every distance NaN."""
    with database.begin(Actor.user(owner)) as tx:
        with pytest.raises(InvalidValue):
            tx.projects.ranked_by_activity(embedding, model_id=uuid7())
        with pytest.raises(InvalidValue):
            tx.projects.ranked_by_activity([1, 0], model_id=uuid7(), limit=0)

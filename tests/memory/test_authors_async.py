"""Users with more than so many memories in so many days (F8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import InvalidValue
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.models import Document
from devmentor_models.memory.values import NewDocument
from tests.memory.conftest import Tenant

pytestmark = pytest.mark.anyio


async def _remember(tx: AsyncTransaction, tenant: Tenant, count: int, *, inside: bool = True) -> None:
    project_id = tenant.project_id if inside else None
    await tx.documents.store_many(
        NewDocument(title="t", content=f"{number}", source=DocumentSource.NOTE, project_id=project_id)
        for number in range(count)
    )


async def test_authors_are_counted_per_project(
    async_database: AsyncDatabase, tenant: Tenant, stranger: Tenant
) -> None:
    """More than five counts; deleted and old ones do not; a user sees the own, a service everybody's."""
    async with async_database.begin(tenant.actor) as tx:
        await _remember(tx, tenant, 7)
        await _remember(tx, tenant, 6, inside=False)
        documents = (await tx.documents.list(project_id=tenant.project_id)).items
        await tx.documents.soft_delete(documents[0].id)
        rows = [(row.username, row.project_name, row.memories) for row in await tx.memory.active_authors()]
        assert rows == [(tenant.username, tenant.project_name, 6), (tenant.username, None, 6)]
        await tx.session.execute(
            update(Document)
            .where(Document.id == documents[1].id)
            .values(created_at=datetime.now(UTC) - timedelta(days=31))
        )
        assert [row.project_name for row in await tx.memory.active_authors()] == [None]
        assert len(await tx.memory.active_authors(since=timedelta(days=40))) == 2
        assert await tx.memory.active_authors(min_memories=6, limit=1) == []
        with pytest.raises(InvalidValue, match="min_memories"):
            await tx.memory.active_authors(min_memories=-1)
    async with async_database.begin(stranger.actor) as tx:
        await _remember(tx, stranger, 8)
        assert [row.user_id for row in await tx.memory.active_authors()] == [stranger.user_id]
    async with async_database.begin(Actor.service("memory")) as tx:
        authors = {row.user_id for row in await tx.memory.active_authors(limit=500)}
        assert authors >= {tenant.user_id, stranger.user_id}

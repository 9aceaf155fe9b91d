"""The queue towards the vector mirror, and the search history (S4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import InvalidValue, PermissionDenied
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import SearchMode
from devmentor_models.memory.models import OutboxEntry
from devmentor_models.testing.factories.memory import OutboxEntryFactory, SearchEntryFactory
from tests.memory.conftest import Tenant
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio


async def _queue(tx: AsyncTransaction, tenant: Tenant, count: int) -> Sequence[UUID]:
    """Queue entries that are due, oldest first."""
    keys = []
    for _ in range(count):
        entry = await tx.session.run_sync(OutboxEntryFactory.insert, user_id=tenant.user_id)
        keys.append(entry.id)
    return keys


async def test_an_entry_is_claimed_once(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """Until its lease ends; then it is due again, so a worker that died loses nothing."""
    async with async_database.begin(tenant.actor) as tx:
        first, second = await _queue(tx, tenant, 2)
    async with async_database.begin(tenant.actor) as tx:
        (claimed,) = await tx.outbox.claim(limit=1)
        assert (claimed.id, claimed.attempts) == (first, 1)
        assert claimed.claimed_at is not None
        assert [entry.id for entry in await tx.outbox.claim()] == [second]
        assert await tx.outbox.claim() == []
        past = datetime.now(UTC) - timedelta(seconds=1)
        await tx.session.execute(update(OutboxEntry).where(OutboxEntry.id == first).values(available_at=past))
        assert [(entry.id, entry.attempts) for entry in await tx.outbox.claim()] == [(first, 2)]


async def test_workers_share_the_queue(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """Several at a time get different entries, and none of them waits (trap 37)."""
    async with async_database.begin(tenant.actor) as tx:
        keys = await _queue(tx, tenant, 40)

    async def work() -> list[UUID]:
        async with async_database.begin(tenant.actor) as tx:
            return [entry.id for entry in await tx.outbox.claim(limit=10)]

    outcomes = await run_concurrently([work] * 4)
    taken = [key for outcome in outcomes if isinstance(outcome, list) for key in outcome]
    assert len(set(taken)) == len(taken)
    async with async_database.begin(tenant.actor) as tx:
        taken += [entry.id for entry in await tx.outbox.claim()]
        assert sorted(taken) == sorted(keys)


async def test_acknowledge_and_fail(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """What is done goes; what failed comes back after a pause that doubles, and is never the same."""
    async with async_database.begin(tenant.actor) as tx:
        done, failed = await _queue(tx, tenant, 2)
        await tx.outbox.claim()
        assert await tx.outbox.acknowledge([done]) == 1
        assert await tx.outbox.acknowledge([done]) == 0
        for attempts, longest in ((1, 2), (3, 8), (40, 3600)):
            await tx.session.execute(
                update(OutboxEntry).where(OutboxEntry.id == failed).values(attempts=attempts)
            )
            before = datetime.now(UTC)
            assert await tx.outbox.fail([failed], "the mirror is away") == 1
            entry = await tx.session.get(OutboxEntry, failed, populate_existing=True)
            assert entry is not None
            assert (entry.last_error, entry.claimed_at) == ("the mirror is away", None)
            assert longest / 2 - 1 <= (entry.available_at - before).total_seconds() <= longest + 5
        assert await tx.outbox.claim() == []
        assert await tx.outbox.fail([uuid7()], "unknown") == 0
        with pytest.raises(InvalidValue):
            await tx.outbox.fail([failed], "nul \x00")
        for lease in (timedelta(0), timedelta(days=-1)):
            with pytest.raises(InvalidValue, match="lease"):
                await tx.outbox.claim(lease=lease)


async def test_states_are_for_the_service_alone(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """Whoever acts for a user reads by row security, not by the worker's functions."""
    async with async_database.begin(tenant.actor) as tx:
        (entry,) = await _queue(tx, tenant, 1)
        for call in (
            lambda: tx.outbox.states([entry]),
            lambda: tx.outbox.points("c", after=entry),
            lambda: tx.outbox.add("c", [entry]),
        ):
            with pytest.raises(PermissionDenied):
                async with tx.savepoint():
                    await call()
    async with async_database.begin(Actor.service("memory")) as tx:
        assert await tx.outbox.states([entry, uuid7()]) == {entry: None}


async def test_count_stops_at_its_limit(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """And says so."""
    async with async_database.begin(tenant.actor) as tx:
        await _queue(tx, tenant, 3)
        count = await tx.outbox.count(up_to=2)
        assert (count.value, count.capped) == (2, True)
        count = await tx.outbox.count()
        assert (count.value, count.capped) == (3, False)


async def test_a_user_claims_own_entries_and_a_service_everybodys(
    async_database: AsyncDatabase, tenant: Tenant, stranger: Tenant
) -> None:
    """A worker acts for all tenants."""
    # Older than all that other tests queued, so that it comes first and theirs are left alone.
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    async with async_database.begin(tenant.actor) as tx:
        entry = await tx.session.run_sync(
            OutboxEntryFactory.insert, user_id=tenant.user_id, available_at=long_ago
        )
    async with async_database.begin(stranger.actor) as tx:
        assert await tx.outbox.claim() == []
    async with async_database.begin(Actor.service("memory")) as tx:
        assert [claimed.id for claimed in await tx.outbox.claim(limit=1)] == [entry.id]


async def test_history_lists_pages_and_counts(
    async_database: AsyncDatabase, tenant: Tenant, stranger: Tenant
) -> None:
    """Newest first, own searches only; the most frequent queries with their last time."""
    async with async_database.begin(tenant.actor) as tx:
        for query in ("b", "a", "b"):
            await tx.session.run_sync(SearchEntryFactory.insert, user_id=tenant.user_id, query=query)
        await tx.session.run_sync(
            SearchEntryFactory.insert, user_id=tenant.user_id, query=None, mode=SearchMode.VECTOR
        )
        page = await tx.search_history.list(limit=3)
        rest = await tx.search_history.list(limit=3, cursor=page.next_cursor)
        assert [entry.query for entry in (*page.items, *rest.items)] == [None, "b", "a", "b"]
        top = await tx.search_history.top_queries()
        assert [(entry.query, entry.count) for entry in top] == [("b", 2), ("a", 1)]
        assert top[0].last_at == page.items[1].created_at
    async with async_database.begin(stranger.actor) as tx:
        assert (await tx.search_history.list()).items == []
        assert await tx.search_history.top_queries() == []


async def test_history_is_purged_by_age(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """Older searches go, younger ones stay."""
    async with async_database.begin(tenant.actor) as tx:
        old = datetime.now(UTC) - timedelta(days=100)
        await tx.session.run_sync(SearchEntryFactory.insert, user_id=tenant.user_id, created_at=old)
        await tx.session.run_sync(SearchEntryFactory.insert, user_id=tenant.user_id, query="young")
        assert await tx.search_history.purge_older_than(timedelta(days=90)) == 1
        assert [entry.query for entry in (await tx.search_history.list()).items] == ["young"]
        with pytest.raises(InvalidValue):
            await tx.search_history.purge_older_than(timedelta(days=-1))

# Generated from test_outbox_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The queue towards the vector mirror, and the search history (S4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import InvalidValue, PermissionDenied
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import SearchMode
from devmentor_models.memory.models import OutboxEntry
from devmentor_models.testing.factories.memory import OutboxEntryFactory, SearchEntryFactory
from tests.memory.conftest import Tenant
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio


def _queue(tx: Transaction, tenant: Tenant, count: int) -> Sequence[UUID]:
    """Queue entries that are due, oldest first."""
    keys = []
    for _ in range(count):
        entry = OutboxEntryFactory.insert(tx.session, user_id=tenant.user_id)
        keys.append(entry.id)
    return keys


def test_an_entry_is_claimed_once(database: Database, tenant: Tenant) -> None:
    """Until its lease ends; then it is due again, so a worker that died loses nothing."""
    with database.begin(tenant.actor) as tx:
        first, second = _queue(tx, tenant, 2)
    with database.begin(tenant.actor) as tx:
        (claimed,) = tx.outbox.claim(limit=1)
        assert (claimed.id, claimed.attempts) == (first, 1)
        assert claimed.claimed_at is not None
        assert [entry.id for entry in tx.outbox.claim()] == [second]
        assert tx.outbox.claim() == []
        past = datetime.now(UTC) - timedelta(seconds=1)
        tx.session.execute(update(OutboxEntry).where(OutboxEntry.id == first).values(available_at=past))
        assert [(entry.id, entry.attempts) for entry in tx.outbox.claim()] == [(first, 2)]


def test_workers_share_the_queue(database: Database, tenant: Tenant) -> None:
    """Several at a time get different entries, and none of them waits (trap 37)."""
    with database.begin(tenant.actor) as tx:
        keys = _queue(tx, tenant, 40)

    def work() -> list[UUID]:
        with database.begin(tenant.actor) as tx:
            return [entry.id for entry in tx.outbox.claim(limit=10)]

    outcomes = run_concurrently([work] * 4)
    taken = [key for outcome in outcomes if isinstance(outcome, list) for key in outcome]
    assert len(set(taken)) == len(taken)
    with database.begin(tenant.actor) as tx:
        taken += [entry.id for entry in tx.outbox.claim()]
        assert sorted(taken) == sorted(keys)


def test_acknowledge_and_fail(database: Database, tenant: Tenant) -> None:
    """What is done goes; what failed comes back after a pause that doubles, and is never the same."""
    with database.begin(tenant.actor) as tx:
        done, failed = _queue(tx, tenant, 2)
        tx.outbox.claim()
        assert tx.outbox.acknowledge([done]) == 1
        assert tx.outbox.acknowledge([done]) == 0
        for attempts, longest in ((1, 2), (3, 8), (40, 3600)):
            tx.session.execute(update(OutboxEntry).where(OutboxEntry.id == failed).values(attempts=attempts))
            before = datetime.now(UTC)
            assert tx.outbox.fail([failed], "the mirror is away") == 1
            entry = tx.session.get(OutboxEntry, failed, populate_existing=True)
            assert entry is not None
            assert (entry.last_error, entry.claimed_at) == ("the mirror is away", None)
            assert longest / 2 - 1 <= (entry.available_at - before).total_seconds() <= longest + 5
        assert tx.outbox.claim() == []
        assert tx.outbox.fail([uuid7()], "unknown") == 0
        with pytest.raises(InvalidValue):
            tx.outbox.fail([failed], "nul \x00")
        for lease in (timedelta(0), timedelta(days=-1)):
            with pytest.raises(InvalidValue, match="lease"):
                tx.outbox.claim(lease=lease)


def test_states_are_for_the_service_alone(database: Database, tenant: Tenant) -> None:
    """Whoever acts for a user reads by row security, not by the worker's functions."""
    with database.begin(tenant.actor) as tx:
        (entry,) = _queue(tx, tenant, 1)
        for call in (
            lambda: tx.outbox.states([entry]),
            lambda: tx.outbox.points("c", after=entry),
            lambda: tx.outbox.add("c", [entry]),
        ):
            with pytest.raises(PermissionDenied):
                with tx.savepoint():
                    call()
    with database.begin(Actor.service("memory")) as tx:
        assert tx.outbox.states([entry, uuid7()]) == {entry: None}


def test_count_stops_at_its_limit(database: Database, tenant: Tenant) -> None:
    """And says so."""
    with database.begin(tenant.actor) as tx:
        _queue(tx, tenant, 3)
        count = tx.outbox.count(up_to=2)
        assert (count.value, count.capped) == (2, True)
        count = tx.outbox.count()
        assert (count.value, count.capped) == (3, False)


def test_a_user_claims_own_entries_and_a_service_everybodys(
    database: Database, tenant: Tenant, stranger: Tenant
) -> None:
    """A worker acts for all tenants."""
    # Older than all that other tests queued, so that it comes first and theirs are left alone.
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    with database.begin(tenant.actor) as tx:
        entry = OutboxEntryFactory.insert(tx.session, user_id=tenant.user_id, available_at=long_ago)
    with database.begin(stranger.actor) as tx:
        assert tx.outbox.claim() == []
    with database.begin(Actor.service("memory")) as tx:
        assert [claimed.id for claimed in tx.outbox.claim(limit=1)] == [entry.id]


def test_history_lists_pages_and_counts(database: Database, tenant: Tenant, stranger: Tenant) -> None:
    """Newest first, own searches only; the most frequent queries with their last time."""
    with database.begin(tenant.actor) as tx:
        for query in ("b", "a", "b"):
            SearchEntryFactory.insert(tx.session, user_id=tenant.user_id, query=query)
        SearchEntryFactory.insert(tx.session, user_id=tenant.user_id, query=None, mode=SearchMode.VECTOR)
        page = tx.search_history.list(limit=3)
        rest = tx.search_history.list(limit=3, cursor=page.next_cursor)
        assert [entry.query for entry in (*page.items, *rest.items)] == [None, "b", "a", "b"]
        top = tx.search_history.top_queries()
        assert [(entry.query, entry.count) for entry in top] == [("b", 2), ("a", 1)]
        assert top[0].last_at == page.items[1].created_at
    with database.begin(stranger.actor) as tx:
        assert (tx.search_history.list()).items == []
        assert tx.search_history.top_queries() == []


def test_history_is_purged_by_age(database: Database, tenant: Tenant) -> None:
    """Older searches go, younger ones stay."""
    with database.begin(tenant.actor) as tx:
        old = datetime.now(UTC) - timedelta(days=100)
        SearchEntryFactory.insert(tx.session, user_id=tenant.user_id, created_at=old)
        SearchEntryFactory.insert(tx.session, user_id=tenant.user_id, query="young")
        assert tx.search_history.purge_older_than(timedelta(days=90)) == 1
        assert [entry.query for entry in (tx.search_history.list()).items] == ["young"]
        with pytest.raises(InvalidValue):
            tx.search_history.purge_older_than(timedelta(days=-1))

"""The response cache: hits, expiry, purging, tenants (F7)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.ai.models import CachedResponse
from devmentor_models.errors import ActorMissing, InvalidValue
from devmentor_models.testing.factories.ai import CachedResponseFactory
from tests.support.concurrency_async import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

REQUEST = hashlib.sha256(b"what is a b-tree?").digest()
MODEL = "gpt-test"


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def _earlier() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


async def test_hit_is_counted(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """An answer comes back as it was put, and each use is counted."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        await tx.response_cache.put(REQUEST, model=MODEL, response={"text": "sorted"}, expires_at=_later())
    for hits in (1, 2):
        async with async_database.begin(me) as tx:
            hit = await tx.response_cache.get_or_none(REQUEST, model=MODEL)
            assert hit is not None
            assert (hit.response, hit.hits) == ({"text": "sorted"}, hits)
            assert hit.last_hit_at is not None


async def test_hits_at_once_are_all_counted(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """No hit is lost when many requests use one answer."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        await tx.response_cache.put(REQUEST, model=MODEL, response="yes", expires_at=_later())

    async def use() -> int:
        async with async_database.begin(me) as tx:
            hit = await tx.response_cache.get_or_none(REQUEST, model=MODEL)
            return hit.hits if hit else 0

    assert sorted(map(str, await run_concurrently([use] * 8))) == [str(hits) for hits in range(1, 9)]


async def test_miss(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Another request, another model, an expired answer and another user's answer are misses."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    stale = hashlib.sha256(b"stale").digest()
    async with async_database.begin(me) as tx:
        await tx.response_cache.put(REQUEST, model=MODEL, response="yes", expires_at=_later())
        await tx.response_cache.put(stale, model=MODEL, response="no", expires_at=_earlier())
        assert await tx.response_cache.get_or_none(hashlib.sha256(b"x").digest(), model=MODEL) is None
        assert await tx.response_cache.get_or_none(REQUEST, model="gpt-other") is None
        assert await tx.response_cache.get_or_none(stale, model=MODEL) is None
    async with async_database.begin(other) as tx:
        assert await tx.response_cache.get_or_none(REQUEST, model=MODEL) is None


async def test_put_replaces(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A new answer replaces the old one, and its count of hits starts again."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        first = await tx.response_cache.put(REQUEST, model=MODEL, response=[1], expires_at=_later())
        await tx.response_cache.get_or_none(REQUEST, model=MODEL)
        again = await tx.response_cache.put(REQUEST, model=MODEL, response=[2], expires_at=_later())
        assert again is first
        assert (again.response, again.hits, again.last_hit_at) == ([2], 0, None)


async def test_purge_takes_bounded_batches(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Expired answers go oldest first, as many as asked for; good ones stay."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        assert me.user_id is not None
        for hours in range(5):
            await tx.session.run_sync(
                CachedResponseFactory.insert,
                user_id=me.user_id,
                expires_at=_earlier() - timedelta(hours=hours),
            )
        good: CachedResponse = await tx.session.run_sync(CachedResponseFactory.insert, user_id=me.user_id)
        assert await tx.response_cache.purge_expired(limit=2) == 2
        assert await tx.response_cache.purge_expired(limit=100) == 3
        assert await tx.response_cache.purge_expired() == 0
        assert await tx.response_cache.get_or_none(good.request_hash, model=good.model) is good


async def test_purge_for_everybody(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A user purges only the own answers; the gateway alone purges everybody's."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    async with async_database.begin(other) as tx:
        await tx.response_cache.put(REQUEST, model=MODEL, response=1, expires_at=_earlier())
    async with async_database.begin(me) as tx:
        assert await tx.response_cache.purge_expired() == 0
    async with async_database.begin(Actor.service("ai")) as tx:
        assert await tx.response_cache.purge_expired() >= 1
    async with async_database.begin(other) as tx:
        assert await tx.response_cache.purge_expired() == 0


async def test_bad_values(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A hash that is none, a naive time, a missing answer and an odd limit are refused by name."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        with pytest.raises(InvalidValue, match="request_hash"):
            await tx.response_cache.put(b"short", model=MODEL, response=1, expires_at=_later())
        with pytest.raises(InvalidValue, match="request_hash"):
            await tx.response_cache.get_or_none(b"short", model=MODEL)
        with pytest.raises(InvalidValue, match="expires_at"):
            await tx.response_cache.put(
                REQUEST, model=MODEL, response=1, expires_at=_later().replace(tzinfo=None)
            )
        with pytest.raises(InvalidValue, match="response"):
            await tx.response_cache.put(REQUEST, model=MODEL, response=None, expires_at=_later())
        for limit in (0, -1, 10_001):
            with pytest.raises(InvalidValue, match="limit"):
                await tx.response_cache.purge_expired(limit=limit)


async def test_needs_a_user(async_database: AsyncDatabase) -> None:
    """A service that acts for no user has no answers of its own."""
    async with async_database.begin(Actor.service("ai")) as tx:
        with pytest.raises(ActorMissing):
            await tx.response_cache.get_or_none(REQUEST, model=MODEL)

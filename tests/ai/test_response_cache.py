# Generated from test_response_cache_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The response cache: hits, expiry, purging, tenants (F7)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from devmentor_models import Actor, Database
from devmentor_models.ai.models import CachedResponse
from devmentor_models.errors import ActorMissing, InvalidValue
from devmentor_models.testing.factories.ai import CachedResponseFactory
from tests.support.concurrency import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

REQUEST = hashlib.sha256(b"what is a b-tree?").digest()
MODEL = "gpt-test"


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def _earlier() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def test_hit_is_counted(database: Database, new_user: NewUser) -> None:
    """An answer comes back as it was put, and each use is counted."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        tx.response_cache.put(REQUEST, model=MODEL, response={"text": "sorted"}, expires_at=_later())
    for hits in (1, 2):
        with database.begin(me) as tx:
            hit = tx.response_cache.get_or_none(REQUEST, model=MODEL)
            assert hit is not None
            assert (hit.response, hit.hits) == ({"text": "sorted"}, hits)
            assert hit.last_hit_at is not None


def test_hits_at_once_are_all_counted(database: Database, new_user: NewUser) -> None:
    """No hit is lost when many requests use one answer."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        tx.response_cache.put(REQUEST, model=MODEL, response="yes", expires_at=_later())

    def use() -> int:
        with database.begin(me) as tx:
            hit = tx.response_cache.get_or_none(REQUEST, model=MODEL)
            return hit.hits if hit else 0

    assert sorted(map(str, run_concurrently([use] * 8))) == [str(hits) for hits in range(1, 9)]


def test_miss(database: Database, new_user: NewUser) -> None:
    """Another request, another model, an expired answer and another user's answer are misses."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    stale = hashlib.sha256(b"stale").digest()
    with database.begin(me) as tx:
        tx.response_cache.put(REQUEST, model=MODEL, response="yes", expires_at=_later())
        tx.response_cache.put(stale, model=MODEL, response="no", expires_at=_earlier())
        assert tx.response_cache.get_or_none(hashlib.sha256(b"x").digest(), model=MODEL) is None
        assert tx.response_cache.get_or_none(REQUEST, model="gpt-other") is None
        assert tx.response_cache.get_or_none(stale, model=MODEL) is None
    with database.begin(other) as tx:
        assert tx.response_cache.get_or_none(REQUEST, model=MODEL) is None


def test_put_replaces(database: Database, new_user: NewUser) -> None:
    """A new answer replaces the old one, and its count of hits starts again."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        first = tx.response_cache.put(REQUEST, model=MODEL, response=[1], expires_at=_later())
        tx.response_cache.get_or_none(REQUEST, model=MODEL)
        again = tx.response_cache.put(REQUEST, model=MODEL, response=[2], expires_at=_later())
        assert again is first
        assert (again.response, again.hits, again.last_hit_at) == ([2], 0, None)


def test_purge_takes_bounded_batches(database: Database, new_user: NewUser) -> None:
    """Expired answers go oldest first, as many as asked for; good ones stay."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        assert me.user_id is not None
        for hours in range(5):
            CachedResponseFactory.insert(
                tx.session,
                user_id=me.user_id,
                expires_at=_earlier() - timedelta(hours=hours),
            )
        good: CachedResponse = CachedResponseFactory.insert(tx.session, user_id=me.user_id)
        assert tx.response_cache.purge_expired(limit=2) == 2
        assert tx.response_cache.purge_expired(limit=100) == 3
        assert tx.response_cache.purge_expired() == 0
        assert tx.response_cache.get_or_none(good.request_hash, model=good.model) is good


def test_purge_for_everybody(database: Database, new_user: NewUser) -> None:
    """A user purges only the own answers; the gateway alone purges everybody's."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    with database.begin(other) as tx:
        tx.response_cache.put(REQUEST, model=MODEL, response=1, expires_at=_earlier())
    with database.begin(me) as tx:
        assert tx.response_cache.purge_expired() == 0
    with database.begin(Actor.service("ai")) as tx:
        assert tx.response_cache.purge_expired() >= 1
    with database.begin(other) as tx:
        assert tx.response_cache.purge_expired() == 0


def test_bad_values(database: Database, new_user: NewUser) -> None:
    """A hash that is none, a naive time, a missing answer and an odd limit are refused by name."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        with pytest.raises(InvalidValue, match="request_hash"):
            tx.response_cache.put(b"short", model=MODEL, response=1, expires_at=_later())
        with pytest.raises(InvalidValue, match="request_hash"):
            tx.response_cache.get_or_none(b"short", model=MODEL)
        with pytest.raises(InvalidValue, match="expires_at"):
            tx.response_cache.put(REQUEST, model=MODEL, response=1, expires_at=_later().replace(tzinfo=None))
        with pytest.raises(InvalidValue, match="response"):
            tx.response_cache.put(REQUEST, model=MODEL, response=None, expires_at=_later())
        for limit in (0, -1, 10_001):
            with pytest.raises(InvalidValue, match="limit"):
                tx.response_cache.purge_expired(limit=limit)


def test_needs_a_user(database: Database) -> None:
    """A service that acts for no user has no answers of its own."""
    with database.begin(Actor.service("ai")) as tx:
        with pytest.raises(ActorMissing):
            tx.response_cache.get_or_none(REQUEST, model=MODEL)

"""A statement whose rows are streamed runs on another kind of cursor, and leaves as little behind."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase, Database
from tests.support.logins import ask

ACTOR = Actor.service("test")
PLANT = text("SELECT pg_advisory_lock(4711), set_config('work_mem', '65kB', false)")
STREAMED = {"stream_results": True}


def locks(url: str) -> list[tuple[object, ...]]:
    """Return what is locked in the database of ``url``, by whomever."""
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return ask(url, query)


def test_nothing_is_left(devmentor_database_url: str) -> None:
    """The session is cleared with the end of the block, not with the beginning of the next one."""
    with Database.from_url(devmentor_database_url) as database:
        with database.begin(ACTOR) as tx:
            assert tx.session.execute(PLANT, execution_options=STREAMED).all()
        assert locks(devmentor_database_url) == []


@pytest.mark.anyio
async def test_nothing_is_left_async(devmentor_database_url: str) -> None:
    """The same for asyncio, and in a block that only reads."""
    async with AsyncDatabase.from_url(devmentor_database_url) as database:
        async with database.begin(ACTOR, readonly=True) as tx:
            result = await tx.session.stream(PLANT)
            assert await result.all()
        assert locks(devmentor_database_url) == []

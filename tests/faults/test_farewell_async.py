"""A server that ends a session says so; until the connection is closed, it looks as if it were open."""

from __future__ import annotations

import gc
import logging

import pytest
from sqlalchemy import text

from devmentor_models.errors import ConnectionLost
from tests.faults.balance_async import ACTOR, SIZE, async_balanced
from tests.support.proxy import Proxy

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fails", [True, False], ids=["rolls back", "goes on"])
async def test_a_farewell_is_enough(
    fails: bool, devmentor_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the block raised is what counts, and nothing is left to the garbage collector."""
    with Proxy(devmentor_url) as proxy:
        proxy.lingering = 0.1
        async with async_balanced(devmentor_url, proxy.url) as balance:
            for _ in range(SIZE + 1):
                with pytest.raises(RuntimeError if fails else ConnectionLost):
                    async with balance.database.begin(ACTOR) as tx:
                        await tx.session.execute(text("SELECT 1"))
                        balance.kill()
                        if fails:
                            raise RuntimeError
                        await tx.session.execute(text("SELECT 1"))
            gc.collect()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
async def test_a_session_that_lasted_too_long_is_lost(limit: str, devmentor_url: str) -> None:
    """The server has ended it, by a code of its own."""
    async with async_balanced(devmentor_url) as balance:
        with pytest.raises(ConnectionLost):
            async with balance.database.begin(ACTOR) as tx:
                await tx.session.execute(text(f"SET LOCAL {limit} = '10ms'"))
                while True:
                    balance.ask("SELECT pg_sleep(0.05)")
                    await tx.session.execute(text("SELECT 1"))

"""A transaction that only reads does not wait for the answer to its COMMIT; whoever comes next reads it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, text

from devmentor_models.auth.models import User
from devmentor_models.errors import ConnectionLost
from tests.faults.balance_async import ACTOR, AsyncBalance, async_balanced
from tests.support.concurrency_async import run_concurrently, until
from tests.support.proxy import FRONTEND, Proxy

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.faults)]),
]
#: Prepared by then, so that each block sends the same.
WARM_UP = 4


async def read(balance: AsyncBalance, **how: Any) -> None:
    """Read something; by default in a transaction that may do nothing else."""
    async with balance.database.begin(ACTOR, **{"readonly": True, **how}) as tx:
        await tx.session.execute(select(User.id).limit(1))


async def read_and_hold(balance: AsyncBalance, proxy: Proxy, **how: Any) -> None:
    """Read, and have the proxy keep back the answer to COMMIT."""
    for _ in range(WARM_UP):
        await read(balance, **how)
    await balance.settle()
    async with balance.database.begin(ACTOR, **{"readonly": True, **how}) as tx:
        await tx.session.execute(select(User.id).limit(1))
        proxy.reset()
        proxy.holding = True


@pytest.mark.parametrize("isolation", [None, "REPEATABLE READ"])
async def test_a_block_that_only_reads_ends_before_the_answer(
    isolation: str | None, prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """Its connection is free at once, and the next one to have it reads that answer first."""
    async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1) as balance:
        await read_and_hold(balance, proxy, isolation=isolation)
        assert balance.database.pool_stats().available == 1
        await until(lambda: proxy.messages[FRONTEND])
        proxy.holding = False
        await read(balance)
        assert len(balance.states()) == 1
        assert balance.database.pool_stats().lost == 0


@pytest.mark.parametrize("how", [{"readonly": False}, {"isolation": "SERIALIZABLE"}])
async def test_what_can_fail_is_waited_for(
    how: dict[str, Any], prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """A COMMIT that may write, or find a conflict, is over once the server says so."""
    ended: list[bool] = []
    async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1) as balance:

        async def block() -> None:
            await read_and_hold(balance, proxy, **how)
            ended.append(proxy.holding)

        async def release() -> None:
            await until(lambda: proxy.holding and proxy.messages[FRONTEND])
            await asyncio.sleep(0.05)
            proxy.holding = False

        await run_concurrently([block, release])
    assert ended == [False]


async def test_sql_of_others_is_cleared_away_with_it(
    prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """A block that ran SQL of its own waits, read-only or not: the session is discarded to its beginning."""
    async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1) as balance:
        async with balance.database.begin(ACTOR, readonly=True) as tx:
            await tx.session.execute(text("PREPARE planted AS SELECT 1"))
        async with balance.database.begin(ACTOR, readonly=True) as tx:
            left = await tx.session.execute(text("SELECT name FROM pg_prepared_statements WHERE from_sql"))
            assert left.all() == []


@pytest.mark.parametrize("abruptly", [True, False])
async def test_an_answer_that_never_comes_costs_the_connection(
    prepared: bool, devmentor_url: str, proxy: Proxy, *, abruptly: bool
) -> None:
    """The block has read what it wanted; the next one begins on another connection."""
    async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1) as balance:
        await read_and_hold(balance, proxy)
        proxy.cut_all(abruptly=abruptly)
        proxy.holding = False
        await read(balance)
        await balance.settle()
        assert balance.database.pool_stats().lost == 1


async def test_an_answer_is_not_waited_for_without_end(
    prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """A connection that keeps silent is given up, and the next block begins on another one."""
    async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1) as balance:
        await read_and_hold(balance, proxy)

        async def block() -> None:
            await read(balance)

        async def release() -> None:
            await until(lambda: balance.database.pool_stats().lost)
            proxy.holding = False

        results = await run_concurrently([block, release])
        assert results == [None, None]


async def test_sessions_end_before_the_answer_is_read(prepared: bool, devmentor_url: str) -> None:
    """All connections that nobody has used since are found dead, and replaced."""
    async with async_balanced(devmentor_url, prepared_statements=prepared) as balance:

        async def block() -> None:
            for _ in range(WARM_UP):
                await read(balance)

        await run_concurrently([block] * balance.size)
        await balance.settle()  # also with connections that were still on their way
        balance.kill()
        await read(balance)


async def test_one_that_is_cut_while_it_waits_for_the_answer(
    prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """Whoever is given such a connection never notices that it is of no use."""
    async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1) as balance:
        await read_and_hold(balance, proxy)

        async def cut() -> None:
            await until(lambda: not balance.database.pool_stats().available)
            proxy.cut_all()
            proxy.holding = False

        async def block() -> None:
            await read(balance)

        results = await run_concurrently([block, cut])
        assert not [each for each in results if isinstance(each, ConnectionLost)]

"""An AsyncDatabase belongs to one event loop at a time, and can be closed from anywhere."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from devmentor_models import AsyncDatabase
from devmentor_models.errors import DatabaseClosed, WrongEventLoop
from tests.faults.balance_async import ACTOR, PATIENCE_SECONDS, AsyncBalance


@pytest.fixture
def balance(devmentor_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[AsyncBalance]:
    """Yield a database; the server must know nothing of it afterwards."""
    # The record of an attempt that ends with its loop keeps the exception, and that the half-made connection.
    caplog.set_level(logging.ERROR, "psycopg.pool")
    made = AsyncBalance(devmentor_url, pool_min=1)
    yield made
    give_up = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.01)):
        if not made.states():
            break
        give_up.wait(0.01)
    assert made.states() == {}
    made.observer.close()


async def backend(database: AsyncDatabase) -> int:
    """Run a transaction."""
    async with database.begin(ACTOR) as tx:
        pid: int = (await tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        return pid


def test_it_moves_when_its_loop_is_closed(balance: AsyncBalance) -> None:
    """As with one `asyncio.run` after the other; the connections of the former are closed."""
    first = asyncio.run(backend(balance.database))
    second = asyncio.run(backend(balance.database))
    assert first != second
    assert first not in balance.states()
    asyncio.run(balance.database.close())


def test_another_loop_is_refused_while_its_own_is_open(balance: AsyncBalance) -> None:
    """With an error of ours that says what to do; its own loop goes on."""
    with asyncio.Runner() as own, asyncio.Runner() as other:
        pid = own.run(backend(balance.database))
        for work in (balance.database.verify_schema, balance.database.__aenter__):
            with pytest.raises(WrongEventLoop, match="event loop of its first use"):
                other.run(work())
        with pytest.raises(WrongEventLoop):
            other.run(backend(balance.database))
        assert pid in balance.states()
        own.run(backend(balance.database))
        own.run(balance.database.close())


def test_it_closes_before_its_first_use_and_twice(balance: AsyncBalance) -> None:
    """And then it is closed."""
    asyncio.run(balance.database.close())
    asyncio.run(balance.database.close())
    with pytest.raises(DatabaseClosed):
        asyncio.run(backend(balance.database))


def test_it_closes_with_its_loop_closed(balance: AsyncBalance) -> None:
    """Nobody else could."""
    asyncio.run(backend(balance.database))
    asyncio.run(balance.database.close())
    asyncio.run(balance.database.close())


def test_it_closes_with_its_loop_stopped(balance: AsyncBalance) -> None:
    """A loop that runs no more cannot be asked to."""
    with asyncio.Runner() as own:
        own.run(backend(balance.database))
        asyncio.run(balance.database.close())
        with pytest.raises(DatabaseClosed):
            own.run(backend(balance.database))


def test_it_closes_from_another_thread(balance: AsyncBalance) -> None:
    """Its loop runs there; a transaction that is open there ends as it would have."""
    opened, closed = threading.Event(), threading.Event()

    async def use() -> None:
        async with balance.database.begin(ACTOR) as tx:
            opened.set()
            await asyncio.to_thread(closed.wait, PATIENCE_SECONDS)
            assert (await tx.session.execute(text("SELECT 1"))).scalar_one() == 1

    thread = threading.Thread(target=lambda: asyncio.run(use()))
    thread.start()
    assert opened.wait(PATIENCE_SECONDS)
    asyncio.run(balance.database.close())
    closed.set()
    thread.join()


def test_a_transaction_ends_after_its_database_was_closed(balance: AsyncBalance) -> None:
    """Its connection is closed then."""

    async def use() -> None:
        async with balance.database.begin(ACTOR) as tx:
            await balance.database.close()
            assert (await tx.session.execute(text("SELECT 1"))).scalar_one() == 1

    asyncio.run(use())


def test_a_loop_ends_without_close(balance: AsyncBalance) -> None:
    """In the middle of connecting, waiting and working; `asyncio.run` must not hang."""

    async def use(seconds: float) -> None:
        tasks = [asyncio.create_task(backend(balance.database)) for _ in range(10)]
        await asyncio.wait(tasks, timeout=seconds)

    for milliseconds in range(0, 30, 3):
        asyncio.run(use(milliseconds / 1000))
    asyncio.run(balance.database.close())


def test_who_forgets_a_transaction_is_warned_and_loses_nothing(balance: AsyncBalance) -> None:
    """A transaction that is never left comes back when it is collected."""

    async def use() -> None:
        await balance.database.begin(ACTOR).__aenter__()
        with pytest.warns(Warning, match="garbage collector"):
            gc.collect()
        await balance.settle()
        await balance.database.close()

    asyncio.run(use())


def test_a_forgotten_database_goes_away(devmentor_url: str) -> None:
    """It is no leak: neither the loop nor the fork keeps it."""

    async def use() -> weakref.ref[AsyncDatabase]:
        database = AsyncDatabase.from_url(devmentor_url)
        await backend(database)
        await database.close()
        return weakref.ref(database)

    forgotten = asyncio.run(use())
    gc.collect()
    assert forgotten() is None

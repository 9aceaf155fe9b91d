"""A restart of the server costs the requests in flight and no others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from devmentor_models import AsyncDatabase
from devmentor_models.errors import CommitUnknown, ConnectionLost
from devmentor_models.migrate import upgrade
from tests.faults.balance_async import ACTOR, SIZE, async_balanced
from tests.faults.conftest import OwnServer
from tests.support.concurrency_async import run_concurrently
from tests.support.proxy import Proxy

pytestmark = pytest.mark.anyio
#: Threads or tasks.
CLIENTS = 200


class Clients:
    """So many that work without end, until somebody says stop.

    Attributes:
        done: How many transactions succeeded.
        lost: What became of the others: those that had begun, by the name of the error.
        refused: The same of those that had not begun.
    """

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database
        self.stop = False
        self.done = 0
        self.lost: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    async def work(self) -> None:
        """Run transactions one after the other."""
        while not self.stop:
            begun = False
            try:
                async with self._database.begin(ACTOR) as tx:
                    begun = True
                    await tx.session.execute(text("SELECT 1"))
                self.done += 1
            except (ConnectionLost, CommitUnknown) as error:
                (self.lost if begun else self.refused)[type(error).__name__] += 1

    async def run_beside(self, restart: Callable[[], Awaitable[object]]) -> None:
        """Let everybody work before, while and after something happens."""

        async def conduct() -> None:
            try:
                await self._until_done(CLIENTS)
                await restart()
                await self._until_done(CLIENTS)
            finally:
                self.stop = True

        raised = await run_concurrently([conduct, *([self.work] * CLIENTS)])
        assert [error for error in raised if error is not None] == []

    async def _until_done(self, more: int) -> None:
        target = self.done + more
        while self.done < target:  # noqa: ASYNC110 - others count in a busy loop, which need not tell
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.faults)])
async def test_the_network_goes_and_comes(prepared: bool, devmentor_url: str) -> None:
    """Every connection is cut, and no new one is let through for a moment."""
    with Proxy(devmentor_url) as proxy:
        async with async_balanced(
            devmentor_url, proxy.url, prepared_statements=prepared, pool_timeout_seconds=60.0
        ) as balance:
            clients = Clients(balance.database)

            async def restart() -> None:
                proxy.refuse(refusing=True)
                await asyncio.sleep(0.1)
                proxy.refuse(refusing=False)

            await clients.run_beside(restart)
    assert sum(clients.lost.values()) <= SIZE
    assert not clients.refused


@pytest.mark.faults
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unprepared"])
async def test_the_server_is_restarted(prepared: bool, own_server: OwnServer) -> None:
    """The same with a real server, which says goodbye, and is starting for a while."""
    upgrade(own_server.url("postgres"))
    async with async_balanced(
        own_server.url("postgres"),
        prepared_statements=prepared,
        pool_timeout_seconds=60.0,
    ) as balance:
        clients = Clients(balance.database)

        async def restart() -> None:
            await asyncio.sleep(0)
            own_server.stop()
            own_server.start()
            balance.connect()

        await clients.run_beside(restart)
    assert sum(clients.lost.values()) <= SIZE
    assert not clients.refused

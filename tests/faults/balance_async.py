"""A small pool to do harm to, and the question whether it came through whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import make_url, text

from devmentor_models import Actor, AsyncDatabase
from tests.support.concurrency_async import meeting, run_concurrently

ACTOR = Actor.service("test")
SIZE = 3
PATIENCE_SECONDS = 10.0
PID = text("SELECT pg_backend_pid()")
_STATES = "SELECT pid, state FROM pg_stat_activity WHERE application_name = %s"


class AsyncBalance:
    """A database with a pool of its own, and a view of it from the server.

    Args:
        server: The URL of the database, for somebody who may end other sessions.
        url: The URL to connect with; that of a proxy, for example.
    """

    def __init__(self, server: str, url: str | None = None, **settings: Any) -> None:
        self.name = f"faults-{uuid4().hex[:12]}"
        self._server = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
        self.observer = psycopg.connect(self._server, autocommit=True, application_name="observer")
        limits: dict[str, Any] = {"pool_min": 0, "pool_max": SIZE, "pool_timeout_seconds": PATIENCE_SECONDS}
        limits |= settings
        self.size: int = limits["pool_max"]
        self.database = AsyncDatabase.from_url(url or server, application_name=self.name, **limits)

    def connect(self) -> None:
        """Connect the observer, anew after a restart of the server."""
        self.observer.close()
        self.observer = psycopg.connect(self._server, autocommit=True, application_name="observer")

    def ask(self, query: str, *values: object) -> list[Any]:
        """Ask the server, on a connection that has nothing to do with the pool."""
        return self.observer.execute(query.encode(), values).fetchall()

    def kill(self) -> None:
        """End every session of the pool, as an administrator does, and wait until they are gone."""
        killed = set(self.states())
        self.ask("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", list(killed))
        give_up = time.monotonic() + PATIENCE_SECONDS
        while killed & set(self.states()):
            assert time.monotonic() < give_up
            time.sleep(0.002)  # the server is waited for, not the event loop

    def states(self) -> dict[int, str]:
        """Return what the server's sessions of this pool are doing: pid and state."""
        return dict(self.ask(_STATES, self.name))

    def waits(self) -> bool:
        """Say whether the server is at a statement of this pool."""
        return "active" in self.states().values()

    async def settle(self) -> None:
        """Wait until everything is given back, and the server knows of nothing else."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            stats, states = self.database.pool_stats(), self.states()
            calm = not states or set(states.values()) == {"idle"}
            if calm and stats.size == stats.available >= len(states) and stats.waiting == 0:
                return
            assert time.monotonic() < give_up, (stats, states)
            await asyncio.sleep(0.005)

    async def assert_whole(self) -> None:
        """Fail unless nothing is lent or left behind, and all of the pool's transactions run at once."""
        await self.settle()
        meet = meeting(self.size)

        async def work() -> int:
            async with self.database.begin(ACTOR) as tx:
                pid: int = (await tx.session.execute(PID)).scalar_one()
                await meet()
                return pid

        pids = await run_concurrently([work] * self.size)
        assert len({pid for pid in pids if isinstance(pid, int)}) == self.size, pids
        await self.settle()
        assert self.database.pool_stats().size == self.size


@asynccontextmanager
async def async_balanced(server: str, url: str | None = None, **settings: Any) -> AsyncIterator[AsyncBalance]:
    """Yield a pool to do harm to, and assert that it is whole in the end."""
    balance = AsyncBalance(server, url, **settings)
    async with balance.database:
        yield balance
        await balance.assert_whole()
    balance.observer.close()

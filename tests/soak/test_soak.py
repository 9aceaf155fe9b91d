"""A hundred clients and a saboteur: in the end the ledgers, the tables, the pools and the server agree.

nox -s soak                                # ten minutes
DEVMENTOR_SOAK_SECONDS=60 nox -s soak      # as long as one likes
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import anyio
import psycopg
import pytest
from sqlalchemy.orm import Session

from devmentor_models.kit.keys import generate_key
from devmentor_models.migrate import upgrade
from devmentor_models.migrations import context_keys
from devmentor_models.security.declarations import Service
from devmentor_models.security.signing import ContextKeys
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.faults.balance import Balance, balanced
from tests.faults.balance_async import AsyncBalance, async_balanced
from tests.faults.conftest import OwnServer, running
from tests.soak.client import Client
from tests.soak.client_async import AsyncClient
from tests.soak.ledger import Ledger, Tenant, differences
from tests.soak.saboteur import Saboteur
from tests.support.users import committed

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

SECONDS = float(os.environ.get("DEVMENTOR_SOAK_SECONDS", "600"))
TENANTS, TASKS, THREADS = 8, 60, 40
#: How much more memory the last third may take than the first: lenient, for the ledgers grow.
GROWTH = 1.5
_ROWS = "SELECT title, description, user_id, project_id FROM projects.tasks"
_LOCKS = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = ANY (%s)"


@dataclass(frozen=True)
class Place:
    """The database of the soak.

    Attributes:
        server: The server.
        owner: Its URL, for whoever may do everything.
        url: Its URL, for the services.
        key: Signs the contexts.
        tenants: Whose rows are written.
    """

    server: OwnServer
    owner: str
    url: str
    key: str
    tenants: list[Tenant]


@pytest.fixture
def place() -> Iterator[Place]:
    """Yield a database where only signed contexts count, on a server that keeps what it has committed."""
    # Otherwise a server that is stopped immediately forgets the newest commits, as it is allowed to.
    with running(synchronous_commit="on") as server:
        owner, key = server.url(), generate_key()
        upgrade(owner)
        context_keys.install(owner, ContextKeys.from_text(key))
        roles = [f"devmentor_{service}" for service in Service]

        def tenants(session: Session) -> list[Tenant]:
            projects = [ProjectFactory.insert(session) for _ in range(TENANTS)]
            return [Tenant(project.user_id, project.id) for project in projects]

        made = committed(owner.replace("postgresql:", "postgresql+psycopg:"), tenants)
        with DatabaseServer(owner, lasting=False).login(owner, *roles) as url:
            yield Place(server, owner, url, key, made)


@dataclass
class Soak:
    """The clients.

    Attributes:
        ledgers: What each of them wrote.
        raised: What none of them may raise, and what nobody retrieved.
    """

    tenants: list[Tenant]
    ledgers: list[Ledger] = field(default_factory=list)
    raised: list[Any] = field(default_factory=list)
    over: bool = False

    def ledger(self, name: str) -> Ledger:
        """Return the ledger of a new client."""
        tenant = self.tenants[len(self.ledgers) % len(self.tenants)]
        self.ledgers.append(Ledger(tenant, f"{name}-{len(self.ledgers)}"))
        return self.ledgers[-1]

    async def task(self, client: AsyncClient) -> None:
        """Work in an event loop, and be interrupted now and then."""
        ways = [plainly, cancelled, cancelled_at_commit, by_timeout, by_scope, by_group]
        while not self.over:
            way = random.choices(ways, weights=[20, 2, 1, 1, 1, 1])[0]
            try:
                await way(client)
            except BaseException as error:  # noqa: BLE001 - told in the end
                self.raised.append(error)
            await asyncio.sleep(random.uniform(0, 0.05))

    def thread(self, client: Client) -> None:
        """Work in a thread."""
        while not self.over:
            try:
                client.work()
            except BaseException as error:  # noqa: BLE001 - likewise
                self.raised.append(error)
            time.sleep(random.uniform(0, 0.05))


def a_while() -> float:
    """Return how long a transaction may last before it is interrupted."""
    return random.choice([0.0, random.expovariate(100), random.expovariate(10)])


async def plainly(client: AsyncClient) -> None:
    """Do not interrupt it."""
    await client.work()


async def cancelled(client: AsyncClient) -> None:
    """Cancel it, once or as often as one likes."""
    task = asyncio.ensure_future(client.work())
    await asyncio.sleep(a_while())
    for _ in range(random.choice([1, 2, 50])):
        task.cancel()
        for _ in range(random.randint(0, 2)):
            await asyncio.sleep(0)
    with suppress(asyncio.CancelledError):
        await task


async def cancelled_at_commit(client: AsyncClient) -> None:
    """Cancel it while it waits for COMMIT."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(client.work())
    wait = random.choice([0.0, 0.0005, 0.002])
    client.ledger.completed = lambda: loop.call_later(wait, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
    client.ledger.completed = None


async def by_timeout(client: AsyncClient) -> None:
    """Let it run out of time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(a_while()):
            await client.work()


async def by_scope(client: AsyncClient) -> None:
    """Let a cancel scope of anyio end."""
    with anyio.move_on_after(a_while()):
        await client.work()


async def by_group(client: AsyncClient) -> None:
    """Let somebody fail beside it."""

    async def fail() -> None:
        await asyncio.sleep(a_while())
        raise RuntimeError("beside")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(client.work())
            group.create_task(fail())
    if [type(error) for error in caught.value.exceptions] != [RuntimeError]:
        raise caught.value


async def run(soak: Soak, balances: tuple[AsyncBalance, Balance], saboteur: Saboteur) -> None:
    """Let everybody work for the given time."""
    asyncio.get_running_loop().set_exception_handler(lambda _, context: soak.raised.append(context))
    clients = [AsyncClient(balances[0].database, soak.ledger("task")) for _ in range(TASKS)]
    tasks = [asyncio.ensure_future(soak.task(client)) for client in clients]
    threads = [
        threading.Thread(target=soak.thread, args=[Client(balances[1].database, soak.ledger("thread"))])
        for _ in range(THREADS)
    ]
    for thread in (*threads, saboteur):
        thread.start()
    await asyncio.sleep(SECONDS)
    await asyncio.to_thread(saboteur.stop)
    soak.over = True
    await asyncio.gather(*tasks)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    gc.collect()
    await asyncio.sleep(0)


async def test_everything_agrees_in_the_end(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing acknowledged is lost, nothing refused is there, and the pools are whole."""
    caplog.set_level(logging.ERROR)  # a record of a warning keeps the connection that it is about
    soak = Soak(place.tenants)
    settings: dict[str, Any] = {"context_key": place.key, "pool_timeout_seconds": 30.0}
    async with async_balanced(place.owner, place.url, pool_max=12, **settings) as tasks:
        with balanced(place.owner, place.url, pool_max=8, **settings) as threads:
            names = [tasks.name, threads.name]
            saboteur = Saboteur(place.server, names, pause=max(5.0, SECONDS / 20))
            await run(soak, (tasks, threads), saboteur)
            report(soak, saboteur)
            tasks.connect()
            threads.connect()
            await tasks.assert_whole()
            await asyncio.to_thread(threads.assert_whole)
            for balance in (tasks, threads):
                assert list(balance.states().values()) == ["idle"] * balance.database.pool_stats().size
            with psycopg.connect(place.owner) as connection:
                found = differences(soak.ledgers, connection.execute(_ROWS).fetchall())
                assert connection.execute(_LOCKS, [names]).fetchall() == [(0,)]
    assert found == []
    assert saboteur.error is None
    assert soak.raised == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    third = len(saboteur.memory) // 3
    assert median(saboteur.memory[-third:]) <= GROWTH * median(saboteur.memory[:third])


def report(soak: Soak, saboteur: Saboteur) -> None:
    """Print what happened."""
    counted = sum((ledger.counted for ledger in soak.ledgers), Counter[str]())
    third = len(saboteur.memory) // 3
    print(f"\n{counted.total()} transactions in {SECONDS:.0f} s")
    for how, often in (*counted.most_common(), *saboteur.done.most_common()):
        print(f"  {often:7} {how}")
    first, last = saboteur.memory[:third], saboteur.memory[-third:]
    print(f"  memory: {median(first):.0f} MB in the first third, {median(last):.0f} MB in the last")

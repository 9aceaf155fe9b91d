# Generated from test_restart_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""A restart of the server costs the requests in flight and no others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import text

from devmentor_models import Database
from devmentor_models.errors import CommitUnknown, ConnectionLost
from devmentor_models.migrate import upgrade
from tests.faults.balance import ACTOR, SIZE, balanced
from tests.faults.conftest import OwnServer
from tests.support.concurrency import run_concurrently
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

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stop = False
        self.done = 0
        self.lost: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def work(self) -> None:
        """Run transactions one after the other."""
        while not self.stop:
            begun = False
            try:
                with self._database.begin(ACTOR) as tx:
                    begun = True
                    tx.session.execute(text("SELECT 1"))
                self.done += 1
            except (ConnectionLost, CommitUnknown) as error:
                (self.lost if begun else self.refused)[type(error).__name__] += 1

    def run_beside(self, restart: Callable[[], object]) -> None:
        """Let everybody work before, while and after something happens."""

        def conduct() -> None:
            try:
                self._until_done(CLIENTS)
                restart()
                self._until_done(CLIENTS)
            finally:
                self.stop = True

        raised = run_concurrently([conduct, *([self.work] * CLIENTS)])
        assert [error for error in raised if error is not None] == []

    def _until_done(self, more: int) -> None:
        target = self.done + more
        while self.done < target:
            time.sleep(0.01)


@pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.faults)])
def test_the_network_goes_and_comes(prepared: bool, devmentor_url: str) -> None:
    """Every connection is cut, and no new one is let through for a moment."""
    with Proxy(devmentor_url) as proxy:
        with balanced(
            devmentor_url, proxy.url, prepared_statements=prepared, pool_timeout_seconds=60.0
        ) as balance:
            clients = Clients(balance.database)

            def restart() -> None:
                proxy.refuse(refusing=True)
                time.sleep(0.1)
                proxy.refuse(refusing=False)

            clients.run_beside(restart)
    assert sum(clients.lost.values()) <= SIZE
    assert not clients.refused


@pytest.mark.faults
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unprepared"])
def test_the_server_is_restarted(prepared: bool, own_server: OwnServer) -> None:
    """The same with a real server, which says goodbye, and is starting for a while."""
    upgrade(own_server.url("postgres"))
    with balanced(
        own_server.url("postgres"),
        prepared_statements=prepared,
        pool_timeout_seconds=60.0,
    ) as balance:
        clients = Clients(balance.database)

        def restart() -> None:
            time.sleep(0)
            own_server.stop()
            own_server.start()
            balance.connect()

        clients.run_beside(restart)
    assert sum(clients.lost.values()) <= SIZE
    assert not clients.refused

"""Who does harm to the server's side of the soak: ends sessions, gives up statements, restarts the server."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

import psutil
import psycopg
from sqlalchemy import make_url

from tests.faults.conftest import OwnServer

_VICTIM = "SELECT {}(pid) FROM pg_stat_activity WHERE application_name = ANY (%s) ORDER BY random() LIMIT %s"


class Saboteur(threading.Thread):
    """Works until `stop`, and measures the memory of this process beside.

    Args:
        server: The server.
        names: The application names of those who are to be harmed.
        pause: Seconds between two restarts.

    Attributes:
        done: How often it did what.
        memory: The memory of this process in MB, second for second.
        error: What ended it early.
    """

    def __init__(self, server: OwnServer, names: Sequence[str], pause: float) -> None:
        super().__init__(name="saboteur")
        self._server, self._names, self._pause = server, list(names), pause
        self._stopped = threading.Event()
        self.done: Counter[str] = Counter()
        self.memory: list[float] = []
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Do no more harm, and leave the server running."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Do harm."""
        try:
            restarted = time.monotonic()
            while not self._stopped.wait(random.uniform(0.05, 0.4)):
                self._measure()
                if time.monotonic() - restarted > self._pause:
                    self._restart()
                    restarted = time.monotonic()
                else:
                    self._harm()
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.error = error

    def _harm(self) -> None:
        function = random.choice(["pg_terminate_backend", "pg_cancel_backend", "pg_cancel_backend"])
        url = make_url(self._server.url()).render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            victims = connection.execute(
                _VICTIM.format(function).encode(), [self._names, random.randint(1, 3)]
            )
            self.done[function] += len(victims.fetchall())

    def _restart(self) -> None:
        immediately = random.random() < 0.5
        self._server.stop(immediately=immediately)
        time.sleep(random.choice([0.0, 0.0, 1.0]))
        self._server.start()
        self.done["immediate restart" if immediately else "fast restart"] += 1

    def _measure(self) -> None:
        self.memory.append(psutil.Process().memory_info().rss / 2**20)

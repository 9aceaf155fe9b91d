"""The other process: langchain-postgres, asked for the same as this library, in turns with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.server import Target
from benchmarks.tenants import Tenant
from devmentor_models.settings import conninfo

DATABASE = "langchain"
#: Its connections as its documentation has them; planning each time; and with iterative scans, too.
DOCUMENTED, PLANNED, ITERATIVE = "documented", "planned", "iterative"
_WORKER = Path(__file__).with_name("langchain_worker.py")


class WorkerFailed(RuntimeError):
    """The other process ended; its own message stands above on stderr."""


class Langchain:
    """The store in the other process. Get one with `connect`."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self._url = url

    def ingest(self, tenants: Sequence[Tenant]) -> tuple[int, float]:
        """Store the tenants' texts; return rows and seconds."""
        answer = self._ask(
            do="ingest", tenants=[(str(each.user_id), each.places.tolist()) for each in tenants]
        )
        return answer["rows"], answer["seconds"]

    def index(self) -> float:
        """Build its indexes, and one of the users; let the planner know the table; return the seconds."""
        seconds: float = self._ask(do="index")["seconds"]
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("CREATE INDEX pieces_user_id ON public.pieces (user_id)")
            connection.execute("SET synchronous_commit = on")  # VACUUM waits for commits to be in the log
            connection.execute("VACUUM ANALYZE public.pieces")
        return seconds

    def search(
        self, asked: Sequence[tuple[UUID, int]], *, store: str = DOCUMENTED, hybrid: bool = False
    ) -> tuple[list[float], list[list[int]]]:
        """Search; return the seconds that each took, and the texts that were found.

        Args:
            asked: Users and numbers of queries.
            store: How its connections are set.
            hybrid: Also for the query's words.
        """
        answer = self._ask(
            do="search",
            store=store,
            asked=[(str(user), query) for user, query in asked],
            hybrid=hybrid,
        )
        return answer["latencies"], answer["found"]

    def open(self, texts: Path, vectors: Path, count: int) -> None:
        """Let it read the corpus and make its table."""
        driver = self._url.replace("postgresql://", "postgresql+asyncpg://")
        self._ask(do="open", url=driver, texts=str(texts), vectors=str(vectors), count=count)

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise WorkerFailed
        found: dict[str, Any] = json.loads(answer)
        return found


@contextmanager
def connect(python: Path, target: Target) -> Iterator[Langchain]:
    """Start the other process, with a database of its own on the same server.

    Args:
        python: The interpreter of an environment with langchain-postgres.
        target: The server.
    """
    with psycopg.connect(conninfo(target.url), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}".encode())
    url = target.url.replace("+psycopg", "").replace("/devmentor?", f"/{DATABASE}?")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE EXTENSION vector")
    # -P: what stands beside the script is not to be imported instead of its packages.
    command = [str(python), "-P", "-W", "ignore", str(_WORKER)]
    process = subprocess.Popen(  # noqa: S603 - ours
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Langchain(process, url)
    finally:
        process.terminate()
        process.wait()

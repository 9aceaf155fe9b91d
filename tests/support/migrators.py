"""Migrators as processes of their own, which may be killed; run as a script by `Migrators`.

One process imports everything once and forks a migrator for each line that it reads.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, event

from devmentor_models import migrate
from tests.support.revision_folder import Revisions

ROOT = Path(__file__).parents[2]
problems = logging.getLogger(__name__)


class Migrators:
    """A process that starts migrators.

    Args:
        folder: Their revisions.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.support.migrators", str(self._folder)]
        self._process = subprocess.Popen(  # noqa: S603 - this file, nothing from outside
            command, env=environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def upgrade(self, url: str, *, migrators: int = 1, kill_at: int | None = None) -> list[dict[str, Any]]:
        """Bring a database to head, by several migrators at once, and return how each of them fared.

        Args:
            url: The database.
            migrators: How many there are.
            kill_at: Before which of its places each is killed, counted from 1.

        Returns:
            For each: whether it was ``killed`` or ``failed``, its ``places``, the revisions that it ``ran``.
        """
        assert self._process.stdin
        assert self._process.stdout
        order = {"url": url, "migrators": migrators, "kill_at": kill_at}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return told


class _Counter:
    """Counts the places where a kill makes a difference, in a file that outlives it, and kills at one.

    Such a place is before a statement or COMMIT that follows one which may have changed something.
    """

    def __init__(self, log: Any, kill_at: int | None) -> None:
        self._log = log
        self._kill_at = kill_at
        self._count = 0
        self._changed = True
        event.listen(Engine, "before_cursor_execute", self._statement)
        event.listen(Engine, "commit", self._commit)
        logging.getLogger("alembic.runtime.migration").addHandler(_Running(log))
        logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)

    def _statement(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        self._before(changes=not statement.lstrip().startswith("SELECT"))

    def _commit(self, _: Any) -> None:
        self._before(changes=self._changed)

    def _before(self, *, changes: bool) -> None:
        if self._changed:
            self._count += 1
            if self._count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self._log.write("place\n")
            self._log.flush()
        self._changed = changes


class _Running(logging.Handler):
    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Running "):
            self._log.write(f"{record.getMessage()}\n")
            self._log.flush()


def _migrate(folder: Path, order: dict[str, Any], log: Any) -> None:
    """Be a migrator; never returns."""
    try:
        _Counter(log, order["kill_at"])
        Revisions(folder).upgrade(order["url"])
    except BaseException:  # noqa: BLE001 - whatever it is, the fork must not go on as its parent
        problems.exception("The migrator failed")
        os._exit(1)
    os._exit(0)


def _start(folder: Path, order: dict[str, Any], log: Path) -> int:
    if process := os.fork():
        return process
    with log.open("w") as opened:
        _migrate(folder, order, opened)
    raise AssertionError("unreachable")


def _fared(process: int, log: Path) -> dict[str, Any]:
    _, status = os.waitpid(process, 0)
    lines = log.read_text().splitlines()
    return {
        "killed": os.WIFSIGNALED(status),
        "failed": os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0,
        "places": lines.count("place"),
        "ran": [line for line in lines if line != "place"],
    }


def main(folder: Path) -> None:
    """Read orders, one a line, and answer each with a line."""
    migrate.head()  # imports what a migration needs
    for line in sys.stdin:
        order = json.loads(line)
        logs = [folder / f"migrator-{number}.log" for number in range(order["migrators"])]
        processes = [_start(folder, order, log) for log in logs]
        fared = [_fared(process, log) for process, log in zip(processes, logs, strict=True)]
        sys.stdout.write(json.dumps(fared) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A PostgreSQL of Debian's with pgAudit, which the embedded one has not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import debian

SETTINGS = {
    "shared_preload_libraries": "pgaudit",
    "pgaudit.log": "write,role",
    "pgaudit.log_relation": "on",
}


@dataclass(frozen=True, slots=True)
class AuditingServer:
    """A running server.

    Attributes:
        url: Its database, for SQLAlchemy.
        log: Where it logs.
    """

    url: str
    log: Path

    def audited(self) -> list[str]:
        """Return pgAudit's lines: class, command and object of each statement."""
        return re.findall(r"AUDIT: SESSION,\d+,\d+,(\w+,[\w ]+,[\w ]*,[\w.]*)", self.log.read_text())


def binaries() -> Path:
    """Return the programs of the newest PostgreSQL that has pgAudit; `./dev services` sees to it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/lib/pgaudit.so"), key=lambda path: int(path.parts[4]))
    if not found:
        raise FileNotFoundError("There is no pgaudit: sudo apt install postgresql-15-pgaudit")
    return found[-1].parent.parent / "bin"


@contextmanager
def running() -> Iterator[AuditingServer]:
    """Run a server in a folder of its own, on a socket there."""
    with debian.running(binaries(), SETTINGS) as (url, log):
        yield AuditingServer(url, log)

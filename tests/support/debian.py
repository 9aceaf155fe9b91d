"""A PostgreSQL of Debian's: it has pgAudit and speaks other languages, which the embedded one does not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devmentor_models.embedded.account import Account


def binaries() -> Path:
    """Return the programs of the newest PostgreSQL that is installed; `./dev services` sees to one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[4]))
    if not found:
        raise FileNotFoundError("There is no PostgreSQL: sudo apt install postgresql-15")
    return found[-1]


@contextmanager
def running(programs: Path, settings: Mapping[str, str], language: str = "") -> Iterator[tuple[str, Path]]:
    """Run a server in a folder of its own, on a socket there; yield its URL and where it logs.

    Args:
        programs: Its folder of programs.
        settings: What it is configured with.
        language: What it speaks; English where nothing is said.
    """
    account = Account.current()  # PostgreSQL does not run as root
    with tempfile.TemporaryDirectory(prefix="dm-debian-") as work:
        folder = Path(work)
        os.chown(folder, account.uid, account.gid)
        data, log = folder / "data", folder / "log"
        given = {"listen_addresses": "", "fsync": "off", "unix_socket_directories": str(folder), **settings}
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        control = ("/usr/bin/env", f"LANGUAGE={language}", programs / "pg_ctl", "-D", data, "-w")
        # In the locale C there are no languages; C.UTF-8 needs none to be installed.
        initdb = (programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        for command in (
            (*initdb, "--locale=C.UTF-8" if language else "--locale=C", "--no-sync"),
            (*control, "-l", log, "-o", options, "start"),
        ):
            done = account.run(*command)
            assert done.returncode == 0, done.stderr
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}", log
        finally:
            account.run(*control, "-m", "immediate", "stop")

"""A PgBouncer of a test's own in front of the test server: TLS to its clients, plain to the server."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from devmentor_models.embedded.account import Account

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
START_SECONDS = 10.0


def program() -> str:
    """Return PgBouncer's path; `./dev services` sees to it that there is one."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
    if found is None:
        raise FileNotFoundError("There is no pgbouncer: sudo apt install pgbouncer")
    return found


def version() -> tuple[int, int]:
    """Return PgBouncer's version, such as (1, 18)."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - the program under test
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


@contextmanager
def running(url: str, settings: Mapping[str, str | Path]) -> Iterator[dict[str, str]]:
    """Run PgBouncer on a free port of 127.0.0.1; yield how to reach it: hostaddr, port, user, dbname.

    Args:
        url: A database of the server behind it.
        settings: Its settings. Files that they name are copied to where PgBouncer's account can read them.
    """
    behind = {name: str(value) for name, value in conninfo_to_dict(_plain(url)).items()}
    account = Account.current()  # PgBouncer does not run as root
    with tempfile.TemporaryDirectory(prefix="dm-bouncer-") as work:
        folder = Path(work)
        port = _free_port()
        target = {name: behind[name] for name in ("host", "port", "password") if name in behind}
        lines = [
            "[databases]",
            f"* = {make_conninfo('', **target)}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {folder / 'users.txt'}",
            "ignore_startup_parameters = options",
            *(f"{name} = {_given(folder, name, value)}" for name, value in settings.items()),
        ]
        (folder / "users.txt").write_text(f'"{behind["user"]}" ""\n')
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
        with _started(folder, account, port):
            yield {
                "hostaddr": "127.0.0.1",
                "port": str(port),
                "user": behind["user"],
                "dbname": behind["dbname"],
            }


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg:", "postgresql:", 1)


def _given(folder: Path, name: str, value: str | Path) -> str | Path:
    return Path(shutil.copy(value, folder / name)) if isinstance(value, Path) else value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _started(folder: Path, account: Account, port: int) -> Iterator[None]:
    other = os.geteuid() == 0
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the program under test
            [program(), str(folder / "pgbouncer.ini")],
            user=account.uid if other else None,
            group=account.gid if other else None,
            extra_groups=[] if other else None,
            cwd="/",
            stdout=log,
            stderr=log,
        )
        try:
            _wait(process, port, folder / "log.txt")
            yield
        finally:
            process.terminate()
            process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise psycopg.OperationalError(f"PgBouncer did not start:\n{log.read_text()}")

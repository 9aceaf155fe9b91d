"""The running embedded server."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from devmentor_models.embedded import cluster
from devmentor_models.embedded.account import SYSTEM_DIRECTORY, TIMEOUT, Account, binaries, installed
from devmentor_models.embedded.errors import EmbeddedError, EmbeddedPortInUse, EmbeddedStartFailed
from devmentor_models.kit.variables import variable

WATCH = """
while kill -0 "$1" 2>/dev/null && [ -d "$3" ]; do sleep 1; done
[ "$(head -n 1 "$3/data/postmaster.pid" 2>/dev/null)" = "$2" ] && kill -QUIT "$2" && sleep 1
rm -rf -- "$3"
"""


def default_directory() -> Path:
    """Return where this user's embedded server lives across reboots; DEVMENTOR_EMBEDDED_DIR overrides it."""
    if chosen := variable("DEVMENTOR_EMBEDDED_DIR"):
        return Path(chosen)
    if os.geteuid() == 0:
        return SYSTEM_DIRECTORY / "postgres"
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "devmentor-models" / "postgres"


class EmbeddedServer:
    """A running embedded PostgreSQL server; it keeps running when this process ends, until `stop`.

    Get one with `EmbeddedServer.start` or `EmbeddedServer.find`.
    """

    def __init__(self, directory: Path, pid: int, port: int, socket_directory: Path) -> None:
        self.directory = directory
        self.pid = pid
        self.port = port
        self.socket_directory = socket_directory

    @classmethod
    def start(
        cls,
        directory: str | Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        durable: bool = True,
    ) -> Self:
        """Return the running server of `directory`; start it, and make its cluster first, where needed.

        Args:
            directory: Its home; `default_directory()` when None.
            settings: Server settings for this start, beside and above ours; without effect on one that runs.
            port: A TCP port to open on 127.0.0.1 (password in the file `password`). None: the socket only.
            durable: False switches fsync and its kin off: faster, for tests, a crash may lose the cluster.

        Raises:
            EmbeddedUnavailable: The `embedded` extra is missing, or has no binaries for this machine.
            EmbeddedDirectoryError: The directory belongs to somebody or something else, or cannot be reached.
            EmbeddedVersionMismatch: The cluster there was made by another PostgreSQL major version.
            EmbeddedPortInUse: Somebody holds `port`, or the server runs already without it.
            EmbeddedStartFailed: PostgreSQL did not start; the message carries the end of its log.
        """
        installed()
        home = Path(directory or default_directory()).expanduser().resolve()
        account = Account.current()
        cluster.prepare(home, account)
        with cluster.locked(home):
            if running := cls.find(home):
                if port not in {None, running.port}:
                    raise EmbeddedPortInUse(
                        f"The server in {home} runs already, without port {port}. Stop it first."
                    )
                return running
            programs = binaries(account)
            if not (home / "data").exists():
                cluster.initialize(home, account, programs, durable=durable)
            cluster.check_version(home, programs, account)
            sockets = cluster.socket_directory(home, account)
            cluster.clear_stale(home, sockets)
            if port:
                cluster.check_port(port)
            ours = cluster.settings(sockets=sockets, port=port, durable=durable)
            cluster.configure(home, account, ours | dict(settings or {}))
            cluster.start(home, account, programs)
            if server := cls.find(home):
                return server
        raise EmbeddedStartFailed(
            f"The server in {home} stopped right after its start.\n{cluster.log_tail(home)}"
        )

    @classmethod
    def find(cls, directory: str | Path | None = None) -> Self | None:
        """Return the server that runs on `directory` (`default_directory()` when None), or None."""
        home = Path(directory or default_directory()).expanduser().resolve()
        found = cluster.running(home)
        return cls(home, *found) if found else None

    @property
    def version(self) -> str:
        """The server's version, such as `18.6`."""
        with psycopg.connect(self._conninfo("postgres")) as connection:
            return connection.info.parameter_status("server_version") or ""

    def url(self, database: str = "devmentor", user: str = "postgres") -> str:
        """Return the SQLAlchemy URL of `database`; without `+psycopg` it serves psql and libpq too."""
        return self._conninfo(database, user).replace("postgresql:", "postgresql+psycopg:", 1)

    def _conninfo(self, database: str, user: str = "postgres") -> str:
        port = f"&port={self.port}" if self.port != cluster.DEFAULT_PORT else ""
        return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(str(self.socket_directory))}{port}"

    def psql_command(self, database: str = "devmentor") -> str:
        """Return the shell command that opens psql on `database`."""
        return shlex.join([str(installed() / "bin" / "psql"), self._conninfo(database)])

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create the database `name`, as a copy of `template` when given, unless there is one already."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(statement)

    def stop(self) -> None:
        """Stop the server, closing open connections; its data stay. One that stopped already is no error."""
        account = Account.owning(self.directory)
        with cluster.locked(self.directory):
            data = self.directory / "data"
            for mode in ("fast", "immediate"):
                if not cluster.is_postmaster(self.pid, self.directory):
                    return
                control = binaries(account) / "pg_ctl"
                stopped = account.run(control, "stop", "-D", data, "-m", mode, "-w", "-t", str(TIMEOUT))
            if cluster.is_postmaster(self.pid, self.directory):
                raise EmbeddedError(f"The server in {self.directory} does not stop: {stopped.stderr.strip()}")

    def remove_with(self, pid: int) -> None:
        """Stop the server and delete its directory as soon as process `pid` has ended, however it ended.

        For throw-away servers of test runs: a shell loop of its own session watches, so neither Ctrl-C nor a
        killed run leaves a server behind. It ends, too, when the directory goes away.
        """
        watch = ["sh", "-c", f"({WATCH}) &", "sh", str(pid), str(self.pid), str(self.directory)]
        subprocess.run(  # noqa: S603 - our own script; what varies are its arguments
            watch,
            check=True,
            cwd="/",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

"""A server that a test may stop, start again, and fill with logins; it has a port and asks for passwords."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from devmentor_models.embedded import EmbeddedServer
from devmentor_models.testing import plugin
from tests.support.proxy import Proxy


class OwnServer:
    """An embedded server with a TCP port.

    Args:
        directory: Its home.
        settings: Settings of the server.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    def __init__(self, directory: Path, **settings: str) -> None:
        self._directory = directory
        self._settings = settings
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        """Start the server, again or for the first time."""
        self._server = EmbeddedServer.start(
            self._directory, durable=False, port=self.port, settings=self._settings
        )

    def stop(self, *, immediately: bool = False) -> None:
        """Stop the server; who is connected is thrown out.

        Args:
            immediately: Without a checkpoint, so that the next start recovers as after a crash.
        """
        if immediately:
            os.kill(self._server.pid, signal.SIGQUIT)
        self._server.stop()

    def demote(self) -> None:
        """Start the server anew as a standby, which has no primary to follow."""
        self.stop()
        (self._directory / "data" / "standby.signal").touch()
        self.start()

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str | None = None) -> str:
        """Return the URL of a database by TCP; with the superuser's password unless another one is given."""
        password = password or (self._directory / "password").read_text().strip()
        place: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "database": database}
        return URL.create("postgresql", user, password, **place).render_as_string(hide_password=False)

    def run(self, statement: LiteralString, *identifiers: str) -> None:
        """Run a statement as the superuser."""
        plain = make_url(self._server.url("postgres")).set(drivername="postgresql")
        names = [sql.Identifier(name) for name in identifiers]
        with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*names))


@contextmanager
def running(**settings: str) -> Iterator[OwnServer]:
    """Yield a server of one's own with these settings, and remove it."""
    base = Path(tempfile.mkdtemp(prefix="dm-faults-", dir=plugin._base()))
    base.chmod(0o755)
    server = OwnServer(base / "pg", **settings)
    server._server.remove_with(os.getpid())
    yield server
    server.stop()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def own_server() -> Iterator[OwnServer]:
    """Yield a server of this worker's own."""
    with running() as server:
        yield server


@pytest.fixture
def login(own_server: OwnServer) -> Iterator[str]:
    """Yield the name of a login of the test's own, whose password is "right"."""
    name = f"login_{os.urandom(6).hex()}"
    own_server.run("CREATE ROLE {} LOGIN PASSWORD 'right' SUPERUSER", name)
    yield name
    own_server.run("DROP ROLE {}", name)


@pytest.fixture
def proxy(devmentor_url: str) -> Iterator[Proxy]:
    """Yield a proxy before the test server."""
    with Proxy(devmentor_url) as running:
        yield running

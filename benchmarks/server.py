"""The server under the benchmarks: embedded, migrated, and filled by COPY."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from devmentor_models.embedded import EmbeddedServer
from devmentor_models.kit.ids import uuid7
from devmentor_models.migrate import upgrade
from devmentor_models.security.declarations import Service
from devmentor_models.settings import conninfo

DATABASE = "devmentor"
SERVICE = "bench_service"


@dataclass(frozen=True, slots=True)
class Target:
    """What the variants run against.

    Attributes:
        url: The database's URL in SQLAlchemy's form.
        version: The server's version.
        users: Keys of the users, in the order of their numbers.
    """

    url: str
    version: str
    users: list[UUID]

    @property
    def conninfo(self) -> str:
        """The same in libpq's form."""
        return conninfo(self.url)


def email(number: int) -> str:
    """Return the address of the user with a number.

    >>> email(7)
    'user7@bench.example'
    """
    return f"user{number}@bench.example"


@contextmanager
def serve(users: int, *, durable: bool) -> Iterator[Target]:
    """Start a server in a temporary directory, fill it with users, and remove it in the end.

    Args:
        users: How many.
        durable: Whether a COMMIT waits for the disk, as in a service's database.
    """
    # Not mkdtemp: root's server runs as another account, which could not pass through root's own folder.
    directory = Path(tempfile.gettempdir()) / f"devmentor-bench-{uuid4().hex}"
    try:
        server = EmbeddedServer.start(directory, durable=durable)
        try:
            server.create_database(DATABASE)
            url = server.url(DATABASE)
            upgrade(url)
            yield Target(url, server.version, _fill(conninfo(url), users))
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def service_url(url: str, services: Iterable[Service]) -> str:
    """Make a login with the rights of some services, unless there is one; return the URL for it."""
    with psycopg.connect(conninfo(url), autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [SERVICE]).fetchone():
            roles = ", ".join(service.role for service in services)
            admin.execute(f"CREATE ROLE {SERVICE} LOGIN IN ROLE {roles}".encode())
    return url.replace("postgres@", f"{SERVICE}@")


def _fill(target: str, users: int) -> list[UUID]:
    """Insert users by COPY and return their keys."""
    keys = [uuid7() for _ in range(users)]
    columns = "id, email, username, password_hash"
    with psycopg.connect(target, autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(f"COPY auth.users ({columns}) FROM STDIN") as copy:
            for number, key in enumerate(keys):
                copy.write_row(
                    (key, email(number), f"user{number}", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA")
                )
        connection.execute("VACUUM ANALYZE auth.users")
        connection.execute("CHECKPOINT")
    return keys

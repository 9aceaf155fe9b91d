"""Databases for tests: the embedded server of a test run, the migrated template and its copies."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

import devmentor_models
from devmentor_models.embedded import EmbeddedServer

LOCK_TIMEOUT = 120  # seconds; migrating from nothing to head is what the others wait for


class DatabaseServer:
    """A PostgreSQL server on which tests create databases.

    Args:
        url: SQLAlchemy URL of a maintenance database there, for a role that may create databases and roles.
        lasting: True when the server outlives the run, so that databases must be dropped.
    """

    def __init__(self, url: str | URL, *, lasting: bool) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._lasting = lasting

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of `database`, password included."""
        return self._url.set(database=database).render_as_string(hide_password=False)

    @contextmanager
    def database(self, name: str, *, template: str | None = None, drop: bool = False) -> Iterator[str]:
        """Create the database `name`, yield its URL, and drop it when the server stays or `drop` says so."""
        self.create(name, template=template)
        try:
            yield self.url(name)
        finally:
            if drop or self._lasting:
                self.drop(name)

    def create(self, name: str, *, template: str | None = None) -> None:
        """Create the database `name`, as a copy of `template` when given."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        with self._maintenance() as connection:
            connection.execute(statement)
            if template:
                _restrict(connection, name)

    def drop(self, name: str) -> None:
        """Drop the database `name` and whoever is connected to it; one that is gone is no error."""
        with self._maintenance() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def login(self, url: str, *roles: str) -> Iterator[str]:
        """Make a login that is a member of ``roles``, yield ``url`` for it, and drop it again."""
        name, password = f"devmentor_test_{uuid4().hex}", uuid4().hex
        login = sql.Identifier(name)
        with self._maintenance() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, password))
            for role in roles:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), login))
        try:
            yield make_url(url).set(username=name, password=password).render_as_string(hide_password=False)
        finally:
            with self._maintenance() as connection:
                connection.execute(sql.SQL("DROP ROLE {}").format(login))

    def migrated_template(self) -> str:
        """Return the name of a database at head; made once per server and state of the code."""
        name = f"devmentor_template_{_code_digest()}"
        with self._maintenance() as connection, _advisory_lock(connection):
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                self._make_template(connection, name)
        return name

    def _make_template(self, connection: psycopg.Connection, name: str) -> None:
        """Migrate a draft and rename it when it is complete, so that no half-made one is ever used."""
        from devmentor_models.migrate import upgrade  # noqa: PLC0415 - most workers find the template made

        draft = f"{name}_draft"
        self.drop(draft)
        self.create(draft)
        upgrade(self.url(draft))
        identifiers = {"draft": sql.Identifier(draft), "name": sql.Identifier(name)}
        connection.execute(sql.SQL("ALTER DATABASE {draft} ALLOW_CONNECTIONS false").format(**identifiers))
        connection.execute(sql.SQL("ALTER DATABASE {draft} RENAME TO {name}").format(**identifiers))

    def _maintenance(self) -> psycopg.Connection:
        conninfo = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(conninfo, autocommit=True)


def _restrict(connection: psycopg.Connection, database: str) -> None:
    """Take from a copy of the template what bootstrap took from it: rights on a database are not copied."""
    from devmentor_models.migrations.bootstrap import (  # noqa: PLC0415 - takes a moment to import
        rights_of_temporary_tables,
    )

    for statement in rights_of_temporary_tables(database):
        connection.execute(statement.encode())


@contextmanager
def _advisory_lock(connection: psycopg.Connection) -> Iterator[None]:
    """Hold the lock under which templates are made; it goes with the connection, however that ends."""
    give_up = time.monotonic() + LOCK_TIMEOUT
    key = "hashtext('devmentor_models.testing')"
    while connection.execute(f"SELECT pg_try_advisory_lock({key})".encode()).fetchone() != (True,):
        if time.monotonic() > give_up:
            raise TimeoutError(f"Another process has been making the template database for {LOCK_TIMEOUT} s.")
        time.sleep(0.05)
    yield
    connection.execute(f"SELECT pg_advisory_unlock({key})".encode())


def _code_digest() -> str:
    """Return a digest of the revisions and of the package that they import."""
    package = Path(devmentor_models.__file__).parent
    revisions = package.parent / "alembic"  # a checkout; an installed wheel has them inside the package
    files = list(package.rglob("*.py"))
    if (revisions / "env.py").exists():
        files += revisions.rglob("*.py")
    digest = sha256()
    for file in sorted(files):
        digest.update(
            file.relative_to(package.parent).as_posix().encode() + b"\0" + file.read_bytes() + b"\0"
        )
    return digest.hexdigest()[:16]


def start_embedded(directory: Path, *, owner: int) -> DatabaseServer:
    """Return the run's embedded server, started by whoever comes first; it is removed when `owner` ends."""
    server = EmbeddedServer.start(directory, durable=False)
    with suppress(FileExistsError):
        os.close(os.open(directory / "watched", os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))
        server.remove_with(owner)
    return DatabaseServer(server.url("postgres"), lasting=False)


def remove_embedded(directory: Path) -> None:
    """Stop the embedded server of a run and delete its directory."""
    if server := EmbeddedServer.find(directory):
        server.stop()
    shutil.rmtree(directory, ignore_errors=True)  # the watching process may be at it as well

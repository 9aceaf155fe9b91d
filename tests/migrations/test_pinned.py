"""What sessions of migrations and of the owner depend on holds, whatever server, database and role say."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url, text

from devmentor_models import migrate
from devmentor_models.embedded import EmbeddedServer
from devmentor_models.migrations.environment import make_engine
from devmentor_models.owner_session import connect_as_owner
from devmentor_models.pinned import PINNED
from devmentor_models.security.roles import OWNER
from devmentor_models.settings import conninfo
from devmentor_models.testing import plugin
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask, login, name_of

#: A value that would break something, for each setting that we hold, and for the limits.
HOSTILE = {
    "search_path": "theirs, pg_temp",
    "TimeZone": "Pacific/Chatham",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "client_encoding": "LATIN1",
    "row_security": "off",
    "idle_session_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "lock_timeout": "1ms",
    "statement_timeout": "500ms",  # what lifts it is under it, on a busy machine too
}
#: Types and functions with the names that our SQL says.
THEIRS = """
    CREATE SCHEMA theirs;
    CREATE DOMAIN theirs.uuid AS text;
    CREATE FUNCTION theirs.now() RETURNS timestamptz LANGUAGE sql RETURN 'epoch'::timestamptz;
    GRANT USAGE ON SCHEMA theirs TO PUBLIC;
"""
HELD = (*PINNED.values(), "UTF8")
SHOWN = "SELECT " + ", ".join(f"current_setting('{name}')" for name in (*PINNED, "client_encoding"))
LIMITS = b"""SELECT current_setting('statement_timeout'), current_setting('idle_session_timeout'),
    current_setting('idle_in_transaction_session_timeout')"""


@contextmanager
def hostile(url: str, level: str, who: str = "") -> Iterator[None]:
    """Set everything at a level: for a database, for a role that works in it, or for the whole server."""
    ask(url, THEIRS)
    database = make_url(url).database
    alter = {"database": f"ALTER DATABASE {database}", "role": f"ALTER ROLE {who}", "server": "ALTER SYSTEM"}
    quiet = psycopg.connect(conninfo(url), options="-c default_transaction_read_only=off", autocommit=True)
    with quiet as connection:
        for name, value in HOSTILE.items():
            to = value if name == "search_path" else f"'{value}'"
            connection.execute(f"{alter[level]} SET {name} = {to}".encode())
        for name in ("idle_session_timeout", "statement_timeout", "lock_timeout"):
            connection.execute(f"SET {name} = 0".encode())
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute(f"{alter[level]} RESET ALL".encode())
            connection.execute("SELECT pg_reload_conf()")


def values(connection: psycopg.Connection) -> tuple[str, ...]:
    """Return the settings that are held, without what PostgreSQL may add to a list."""
    row = connection.execute(SHOWN.encode()).fetchone()
    assert row is not None
    return tuple(value.replace('"', "") for value in row)


@pytest.fixture
def empty(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


@pytest.mark.parametrize("level", ["database", "role"])
def test_migrations_go_all_the_way(empty: str, level: str) -> None:
    """Up, compared and down again as if nothing had been set, and nothing of ours is made elsewhere."""
    with login(empty, "SUPERUSER") as url:
        with hostile(empty, level, name_of(url)):
            migrate.upgrade(url)
            found = migrate.check(url)  # it names what was set for the database, as it should
            assert [line for line in found if not line.startswith("database setting ")] == []
            migrate.downgrade(url, "base", allow_data_loss=True)
        assert ask(empty, "SELECT 1 FROM pg_class WHERE relnamespace = 'theirs'::regnamespace") == []


@pytest.mark.parametrize("level", ["database", "role"])
@pytest.mark.parametrize("session", ["migrations", "owner"])
def test_settings_of_a_session(devmentor_database_url: str, level: str, session: str) -> None:
    """Each has our value; where migrations run, RESET ALL leaves it."""
    original = devmentor_database_url
    with login(original, member_of=OWNER.name) as url, hostile(original, level, name_of(url)):
        if session == "owner":
            with connect_as_owner(url, {}) as connection:
                assert values(connection) == HELD
                row = connection.execute("SELECT current_setting('row_security'), now() > '2020-01-01'")
                assert row.fetchone() == ("on", True)
                assert connection.execute(LIMITS).fetchone() == ("0", "0", "0")
        else:
            with make_engine(url, owner=True).connect() as work:
                work.execute(text("RESET ALL"))
                driver = work.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)
                assert values(driver) == HELD
                assert work.scalar(text("SELECT now() > '2020-01-01'"))


def test_settings_of_a_server(server: EmbeddedServer) -> None:
    """In postgresql.conf they reach every database, also those that a comparison makes."""
    server.create_database("hostile")
    url = server.url("hostile")
    with hostile(url, "server"):
        migrate.upgrade(url)
        assert migrate.check(url) == []
        with connect_as_owner(url, {}) as connection:
            assert values(connection) == HELD


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """Yield a cluster of its own: settings of a server are everybody's."""
    base = Path(tempfile.mkdtemp(prefix="dm-", dir=plugin._base()))
    base.chmod(0o755)
    (base / "pg").mkdir()
    server = EmbeddedServer.start(base / "pg", durable=False)
    yield server
    server.stop()
    shutil.rmtree(base)

"""Comparing is harmless: any role may, beside readers and writers, and nothing is locked or written (M3)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine, text
from typer.testing import CliRunner, Result

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.errors import LockTimeout
from devmentor_models.migrations.comparison import compare
from devmentor_models.migrations.environment import SCOPE, make_engine
from devmentor_models.registry import target_metadata
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask, login

SCRATCH = "DEVMENTOR_SCRATCH_URL"
#: The relations, PostgreSQL's own apart, that a session has locked.
LOCKS = """SELECT relation::regclass::text, mode FROM pg_locks JOIN pg_class c ON c.oid = relation
    WHERE pid = {} AND c.relnamespace <> 'pg_catalog'::regnamespace"""


@pytest.fixture
def scratch(devmentor_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let comparisons of roles that may create no database use this server."""
    monkeypatch.setenv(SCRATCH, devmentor_server.url("postgres"))


@contextmanager
def busy(url: str) -> Iterator[None]:
    """Keep a long reader and a writer at work, neither of whom ends before the block does."""
    done = Event()

    def write() -> int:
        rounds = 0
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            while not done.is_set():
                connection.execute("SET lock_timeout = '2s'")
                connection.execute("UPDATE auth.users SET username = username")
                connection.execute("INSERT INTO auth.teams SELECT * FROM auth.teams WHERE false")
                rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as pool, psycopg.connect(conninfo(url)) as reader:
        reader.execute("SELECT count(*) FROM auth.users")  # and the transaction stays open
        writer = pool.submit(write)
        try:
            yield
        finally:
            done.set()
        assert writer.result() > 0


@pytest.mark.usefixtures("scratch")
def test_any_role_may_beside_readers_and_writers(devmentor_database_url: str) -> None:
    """A login role without a single privilege finds what differs, while others read and write."""
    ask(devmentor_database_url, "ALTER TABLE auth.teams ALTER COLUMN description SET NOT NULL")
    with login(devmentor_database_url) as url, busy(devmentor_database_url):
        found = migrate.check(url)
    assert [line.partition(":")[0] for line in found] == ["column auth.teams.description"]


@pytest.mark.usefixtures("scratch")
def test_nothing_is_locked_or_written(devmentor_database_url: str) -> None:
    """When all is read, and the transaction is still open, it has no lock on a table, and wrote nothing."""
    with login(devmentor_database_url) as url:
        engine = make_engine(url, readonly=True)
        with engine.connect() as connection:
            assert compare(url, connection, target_metadata, SCOPE) == []
            process = connection.scalar(text("SELECT pg_backend_pid()"))
            locks = ask(devmentor_database_url, LOCKS.format(process))
            assert connection.scalar(text("SELECT pg_current_xact_id_if_assigned()")) is None
        engine.dispose()
        assert locks == []


@pytest.mark.usefixtures("scratch")
def test_a_table_that_somebody_keeps_to_himself(devmentor_database_url: str) -> None:
    """PostgreSQL shows its expressions only to who may look at it: the wait ends, and the reason is told."""
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with engine.connect() as other:
        other.execute(text("LOCK TABLE auth.users IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(LockTimeout, match="keeps a table to itself"):
            migrate.check(devmentor_database_url)
        other.rollback()
    assert migrate.check(devmentor_database_url) == []


def test_the_sql_that_repairs(devmentor_database_url: str) -> None:
    """``check --sql`` prints what to run, exit code 1; once that was run nothing, exit code 0."""

    def run() -> Result:
        return CliRunner().invoke(app, ["check", "--sql", "--url", devmentor_database_url])

    ask(devmentor_database_url, "ALTER TABLE auth.teams ALTER COLUMN description SET NOT NULL")
    ask(devmentor_database_url, "CREATE VIEW auth.stray AS SELECT description FROM auth.teams")
    found = run()
    assert found.exit_code == 1
    assert "DROP VIEW auth.stray;" in found.output.splitlines()
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        connection.execute(found.output.encode())
    done = run()
    assert (done.exit_code, done.output) == (0, "-- Nothing to do.\n")


def test_an_index_that_a_failed_build_left_is_reported(devmentor_database_url: str) -> None:
    """It has the right definition and serves nobody: named as invalid, and built again by the repair."""
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'projects.ix_tasks_due'::regclass"
        )
        (line,) = migrate.check(devmentor_database_url)
        assert line.startswith(
            "index ix_tasks_due of projects.tasks: valid is False in the database, True in the models"
        )
        for statement in migrate.repair(devmentor_database_url):
            connection.execute(statement.encode())
    assert migrate.check(devmentor_database_url) == []


def test_a_partition_that_is_not_as_its_parent_is_reported(devmentor_database_url: str) -> None:
    """What a parent says counts for its partitions; which there are is nobody's business."""
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        connection.execute("ALTER TABLE ai.usage_default SET UNLOGGED")
        (line,) = migrate.check(devmentor_database_url)
        assert "ai.usage_default" in line
        for statement in migrate.repair(devmentor_database_url):
            connection.execute(statement.encode())
    assert migrate.check(devmentor_database_url) == []

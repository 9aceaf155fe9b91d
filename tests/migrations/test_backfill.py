"""Filling a column of a table in use, a few rows at a time (M3, M6)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import psycopg
import pytest
from alembic import command

from devmentor_models.errors import LockTimeout, MigrationRefused
from devmentor_models.settings import conninfo
from tests.support.revision_folder import Revisions

FILL = "op.fill_in_batches('notes', \"size = char_length(body) + 5 % 3\", where='size IS NULL', rows=100)"
LEFT = "SELECT count(*) FROM notes WHERE size IS NULL"
RIGHT = "SELECT count(*) FROM notes WHERE size = char_length(body) + 2"


@pytest.fixture
def notes(connection: psycopg.Connection) -> None:
    """Make a table of 1,050 rows with a key of two columns; every fourth row has its value."""
    connection.execute(
        "CREATE TABLE notes"
        " (shelf integer, place integer, body text NOT NULL, size integer, PRIMARY KEY (shelf, place));"
        "INSERT INTO notes SELECT n % 7, n, repeat('x', n % 50), CASE WHEN n % 4 = 0 THEN n % 50 + 2 END"
        " FROM generate_series(1, 1050) AS n"
    )


def number(connection: psycopg.Connection, query: str) -> int:
    """Return what a query counts."""
    row = connection.execute(query.encode()).fetchone()
    assert row
    return int(row[0])


@pytest.mark.usefixtures("notes")
def test_every_row_is_filled(revisions: Revisions, empty_url: str, connection: psycopg.Connection) -> None:
    """In eight batches; rows that have their value are left alone, and so is everything by a second run."""
    before = number(connection, "SELECT count(DISTINCT xmin::text) FROM notes")
    revisions.add(FILL)
    revisions.upgrade(empty_url)
    assert number(connection, LEFT) == 0
    assert number(connection, RIGHT) == 1050
    assert number(connection, "SELECT count(DISTINCT xmin::text) FROM notes") == before + 8
    revisions.add(FILL)
    revisions.upgrade(empty_url)
    assert number(connection, "SELECT count(DISTINCT xmin::text) FROM notes") == before + 8


@pytest.mark.usefixtures("notes")
def test_writers_go_on(revisions: Revisions, empty_url: str, connection: psycopg.Connection) -> None:
    """What old code inserts meanwhile, before and behind the current batch, is filled as well."""
    started = threading.Event()

    def write() -> int:
        """Insert until the first pass is well on its way, so that a later one finds the end."""
        place = 2000
        with psycopg.connect(conninfo(empty_url), autocommit=True) as other:
            while number(other, f"{LEFT} AND place <= 1050") > 200:
                place += 1
                other.execute("INSERT INTO notes VALUES (%s, %s, 'new')", [place % 9 - 1, place])
                started.set()
        return place - 2000

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        started.wait(10)
        revisions.add(FILL.replace("rows=100", "rows=3"))
        revisions.upgrade(empty_url)
        assert writer.result() > 0
    assert number(connection, LEFT) == 0
    assert number(connection, RIGHT) == 1050 + writer.result()


@pytest.mark.usefixtures("notes")
def test_row_security_hides_nothing(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """The owner fills all rows of a forced table by a policy gone afterwards; a left-over does no harm."""
    connection.execute(
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY nobody ON notes USING (false); CREATE POLICY devmentor_migration ON notes"
    )
    revisions.add(FILL)
    revisions.upgrade(empty_url)
    assert connection.execute("SELECT polname FROM pg_policy").fetchall() == [("nobody",)]
    assert (
        number(connection, "SELECT relforcerowsecurity::integer FROM pg_class WHERE relname = 'notes'") == 1
    )
    connection.execute("ALTER TABLE notes DISABLE ROW LEVEL SECURITY")
    assert number(connection, RIGHT) == 1050


@pytest.mark.usefixtures("notes")
def test_a_change_that_never_ends_is_refused(revisions: Revisions, empty_url: str) -> None:
    """It would go on for ever: the rows still need what was done to them."""
    revisions.add("op.fill_in_batches('notes', 'body = body', where='size IS NULL')")
    with pytest.raises(MigrationRefused, match="rows still match size IS NULL"):
        revisions.upgrade(empty_url)


def test_a_table_without_a_key_is_refused(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """There is no order to go by."""
    connection.execute("CREATE TABLE notes (size integer)")
    revisions.add(FILL.replace("char_length(body)", "1"))
    with pytest.raises(MigrationRefused, match="no primary key"):
        revisions.upgrade(empty_url)


@pytest.mark.usefixtures("notes")
def test_a_locked_row_ends_in_a_clear_error(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """Batches before it stay; a rerun does the rest."""
    revisions.add(FILL.replace("rows=100", "rows=10"))
    with psycopg.connect(conninfo(empty_url)) as other:
        other.execute("SELECT FROM notes WHERE shelf = 3 AND size IS NULL LIMIT 1 FOR UPDATE")
        with pytest.raises(LockTimeout):
            revisions.upgrade(empty_url, **{"lock-timeout": "100ms", "lock-tries": "1"})
    assert 0 < number(connection, LEFT) < 788
    revisions.upgrade(empty_url)
    assert number(connection, LEFT) == 0


def test_a_script_has_one_statement(revisions: Revisions) -> None:
    """There is no loop in SQL that commits."""
    revisions.add(FILL)
    config = revisions.config("postgresql://")
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)
    assert (
        "UPDATE notes SET size = char_length(body) + 5 % 3 WHERE size IS NULL;"
        in config.output_buffer.getvalue()
    )

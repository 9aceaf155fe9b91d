"""Steps that change rows say how many, under forced row security as well (M2, Z1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from devmentor_models import migrate
from devmentor_models.errors import ConfigurationError, RowsHidden, UnexpectedRows
from devmentor_models.migrations.environment import make_engine
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask

ROWS = 5
UPDATE = "UPDATE steps.items SET done = true WHERE NOT done"
COUNT = "SELECT count(*) FROM steps.items WHERE NOT done"
FORCED = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'steps.items'::regclass"
DONE = "SELECT count(*) FROM steps.items WHERE done"
SCHEMA = f"""
    CREATE SCHEMA steps AUTHORIZATION devmentor_owner;
    SET ROLE devmentor_owner;
    CREATE TABLE steps.items (id integer PRIMARY KEY, note text, done boolean NOT NULL DEFAULT false);
    CREATE TABLE steps.plain (id integer, percent text);
    INSERT INTO steps.items (id) SELECT generate_series(1, {ROWS});
    CREATE POLICY nobody ON steps.items USING (false);
    ALTER TABLE steps.items ENABLE ROW LEVEL SECURITY;
    ALTER TABLE steps.items FORCE ROW LEVEL SECURITY;
"""


@pytest.fixture
def url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of a database with a table of the owner's, whose policy shows no row to anybody."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        migrate.bootstrap(url)
        ask(url, SCHEMA)
        yield url


@contextmanager
def revision(url: str, *, owner: bool = True) -> Iterator[Any]:
    """Yield Alembic's ``op`` in a transaction of the owner, as a revision has it."""
    with make_engine(url, owner=owner).connect() as connection:
        context = MigrationContext.configure(connection)
        # Any: Alembic adds registered operations to `op` at run time.
        op: Any = Operations(context)
        with context.begin_transaction():
            yield op


def offline() -> tuple[Any, StringIO]:
    """Return Alembic's ``op`` for scripts, and what it writes to."""
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    context = MigrationContext.configure(
        dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, opts=options
    )
    return Operations(context), buffer


def test_what_row_security_would_hide_is_refused(url: str) -> None:
    """The owner's own UPDATE and count would both say 0, so neither is believed."""
    with pytest.raises(RowsHidden, match=r'op\.lift_row_security\("steps\.items"\)'), revision(url) as op:
        op.expect_rows("steps.items", UPDATE, rows=COUNT)
    assert ask(url, DONE) == [(0,)]


def test_any_other_statement_is_refused_too(url: str) -> None:
    """A plain op.execute in a migration fails instead of doing nothing."""
    with pytest.raises(DBAPIError, match="row-level security"), revision(url) as op:
        op.execute(UPDATE)


def test_a_hidden_table_that_is_only_read_is_refused(url: str) -> None:
    """INSERT … SELECT copies nothing from a forced table, without an error; here it is one."""
    with pytest.raises(RowsHidden, match="items"), revision(url) as op:
        op.expect_rows("steps.plain", "INSERT INTO steps.plain SELECT id FROM steps.items", rows=(0, None))


def test_lifted_every_row_is_touched_and_force_comes_back(url: str) -> None:
    """Inside the block the owner sees all rows, counted beforehand; afterwards the table is as it was."""
    with revision(url) as op:
        with op.lift_row_security("steps.items", "steps.plain"):
            op.expect_rows("steps.items", UPDATE, rows=COUNT)
        forced = op.get_bind().scalar(text(FORCED))
    assert forced
    assert ask(url, DONE) == [(ROWS,)]
    unforced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'steps.plain'::regclass"
    assert ask(url, unforced) == [(False,)]


def test_an_error_inside_leaves_the_table_forced(url: str) -> None:
    """Whatever happens in the block, the transaction takes the lifting back with it."""
    with pytest.raises(UnexpectedRows), revision(url) as op, op.lift_row_security("steps.items"):
        op.expect_rows("steps.items", UPDATE, rows=ROWS + 1)
    assert ask(url, FORCED) == [(True,)]
    assert ask(url, DONE) == [(0,)]


@pytest.mark.parametrize("rows", [ROWS, (ROWS, ROWS), (1, ROWS), (0, None), COUNT, "SELECT 5"])
def test_the_right_number_passes(url: str, rows: int | tuple[int, int | None] | str) -> None:
    """A number, a range, a range without end, or a count."""
    with revision(url) as op, op.lift_row_security("steps.items"):
        op.expect_rows("steps.items", UPDATE, rows=rows)
    assert ask(url, DONE) == [(ROWS,)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ROWS - 1, "4"),
        ((ROWS + 1, None), "at least 6"),
        ((0, ROWS - 1), "0 to 4"),
        ("SELECT count(*) FROM steps.plain", "0"),
    ],
)
def test_another_number_undoes_the_step(
    url: str, rows: int | tuple[int, int | None] | str, words: str
) -> None:
    """The error names the table and both numbers."""
    with pytest.raises(UnexpectedRows) as caught, revision(url) as op, op.lift_row_security("steps.items"):
        op.expect_rows("steps.items", UPDATE, rows=rows)
    assert (caught.value.table, caught.value.expected, caught.value.touched) == ("steps.items", words, ROWS)
    assert ask(url, DONE) == [(0,)]


def test_inserts_and_deletes_count_too_and_text_is_sent_as_it_stands(url: str) -> None:
    """Percent signs and colons mean nothing to us."""
    with revision(url) as op:
        op.expect_rows("steps.plain", "INSERT INTO steps.plain VALUES (1, '100 %s :done %%')", rows=1)
        op.expect_rows(
            "steps.plain", "DELETE FROM steps.plain WHERE percent LIKE '100 \\%s :done %%'", rows=1
        )


def test_a_count_must_be_a_number(url: str) -> None:
    """A query that returns something else is the revision's mistake."""
    with pytest.raises(ConfigurationError, match="expected number"), revision(url) as op:
        op.expect_rows("steps.plain", "DELETE FROM steps.plain", rows="SELECT 'five'::text")


def test_in_an_autocommit_block_a_step_is_a_transaction(url: str) -> None:
    """Batches commit one by one; a wrong one is undone, and FORCE is never lost on the way."""
    batch = f"{UPDATE} AND id IN (SELECT id FROM steps.items WHERE NOT done ORDER BY id LIMIT 2)"
    with pytest.raises(UnexpectedRows), revision(url) as op, op.get_context().autocommit_block():
        with op.lift_row_security("steps.items"):
            op.expect_rows("steps.items", batch, rows=2)
        assert ask(url, DONE) == [(2,)]
        with op.lift_row_security("steps.items"):
            op.expect_rows("steps.items", batch, rows=3)
    assert ask(url, DONE) == [(2,)]
    assert ask(url, FORCED) == [(True,)]


def lifted(op: Any) -> AbstractContextManager[None]:
    """Return the block that a script needs for the table."""
    made: AbstractContextManager[None] = op.lift_row_security("steps.items")
    return made


@pytest.mark.parametrize("rows", [ROWS, (1, None), (1, ROWS), COUNT])
def test_a_script_checks_as_well(url: str, rows: int | tuple[int, int | None] | str) -> None:
    """`--sql` writes the same step as a block that raises; run by psql, it does its work."""
    op, buffer = offline()
    with lifted(op):
        op.expect_rows("steps.items", f"{UPDATE} AND note IS DISTINCT FROM 'a :b 5 %s'", rows=rows)
    ask(url, f"SET ROLE devmentor_owner; BEGIN; {buffer.getvalue()} COMMIT")
    assert ask(url, DONE) == [(ROWS,)]
    assert ask(url, FORCED) == [(True,)]


@pytest.mark.parametrize("rows", [ROWS + 1, (ROWS + 1, None), (0, 1), "SELECT 0"])
def test_a_script_fails_at_another_number(url: str, rows: int | tuple[int, int | None] | str) -> None:
    """The script stops there, with the table and the number in its message."""
    op, buffer = offline()
    with lifted(op):
        op.expect_rows("steps.items", UPDATE, rows=rows)
    with pytest.raises(psycopg.errors.RaiseException, match=r"steps\.items: touched 5 rows"):
        ask(url, f"SET ROLE devmentor_owner; BEGIN; {buffer.getvalue()} COMMIT")
    assert ask(url, DONE) == [(0,)]


def test_a_script_notices_hidden_rows(url: str) -> None:
    """Without the block around it, the step refuses in a script too."""
    op, buffer = offline()
    op.expect_rows("steps.items", UPDATE, rows=COUNT)
    with pytest.raises(psycopg.errors.RaiseException, match="row security hides rows"):
        ask(url, f"SET ROLE devmentor_owner; {buffer.getvalue()}")


def test_a_foreign_key_is_checked_on_all_rows(url: str) -> None:
    """PostgreSQL would accept it: its query for wrong rows is bound by row security as well."""
    ask(url, "SET ROLE devmentor_owner; ALTER TABLE steps.plain ADD UNIQUE (id)")
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("SET ROLE devmentor_owner")
        connection.execute("ALTER TABLE steps.items ADD FOREIGN KEY (id) REFERENCES steps.plain (id)")
        connection.rollback()
    key = ("fk", "items", "plain", ["id"], ["id"])
    with pytest.raises(DBAPIError, match="row-level security"), revision(url) as op:
        op.create_foreign_key(*key, source_schema="steps", referent_schema="steps")
    with pytest.raises(IntegrityError), revision(url) as op, lifted(op):
        op.create_foreign_key(*key, source_schema="steps", referent_schema="steps")


def test_the_server_agrees_about_who_is_bound(url: str) -> None:
    """The fixture is what it says: as owner, with row security on, an UPDATE touches nothing."""
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("SET ROLE devmentor_owner")
        assert connection.execute(UPDATE.encode()).rowcount == 0
        assert connection.execute(COUNT.encode()).fetchone() == (0,)

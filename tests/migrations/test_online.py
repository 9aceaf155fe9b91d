"""Operations for tables in use: outside the transaction, under limits, and again after a failure (M3)."""

from __future__ import annotations

import threading
import time
from io import StringIO

import psycopg
import pytest
from alembic import command
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from devmentor_models import migrate
from devmentor_models.errors import MigrationRefused
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import TeamFactory
from tests.support.revision_folder import Revisions

BUILD = "op.create_index_concurrently('ix', 't', ['a', sa.text('lower(b) DESC')], unique=True)"
STATE = "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = to_regclass('ix')"


@pytest.fixture
def table(connection: psycopg.Connection) -> None:
    """Make the table that the operations change."""
    connection.execute("CREATE TABLE t (a integer, b text)")
    connection.execute("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 100) AS n")


def value(connection: psycopg.Connection, statement: str) -> object:
    """Return the first value of a statement's answer."""
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


@pytest.mark.usefixtures("table")
def test_an_index_is_built_and_dropped(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """Both directions, with everything that create_index can say."""
    revisions.add(BUILD, "op.drop_index_concurrently('ix', 't')")
    revisions.upgrade(empty_url)
    expected = "CREATE UNIQUE INDEX ix ON public.t USING btree (a, lower(b) DESC)"
    assert connection.execute(STATE).fetchone() == (True, expected)
    revisions.downgrade(empty_url, "base")
    assert connection.execute(STATE).fetchone() is None


@pytest.mark.usefixtures("table")
def test_what_a_failed_build_left_is_built_again(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """A duplicate makes the build fail and leaves an INVALID index; once it is gone, a rerun succeeds."""
    connection.execute("INSERT INTO t VALUES (1, 'ROW 1')")
    revisions.add(BUILD)
    with pytest.raises(Exception, match="could not create unique index"):
        revisions.upgrade(empty_url)
    assert value(connection, STATE) is False
    connection.execute("DELETE FROM t WHERE b = 'ROW 1'")
    revisions.upgrade(empty_url)
    assert value(connection, STATE) is True


@pytest.mark.usefixtures("table")
def test_a_build_that_gets_no_lock_is_tried_again(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Every try leaves an INVALID index; the next one drops it first."""
    revisions.add(BUILD[:-1] + ", lock_timeout='200ms')")
    with psycopg.connect(conninfo(empty_url)) as writer:
        writer.execute("INSERT INTO t VALUES (0, '')")
        timer = threading.Timer(1, writer.commit)
        timer.start()
        revisions.upgrade(empty_url)
        timer.join()
    assert "create_index_concurrently on t: try 2 did not get its locks" in caplog.text
    assert value(connection, STATE) is True


@pytest.mark.usefixtures("table")
def test_a_finished_build_is_accepted(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """A run that was killed between the build and its record is repeated without building again."""
    first = revisions.add("pass")
    revisions.add(BUILD)
    revisions.upgrade(empty_url)
    built = value(connection, "SELECT 'ix'::regclass::oid")
    command.stamp(revisions.config(empty_url), first)
    revisions.upgrade(empty_url)
    assert value(connection, "SELECT 'ix'::regclass::oid") == built
    assert value(connection, "SELECT count(*) FROM pg_class WHERE relname = 't'") == 1


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "other",
    [
        "CREATE INDEX ix ON t (a, lower(b) DESC)",
        "CREATE UNIQUE INDEX ix ON t (a, lower(b))",
        "CREATE UNIQUE INDEX ix ON t (a, lower(b) DESC) WHERE a > 0",
        "CREATE UNIQUE INDEX ix ON t (a, lower(b) DESC) WITH (fillfactor = 50)",
        "CREATE UNIQUE INDEX ix ON t (a, lower(b) DESC) INCLUDE (b)",
    ],
)
def test_another_index_of_that_name_is_refused(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection, other: str
) -> None:
    """IF NOT EXISTS would call that success."""
    connection.execute(other.encode())
    revisions.add(BUILD)
    with pytest.raises(MigrationRefused, match="ix already, with another definition"):
        revisions.upgrade(empty_url)
    assert migrate.current(empty_url) is None


@pytest.mark.usefixtures("table")
def test_settings_outlive_the_block(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """Inside, the operation's limits hold; afterwards the session's again, the role and SET included."""
    connection.execute(
        """
        CREATE FUNCTION seen() RETURNS text IMMUTABLE LANGUAGE sql AS
            $$ SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout') $$;
        CREATE TABLE log (entry text)
        """
    )
    note = "op.execute(\"INSERT INTO log SELECT seen() || ' ' || current_setting('timezone')\")"
    revisions.add(
        "op.create_index_concurrently('ix', 't', [sa.text('(seen())')], statement_timeout='3min')\n" + note
    )
    revisions.add(note)
    connection.execute(
        """
        CREATE OR REPLACE FUNCTION seen() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF current_setting('statement_timeout') NOT IN ('3min', '15min') THEN
                RAISE EXCEPTION 'limits: %', current_setting('statement_timeout');
            END IF;
            RETURN current_setting('lock_timeout') || ' ' || current_setting('statement_timeout');
        END $$
        """
    )
    revisions.upgrade(empty_url, lock_timeout="1500ms")
    entries = [entry for (entry,) in connection.execute("SELECT entry FROM log").fetchall()]
    assert entries == ["1500ms 15min UTC"] * 2
    # Rows of the index were computed in the build, under its limits.
    connection.execute("SET lock_timeout = '10min'; SET statement_timeout = '3min'; SET enable_seqscan = off")
    assert value(connection, "SELECT count(*) FROM t WHERE seen() = '10min 3min'") == 100


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "call",
    [
        BUILD,
        "op.drop_index_concurrently('ix', 't')",
        "op.validate_constraint('c', 't')",
        "op.set_not_null('t', 'a')",
    ],
)
def test_changes_before_are_refused(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection, call: str
) -> None:
    """They would be committed half way, and a rerun would fail on them for ever."""
    revisions.add(f"op.add_column('t', sa.Column('c', sa.Integer))\n{call}")
    with pytest.raises(MigrationRefused, match="Call it first in the revision"):
        revisions.upgrade(empty_url)
    assert value(connection, "SELECT count(*) FROM pg_attribute WHERE attname = 'c'") == 0


@pytest.mark.usefixtures("table")
def test_constraints_are_added_and_validated_apart(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """Alembic's operations add them NOT VALID; a revision later they are checked."""
    connection.execute("CREATE TABLE parent (id integer PRIMARY KEY)")
    connection.execute("INSERT INTO parent SELECT a FROM t")
    added = revisions.add(
        """
        op.create_foreign_key('fk', 't', 'parent', ['a'], ['id'], postgresql_not_valid=True)
        op.create_check_constraint(op.f('ck'), 't', 'a > 0', postgresql_not_valid=True)
        """,
        "op.drop_constraint('ck', 't')\nop.drop_constraint('fk', 't')",
    )
    revisions.add("op.validate_constraint('fk', 't')\nop.validate_constraint('ck', 't')")
    valid = "SELECT array_agg(convalidated) FROM pg_constraint WHERE conname IN ('fk', 'ck')"
    revisions.upgrade(empty_url, added)
    assert value(connection, valid) == [False, False]
    revisions.upgrade(empty_url)
    assert value(connection, valid) == [True, True]
    command.stamp(revisions.config(empty_url), added)
    revisions.upgrade(empty_url)
    revisions.downgrade(empty_url, "base")
    assert value(connection, valid) is None


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("done", range(5))
def test_not_null_goes_on_from_every_step(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection, done: int
) -> None:
    """However many of its statements a killed run has done, the rest follows and nothing is left over."""
    check = '"ck_t_a_not_null"'
    steps = [
        f"ALTER TABLE t ADD CONSTRAINT {check} CHECK (a IS NOT NULL) NOT VALID",
        f"ALTER TABLE t VALIDATE CONSTRAINT {check}",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        f"ALTER TABLE t DROP CONSTRAINT {check}",
    ]
    for step in steps[:done]:
        connection.execute(step.encode())
    revisions.add("op.set_not_null('t', 'a')")
    revisions.upgrade(empty_url)
    assert value(connection, "SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass") is True
    assert (
        value(connection, "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conname ~ '^ck'") == 0
    )


@pytest.mark.usefixtures("table")
def test_writers_go_on_while_a_constraint_is_validated(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """Reading the whole table takes long; nobody waits for it."""
    connection.execute(
        "CREATE FUNCTION slowly(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN PERFORM pg_sleep(0.005); RETURN true; END $$;"
        "ALTER TABLE t ADD CONSTRAINT ck CHECK (slowly(a)) NOT VALID"
    )
    revisions.add("op.validate_constraint('ck', 't')")
    waits: list[float] = []
    thread = threading.Thread(target=revisions.upgrade, args=(empty_url,))
    thread.start()
    while thread.is_alive():
        started = time.monotonic()
        connection.execute("UPDATE t SET b = 'new' WHERE a = 1")
        waits.append(time.monotonic() - started)
    thread.join()
    assert value(connection, "SELECT convalidated FROM pg_constraint WHERE conname = 'ck'") is True
    assert max(waits) < 0.4, "the validation alone takes half a second"


def test_a_foreign_key_is_checked_under_forced_row_security(
    later_revisions: Revisions, devmentor_database_url: str
) -> None:
    """Row security binds the query that PostgreSQL checks it by, also the owner's: no row is passed over."""
    later_revisions.add(
        """
        op.add_column('teams', sa.Column('boss', sa.Uuid), schema='auth')
        op.create_foreign_key('fk_boss', 'teams', 'users', ['boss'], ['id'], source_schema='auth',
            referent_schema='auth', postgresql_not_valid=True)
        """
    )
    later_revisions.upgrade(devmentor_database_url)
    later_revisions.add("op.validate_constraint('fk_boss', 'teams', schema='auth')")
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        with Session(create_engine(devmentor_database_url, poolclass=NullPool)) as session:
            TeamFactory.insert(session)
            session.commit()
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE auth.teams SET boss = gen_random_uuid()")
        with pytest.raises(IntegrityError, match="fk_boss"):
            later_revisions.upgrade(devmentor_database_url)
        connection.execute("UPDATE auth.teams SET boss = user_id")
        later_revisions.upgrade(devmentor_database_url)
        assert value(connection, "SELECT convalidated FROM pg_constraint WHERE conname = 'fk_boss'") is True
        assert value(connection, "SELECT count(*) FROM pg_policy WHERE polname = 'devmentor_migration'") == 0


def test_the_printed_script_says_the_same(revisions: Revisions) -> None:
    """Offline: COMMIT, the limits, the statement, the limits back, BEGIN."""
    revisions.add(
        """
        op.create_index_concurrently('ix', 't', [sa.text("(b LIKE 'x%')")], schema='s')
        op.drop_index_concurrently('ix', 't', schema='s')
        op.validate_constraint('ck', 't', schema='s')
        op.set_not_null('t', 'a', schema='s')
        """
    )
    config = revisions.config("postgresql://")
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)
    script = config.output_buffer.getvalue()
    for statement in (
        "CREATE INDEX CONCURRENTLY ix ON s.t ((b LIKE 'x%'));",
        "DROP INDEX CONCURRENTLY IF EXISTS s.ix;",
        "ALTER TABLE s.t VALIDATE CONSTRAINT ck;",
    ):
        before, after = script.split(statement)
        assert before.rstrip().endswith("SET statement_timeout = '2h';")
        assert before.count("COMMIT;") == before.count("BEGIN;"), "outside a transaction"
        assert after.lstrip().startswith("RESET statement_timeout;")
    assert "ALTER TABLE s.t ALTER COLUMN a SET NOT NULL;" in script

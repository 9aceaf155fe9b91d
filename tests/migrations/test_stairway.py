"""Every revision down, up and down again on a filled database: what can be kept is kept (requirement M1)."""

from __future__ import annotations

import re

import pytest
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.orm import Session

from devmentor_models import Database, migrate, seeds
from devmentor_models.migrations.steps import loss_of
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA, target_metadata
from tests.support.every_model import insert_rows_everywhere
from tests.support.revision_folder import Revisions

ROWS = 3
#: What migrations write about themselves.
OWN_RECORDS = ["devmentor.alembic_version", "devmentor.revisions"]

TABLES = text(
    """
    SELECT n.nspname || '.' || c.relname, array_agg(quote_ident(a.attname) ORDER BY a.attnum),
           (SELECT string_agg(attname, ', ') FROM pg_attribute JOIN pg_index ON indexrelid = attrelid
             WHERE indrelid = c.oid AND indisprimary)
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY(:schemas)
       AND NOT n.nspname || '.' || c.relname = ANY(:own)
     GROUP BY c.oid, 1
    """
)

#: The rows of every table, column by column, as PostgreSQL writes them.
Contents = dict[str, dict[str, list[str | None]]]


def contents(engine: Engine) -> Contents:
    """Read all rows of all tables of ours, in the order of the primary key."""
    found: Contents = {}
    with engine.connect() as connection:
        scope = {"schemas": [*SCHEMAS, TECHNICAL_SCHEMA], "own": OWN_RECORDS}
        for table, names, key in connection.execute(TABLES, scope).all():
            columns = ", ".join(f"{name}::text" for name in names)
            rows = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY {key}")).all()
            found[table] = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return found


def gone(before: Contents, after: Contents) -> set[str]:
    """Return the tables and columns that are not there any more."""
    columns = {f"{table}.{name}" for table in before for name in before[table].keys() - after.get(table, {})}
    return (before.keys() - after.keys()) | columns


def changed(before: Contents, after: Contents) -> set[str]:
    """Return the columns that are in both, with other values."""
    return {
        f"{table}.{name}"
        for table in before.keys() & after.keys()
        for name in before[table].keys() & after[table].keys()
        if before[table][name] != after[table][name]
    }


#: Of a table that is no model's; contexts are signed when the keys are brought in by the command.
KEY = text(
    "INSERT INTO devmentor.context_keys (place, fingerprint, inner_pad, outer_pad)"
    " VALUES (:place, 'f', '\\x00', '\\x00')"
)


def fill(url: str) -> Engine:
    """Insert some rows into every table."""
    with Database.from_url(url, pool_min=0) as database:
        seeds.apply(database)
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session, session.begin():
        for _ in range(ROWS):
            insert_rows_everywhere(session)
        for place in range(ROWS):
            session.execute(KEY, {"place": place})
    return engine


def walk_down(engine: Engine, revisions: Revisions, url: str) -> None:
    """Take every step down, up and down, and look after each what became of the rows."""
    directory = ScriptDirectory.from_config(revisions.config(url))
    before = contents(engine)
    for script in directory.walk_revisions():
        for move in ("down", "up", "down"):
            if move == "down":
                revisions.downgrade(url, str(script.down_revision or "base"), allow_data_loss="yes")
            else:
                revisions.upgrade(url, script.revision)
            after = contents(engine)
            differing = sorted(changed(before, after))
            # All names in the message: pytest cuts long lists, and a changed row has lines in the trail.
            assert differing == [], f"{move} from {script.path}: {' '.join(differing)}"
            if move == "down":
                check_declared(script, gone(before, after))
            else:
                assert gone(before, after) == set(), f"up to {script.path}"
            before = after


def check_declared(script: Script, lost: set[str]) -> None:
    """A downgrade that takes tables or columns away says so, and no other does."""
    declared = loss_of(script.module.__doc__)
    assert bool(declared) == bool(lost), (
        f"{script.path} says that its downgrade loses {declared or 'nothing'}; it took away {sorted(lost)}"
    )


def test_every_table_has_rows(devmentor_database_url: str) -> None:
    """A stairway over empty tables would prove nothing."""
    filled = contents(fill(devmentor_database_url))
    assert filled.keys() >= target_metadata.tables.keys()
    counts = {table: len(next(iter(columns.values()))) for table, columns in filled.items()}
    assert {table: count for table, count in counts.items() if count < ROWS} == {}


@pytest.mark.long
def test_rows_outlive_every_step_that_can_keep_them(devmentor_database_url: str) -> None:
    """The real revisions, from head to base."""
    engine = fill(devmentor_database_url)
    real = Revisions(migrate.script_location(), migrate.head())
    walk_down(engine, real, devmentor_database_url)
    assert contents(engine) == {}


WIDEN = (
    "op.add_column('teams', sa.Column('motto', sa.Text), schema='auth')",
    "op.drop_column('teams', 'motto', schema='auth')",
)


def test_a_column_that_a_downgrade_drops_is_found(
    later_revisions: Revisions, devmentor_database_url: str
) -> None:
    """Without the line in its docstring such a revision fails the stairway."""
    later_revisions.add(*WIDEN)
    later_revisions.upgrade(devmentor_database_url)
    with pytest.raises(AssertionError, match=r"loses nothing; it took away \['auth.teams.motto'\]"):
        walk_down(fill(devmentor_database_url), later_revisions, devmentor_database_url)


def test_a_line_without_a_loss_is_found(later_revisions: Revisions, devmentor_database_url: str) -> None:
    """Warnings that mean nothing are soon not read."""
    later_revisions.add("pass", loses="everything.")
    later_revisions.upgrade(devmentor_database_url)
    with pytest.raises(AssertionError, match=r"loses everything\.; it took away \[\]"):
        walk_down(fill(devmentor_database_url), later_revisions, devmentor_database_url)


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "column"),
    [
        ("UPDATE auth.teams SET name = name || '!'", "SELECT", "auth.teams."),
        ("SELECT", "DELETE FROM learning.recommendations", "learning.recommendations."),
    ],
)
def test_changed_rows_are_found(
    later_revisions: Revisions, devmentor_database_url: str, upgrade: str, downgrade: str, column: str
) -> None:
    """One byte of one row is enough, in either direction."""
    unforced = "op.execute('ALTER TABLE {} NO FORCE ROW LEVEL SECURITY')\n"
    later_revisions.add(
        unforced.format("auth.teams") + f"op.execute({upgrade!r})",
        unforced.format("learning.recommendations") + f"op.execute({downgrade!r})",
    )
    later_revisions.upgrade(devmentor_database_url)
    with pytest.raises(AssertionError, match=rf"{re.escape(column)}"):
        walk_down(fill(devmentor_database_url), later_revisions, devmentor_database_url)

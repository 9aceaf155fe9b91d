"""How the owner gets at every row of tables whose row security binds it, too (traps 19, M4).

The sessions of migrations run with ``row_security = off``: a statement that policies would cut short fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from devmentor_models.migrations.identifiers import Verbatim

#: The policy by which the owner sees every row of a forced table for a while.
POLICY = "devmentor_migration"

_FORCED = text(
    "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = CAST(:table AS regclass)"
)


def forced(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Return those of the tables whose row security binds their owner."""
    return [table for table in tables if connection.scalar(_FORCED, {"table": table})]


@contextmanager
def every_row(connection: Connection, *tables: str) -> Iterator[None]:
    """Let the owner see every row of forced tables meanwhile, by a policy for nobody else.

    Unlike lifting FORCE this locks nobody out: only making and dropping the policies waits for the tables.
    What a killed run left is made anew. Autocommit is on.
    """
    names = forced(connection, tables)
    if not names:
        yield
        return
    drops = [Verbatim(f"DROP POLICY IF EXISTS {POLICY} ON {table}") for table in names]
    _run(connection, drops)
    policy = "TO CURRENT_USER USING (true) WITH CHECK (true)"
    _run(connection, [Verbatim(f"CREATE POLICY {POLICY} ON {table} {policy}") for table in names])
    before = connection.scalar(text("SELECT current_setting('row_security')"))
    setting = text("SELECT set_config('row_security', :value, false)")
    connection.execute(setting, {"value": "on"})
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # a policy that is left is made anew by the next run
            connection.execute(setting, {"value": before})
            _run(connection, drops)
        raise
    connection.execute(setting, {"value": before})
    _run(connection, drops)


def _run(connection: Connection, statements: Sequence[Verbatim]) -> None:
    for statement in statements:
        connection.execute(statement)

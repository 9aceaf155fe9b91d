"""Steps of revisions that change rows, and cannot miss them silently (M2, Z1).

Row security is forced upon the owner too, so its UPDATE of a whole table may touch no row, without an error,
and its SELECT count(*) agrees. The sessions of migrations therefore run with ``row_security = off``:
PostgreSQL refuses what a policy would cut short, in any statement, the look at old rows for a new foreign key
included (which would otherwise pass unseen). Two operations do the rest::

    with op.lift_row_security("projects.tasks"):
        op.expect_rows(
            "projects.tasks",
            "UPDATE projects.tasks SET priority = 'low' WHERE priority IS NULL",
            rows="SELECT count(*) FROM projects.tasks WHERE priority IS NULL",
        )
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

import psycopg
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.exc import DBAPIError

from devmentor_models.errors import ConfigurationError, RowsHidden, UnexpectedRows
from devmentor_models.migrations.identifiers import Verbatim
from devmentor_models.migrations.row_security import forced

#: How many rows: exactly so many, from .. to (None: any number more), or what a SELECT count(*) says.
Expected: TypeAlias = int | tuple[int, int | None] | str

_TAG = "$devmentor_step$"
_REFUSED = "42501"
#: What in PostgreSQL refuses for row security: a missing right has the same SQLSTATE, and another text in
#: every language.
_GUARDS = frozenset({"check_enable_rls", "ExecWithCheckOptions"})


@Operations.register_operation("expect_rows")
class ExpectRows(MigrateOperation):
    """A statement that must touch an expected number of rows."""

    def __init__(self, table: str, sql: str, rows: Expected) -> None:
        self.table = table
        self.sql = sql
        self.rows = rows

    @classmethod
    def expect_rows(cls, operations: Operations, table: str, sql: str, *, rows: Expected) -> None:
        """Run an INSERT, UPDATE or DELETE, and undo it unless it touched as many rows as expected.

        Where others write to the table at the same time, a count may be outdated at once: give a range.

        Args:
            operations: Alembic's ``op``.
            table: The table that it changes, as ``schema.table``.
            sql: The statement, sent as it stands: neither ``%`` nor ``:`` has a meaning.
            rows: A number, a range such as ``(1, 500)`` or ``(1, None)``, or a SELECT that counts beforehand.

        Raises:
            RowsHidden: Row security would hide rows of a table from the statement or from the count.
            UnexpectedRows: It touched another number of rows.
        """
        operations.invoke(cls(table, sql, rows))


@Operations.register_operation("lift_row_security")
class LiftRowSecurity(MigrateOperation):
    """Tables whose row security shall not bind the owner for a while."""

    def __init__(self, tables: tuple[str, ...]) -> None:
        self.tables = tables

    @classmethod
    def lift_row_security(cls, operations: Operations, *tables: str) -> AbstractContextManager[None]:
        """Let the owner see and change every row of ``tables`` inside the ``with`` block; nobody else.

        FORCE ROW LEVEL SECURITY goes and comes back in one transaction, that of the revision or, in an
        ``autocommit_block``, one of its own. The tables are locked against readers and writers from here
        until that transaction ends, so keep it short.

        Args:
            operations: Alembic's ``op``.
            *tables: Their names, as ``schema.table``.
        """
        made: AbstractContextManager[None] = operations.invoke(cls(tables))
        return made


@Operations.implementation_for(ExpectRows)
def _expect_rows(operations: Operations, step: ExpectRows) -> None:
    if operations.get_context().as_sql:
        operations.execute(Verbatim(_as_block(step)))
        return
    connection = operations.get_bind()
    with _transaction(connection):
        active = text("SELECT row_security_active(CAST(:name AS text))")
        if connection.scalar(active, {"name": step.table}):
            raise RowsHidden(_hidden(step.table))
        try:
            expected = _range(connection, step.rows)
            touched = _run(connection, step.sql).rowcount
        except DBAPIError as error:
            if _is_row_security(error):
                raise RowsHidden(f"{_hidden(step.table)} {error.orig}") from error
            raise
        if not _fits(touched, expected):
            raise UnexpectedRows(step.table, _describe(expected), touched)


@Operations.implementation_for(LiftRowSecurity)
def _lift_row_security(operations: Operations, step: LiftRowSecurity) -> AbstractContextManager[None]:
    return _lifted(operations, step.tables)


@contextmanager
def _lifted(operations: Operations, tables: tuple[str, ...]) -> Iterator[None]:
    """Lift and restore. An error needs no restoring: it ends the transaction."""
    offline = operations.get_context().as_sql
    with nullcontext() if offline else _transaction(operations.get_bind()):
        bound = tables if offline else forced(operations.get_bind(), tables)
        for table in bound:
            operations.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        yield
        for table in bound:
            operations.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _transaction(connection: Connection) -> AbstractContextManager[object]:
    """Return a transaction of one's own where the revision has none, in an ``autocommit_block``."""
    driver = connection.connection.driver_connection
    if isinstance(driver, psycopg.Connection) and driver.autocommit:
        return driver.transaction()
    return nullcontext()


def _is_row_security(error: DBAPIError) -> bool:
    """Tell whether row security refused a statement, whichever language the server speaks."""
    refused = error.orig
    return (
        isinstance(refused, psycopg.Error)
        and refused.sqlstate == _REFUSED
        and refused.diag.source_function in _GUARDS
    )


def _run(connection: Connection, sql: str) -> CursorResult[object]:
    return connection.execution_options(no_parameters=True).exec_driver_sql(sql)


def _range(connection: Connection, rows: Expected) -> tuple[int, int | None]:
    """Return the least and the greatest number of rows that are right."""
    if isinstance(rows, tuple):
        return rows
    number = _run(connection, rows).scalar_one() if isinstance(rows, str) else rows
    if not isinstance(number, int):
        raise ConfigurationError("The query for the expected number of rows returned something else.")
    return number, number


def _fits(touched: int, expected: tuple[int, int | None]) -> bool:
    least, most = expected
    return least <= touched and (most is None or touched <= most)


def _describe(expected: tuple[int, int | None]) -> str:
    least, most = expected
    if least == most:
        return str(least)
    return f"at least {least}" if most is None else f"{least} to {most}"


def _hidden(table: str) -> str:
    return (
        f"Row security hides rows from the migration of {table}: put the step into"
        f' `with op.lift_row_security("{table}"):`, and name there every forced table that it reads.'
    )


def _as_block(step: ExpectRows) -> str:
    """Return the step as a block of PL/pgSQL that raises, for a script."""
    least, most = (step.rows, step.rows) if isinstance(step.rows, int | str) else step.rows
    bounds = [
        f"    {name} := ({bound});\n"
        for name, bound in (("least", least), ("most", most))
        if bound is not None
    ]
    if isinstance(step.rows, str):
        bounds = [f"    EXECUTE {_TAG}{step.rows}{_TAG} INTO least;\n    most := least;\n"]
    table = step.table.replace("'", "''")
    return (
        "DO $devmentor$\nDECLARE\n    least bigint;\n    most bigint;\n    touched bigint;\nBEGIN\n"
        f"    IF row_security_active('{table}') THEN\n"
        f"        RAISE EXCEPTION 'row security hides rows of {table}';\n    END IF;\n"
        f"{''.join(bounds)}"
        f"    EXECUTE {_TAG}{step.sql}{_TAG};\n"
        "    GET DIAGNOSTICS touched = ROW_COUNT;\n"
        "    IF touched < least OR touched > most THEN\n"
        f"        RAISE EXCEPTION '{table}: touched % rows, expected % to %', touched, least,"
        " coalesce(most::text, 'any');\n"
        "    END IF;\nEND\n$devmentor$"
    )

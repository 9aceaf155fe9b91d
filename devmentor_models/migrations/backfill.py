"""Fill a column of a table that is being written to: a few rows at a time, each batch committed (M3, M6).

One UPDATE of a whole table would keep every writer of its rows waiting until the end, and leave as many dead
rows as it has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from devmentor_models.errors import MigrationRefused
from devmentor_models.migrations.identifiers import Verbatim, quoted
from devmentor_models.migrations.online import BUILD_STATEMENT_TIMEOUT, Online
from devmentor_models.migrations.row_security import every_row

log = logging.getLogger("devmentor_models.migrations")

BATCH_ROWS = 1000
#: Old code may still insert rows without the value. After so many passes it is faster than we are.
MOST_PASSES = 10

_KEY = text(
    "SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (number, place)"
    " JOIN pg_attribute a ON a.attnum = k.number"
    " WHERE i.indrelid = CAST(:table AS regclass) AND i.indisprimary AND a.attrelid = i.indrelid"
    " ORDER BY k.place"
)


@Operations.register_operation("fill_in_batches")
class FillInBatches(Online):
    """An UPDATE in batches along the primary key, until no row is left to change."""

    what = "fill_in_batches"

    def __init__(self, table: str, schema: str | None, *, change: str, where: str, rows: int) -> None:
        super().__init__(table, schema, lock_timeout="2s", statement_timeout=BUILD_STATEMENT_TIMEOUT)
        self.change = change
        self.where = where
        self.rows = rows

    @classmethod
    def fill_in_batches(
        cls,
        operations: Operations,
        table_name: str,
        change: str,
        *,
        where: str,
        schema: str | None = None,
        rows: int = BATCH_ROWS,
    ) -> None:
        """Change all rows that need it, a batch at a time, while the table is written to.

        Each batch is committed, so a run that was killed goes on where it was. Row triggers count:
        ``version`` and ``updated_at`` of the rows change. Of a table with forced row security all rows are.

        Example::

            def upgrade() -> None:
                op.fill_in_batches(
                    "documents",
                    "characters = char_length(content)",
                    where="characters IS NULL",
                    schema="memory",
                )

        Args:
            operations: Given by ``op``.
            table_name: The table; it has a primary key.
            change: What follows SET in an UPDATE.
            where: Which rows still need it; no row may after its change.
            schema: Schema of the table.
            rows: Rows of a batch: as many as writers can wait for.

        Raises:
            MigrationRefused: The revision has changed something before, the table has no primary key, or rows
                need the change however often it is made.
            LockTimeout: A row stayed locked.
        """
        operations.invoke(cls(table_name, schema, change=change, where=where, rows=rows))

    def converge(self, context: MigrationContext, connection: Connection) -> None:
        """Pass through the table until nothing is left to change."""
        table = self.qualified(self.table)
        key = connection.scalars(_KEY, {"table": table}).all()
        if not key:
            raise MigrationRefused(f"{table} has no primary key: it cannot be filled in batches.")
        with self.limits(connection), every_row(connection, table):
            for _ in range(MOST_PASSES):
                if not sum(self._batches(connection, key)):
                    return
        raise MigrationRefused(
            f"{table}: rows still match {self.where} after {MOST_PASSES} passes. Does the change make them"
            " not match, and does the code that serves write the value?"
        )

    def _batches(self, connection: Connection, key: Sequence[str]) -> Iterator[int]:
        """Pass once through the table; yield how many rows each batch changed."""
        last: tuple[Any, ...] | None = None
        total = 0
        while True:
            statement = self._statement(key, after=last is not None)
            found = connection.exec_driver_sql(statement, last or ()).one_or_none()
            if found is None:
                return
            changed, *values = found
            last = tuple(values)
            total += changed
            log.info("%s: %d rows", self.qualified(self.table), total)
            yield changed

    def _statement(self, key: Sequence[str], *, after: bool) -> str:
        """Return the next batch's UPDATE, which tells how many rows it changed and the last one's key."""
        change, where = self.change.replace("%", "%%"), self.where.replace("%", "%%")
        table, names = self.qualified(self.table), [quoted(name) for name in key]
        columns = ", ".join(names)
        further = f" AND ({columns}) > ({', '.join(['%s'] * len(names))})" if after else ""
        same = " AND ".join(f"filled.{name} = chosen.{name}" for name in names)
        backwards = ", ".join(f"{name} DESC" for name in names)
        return (
            f"WITH chosen AS (SELECT {columns} FROM {table} WHERE ({where}){further}"
            f" ORDER BY {columns} LIMIT {self.rows} FOR UPDATE),"
            f" changed AS (UPDATE {table} AS filled SET {change} FROM chosen WHERE {same} RETURNING 1)"
            f" SELECT (SELECT count(*) FROM changed), {columns} FROM chosen ORDER BY {backwards} LIMIT 1"
        )

    def print(self, context: MigrationContext) -> None:
        """Emit one UPDATE: a script has no loop that commits."""
        change = f"UPDATE {self.qualified(self.table)} SET {self.change} WHERE {self.where}"
        self.print_limited(context, Verbatim(change))


@Operations.implementation_for(FillInBatches)
def _run(operations: Operations, operation: FillInBatches) -> None:
    operation.run(operations)

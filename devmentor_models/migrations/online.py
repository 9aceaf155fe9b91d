"""Operations for tables that are being written to: nobody waits long for any of them (DESIGN §5, M3).

Importing this module adds them to ``alembic.op``. Each runs outside the revision's transaction, so a run
that was killed may have done it already: each looks what is there and goes on from that. A revision calls
them first, before anything that its transaction would have to take back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import CreateIndexOp
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Executable, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from devmentor_models.errors import MigrationRefused
from devmentor_models.migrations.identifiers import qualified, quoted
from devmentor_models.migrations.patience import Patience
from devmentor_models.migrations.row_security import every_row

#: How long a build waits for transactions that are older than it. No writer waits behind it meanwhile.
BUILD_LOCK_TIMEOUT = "10min"
#: How long a build may take altogether.
BUILD_STATEMENT_TIMEOUT = "2h"

_TABLES_OF_KEY = text(
    "SELECT unnest(ARRAY[conrelid, confrelid])::regclass::text FROM pg_constraint"
    " WHERE conrelid = to_regclass(:table) AND conname = :name AND contype = 'f' AND NOT convalidated"
)

_STATE = text(
    "SELECT i.indisvalid AND i.indisready AND i.indislive, i.indisunique, pg_get_indexdef(i.indexrelid)"
    " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.oid = to_regclass(:name)"
)


class Online(MigrateOperation):
    """An operation that runs outside the revision's transaction, in tries of its own.

    Args:
        table: The table that it changes.
        schema: Its schema.
        lock_timeout: How long one try waits for locks that make nobody else wait, as PostgreSQL writes it.
        statement_timeout: How long one try may take altogether.
    """

    what: ClassVar[str]

    def __init__(
        self,
        table: str,
        schema: str | None = None,
        *,
        lock_timeout: str = BUILD_LOCK_TIMEOUT,
        statement_timeout: str = BUILD_STATEMENT_TIMEOUT,
    ) -> None:
        self.table = table
        self.schema = schema
        self.lock_timeout = lock_timeout
        self.statement_timeout = statement_timeout

    def qualified(self, name: str) -> str:
        """Return ``name`` with the schema, quoted for SQL."""
        return qualified(self.schema or "", name)

    def run(self, operations: Operations) -> None:
        """Do it outside the transaction, under limits of its own; a try that gets no lock is repeated.

        Raises:
            MigrationRefused: The revision has changed something before.
            LockTimeout: The last try did not get its locks either.
        """
        context = operations.get_context()
        if context.as_sql:
            with context.autocommit_block():
                self.print(context)
            return
        self._refuse_after_changes(operations.get_bind())
        patience: Patience = context.opts.get("patience") or Patience()
        with context.autocommit_block():
            connection = operations.get_bind()
            patience.run(lambda: self.converge(context, connection), lambda: f"{self.what} on {self.table}")

    def converge(self, context: MigrationContext, connection: Connection) -> None:
        """Do what is still to be done."""
        raise NotImplementedError

    def print(self, context: MigrationContext) -> None:
        """Emit the statements for a script that is run by hand."""
        raise NotImplementedError

    @contextmanager
    def limits(self, connection: Connection) -> Iterator[None]:
        """Run a block under the operation's limits, then put the session's own back."""
        read = text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        lock, statement = connection.execute(read).one()
        self._limit(connection, self.lock_timeout, self.statement_timeout)
        try:
            yield
        except BaseException:
            with suppress(DBAPIError):  # the error that ended the block is the one to tell of
                self._limit(connection, lock, statement)
            raise
        self._limit(connection, lock, statement)

    @staticmethod
    def _limit(connection: Connection, lock: str, statement: str) -> None:
        for name, value in (("lock_timeout", lock), ("statement_timeout", statement)):
            connection.execute(
                text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value}
            )

    def print_limited(self, context: MigrationContext, *statements: str | Executable) -> None:
        """Emit statements with the operation's limits around them."""
        context.execute(f"SET lock_timeout = '{self.lock_timeout}'")
        context.execute(f"SET statement_timeout = '{self.statement_timeout}'")
        for statement in statements:
            context.execute(statement)
        context.execute("RESET statement_timeout")
        context.execute("RESET lock_timeout")

    def _refuse_after_changes(self, connection: Connection) -> None:
        """What the transaction has changed would be committed here, and repeated when a rerun comes by."""
        if connection.scalar(text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")):
            raise MigrationRefused(
                f"{self.what} commits what its revision did before, which a run after a failure would then"
                " repeat. Call it first in the revision, or put what comes before into one of its own."
            )


@Operations.register_operation("create_index_concurrently")
class CreateIndexConcurrently(Online):
    """CREATE INDEX CONCURRENTLY that copes with what a failed or killed build left behind."""

    what = "create_index_concurrently"

    def __init__(self, create: CreateIndexOp, **limits: Any) -> None:
        super().__init__(create.table_name, create.schema, **limits)
        self.create = create
        self.name = str(create.index_name)

    @classmethod
    def create_index_concurrently(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        columns: Sequence[Any],
        *,
        schema: str | None = None,
        unique: bool = False,
        lock_timeout: str = BUILD_LOCK_TIMEOUT,
        statement_timeout: str = BUILD_STATEMENT_TIMEOUT,
        **kw: Any,
    ) -> None:
        """Build an index while the table is written to.

        An INVALID index of that name is what a failed build left: it is dropped and built again. A valid
        one with the same definition is taken as built. Not for partitioned tables, which PostgreSQL refuses.

        Example::

            def upgrade() -> None:
                op.create_index_concurrently("ix_tasks_due_date", "tasks", ["due_date"], schema="projects")

        Args:
            operations: Given by ``op``.
            index_name: Its name.
            table_name: The table.
            columns: Columns, or expressions in ``sa.text()``.
            schema: Schema of the table.
            unique: Whether values are unique.
            lock_timeout: How long a try waits for older transactions, as PostgreSQL writes it.
            statement_timeout: How long a try may take.
            **kw: As for ``op.create_index``: ``postgresql_using``, ``postgresql_where`` …

        Raises:
            MigrationRefused: A valid index of that name has another definition, or the revision has
                changed something before.
            LockTimeout: No try got its locks.
        """
        create = CreateIndexOp(index_name, table_name, columns, schema=schema, unique=unique, **kw)
        limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
        operations.invoke(cls(create, **limits))

    def converge(self, context: MigrationContext, connection: Connection) -> None:
        """Drop an invalid index; build it when there is none; compare when there is one."""
        found = connection.execute(_STATE, {"name": self.qualified(self.name)}).one_or_none()
        if found is not None and found[0]:
            self._refuse_another(connection, found[1:])
            return
        with self.limits(connection):
            if found is not None:
                connection.execute(text(f"DROP INDEX CONCURRENTLY {self.qualified(self.name)}"))
            connection.execute(CreateIndex(self._index(context, concurrently=True)))

    def print(self, context: MigrationContext) -> None:
        """Emit the build; where an INVALID index is left over, PostgreSQL will say that the name is taken."""
        self.print_limited(context, CreateIndex(self._index(context, concurrently=True)))

    def _index(
        self, context: MigrationContext, *, concurrently: bool = False, temporary: bool = False
    ) -> Any:
        schema = "pg_temp" if temporary else self.schema
        kw = {**self.create.kw, "postgresql_concurrently": concurrently}
        made = CreateIndexOp(
            self.name, self.table, self.create.columns, schema=schema, unique=self.create.unique, **kw
        )
        return made.to_index(context)

    def _refuse_another(self, connection: Connection, found: Sequence[Any]) -> None:
        """Let PostgreSQL write down the wanted definition: on an empty copy of the table, for a moment."""
        wanted_index = self._index(MigrationContext.configure(connection), temporary=True)
        copy = f"pg_temp.{quoted(self.table)}"
        connection.execute(text(f"CREATE TABLE {copy} (LIKE {self.qualified(self.table)})"))
        try:
            connection.execute(CreateIndex(wanted_index))
            wanted = connection.execute(_STATE, {"name": f"pg_temp.{quoted(self.name)}"}).one()[1:]
        finally:
            connection.execute(text(f"DROP TABLE {copy}"))
        if [_definition(wanted), *wanted[:1]] != [_definition(found), *found[:1]]:
            raise MigrationRefused(
                f"There is an index {self.qualified(self.name)} already, with another definition:"
                f" {found[1]}. Give the new one another name, or drop this one in a revision before."
            )


def _definition(state: Sequence[Any]) -> str:
    """Return an index definition without the name of its table."""
    return re.sub(r"^.*? ON .*? USING ", "", state[1], count=1, flags=re.DOTALL)


class OneStatement(Online):
    """An operation on something with a name, of one statement that may be repeated."""

    def __init__(self, name: str, table: str, schema: str | None, **limits: Any) -> None:
        super().__init__(table, schema, **limits)
        self.name = name

    def statement(self) -> str:
        """Return the statement."""
        raise NotImplementedError

    def converge(self, context: MigrationContext, connection: Connection) -> None:
        """Run the statement under the operation's limits."""
        with self.limits(connection):
            connection.execute(text(self.statement()))

    def print(self, context: MigrationContext) -> None:
        """Emit the statement."""
        self.print_limited(context, self.statement())


@Operations.register_operation("drop_index_concurrently")
class DropIndexConcurrently(OneStatement):
    """DROP INDEX CONCURRENTLY; one that is gone is no error."""

    what = "drop_index_concurrently"

    @classmethod
    def drop_index_concurrently(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        lock_timeout: str = BUILD_LOCK_TIMEOUT,
        statement_timeout: str = BUILD_STATEMENT_TIMEOUT,
    ) -> None:
        """Drop an index while the table is read and written.

        Example::

            def downgrade() -> None:
                op.drop_index_concurrently("ix_tasks_due_date", "tasks", schema="projects")

        Args:
            operations: Given by ``op``.
            index_name: Its name.
            table_name: The table.
            schema: Schema of both.
            lock_timeout: How long a try waits for transactions that use the table.
            statement_timeout: How long a try may take.

        Raises:
            MigrationRefused: The revision has changed something before.
            LockTimeout: No try got its locks.
        """
        limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
        operations.invoke(cls(index_name, table_name, schema, **limits))

    def statement(self) -> str:
        """Return the statement, which does nothing when the index is gone."""
        return f"DROP INDEX CONCURRENTLY IF EXISTS {self.qualified(self.name)}"


@Operations.register_operation("validate_constraint")
class ValidateConstraint(OneStatement):
    """VALIDATE CONSTRAINT: reads the table once, while it is written to."""

    what = "validate_constraint"

    @classmethod
    def validate_constraint(
        cls,
        operations: Operations,
        constraint_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        lock_timeout: str = BUILD_LOCK_TIMEOUT,
        statement_timeout: str = BUILD_STATEMENT_TIMEOUT,
    ) -> None:
        """Check the old rows against a constraint that was added as NOT VALID, in a revision before.

        Adding one scans nothing and is over at once; checking takes long but lets everybody write. In one
        transaction the lock of the former would last as long as the latter.

        Example, in the first revision::

            op.create_foreign_key(
                "fk_tasks_epic_id_epics",
                "tasks",
                "epics",
                ["user_id", "epic_id"],
                ["user_id", "id"],
                source_schema="projects",
                referent_schema="projects",
                postgresql_not_valid=True,
            )
            op.create_check_constraint(
                op.f("ck_tasks_position"),
                "tasks",
                "position >= 0",
                schema="projects",
                postgresql_not_valid=True,
            )

        and in the second::

            op.validate_constraint("fk_tasks_epic_id_epics", "tasks", schema="projects")
            op.validate_constraint("ck_tasks_position", "tasks", schema="projects")

        Args:
            operations: Given by ``op``.
            constraint_name: Its name in the database.
            table_name: The table.
            schema: Schema of the table.
            lock_timeout: How long a try waits for other maintenance of the table.
            statement_timeout: How long a try may take.

        Raises:
            MigrationRefused: The revision has changed something before.
            LockTimeout: No try got its locks.
        """
        limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
        operations.invoke(cls(constraint_name, table_name, schema, **limits))

    def converge(self, context: MigrationContext, connection: Connection) -> None:
        """Run the statement, with every row of a foreign key's tables in sight.

        PostgreSQL checks a foreign key by a query that row security binds: it would pass over what it hides.
        """
        names = {"table": self.qualified(self.table), "name": self.name}
        with every_row(connection, *connection.scalars(_TABLES_OF_KEY, names)):
            super().converge(context, connection)

    def statement(self) -> str:
        """Return the statement, which does nothing when the constraint is valid."""
        return f"ALTER TABLE {self.qualified(self.table)} VALIDATE CONSTRAINT {quoted(self.name)}"


@Operations.register_operation("set_not_null")
class SetNotNull(Online):
    """SET NOT NULL without reading the table under an exclusive lock."""

    what = "set_not_null"

    def __init__(self, table: str, column: str, schema: str | None, **limits: Any) -> None:
        super().__init__(table, schema, **limits)
        self.column = column
        self.check = f"ck_{table}_{column}_not_null"[:63]

    @classmethod
    def set_not_null(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        schema: str | None = None,
        lock_timeout: str = BUILD_LOCK_TIMEOUT,
        statement_timeout: str = BUILD_STATEMENT_TIMEOUT,
    ) -> None:
        """Make a column NOT NULL while the table is written to.

        A CHECK constraint is added as NOT VALID, validated, and dropped once NOT NULL stands: PostgreSQL
        then knows without a scan that there is no NULL. Back: ``op.alter_column(…, nullable=True)``.

        Example, after another revision has filled the column::

            def upgrade() -> None:
                op.set_not_null("teams", "motto", schema="auth")

        Args:
            operations: Given by ``op``.
            table_name: The table.
            column_name: The column.
            schema: Schema of the table.
            lock_timeout: How long the validation waits for other maintenance of the table.
            statement_timeout: How long the validation may take.

        Raises:
            MigrationRefused: The revision has changed something before.
            LockTimeout: No try got its locks.
        """
        limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
        operations.invoke(cls(table_name, column_name, schema, **limits))

    def _statements(self) -> tuple[str, str, str, str]:
        alter = f"ALTER TABLE {self.qualified(self.table)}"
        check, column = quoted(self.check), quoted(self.column)
        return (
            f"{alter} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
            f"{alter} VALIDATE CONSTRAINT {check}",
            f"{alter} ALTER COLUMN {column} SET NOT NULL",
            f"{alter} DROP CONSTRAINT IF EXISTS {check}",
        )

    def converge(self, context: MigrationContext, connection: Connection) -> None:
        """Do those of the four steps that are left."""
        add, validate, require, drop = self._statements()
        names = {"table": self.qualified(self.table), "check": self.check, "column": self.column}
        has_check = text(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :check"
        )
        is_required = text(
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column"
        )
        if not connection.scalar(is_required, names):
            if not connection.scalar(has_check, names):
                connection.execute(text(add))
            with self.limits(connection):
                connection.execute(text(validate))
            connection.execute(text(require))
        if connection.scalar(has_check, names):
            connection.execute(text(drop))

    def print(self, context: MigrationContext) -> None:
        """Emit the four steps."""
        add, validate, require, drop = self._statements()
        context.execute(add)
        self.print_limited(context, validate)
        context.execute(require)
        context.execute(drop)


def _run(operations: Operations, operation: Online) -> None:
    operation.run(operations)


for _operation in (CreateIndexConcurrently, DropIndexConcurrently, ValidateConstraint, SetNotNull):
    Operations.implementation_for(_operation)(_run)

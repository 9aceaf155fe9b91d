"""Operations for what Alembic's own cannot say of tables, columns, constraints and indexes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import ops

from devmentor_models.migrations.identifiers import literal, qualified, quoted
from devmentor_models.migrations.operations.named import VERBS, operation
from devmentor_models.migrations.operations.objects import bare, dotted


@operation()
def add_constraint(name: str, table: str, definition: str) -> str:
    """Add a constraint that Alembic's operations cannot describe.

    >>> add_constraint("ck_tasks_points", "projects.tasks", "CHECK ((points >= 0)) NOT VALID")
    'ALTER TABLE projects.tasks ADD CONSTRAINT ck_tasks_points CHECK ((points >= 0)) NOT VALID'
    """
    return f"ALTER TABLE {dotted(table)} ADD CONSTRAINT {quoted(name)} {definition}"


@operation()
def drop_table_constraint(name: str, table: str) -> str:
    """Drop a constraint that `add_constraint` made."""
    return f"ALTER TABLE {dotted(table)} DROP CONSTRAINT {quoted(name)}"


@operation()
def validate_table_constraint(name: str, table: str) -> str:
    """Check the rows that were there before a NOT VALID constraint; writers go on meanwhile."""
    return f"ALTER TABLE {dotted(table)} VALIDATE CONSTRAINT {quoted(name)}"


@operation()
def rename_constraint(table: str, old: str, new: str) -> str:
    """Rename a constraint."""
    return f"ALTER TABLE {dotted(table)} RENAME CONSTRAINT {quoted(old)} TO {quoted(new)}"


@operation()
def rename_index(old: str, new: str) -> str:
    """Rename an index: ``op.rename_index("projects.ix_tasks_due", "ix_tasks_due_date")``."""
    return f"ALTER INDEX {dotted(old)} RENAME TO {quoted(new)}"


@operation()
def rename_trigger(table: str, old: str, new: str) -> str:
    """Rename a trigger."""
    return f"ALTER TRIGGER {quoted(old)} ON {dotted(table)} RENAME TO {quoted(new)}"


@operation()
def set_storage_parameters(
    table: str, parameters: Mapping[str, str | None], *, kind: str = "TABLE"
) -> list[str]:
    """Set storage parameters of a table or index; None takes the default again.

    >>> set_storage_parameters("projects.tasks", {"fillfactor": "90", "parallel_workers": None})
    ['ALTER TABLE projects.tasks SET (fillfactor=90)', 'ALTER TABLE projects.tasks RESET (parallel_workers)']
    """
    given = ", ".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
    reset = ", ".join(name for name, value in parameters.items() if value is None)
    alter = f"ALTER {kind} {dotted(table)}"
    return [
        f"{alter} {change}" for change in (given and f"SET ({given})", reset and f"RESET ({reset})") if change
    ]


@operation()
def alter_table(table: str, change: str) -> str:
    """Change a table in a way that has no operation of its own: ``op.alter_table("a.b", "SET UNLOGGED")``."""
    return f"ALTER TABLE {dotted(table)} {change}"


@operation()
def alter_column_setting(table: str, column: str, change: str) -> str:
    """Change a column in a way that Alembic has no operation for: ``SET STORAGE EXTERNAL``."""
    return f"ALTER TABLE {dotted(table)} ALTER COLUMN {quoted(column)} {change}"


@operation()
def add_identity(table: str, column: str, kind: str, *, options: str | None = None) -> list[str]:
    """Make a column number its rows, from after the largest number that there is.

    Args:
        table: ``schema.table``.
        column: A column that is NOT NULL and has no default.
        kind: ``ALWAYS`` or ``BY DEFAULT``.
        options: Of the sequence: ``START WITH 1000 CACHE 10``.

    >>> add_identity("auth.users", "number", "ALWAYS")[0]
    'ALTER TABLE auth.users ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY'
    """
    name, path, given = quoted(column), dotted(table), f" ({options})" if options else ""
    largest = "min" if re.search(r"INCREMENT BY -", options or "") else "max"
    sequence = f"pg_get_serial_sequence({literal(path)}, {literal(column)})"
    return [
        f"ALTER TABLE {path} ALTER COLUMN {name} ADD GENERATED {kind} AS IDENTITY{given}",
        f"SELECT setval({sequence}, {largest}({name})) FROM {path} HAVING {largest}({name}) IS NOT NULL",
    ]


@operation()
def create_statistics(definition: str) -> str:
    """Create extended statistics from the whole ``CREATE STATISTICS …`` statement."""
    return bare(definition)


@operation()
def drop_statistics(name: str) -> str:
    """Drop extended statistics."""
    return f"DROP STATISTICS {dotted(name)}"


@operation()
def create_rule(definition: str) -> str:
    """Create a rewrite rule from its whole statement."""
    return bare(definition).rstrip(";")


@operation()
def drop_rule(name: str, table: str) -> str:
    """Drop a rewrite rule of a table."""
    return f"DROP RULE {quoted(name)} ON {dotted(table)}"


@operation()
def repartition(table: str, *, by: str | None = None) -> list[str]:
    """Make a table anew as a partitioned (or plain) one and move its rows: a rewrite under an exclusive lock.

    Args:
        table: ``schema.table``; nothing refers to it any more, and it has no constraints or indexes left.
        by: ``RANGE (created_at)``; None for a plain table. A default partition takes the rows.
    """
    schema, _, own = table.rpartition(".")
    old = f"{own}__old"
    before = dotted(f"{schema}.{old}" if schema else old)
    # A partition of the old table may have the name until that goes.
    default = dotted(f"{schema}.{own}__default" if schema else f"{own}__default")
    like = f"(LIKE {before} INCLUDING ALL EXCLUDING CONSTRAINTS EXCLUDING INDEXES)"
    made = [f"ALTER TABLE {dotted(table)} RENAME TO {quoted(old)}"]
    made.append(f"CREATE TABLE {dotted(table)} {like}" + (f" PARTITION BY {by}" if by else ""))
    if by:
        made.append(f"CREATE TABLE {default} PARTITION OF {dotted(table)} DEFAULT")
    made.append(f"INSERT INTO {dotted(table)} SELECT * FROM {before}")
    made.append(f"DROP TABLE {before}")
    return [*made, f"ALTER TABLE {default} RENAME TO {quoted(f'{own}_default')}"] if by else made


def _rename_table(old: str, new: str, *, schema: str | None = None) -> str:
    """Return the SQL of Alembic's own operation, for the fix that ``check`` names."""
    return f"ALTER TABLE {qualified(schema or '', old)} RENAME TO {quoted(new)}"


VERBS["rename_table"] = _rename_table


@renderers.dispatch_for(ops.CreatePrimaryKeyOp, replace=True)
def _render_primary_key(autogen: AutogenContext, operation: ops.CreatePrimaryKeyOp) -> str:
    """Write what Alembic can do, but not write."""
    prefix = autogen.opts["alembic_module_prefix"] or ""
    schema = f", schema={operation.schema!r}" if operation.schema else ""
    name = f"{prefix}f({str(operation.constraint_name)!r})"
    return (
        f"{prefix}create_primary_key({name}, {operation.table_name!r}, {list(operation.columns)!r}{schema})"
    )

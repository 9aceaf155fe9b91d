"""What a revision takes from code that does not know it, read from the catalogue before and after (M6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_NOT_AN_EXTENSIONS = (
    "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.classid = '{catalog}'::regclass"
    " AND d.deptype = 'e')"
)

_RELATIONS = f"""
SELECT c.oid, format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT c.relispartition AND {_OURS}
"""
_COLUMNS = f"""
SELECT a.attrelid, a.attnum, format('%I.%I', n.nspname, c.relname), a.attname,
       a.atttypid, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
  AND NOT c.relispartition AND {_OURS}
"""
_CONSTRAINTS = f"""
SELECT o.conname, format('%I.%I', n.nspname, c.relname)
FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE o.contype IN ('c', 'f', 'p', 'u', 'x') AND NOT c.relispartition AND {_OURS}
UNION
SELECT i.relname, format('%I.%I', n.nspname, c.relname)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indisunique AND NOT c.relispartition AND {_OURS}
"""
_LABELS = f"""
SELECT format('%I.%I', n.nspname, t.typname), e.enumlabel
FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE {_OURS}
"""
_FUNCTIONS = f"""
SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_OURS} AND {_NOT_AN_EXTENSIONS.format(oid="p.oid", catalog="pg_proc")}
"""
_PRIVILEGES = f"""
SELECT format('%I.%I', n.nspname, c.relname), coalesce(g.rolname, 'PUBLIC'), a.privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE NOT c.relispartition AND {_OURS} AND a.grantee <> c.relowner
"""


@dataclass(frozen=True)
class Column:
    """A column of a table that code may know."""

    table: str
    name: str
    kind: int
    type: str
    required: bool
    defaulted: bool


@dataclass(frozen=True)
class Surface:
    """What code can name in a database, and what refuses its writes."""

    relations: dict[int, str]
    columns: dict[tuple[int, int], Column]
    constraints: set[tuple[str, str]]
    labels: set[tuple[str, str]]
    functions: set[str]
    privileges: set[tuple[str, str, str]]

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> Surface:
        """Read it."""
        columns = connection.execute(_COLUMNS).fetchall()
        return cls(
            dict(connection.execute(_RELATIONS).fetchall()),
            {(table, number): Column(*rest) for table, number, *rest in columns},
            set(connection.execute(_CONSTRAINTS).fetchall()),
            set(connection.execute(_LABELS).fetchall()),
            {name for (name,) in connection.execute(_FUNCTIONS).fetchall()},
            set(connection.execute(_PRIVILEGES).fetchall()),
        )


def broken(before: Surface, after: Surface) -> list[str]:
    """Return what code that knows ``before`` can no longer do after the change, a line each."""
    lines: list[str] = []
    for looked in (_relations, _columns, _labels, _functions, _privileges):
        lines += looked(before, after)
    return lines


def tightened(before: Surface, after: Surface) -> list[str]:
    """Return what refuses writes after the change that it let pass before, a line each."""
    tables = set(before.relations.values())
    names = sorted(after.constraints - before.constraints)
    lines = [f"{name} now holds for {table}" for name, table in names if table in tables]
    for key, old in before.columns.items():
        new = after.columns.get(key)
        if new and new.required and not old.required:
            lines.append(f"{old.table}.{old.name} now refuses NULL")
        if new and new.kind == old.kind and new.type != old.type:
            lines.append(f"{old.table}.{old.name} is {new.type} now, it was {old.type}")
    return lines


def _relations(before: Surface, after: Surface) -> Iterator[str]:
    names = set(after.relations.values())
    for oid, name in before.relations.items():
        if name not in names:
            yield f"renames {name} to {after.relations[oid]}" if oid in after.relations else f"drops {name}"


def _columns(before: Surface, after: Surface) -> Iterator[str]:
    tables = set(after.relations.values())
    by_name = {(column.table, column.name): column for column in after.columns.values()}
    for key, old in before.columns.items():
        new = after.columns.get(key) or by_name.get((old.table, old.name))  # a view may have been made anew
        if new is None:
            if old.table in tables:  # else the table is gone, which has been said
                yield f"drops column {old.table}.{old.name}"
        elif new.name != old.name:
            yield f"renames column {old.table}.{old.name} to {new.name}"
        elif new.kind != old.kind:
            yield f"changes the type of {old.table}.{old.name} from {old.type} to {new.type}"
    for key, new in after.columns.items():
        if key[0] in before.relations and key not in before.columns and new.required and not new.defaulted:
            yield f"adds column {new.table}.{new.name}, which is required and has no default"


def _labels(before: Surface, after: Surface) -> Iterator[str]:
    for name, label in sorted(before.labels - after.labels):
        yield f"takes the value {label!r} from {name}"


def _functions(before: Surface, after: Surface) -> Iterator[str]:
    for name in sorted(before.functions - after.functions):
        yield f"drops function {name}"


def _privileges(before: Surface, after: Surface) -> Iterator[str]:
    names = set(after.relations.values())
    for table, role, privilege in sorted(before.privileges - after.privileges):
        if table in names:
            yield f"takes {privilege} on {table} from {role}"

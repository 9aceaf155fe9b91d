"""Which table refers to which, and how many rows may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

#: The tenant's column, which a composite key carries beside the one that it is about.
TENANT = "user_id"


@dataclass(frozen=True, slots=True)
class Relation:
    """A foreign key.

    Attributes:
        child: The table that refers.
        parent: The table that it refers to.
        label: The column that it is about.
        optional: Whether a child may do without a parent.
        single: Whether a parent has one child at most.
    """

    child: Table
    parent: Table
    label: str
    optional: bool
    single: bool


def tables_of(metadata: MetaData, schema: str) -> list[Table]:
    """Return the tables of a schema by name."""
    found = (table for table in metadata.tables.values() if table.schema == schema)
    return sorted(found, key=lambda table: table.name)


def relations_of(tables: Iterable[Table]) -> list[Relation]:
    """Return the foreign keys of tables, in a lasting order."""
    return [
        _relation(table, key.referred_table, list(key.columns))
        for table in tables
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    ]


def _relation(child: Table, parent: Table, columns: list[Column[Any]]) -> Relation:
    names = [column.name for column in columns]
    return Relation(
        child,
        parent,
        label=", ".join(name for name in names if name != TENANT) or TENANT,
        optional=any(column.nullable for column in columns),
        single=any(unique <= set(names) for unique in _unique(child)),
    )


def _unique(table: Table) -> list[set[str]]:
    """Return the sets of columns of which every row has a combination of its own."""
    found = [
        {column.name for column in constraint.columns}
        for constraint in table.constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    ]
    found += [{column.name for column in index.columns} for index in table.indexes if _covers_all(index)]
    return found


def _covers_all(index: Index) -> bool:
    """Tell whether an index makes plain columns unique, in every row."""
    partial = index.dialect_options["postgresql"]["where"] is not None
    plain = all(isinstance(expression, Column) for expression in index.expressions)
    return bool(index.unique) and plain and not partial

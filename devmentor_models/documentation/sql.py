"""What the models declare, in PostgreSQL's words."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    Dialect,
    Enum,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex

#: Kinds of constraints, in the order in which they are listed.
KINDS: dict[type[Constraint], str] = {
    PrimaryKeyConstraint: "primary key",
    UniqueConstraint: "unique",
    CheckConstraint: "check",
    ExcludeConstraint: "exclude",
    ForeignKeyConstraint: "foreign key",
}

# A parameter style without percent signs: others double those that stand in an expression.
_DIALECT: Dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy's own


def type_of(column: Column[Any]) -> str:
    """Return a column's type as ``format_type()`` writes it: ``character varying(50)``."""
    text = column.type.compile(dialect=_DIALECT)
    if isinstance(column.type, Enum):
        return text
    return text.lower().replace("varchar", "character varying").replace(", ", ",")


def default_of(column: Column[Any]) -> str | None:
    """Return the expression of a column's server default, if it has one."""
    expression: str | None = _compiler().get_column_default_string(column)
    return expression


def generated_as(column: Column[Any]) -> str | None:
    """Return the expression that a generated column holds, if it is one."""
    return None if column.computed is None else _plain(str(column.computed.sqltext))


def kind_of(constraint: Constraint) -> str:
    """Return which kind of constraint this is."""
    return KINDS[type(constraint)]


def constraints_of(table: Table) -> list[Constraint]:
    """Return a table's constraints, by kind and name; metadata keeps them in no order."""
    kinds = list(KINDS)
    return sorted(table.constraints, key=lambda item: (kinds.index(type(item)), str(item.name)))


def constraint_text(constraint: Constraint) -> str:
    """Return a constraint without its name: ``CHECK (credits >= 0)``."""
    return _plain(_compiler().process(constraint)).removeprefix(f"CONSTRAINT {constraint.name} ")


def indexes_of(table: Table) -> list[Index]:
    """Return a table's indexes by name; metadata keeps them in no order."""
    return sorted(table.indexes, key=lambda index: str(index.name))


def index_text(index: Index) -> str:
    """Return what an index covers: ``(user_id, slug) WHERE deleted_at IS NULL``."""
    text = _plain(str(CreateIndex(index).compile(dialect=_DIALECT)))
    return re.sub(r"^CREATE (UNIQUE )?INDEX \S+ ON \S+ (USING \w+ )?", "", text)


def index_method(index: Index) -> str:
    """Return the access method of an index."""
    return str(index.dialect_options["postgresql"]["using"] or "btree")


def _compiler() -> Any:
    return _DIALECT.ddl_compiler(_DIALECT, None)  # type: ignore[arg-type] # a compiler without a statement


def _plain(text: str) -> str:
    """Return text on one line."""
    return " ".join(text.split())

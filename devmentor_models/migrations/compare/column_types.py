"""Column types as SQLAlchemy writes them in a revision, and how one becomes another."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine, UserDefinedType

from devmentor_models.migrations.catalog import Key, Snapshot
from devmentor_models.migrations.identifiers import quoted, split, unquoted


class NamedType(UserDefinedType[Any]):
    """A type that SQLAlchemy has no class for, such as a domain: ``op.named_type("auth.port")``."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: Any) -> str:
        """Return the type's name."""
        return self.name


@Operations.register_operation("named_type")
class _NamedTypeOperation(MigrateOperation):
    @classmethod
    def named_type(cls, operations: Operations, name: str) -> NamedType:
        """Return a column type by its SQL name, for what SQLAlchemy has no class for."""
        return NamedType(name)


_SIMPLE: dict[str, Callable[[], TypeEngine[Any]]] = {
    "bigint": sa.BigInteger,
    "boolean": sa.Boolean,
    "bytea": sa.LargeBinary,
    "cidr": postgresql.CIDR,
    "date": sa.Date,
    "double precision": sa.Double,
    "inet": postgresql.INET,
    "int4range": postgresql.INT4RANGE,
    "int8range": postgresql.INT8RANGE,
    "integer": sa.Integer,
    "interval": postgresql.INTERVAL,
    "json": postgresql.JSON,
    "jsonb": postgresql.JSONB,
    "macaddr": postgresql.MACADDR,
    "numeric": sa.Numeric,
    "numrange": postgresql.NUMRANGE,
    "daterange": postgresql.DATERANGE,
    "real": sa.REAL,
    "smallint": sa.SmallInteger,
    "text": sa.Text,
    "time without time zone": sa.Time,
    "timestamp with time zone": lambda: sa.DateTime(timezone=True),
    "timestamp without time zone": sa.DateTime,
    "tsquery": postgresql.TSQUERY,
    "tsrange": postgresql.TSRANGE,
    "tstzrange": postgresql.TSTZRANGE,
    "tsvector": postgresql.TSVECTOR,
    "uuid": sa.Uuid,
    "character varying": sa.String,
}
_SIZED: dict[str, Callable[..., TypeEngine[Any]]] = {
    "character varying": sa.String,
    "character": sa.CHAR,
    "numeric": sa.Numeric,
    "bit": postgresql.BIT,
    "vector": VECTOR,
    "halfvec": HALFVEC,
    "sparsevec": SPARSEVEC,
}
_WITH_SIZE = re.compile(r"(?:[\w$\"]+\.)?([\w ]+)\(([\d,]+)\)\Z")
_FAMILIES = (
    {"smallint", "integer", "bigint", "numeric", "real", "double precision"},
    {"date", "timestamp without time zone", "timestamp with time zone"},
    {"json", "jsonb"},
    {"inet", "cidr"},
    {"vector", "halfvec"},
)
_STRINGS = {"text", "character varying", "character", "name"}


def sqlalchemy_type(name: str, collation: str | None, snapshot: Snapshot) -> TypeEngine[Any]:
    """Return the SQLAlchemy type of ``format_type``'s name.

    >>> sqlalchemy_type("character varying(80)", None, Snapshot({}))
    String(length=80)
    """
    if name.endswith("[]"):
        return postgresql.ARRAY(sqlalchemy_type(name.removesuffix("[]"), None, snapshot))
    if name in {"text", "character varying"} and collation:
        bare = split(collation, ".")[-1]
        if collation in {quoted(unquoted(bare)), f"pg_catalog.{bare}"}:
            return (
                sa.Text(collation=unquoted(bare)) if name == "text" else sa.String(collation=unquoted(bare))
            )
        return NamedType(f"{name} COLLATE {collation}")
    if collation:
        return NamedType(f"{name} COLLATE {collation}")
    if name in _SIMPLE:
        return _SIMPLE[name]()
    if (sized := _WITH_SIZE.match(name)) and sized[1] in _SIZED:
        return _SIZED[sized[1]](*map(int, sized[2].split(",")))
    parts = [unquoted(part) for part in split(name, ".")]
    if Key("enum", parts[0], "", parts[-1]) in snapshot:
        return postgresql.ENUM(name=parts[-1], schema=parts[0], create_type=False)
    return NamedType(name)


def base(name: str) -> str:
    """Return a type's name without its size.

    >>> base("character varying(80)"), base("timestamp(3) with time zone")
    ('character varying', 'timestamp with time zone')
    """
    return re.sub(r"\([\d,]+\)", "", name)


def conversion(column: str, old: str, new: str) -> str | None:
    """Return the USING expression of a change of type; None where an assignment converts by itself.

    An explicit cast is left out where it can be: it would cut a text to the new length without a word.

    >>> conversion("points", "text", "integer"), conversion("name", "character varying(200)", "text")
    ('points::integer', None)
    """
    name, before, after = quoted(column), base(old), base(new)
    if after == f"{before}[]":
        return f"CASE WHEN {name} IS NOT NULL THEN ARRAY[{name}] END"
    if before == f"{after}[]":  # fails, rather than loses elements, where there are several of them
        return f"array_to_string({name}, ',')::{new}"
    if before == after or after in _STRINGS or any({before, after} <= family for family in _FAMILIES):
        return None
    if after == "jsonb" and before not in _STRINGS:
        return f"to_jsonb({name})"
    known = {*_SIMPLE, *_STRINGS}
    if before in known and after in known:
        return f"{name}::{new}"
    return f"{name}::{new}" if before in _STRINGS else f"{name}::text::{new}"

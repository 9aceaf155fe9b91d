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
    "bit varying": lambda: postgresql.BIT(varying=True),
    "boolean": sa.Boolean,
    "bytea": sa.LargeBinary,
    "cidr": postgresql.CIDR,
    "date": sa.Date,
    "double precision": sa.Double,
    "inet": postgresql.INET,
    "int4multirange": postgresql.INT4MULTIRANGE,
    "int4range": postgresql.INT4RANGE,
    "int8multirange": postgresql.INT8MULTIRANGE,
    "int8range": postgresql.INT8RANGE,
    "integer": sa.Integer,
    "interval": postgresql.INTERVAL,
    "json": postgresql.JSON,
    "jsonb": postgresql.JSONB,
    "jsonpath": postgresql.JSONPATH,
    "macaddr": postgresql.MACADDR,
    "macaddr8": postgresql.MACADDR8,
    "money": postgresql.MONEY,
    "numeric": sa.Numeric,
    "nummultirange": postgresql.NUMMULTIRANGE,
    "numrange": postgresql.NUMRANGE,
    "oid": postgresql.OID,
    "datemultirange": postgresql.DATEMULTIRANGE,
    "daterange": postgresql.DATERANGE,
    "real": sa.REAL,
    "smallint": sa.SmallInteger,
    "text": sa.Text,
    "time without time zone": sa.Time,
    "timestamp with time zone": lambda: sa.DateTime(timezone=True),
    "timestamp without time zone": sa.DateTime,
    "tsquery": postgresql.TSQUERY,
    "tsmultirange": postgresql.TSMULTIRANGE,
    "tsrange": postgresql.TSRANGE,
    "tstzmultirange": postgresql.TSTZMULTIRANGE,
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
    "bit varying": lambda length: postgresql.BIT(length, varying=True),
    "vector": VECTOR,
    "halfvec": HALFVEC,
    "sparsevec": SPARSEVEC,
}
#: Types of extensions; they stand in whatever schema their extension does.
_OF_EXTENSIONS: dict[str, Callable[[], TypeEngine[Any]]] = {
    "citext": postgresql.CITEXT,
    "hstore": postgresql.HSTORE,
    "vector": VECTOR,
    "halfvec": HALFVEC,
}
_VECTORS = {"vector", "halfvec", "sparsevec"}
_WITH_SIZE = re.compile(r"(?:[\w$\"]+\.)?([\w ]+)\((-?[\d,-]+)\)\Z")
_TIME = re.compile(r"(timestamp|time)(?:\((\d)\))? (with|without) time zone\Z")
_INTERVAL = re.compile(r"interval(?: ([a-z ]+?))?(?:\((\d)\))?\Z")
_NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
_FAMILIES = (
    _NUMBERS,
    {"date", "timestamp without time zone"},
    {"time without time zone", "time with time zone"},
    {"json", "jsonb"},
    {"inet", "cidr"},
    {"vector", "halfvec"},
)
_STRINGS = {"text", "character varying", "character", "name", "citext"}


def sqlalchemy_type(name: str, collation: str | None, snapshot: Snapshot) -> TypeEngine[Any]:
    """Return the SQLAlchemy type of ``format_type``'s name.

    >>> sqlalchemy_type("character varying(80)", None, Snapshot({}))
    String(length=80)
    """
    if collation:
        return _collated(name, collation)
    if name.endswith("[]"):
        return postgresql.ARRAY(sqlalchemy_type(name.removesuffix("[]"), None, snapshot))
    return _built_in(name) or _of_a_schema(name, snapshot)


def _built_in(name: str) -> TypeEngine[Any] | None:
    """Return a type of PostgreSQL's own, or one of an extension with a size."""
    made: TypeEngine[Any] | None = None
    if name in _SIMPLE:
        made = _SIMPLE[name]()
    elif found := _TIME.match(name):
        kind = postgresql.TIMESTAMP if found[1] == "timestamp" else postgresql.TIME
        made = kind(timezone=found[3] == "with", precision=int(found[2]) if found[2] else None)
    elif found := _INTERVAL.match(name):
        fields = found[1].upper() if found[1] else None
        made = postgresql.INTERVAL(fields=fields, precision=int(found[2]) if found[2] else None)
    elif (found := _WITH_SIZE.match(name)) and found[1] in _SIZED:
        made = _SIZED[found[1]](*map(int, found[2].split(",")))
    return made


def _of_a_schema(name: str, snapshot: Snapshot) -> TypeEngine[Any]:
    """Return an enum, an extension's type, or whatever else has this name."""
    parts = [unquoted(part) for part in split(name, ".")]
    if Key("enum", parts[0], "", parts[-1]) in snapshot:
        return postgresql.ENUM(name=parts[-1], schema=parts[0], create_type=False)
    if parts[-1] in _OF_EXTENSIONS and Key("domain", parts[0], "", parts[-1]) not in snapshot:
        return _OF_EXTENSIONS[parts[-1]]()
    return NamedType(name)


def _collated(name: str, collation: str) -> TypeEngine[Any]:
    """Return a type with a collation of its own; SQLAlchemy knows of strings with PostgreSQL's collations."""
    bare, sized = split(collation, ".")[-1], _WITH_SIZE.match(name)
    if collation in {bare, f"pg_catalog.{bare}"}:
        if name in {"text", "character varying"}:
            return (sa.Text if name == "text" else sa.String)(collation=unquoted(bare))
        if sized and sized[1] == "character varying":
            return sa.String(int(sized[2]), collation=unquoted(bare))
    return NamedType(f"{name} COLLATE {collation}")


def base(name: str) -> str:
    """Return a type's name without its size, and without the schema where an extension brings it.

    >>> base("character varying(80)"), base("timestamp(3) with time zone"), base("public.vector(3)")
    ('character varying', 'timestamp with time zone', 'vector')
    """
    bare = re.sub(r"\([-\d,]+\)", "", name)
    last = bare.rpartition(".")[2].removesuffix("[]")
    return bare.rpartition(".")[2] if last in {*_OF_EXTENSIONS, *_VECTORS} else bare


def comparable(old: str, new: str) -> bool:
    """Say whether a foreign key may join columns of the two types."""
    kinds = {base(old), base(new)}
    return (
        len(kinds) == 1
        or kinds <= {"smallint", "integer", "bigint"}
        or kinds <= {"text", "character varying"}
    )


def conversion(column: str, old: str, new: str) -> str | None:
    """Return the USING expression of a change of type; None where an assignment converts by itself.

    An explicit cast is left out where it can be: it would cut a text to the new length without a word.

    >>> conversion("points", "text", "integer"), conversion("name", "character varying(200)", "text")
    ('points::integer', None)
    >>> conversion("seen", "timestamp without time zone", "timestamp with time zone")
    "seen AT TIME ZONE 'UTC'"
    """
    name, before, after = quoted(column), base(old), base(new)
    if _assigned(before, after):
        return None
    if (before, after) in _CASTS:
        return _CASTS[before, after].format(name)
    if before.endswith("[]") or after.endswith("[]"):
        return _of_arrays(name, before, after, new)
    return _of_values(name, before, after, new)


def _assigned(before: str, after: str) -> bool:
    """Say whether PostgreSQL converts a value by assigning it, the same in every session."""
    to_text = after in _STRINGS and before != "bytea" and not before.endswith("[]")
    return before == after or to_text or any({before, after} <= family for family in _FAMILIES)


def _of_values(name: str, before: str, after: str, new: str) -> str:
    known = {*_SIMPLE, *_STRINGS}
    if after == "boolean" and before in _NUMBERS:
        return f"{name} <> 0"
    if before == "boolean" and after in _NUMBERS:
        return f"{name}::integer"
    if after in {"json", "jsonb"} and before not in _STRINGS:
        return f"to_{after}({name})"
    if before in _STRINGS or ({before, after} <= known and not (before.endswith("range"))):
        return f"{name}::{new}"
    return f"{name}::text::{new}"


_AWARE, _NAIVE = "timestamp with time zone", "timestamp without time zone"
#: Where PostgreSQL by itself would go by the session's time zone, or take a text for escaped bytes.
_CASTS = {
    (_NAIVE, _AWARE): "{} AT TIME ZONE 'UTC'",
    (_AWARE, _NAIVE): "{} AT TIME ZONE 'UTC'",
    ("date", _AWARE): "{}::timestamp AT TIME ZONE 'UTC'",
    (_AWARE, "date"): "({} AT TIME ZONE 'UTC')::date",
    ("text", "bytea"): "convert_to({}, 'UTF8')",
    ("character varying", "bytea"): "convert_to({}, 'UTF8')",
    ("bytea", "text"): "convert_from({}, 'UTF8')",
    ("bytea", "character varying"): "convert_from({}, 'UTF8')",
}


def _of_arrays(name: str, before: str, after: str, new: str) -> str:
    """Return the conversion from or to an array: a value becomes the only element of one."""
    if after == f"{before}[]":
        return f"CASE WHEN {name} IS NOT NULL THEN ARRAY[{name}] END"
    if before == f"{after}[]":  # more than one element fails, or shows in a text
        joined = f"array_to_string({name}, ',')"
        return joined if after in _STRINGS else f"{joined}::{new}"
    if after in {"json", "jsonb"}:
        return f"to_{after}({name})"
    direct = (before.endswith("[]") and (after.endswith("[]") or after in _VECTORS)) or before in {
        *_VECTORS,
        *_STRINGS,
    }
    return f"{name}::{new}" if direct else f"{name}::text::{new}"

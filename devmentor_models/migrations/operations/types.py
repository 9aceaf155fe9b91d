"""Operations for types: enums above all, whose values change without rewriting a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.migrations.operations.named import operation
from devmentor_models.migrations.operations.objects import dotted


@operation()
def create_enum(name: str, values: Sequence[str]) -> str:
    """Create an enum type.

    >>> create_enum("auth.user_role", ["user", "admin"])
    "CREATE TYPE auth.user_role AS ENUM ('user', 'admin')"
    """
    return f"CREATE TYPE {dotted(name)} AS ENUM ({', '.join(map(literal, values))})"


@operation()
def drop_type(name: str) -> str:
    """Drop an enum or composite type."""
    return f"DROP TYPE {dotted(name)}"


@operation(autonomous=True)
def add_enum_value(name: str, value: str, *, before: str | None = None, after: str | None = None) -> str:
    """Add a value to an enum, where it belongs; no table is touched.

    Runs outside the revision's transaction, since a transaction may not use a value that it added itself.

    >>> add_enum_value("auth.user_role", "guest", before="user")
    "ALTER TYPE auth.user_role ADD VALUE IF NOT EXISTS 'guest' BEFORE 'user'"
    """
    place = f" BEFORE {literal(before)}" if before else f" AFTER {literal(after)}" if after else ""
    return f"ALTER TYPE {dotted(name)} ADD VALUE IF NOT EXISTS {literal(value)}{place}"


@operation()
def rename_enum_value(name: str, old: str, new: str) -> str:
    """Rename a value of an enum; the rows that have it follow at once."""
    return f"ALTER TYPE {dotted(name)} RENAME VALUE {literal(old)} TO {literal(new)}"


@operation()
def replace_enum(
    name: str,
    values: Sequence[str],
    columns: Mapping[str, str | None],
    *,
    mapping: Mapping[str, str] | None = None,
) -> list[str]:
    """Take values from an enum, or reorder them. PostgreSQL can't, so the type is made anew.

    Rewrites the tables of ``columns`` under an exclusive lock. Fails, and changes nothing, while a row has a
    value that goes and that ``mapping`` does not send to another.

    Args:
        name: ``schema.type``.
        values: The values to be.
        columns: ``schema.table.column`` of every column of the type: its default, or None.
        mapping: Values that go: the values that take their place.
    """

    def source(column: str, *, array: bool) -> str:
        made = f"{column}::text" + ("[]" if array else "")
        if mapping and not array:
            cases = " ".join(f"WHEN {literal(gone)} THEN {literal(kept)}" for gone, kept in mapping.items())
            made = f"CASE {made} {cases} ELSE {made} END"
        for gone, kept in (mapping or {}).items() if array else ():
            made = f"array_replace({made}, {literal(gone)}, {literal(kept)})"
        return f"({made})::{dotted(name)}" + ("[]" if array else "")

    return _replaced("TYPE", name, f"AS ENUM ({', '.join(map(literal, values))})", columns, source)


def _replaced(
    kind: str, name: str, definition: str, columns: Mapping[str, str | None], source: Callable[..., str]
) -> list[str]:
    """Return how a type is made anew beneath its columns, whose values ``source`` converts."""
    schema, _, bare = name.rpartition(".")
    old = dotted(f"{schema}.{bare}__old" if schema else f"{bare}__old")
    made = [f"ALTER {kind} {dotted(name)} RENAME TO {quoted(f'{bare}__old')}"]
    made.append(f"CREATE {kind} {dotted(name)} {definition}")
    for path, default in columns.items():
        table, _, written = path.rpartition(".")
        array = written.endswith("[]")
        column = quoted(written.removesuffix("[]"))
        type_ = dotted(name) + ("[]" if array else "")
        alter = f"ALTER TABLE {dotted(table)} ALTER COLUMN {column}"
        made += [f"{alter} DROP DEFAULT", f"{alter} TYPE {type_} USING {source(column, array=array)}"]
        if default is not None:
            made.append(f"{alter} SET DEFAULT {default}")
    return [*made, f"DROP {kind} {old}"]


@operation()
def replace_domain(name: str, definition: str, columns: Mapping[str, str | None]) -> list[str]:
    """Make a domain anew, on another type; rewrites the tables of ``columns`` (as for ``replace_enum``)."""

    def source(column: str, *, array: bool) -> str:
        return f"{column}::text::{dotted(name)}" if not array else f"{column}::text[]::{dotted(name)}[]"

    return _replaced("DOMAIN", name, f"AS {definition}", columns, source)


@operation()
def replace_composite(
    name: str, attributes: Mapping[str, str], columns: Mapping[str, str | None], *, kept: Sequence[str] = ()
) -> list[str]:
    """Make a composite type anew; rewrites the tables of ``columns`` (as for ``replace_enum``).

    Args:
        name: ``schema.type``.
        attributes: Names and types, in their order.
        columns: ``schema.table.column`` of every column of the type: its default, or None.
        kept: The attributes whose values stay; others become NULL.
    """

    def source(column: str, *, array: bool) -> str:
        fields = (
            f"({column}).{quoted(attribute)}::{kind}" if attribute in kept else f"NULL::{kind}"
            for attribute, kind in attributes.items()
        )
        return f"CASE WHEN {column} IS DISTINCT FROM NULL THEN ROW({', '.join(fields)})::{dotted(name)} END"

    definition = ", ".join(f"{quoted(attribute)} {kind}" for attribute, kind in attributes.items())
    return _replaced("TYPE", name, f"AS ({definition})", columns, source)


@operation()
def replace_collation(name: str, definition: str, columns: Mapping[str, str]) -> list[str]:
    """Make a collation anew; the indexes of ``columns`` (``schema.table.column``: type) are built again."""
    schema, _, bare = name.rpartition(".")
    old = dotted(f"{schema}.{bare}__old" if schema else f"{bare}__old")
    made = [
        f"ALTER COLLATION {dotted(name)} RENAME TO {quoted(f'{bare}__old')}",
        f"CREATE COLLATION {dotted(name)} {definition}",
    ]
    for path, type_ in columns.items():
        table, _, column = path.rpartition(".")
        made.append(
            f"ALTER TABLE {dotted(table)} ALTER COLUMN {quoted(column)} TYPE {type_} COLLATE {dotted(name)}"
        )
    return [*made, f"DROP COLLATION {old}"]


@operation()
def create_domain(name: str, definition: str) -> str:
    """Create a domain: ``op.create_domain("auth.port", "integer CONSTRAINT ck CHECK ((VALUE > 0))")``."""
    return f"CREATE DOMAIN {dotted(name)} AS {definition}"


@operation()
def alter_domain(name: str, change: str) -> str:
    """Change a domain: ``op.alter_domain("auth.port", "SET DEFAULT 5432")``."""
    return f"ALTER DOMAIN {dotted(name)} {change}"


@operation()
def alter_composite(name: str, change: str) -> str:
    """Change a composite type: ``op.alter_composite("auth.range", "ADD ATTRIBUTE step integer")``."""
    return f"ALTER TYPE {dotted(name)} {change}"


@operation()
def drop_domain(name: str) -> str:
    """Drop a domain."""
    return f"DROP DOMAIN {dotted(name)}"


@operation()
def create_composite(name: str, definition: str) -> str:
    """Create a composite type: ``op.create_composite("auth.range", "low integer, high integer")``."""
    return f"CREATE TYPE {dotted(name)} AS ({definition})"


@operation()
def create_collation(name: str, definition: str) -> str:
    """Create a collation from its parameters in brackets."""
    return f"CREATE COLLATION {dotted(name)} {definition}"


@operation()
def drop_collation(name: str) -> str:
    """Drop a collation."""
    return f"DROP COLLATION {dotted(name)}"


@operation()
def create_sequence(name: str, definition: str = "", *, unlogged: bool = False) -> str:
    """Create a sequence: ``op.create_sequence("auth.numbers", "START WITH 1000 CACHE 10")``."""
    return f"CREATE {'UNLOGGED ' if unlogged else ''}SEQUENCE {dotted(name)} {definition}".rstrip()


@operation()
def alter_sequence(name: str, definition: str) -> str:
    """Change a sequence: its parameters, ``OWNED BY schema.table.column``; it goes on where it stands."""
    return f"ALTER SEQUENCE {dotted(name)} {definition}"


@operation()
def drop_sequence(name: str) -> str:
    """Drop a sequence."""
    return f"DROP SEQUENCE {dotted(name)}"

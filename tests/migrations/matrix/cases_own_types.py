"""Enums, composite types, domains and collations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, MetaData, Text, text
from sqlalchemy.dialects import postgresql

from devmentor_models.kit.objects import Schema, declare, function, statement
from tests.migrations.matrix.case import SCHEMA, case, table

ROWS = "INSERT INTO app.t (id, n) VALUES (1, 'a'), (2, 'b')"
KEPT = "SELECT id, n FROM app.t ORDER BY id"


def _enum(values: str, name: str = "kind") -> postgresql.ENUM:
    return postgresql.ENUM(*values.split(), name=name, schema=SCHEMA)


def _values(name: str, old: str, new: str, **options: Any) -> None:
    """Register a change of an enum's values."""

    @case("enums", name, rows=ROWS, kept=KEPT)
    def build(metadata: MetaData, after: bool) -> None:
        kind = _enum(new if after else old)
        table(metadata, "t", Column("n", kind, server_default="a", **(options if after else {})))


_values("add first", "a b", "z a b")
_values("add in the middle", "a b", "a x b")
_values("add last", "a b", "a b c")
_values("add several anywhere", "a b", "x y a p q b z")
_values("remove", "a b c", "a b")
_values("remove several", "x a y b z", "a b")
_values("reorder", "a b c", "c b a")
_values("add and remove", "a b c", "a x b")
_values("add, remove and reorder", "a b c d", "x d b a")
_values("odd values", "a b", "a it's 100% :x \\d b")


@case(
    "enums", "rename a value that rows have", rows=ROWS, kept=KEPT, upgraded=(KEPT, [(1, "a"), (2, "beta")])
)
def _rename_value(metadata: MetaData, new: bool) -> None:
    kind = _enum("a beta" if new else "a b")
    table(metadata, "t", Column("n", kind, info={"renamed_values": {"beta": "b"}} if new else {}))


@case(
    "enums",
    "rename one value and add another",
    rows=ROWS,
    kept=KEPT,
    upgraded=(KEPT, [(1, "a"), (2, "beta")]),
)
def _rename_and_add(metadata: MetaData, new: bool) -> None:
    kind = _enum("a x beta" if new else "a b")
    table(metadata, "t", Column("n", kind, info={"renamed_values": {"beta": "b"}} if new else {}))


@case(
    "enums",
    "rename one value and remove another",
    rows=ROWS,
    kept=KEPT,
    upgraded=(KEPT, [(1, "a"), (2, "beta")]),
)
def _rename_and_remove(metadata: MetaData, new: bool) -> None:
    kind = _enum("a beta" if new else "a b c")
    table(metadata, "t", Column("n", kind, info={"renamed_values": {"beta": "b"}} if new else {}))


@case("enums", "an added value becomes the default", rows=ROWS, kept=KEPT)
def _added_default(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", _enum("a b c" if new else "a b"), server_default="c" if new else "a"))


@case("enums", "a removed value was the default", rows=ROWS, kept=KEPT)
def _removed_default(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", _enum("a b" if new else "a b c"), server_default="a" if new else "c"))


@case("enums", "the default moves from a removed value to an added one", rows=ROWS, kept=KEPT)
def _moved_default(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", _enum("a b d" if new else "a b c"), server_default="d" if new else "c"))


@case(
    "enums",
    "remove a value beneath everything that may use it",
    rows="INSERT INTO app.t (id, n, l) VALUES (1, 'a', '{a,b}')",
    kept="SELECT id, n, l FROM app.t",
)
def _remove_beneath(metadata: MetaData, new: bool) -> None:
    _used(metadata, "a b" if new else "a c b")


@case(
    "enums",
    "add a value beneath everything that may use it",
    rows="INSERT INTO app.t (id, n, l) VALUES (1, 'a', '{a,b}')",
    kept="SELECT id, n, l FROM app.t",
)
def _add_beneath(metadata: MetaData, new: bool) -> None:
    _used(metadata, "a c b" if new else "a b")


def _used(metadata: MetaData, values: str) -> None:
    kind = _enum(values)
    declare(
        metadata,
        function("CREATE FUNCTION app.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"),
    )
    table(
        metadata,
        "t",
        Column("n", kind, server_default="a", nullable=False, index=True),
        Column("l", postgresql.ARRAY(kind), server_default=text("'{a}'")),
        CheckConstraint("n <> 'b' OR id > 5", name="b_later"),
        Index("partial", "id", postgresql_where=text("n = 'a'")),
    )
    declare(
        metadata,
        statement("CREATE VIEW app.v AS SELECT n FROM app.t"),
        statement("CREATE VIEW app.w AS SELECT count(*) FROM app.v WHERE n = 'a'"),
        statement("CREATE MATERIALIZED VIEW app.m AS SELECT l FROM app.t"),
        statement("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY"),
        statement("CREATE POLICY p ON app.t USING (n < 'b')"),
        statement("CREATE POLICY q ON app.t USING (n IS NOT NULL)"),
        statement("CREATE VIEW app.x AS SELECT id FROM app.t WHERE n IS NOT NULL"),
        statement("CREATE TRIGGER h BEFORE UPDATE OF n ON app.t FOR EACH ROW EXECUTE FUNCTION app.g()"),
        statement("CREATE FUNCTION app.f(k app.kind) RETURNS app.kind LANGUAGE sql AS 'SELECT k'"),
        statement(
            "CREATE TRIGGER g BEFORE UPDATE OF n ON app.t FOR EACH ROW"
            " WHEN (NEW.n = 'b') EXECUTE FUNCTION app.g()"
        ),
    )


@case("enums", "new, with a column of it in a table that exists", rows="INSERT INTO app.t VALUES (1, 'x')")
def _new(metadata: MetaData, new: bool) -> None:
    added: list[Column[Any]] = [
        Column("n", _enum("a b"), nullable=False, server_default="b"),
        Column("l", postgresql.ARRAY(_enum("a b"))),
    ]
    table(metadata, "t", *(added if new else []))


@case("enums", "dropped with its table")
def _dropped(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if not new:
        table(metadata, "t", Column("n", _enum("a b")))


@case("enums", "another name", rows=ROWS, kept=KEPT)
def _other_name(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", _enum("a b", "Odd kind" if new else "kind"), server_default="a"))


@case("enums", "used in two tables, one of them new")
def _two_tables(metadata: MetaData, new: bool) -> None:
    kind = _enum("b a" if new else "a b c")
    table(metadata, "t", Column("n", kind))
    if new:
        table(metadata, "u", Column("n", kind, server_default="a"))
    else:
        table(metadata, "w", Column("n", kind, server_default="c"))


@case("enums", "a value goes while a column leaves the type", rows=ROWS, kept=KEPT)
def _leaves(metadata: MetaData, new: bool) -> None:
    kind = _enum("a b" if new else "a b c")
    table(
        metadata,
        "t",
        Column("n", Text if new else kind),
        Column("m", kind),
        Column("o", kind if new else Text),
    )


@case("enums", "not used by any table")
def _unused(metadata: MetaData, new: bool) -> None:
    values = "'a', 'b'" if new else "'b', 'a'"
    declare(metadata, Schema(SCHEMA), statement(f"CREATE TYPE app.kind AS ENUM ({values})"))


def _composite(name: str, old: str | None, new: str | None, *, used: bool = False) -> None:
    """Register a change of a composite type."""

    @case(
        "composite types",
        name,
        rows="INSERT INTO app.t (id, n) VALUES (1, '(1,x)')" if used else None,
        kept="SELECT id, (n).a FROM app.t" if used else None,
    )
    def build(metadata: MetaData, after: bool) -> None:
        attributes = new if after else old
        table(metadata, "t")
        if attributes is not None:
            declare(metadata, statement(f"CREATE TYPE app.pair AS ({attributes})"))
        if used:
            declare(metadata, statement("ALTER TABLE app.t ADD COLUMN n app.pair"))


_composite("add", None, "a integer, b text")
_composite("drop", 'a integer, "Odd name" numeric(8, 2)', None)
_composite("add an attribute", "a integer", "a integer, b text")
_composite("drop an attribute", "a integer, b text", "a integer")
_composite("attribute type", "a integer, b text", "a integer, b varchar(80)")
_composite("add an attribute in the middle", "a integer, c text", "a integer, b date, c text")
_composite("reorder the attributes", "a integer, b text", "b text, a integer")
_composite("add an attribute beneath a column", "a integer, b text", "a integer, b text, c date", used=True)
_composite("attribute type beneath a column", "a integer, b text", "a bigint, b text", used=True)


def _domain(name: str, old: str | None, new: str | None, *, used: bool = False) -> None:
    """Register a change of a domain."""

    @case(
        "domains",
        name,
        rows="INSERT INTO app.t (id, n) VALUES (1, 7)" if used else None,
        kept="SELECT id, n FROM app.t" if used else None,
    )
    def build(metadata: MetaData, after: bool) -> None:
        definition = new if after else old
        table(metadata, "t")
        if definition is not None:
            declare(metadata, statement(f"CREATE DOMAIN app.port AS {definition}"))
        if used:
            declare(
                metadata,
                statement("ALTER TABLE app.t ADD COLUMN n app.port DEFAULT 8"),
                statement("CREATE VIEW app.v AS SELECT n FROM app.t"),
            )


_domain("add", None, "integer CONSTRAINT positive CHECK (VALUE > 0)")
_domain("drop", "text COLLATE \"C\" DEFAULT 'x' NOT NULL", None)
_domain(
    "check", "integer CONSTRAINT ck CHECK (VALUE > 0)", "integer CONSTRAINT ck CHECK (VALUE > 1)", used=True
)
_domain(
    "add and drop checks",
    "text CONSTRAINT a CHECK (VALUE <> '')",
    "text CONSTRAINT b CHECK (VALUE <> ':x 100%')",
)
_domain("default", "text DEFAULT 'a'", "text DEFAULT 'b'")
_domain("NOT NULL", "text", "text NOT NULL")
_domain("type", "integer", "bigint")
_domain(
    "type beneath a column",
    "integer CONSTRAINT ck CHECK (VALUE > 0)",
    "bigint CONSTRAINT ck CHECK (VALUE > 0)",
    used=True,
)


@case("domains", "a check with a comment, which calls a function")
def _check_with_comment(metadata: MetaData, new: bool) -> None:
    limit = 9 if new else 8
    declare(
        metadata,
        Schema(SCHEMA),
        function("CREATE FUNCTION app.z(x integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT x > 0'"),
        statement(f"CREATE DOMAIN app.a AS integer CONSTRAINT ck CHECK (app.z(VALUE) AND VALUE < {limit})"),
        statement("COMMENT ON CONSTRAINT ck ON DOMAIN app.a IS 'Small'"),
    )


@case("domains", "a column's type becomes one", rows="INSERT INTO app.t (id, n) VALUES (1, 7)", kept=KEPT)
def _to_domain(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    declare(metadata, statement("CREATE DOMAIN app.port AS integer CHECK (VALUE > 0)"))
    declare(metadata, statement(f"ALTER TABLE app.t ADD COLUMN n {'app.port' if new else 'integer'}"))


@case("collations", "add, with a column that uses it", rows=ROWS, kept=KEPT)
def _collation(metadata: MetaData, new: bool) -> None:
    kind: Any = Text
    if new:
        declare(
            metadata,
            statement("CREATE COLLATION app.plain (provider = libc, locale = 'C')", needs_tables=False),
        )
        declare(metadata, statement("ALTER TABLE app.t ALTER n TYPE text COLLATE app.plain"))
    table(metadata, "t", Column("n", kind))


@case("collations", "definition")
def _collation_definition(metadata: MetaData, new: bool) -> None:
    locale = "C.UTF-8" if new else "C"
    declare(metadata, Schema(SCHEMA))
    declare(metadata, statement(f"CREATE COLLATION app.plain (provider = builtin, locale = '{locale}')"))


@case("collations", "definition beneath a column", rows=ROWS, kept=KEPT)
def _collation_beneath(metadata: MetaData, new: bool) -> None:
    locale = "C.UTF-8" if new else "C"
    create = f"CREATE COLLATION app.plain (provider = builtin, locale = '{locale}')"
    declare(metadata, statement(create, needs_tables=False))
    table(metadata, "t", Column("n", Text(), index=True))
    declare(metadata, statement("ALTER TABLE app.t ALTER n TYPE text COLLATE app.plain"))

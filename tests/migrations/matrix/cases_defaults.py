"""Server defaults, identities, sequences and generated columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Computed,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Numeric,
    Text,
    literal_column,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from devmentor_models.kit.objects import Schema, declare, function, statement
from tests.migrations.matrix.case import case, table
from tests.migrations.matrix.cases_columns import ODD

NUMBERS = "INSERT INTO app.t (id, name) SELECT i, 'n' || i FROM generate_series(1, 3) i"


def _default(name: str, type_: Any, old: str | None, new: str | None) -> None:
    """Register a change of a default."""

    @case("defaults", name, rows=NUMBERS, kept="SELECT id, name FROM app.t")
    def build(metadata: MetaData, after: bool) -> None:
        sql = new if after else old
        default: ColumnElement[Any] | None = None if sql is None else literal_column(sql)
        table(metadata, "t", Column("n", type_, server_default=default))


_default("add a string", Text, None, "'x'")
_default("change a string", Text, "'x'", "'y'")
_default("drop a string", Text, "'x'", None)
_default("odd signs in a string", Text, None, "'" + ODD.replace("'", "''") + "'")
_default("empty string to none", Text, "''", None)
_default("change a number", Integer, "1", "2")
_default("negative number", Integer, None, "-1")
_default("change a numeric", Numeric(8, 2), "1.5", "1.50")
_default("expression", Integer, "7", "1 + 2 * 3")
_default("equal today: 1 and 2 - 1", Integer, "1", "2 - 1")
_default("equal today: now() and CURRENT_TIMESTAMP", DateTime(timezone=True), "now()", "CURRENT_TIMESTAMP")
_default("equal today: clock_timestamp() and now()", DateTime(timezone=True), "clock_timestamp()", "now()")
_default("a moment with time zone", DateTime(timezone=True), None, "'2026-07-01 12:00:00+02'")
_default("function with arguments", Text, None, "to_char(now(), 'YYYY:MM')")
_default("json", postgresql.JSON, None, """'{"a": ":b", "c": "100%"}'""")
_default("change a jsonb", postgresql.JSONB, "'{}'", "'[]'")
_default("array", postgresql.ARRAY(Text), "'{}'", "ARRAY['a', 'b:c']::text[]")
_default("boolean", postgresql.BOOLEAN, "false", "true")
_default("uuid", postgresql.UUID, None, "gen_random_uuid()")
_default("interval", postgresql.INTERVAL, "'1 day'", "'1 day 02:00:00'")
_default("bytes", postgresql.BYTEA, None, "'\\x00ff'")
_default("NULL, written out", Text, "'x'", "NULL")


@case("defaults", "a function of ours, which changes, too")
def _own_function(metadata: MetaData, new: bool) -> None:
    sql = (
        f"CREATE FUNCTION app.f(x integer) RETURNS integer LANGUAGE sql AS $$ SELECT x + {2 if new else 1} $$"
    )
    declare(metadata, function(sql))
    table(metadata, "t", Column("n", Integer, server_default=text("app.f(1)" if new else "app.f(0)")))


@case("defaults", "a function of ours, which is new")
def _new_function(metadata: MetaData, new: bool) -> None:
    if new:
        sql = "CREATE FUNCTION app.f() RETURNS text LANGUAGE sql AS $$ SELECT ':x 100%' $$"
        declare(metadata, function(sql))
    table(metadata, "t", Column("n", Text, server_default=text("app.f()") if new else None))


@case("defaults", "a function of ours, whose result changes")
def _function_result(metadata: MetaData, new: bool) -> None:
    result = "bigint" if new else "integer"
    declare(metadata, function(f"CREATE FUNCTION app.f() RETURNS {result} LANGUAGE sql AS 'SELECT 1'"))
    table(metadata, "t", Column("n", BigInteger, server_default=text("app.f()")))


def _with_type(
    name: str, old: tuple[Any, str | None], new: tuple[Any, str | None], value: str, then: Any
) -> None:
    """Register a change of default and type together."""

    @case(
        "defaults",
        name,
        rows=f"INSERT INTO app.t (id, n) VALUES (1, {value})",
        kept="SELECT id, n FROM app.t",
        upgraded=("SELECT n FROM app.t", [(then,)]),
    )
    def build(metadata: MetaData, after: bool) -> None:
        type_, default = new if after else old
        table(metadata, "t", Column("n", type_, server_default=None if default is None else text(default)))


_with_type("added with a new type", (Text, None), (Integer, "7"), "'3'", 3)
_with_type("dropped with a new type", (Integer, "7"), (Text, None), "3", "3")
_with_type("changed with a new type", (Text, "'7'"), (Integer, "8"), "'3'", 3)
_with_type("the same with a new type", (Integer, "7"), (BigInteger, "7"), "3", 3)


def _identity(
    name: str, old: dict[str, Any] | None, new: dict[str, Any] | None, *kinds: type[TypeEngine[Any]]
) -> None:
    """Register a change of an identity."""

    @case("identity", name, rows="INSERT INTO app.t (id, n) VALUES (1, 5)", kept="SELECT id, n FROM app.t")
    def build(metadata: MetaData, after: bool) -> None:
        options = new if after else old
        kind = kinds[-1] if after else kinds[0]
        extras = [] if options is None else [Identity(**options)]
        table(metadata, "t", Column("n", kind, *extras, nullable=False))


_identity("add", None, {"always": False}, Integer)
_identity("drop", {"always": False}, None, Integer)
_identity("always to by default", {"always": False}, {"always": False, "start": 5, "increment": 2}, Integer)
_identity("all options", {}, {"minvalue": -5, "maxvalue": 50, "start": 3, "cache": 3, "cycle": True}, Integer)
_identity("descending", {}, {"increment": -1}, BigInteger)
_identity("kept while the type widens", {}, {}, Integer, BigInteger)
_identity("kept while the type narrows", {}, {}, BigInteger, Integer)
_identity("gone with a new type", {}, None, Integer, Text)


@case("identity", "by default to always")
def _always(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Integer, Identity(always=new)))


@case("identity", "serial to identity")
def _serial(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Integer, *([Identity()] if new else []), nullable=False))
    if not new:
        declare(
            metadata,
            statement("CREATE SEQUENCE app.t_n_seq AS integer", needs_tables=False),
            statement("ALTER TABLE app.t ALTER n SET DEFAULT nextval('app.t_n_seq')"),
            statement("ALTER SEQUENCE app.t_n_seq OWNED BY app.t.n"),
        )


@case("sequences", "add, with a default that uses it")
def _sequence(metadata: MetaData, new: bool) -> None:
    declare(metadata, *([statement("CREATE SEQUENCE app.s", needs_tables=False)] if new else []))
    table(metadata, "t", Column("n", Integer, server_default=text("nextval('app.s')") if new else None))


@case("sequences", "every parameter")
def _parameters(metadata: MetaData, new: bool) -> None:
    declare(metadata, Schema("app"))
    options = "AS integer INCREMENT 2 MINVALUE -3 MAXVALUE 99 START 5 CACHE 4 CYCLE" if new else ""
    declare(metadata, statement(f"CREATE SEQUENCE app.s {options}", needs_tables=False))


@case("sequences", "owner column")
def _owned(metadata: MetaData, new: bool) -> None:
    declare(metadata, statement("CREATE SEQUENCE app.s", needs_tables=False))
    table(metadata, "t", Column("n", Integer, server_default=text("nextval('app.s')")))
    declare(metadata, *([statement("ALTER SEQUENCE app.s OWNED BY app.t.n")] if new else []))


@case("sequences", "unlogged")
def _unlogged(metadata: MetaData, new: bool) -> None:
    declare(metadata, Schema("app"), statement(f"CREATE {'UNLOGGED ' if new else ''}SEQUENCE app.s"))


def _generated(
    name: str,
    old: tuple[str, bool] | None,
    new: tuple[str, bool] | None,
    *,
    kept: str = "SELECT id, name, n FROM app.t ORDER BY id",
) -> None:
    """Register a change of a generated column; each state is the expression and whether it is stored."""

    @case("generated columns", name, rows=NUMBERS, kept=kept)
    def build(metadata: MetaData, after: bool) -> None:
        state = new if after else old
        extras = [] if state is None else [Computed(literal_column(state[0]), persisted=state[1])]
        table(metadata, "t", Column("n", Text, *extras, comment="Computed"), Column("z", Integer))


_generated("stored: expression", ("lower(name)", True), ("upper(name)", True))
_generated("virtual: expression", ("lower(name)", False), ("upper(name)", False))
_generated("stored to virtual", ("lower(name)", True), ("lower(name)", False))
_generated("virtual to stored", ("lower(name)", False), ("lower(name)", True))
_generated("plain to stored", None, ("lower(name)", True), kept="SELECT id, name FROM app.t")
_generated("plain to virtual", None, ("lower(name)", False), kept="SELECT id, name FROM app.t")
_generated("stored to plain, the values stay", ("lower(name)", True), None)
_generated("virtual to plain, the values stay", ("lower(name)", False), None)
_generated("odd signs", ("name || ':x 100% \\d'", True), ("name || E':y 100%% \\\\d'::text", True))


@case("generated columns", "add both kinds, indexed", rows=NUMBERS, kept="SELECT id, name FROM app.t")
def _add_generated(metadata: MetaData, new: bool) -> None:
    added: list[Column[Any]] = [
        Column("s", Text, Computed("upper(name)", persisted=True), index=True),
        Column("v", Integer, Computed("id * 2", persisted=False)),
    ]
    table(metadata, "t", *(added if new else []))


@case("generated columns", "the type beneath changes", rows=NUMBERS, kept="SELECT id, name FROM app.t")
def _type_beneath(metadata: MetaData, new: bool) -> None:
    table(
        metadata,
        "t",
        Column("a", BigInteger if new else Integer, server_default=text("7")),
        Column("b", BigInteger, Computed("a * 2", persisted=True), index=True),
        Column("c", BigInteger, Computed("a * 3", persisted=False)),
    )


@case("generated columns", "type and expression", rows=NUMBERS, kept="SELECT id, name FROM app.t")
def _type_of_generated(metadata: MetaData, new: bool) -> None:
    kind, expression = (BigInteger, "id * 2") if new else (Integer, "id")
    table(metadata, "t", Column("n", kind, Computed(expression, persisted=True), nullable=False))


@case("generated columns", "the type alone", rows=NUMBERS, kept="SELECT id, name FROM app.t")
def _type_alone(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", BigInteger if new else Integer, Computed("id", persisted=True)))


@case(
    "generated columns", "one that a view, a check and an index use", rows=NUMBERS, kept="SELECT * FROM app.v"
)
def _used(metadata: MetaData, new: bool) -> None:
    table(
        metadata,
        "t",
        Column("n", Text, Computed("upper(name)" if new else "lower(name)", persisted=True), index=True),
    )
    declare(
        metadata,
        statement("CREATE VIEW app.v AS SELECT id, n FROM app.t"),
        statement("ALTER TABLE app.t ADD CONSTRAINT ck CHECK (n <> '')"),
    )

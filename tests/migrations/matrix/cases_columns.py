"""Columns: coming, going, renamed, nullability, settings and comments."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Integer, MetaData, Text, text
from sqlalchemy.dialects import postgresql

from devmentor_models.kit.objects import Schema, declare, statement
from tests.migrations.matrix.case import case, table

ODD = """it's 100% "odd": \\d+ :word ::text {x} $$ %(name)s """ + '"""'
ONE_ROW = "INSERT INTO app.t (id, name) VALUES (1, 'a')"


@case("columns", "add a nullable column")
def _add(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([Column("n", Integer)] if new else []))


@case("columns", "drop a column")
def _drop(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([] if new else [Column("n", Integer)]))


@case(
    "columns",
    "add a NOT NULL column with a default",
    rows=ONE_ROW,
    kept="SELECT id, name FROM app.t",
    upgraded=("SELECT n FROM app.t", [("new",)]),
)
def _add_not_null(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([Column("n", Text, nullable=False, server_default="new")] if new else []))


@case("columns", "add several with comment, index and unique")
def _add_several(metadata: MetaData, new: bool) -> None:
    added: list[Column[Any]] = [
        Column("a", Text, comment="First", index=True),
        Column("b", Integer, unique=True),
        Column("c", Boolean, nullable=False, server_default=text("false")),
    ]
    table(metadata, "t", *(added if new else []))


@case("columns", "rename", rows="INSERT INTO app.t (id, n) VALUES (1, 7)", kept="SELECT id, n FROM app.t")
def _rename(metadata: MetaData, new: bool) -> None:
    column = (
        Column("m", Integer, info={"renamed_from": "n"}, index=True)
        if new
        else Column("n", Integer, index=True)
    )
    table(metadata, "t", column)


@case(
    "columns",
    "rename and change the type",
    rows="INSERT INTO app.t (id, n) VALUES (1, 7)",
    kept="SELECT id, n FROM app.t",
    upgraded=("SELECT m FROM app.t", [("7",)]),
)
def _rename_and_retype(metadata: MetaData, new: bool) -> None:
    column = Column("m", Text, nullable=False, info={"renamed_from": "n"}) if new else Column("n", Integer)
    table(metadata, "t", column)


@case(
    "columns",
    "rename one that a view, a policy and a check use",
    rows="INSERT INTO app.t (id, n) VALUES (1, 7)",
    kept="SELECT id, n FROM app.t",
)
def _rename_used(metadata: MetaData, new: bool) -> None:
    name = "m" if new else "n"
    column = Column(name, Integer, info={"renamed_from": "n"} if new else {})
    table(metadata, "t", column)
    declare(
        metadata,
        statement(f"CREATE VIEW app.v AS SELECT id, {name} AS n FROM app.t"),
        statement("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY"),
        statement(f"CREATE POLICY p ON app.t USING ({name} > 0)"),
        statement(f"ALTER TABLE app.t ADD CONSTRAINT ck CHECK ({name} > 0)"),
    )


@case("columns", "a name that needs quoting")
def _odd_name(metadata: MetaData, new: bool) -> None:
    added: list[Column[Any]] = [
        Column("Odd name", Text, index=True, server_default=ODD, comment=ODD),
        Column("order", Integer, nullable=False, server_default=text("1")),
        Column('say "hi"', Integer),
    ]
    table(metadata, "Odd table", *(added if new else []))


@case("nullability", "nullable to NOT NULL", rows=ONE_ROW, kept="SELECT * FROM app.t")
def _not_null(metadata: MetaData, new: bool) -> None:
    declare(metadata, *([statement("ALTER TABLE app.t ALTER name SET NOT NULL")] if new else []))
    table(metadata, "t")


@case(
    "nullability",
    "NOT NULL to nullable",
    rows="INSERT INTO app.t VALUES (1, 'a', 2)",
    kept="SELECT * FROM app.t",
)
def _nullable(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Integer, nullable=new))


@case(
    "nullability",
    "NOT NULL together with a default",
    rows="INSERT INTO app.t VALUES (1, 'a', 'b')",
    kept="SELECT id, name, n FROM app.t",
)
def _not_null_default(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Text, nullable=not new, server_default="x" if new else None))


@case("nullability", "NOT NULL NOT VALID is validated")
def _not_null_validated(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    valid = "" if new else " NOT VALID"
    declare(metadata, statement(f"ALTER TABLE app.t ADD CONSTRAINT t_name_not_null NOT NULL name{valid}"))


@case(
    "nullability",
    "NOT NULL NOT VALID is added",
    rows="INSERT INTO app.t VALUES (1, NULL)",
    kept="SELECT * FROM app.t",
)
def _not_null_not_valid(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    add = statement("ALTER TABLE app.t ADD CONSTRAINT t_name_not_null NOT NULL name NOT VALID")
    declare(metadata, *([add] if new else []))


def _setting(metadata: MetaData, setting: str, *, new: bool) -> None:
    table(metadata, "t", Column("n", Text), Column("v", postgresql.JSONB))
    declare(metadata, *([statement(f"ALTER TABLE app.t ALTER n {setting}")] if new else []))


@case("column settings", "storage")
def _storage(metadata: MetaData, new: bool) -> None:
    _setting(metadata, "SET STORAGE EXTERNAL", new=new)


@case("column settings", "compression")
def _compression(metadata: MetaData, new: bool) -> None:
    _setting(metadata, "SET COMPRESSION pglz", new=new)


@case("column settings", "statistics target")
def _statistics(metadata: MetaData, new: bool) -> None:
    _setting(metadata, "SET STATISTICS 500", new=new)


@case("column settings", "statistics target zero")
def _no_statistics(metadata: MetaData, new: bool) -> None:
    _setting(metadata, "SET STATISTICS 0", new=new)


@case("column settings", "n_distinct")
def _n_distinct(metadata: MetaData, new: bool) -> None:
    _setting(metadata, "SET (n_distinct = -0.5, n_distinct_inherited = 100)", new=new)


@case("column settings", "of a new column")
def _settings_of_new(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([Column("n", Text)] if new else []))
    change = "ALTER n SET STORAGE MAIN, ALTER n SET COMPRESSION pglz, ALTER n SET STATISTICS 7"
    declare(metadata, *([statement(f"ALTER TABLE app.t {change}")] if new else []))


@case("column settings", "kept when the type changes")
def _settings_kept(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", postgresql.JSONB if new else Text))
    change = "ALTER n SET STORAGE EXTERNAL, ALTER n SET STATISTICS 7"
    declare(metadata, statement(f"ALTER TABLE app.t {change}"))


@case("comments", "on a column: add, change, drop")
def _comments(metadata: MetaData, new: bool) -> None:
    table(
        metadata,
        "t",
        Column("a", Integer, comment="New" if new else None),
        Column("b", Integer, comment="After" if new else "Before"),
        Column("c", Integer, comment=None if new else "Old"),
    )


@case("comments", "on a table")
def _table_comment(metadata: MetaData, new: bool) -> None:
    table(metadata, "a", comment=ODD if new else None)
    table(metadata, "b", comment="After" if new else "Before")
    table(metadata, "c", comment=None if new else "Old")


@case("comments", "of several lines")
def _long_comment(metadata: MetaData, new: bool) -> None:
    words = "First \\line:\n    \"second\" line\nCREATE 'third'\r\n" if new else "CREATE\nLines"
    sql = words.replace("'", "''")
    table(metadata, "t", Column("n", Text, comment=words), comment=words)
    declare(metadata, Schema("other"), statement(f"COMMENT ON SCHEMA other IS '{sql}'"))


@case("comments", "on everything else")
def _comment_on_all(metadata: MetaData, new: bool) -> None:
    table(
        metadata,
        "t",
        Column("k", postgresql.ENUM("a", name="kind", schema="app")),
        Column("n", Text, index=True),
    )
    made = [
        ("SCHEMA app", None),
        ("SEQUENCE app.s", "CREATE SEQUENCE app.s"),
        (
            "FUNCTION app.g()",
            "CREATE FUNCTION app.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ),
        ("FUNCTION app.f(integer)", "CREATE FUNCTION app.f(x integer) RETURNS integer RETURN x + 1"),
        ("VIEW app.v", "CREATE VIEW app.v AS SELECT id FROM app.t"),
        ("COLUMN app.v.id", None),
        ("MATERIALIZED VIEW app.m", "CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.t"),
        ("INDEX app.ix_t_n", None),
        ("CONSTRAINT pk_t ON app.t", None),
        ("CONSTRAINT ck ON app.t", "ALTER TABLE app.t ADD CONSTRAINT ck CHECK (id > 0)"),
        ("TYPE app.kind", None),
        ("TYPE app.pair", "CREATE TYPE app.pair AS (a integer, b text)"),
        ("COLUMN app.pair.a", None),
        ("DOMAIN app.port", "CREATE DOMAIN app.port AS integer CONSTRAINT positive CHECK (VALUE > 0)"),
        ("CONSTRAINT positive ON DOMAIN app.port", None),
        ("COLLATION app.plain", "CREATE COLLATION app.plain (provider = libc, locale = 'C')"),
        ("STATISTICS app.st", "CREATE STATISTICS app.st ON id, name FROM app.t"),
        ("POLICY p ON app.t", "CREATE POLICY p ON app.t USING (true)"),
        ("RULE r ON app.t", "CREATE RULE r AS ON DELETE TO app.t DO ALSO SELECT 1"),
        (
            "TRIGGER g ON app.t",
            "CREATE TRIGGER g BEFORE UPDATE ON app.t EXECUTE FUNCTION app.g()",
        ),
    ]
    declare(metadata, *(statement(sql) for _, sql in made if sql))
    for target, _ in made:
        words = ODD if target.startswith("VIEW") else "Words"
        comment = "COMMENT ON {} IS '{}'".format(target, words.replace("'", "''"))
        declare(metadata, *([statement(comment)] if new else []))

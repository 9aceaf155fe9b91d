"""CHECK, EXCLUDE and UNIQUE constraints, and primary keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, TSTZRANGE, ExcludeConstraint
from sqlalchemy.schema import SchemaItem

from devmentor_models.kit.objects import Extension, declare, statement
from tests.migrations.matrix.case import SCHEMA, case, table
from tests.migrations.matrix.statements import swap

ROWS = "INSERT INTO app.t (id, name, n) VALUES (1, 'a', 5), (2, 'b', NULL)"
KEPT = "SELECT id, name, n FROM app.t ORDER BY id"


Wanted = Callable[[], SchemaItem] | None


def constraint(group: str, name: str, before: Wanted, after: Wanted) -> None:
    """Register a case in which a constraint (or index) of a table with rows takes the place of another."""

    @case(group, name, rows=ROWS, kept=KEPT)
    def _(metadata: MetaData, new: bool) -> None:
        declare(metadata, Extension("btree_gist"))
        wanted = after if new else before
        parts = [wanted()] if wanted else []
        table(
            metadata, "t", Column("n", Integer), Column("span", INT4RANGE), Column("time", TSTZRANGE), *parts
        )


def check(expression: str, name: str = "positive") -> Callable[[], SchemaItem]:
    """Return what makes a CHECK of a name that the convention completes."""
    return lambda: CheckConstraint(expression, name=name)


def unique(*columns: str, **options: Any) -> Callable[[], SchemaItem]:
    """Return what makes a UNIQUE constraint."""
    return lambda: UniqueConstraint(*columns, **options)


def exclude(*pairs: tuple[Any, str], **options: Any) -> Callable[[], SchemaItem]:
    """Return what makes an EXCLUDE constraint."""
    return lambda: ExcludeConstraint(*pairs, name="apart", **options)


constraint("CHECK", "add", None, check("n > 0"))
constraint("CHECK", "drop", check("n > 0"), None)
constraint("CHECK", "expression", check("n > 0"), check("n > 1 AND name IS NOT NULL"))
constraint("CHECK", "values of an IN list", check("name IN ('a', 'b')"), check("name IN ('a', 'b', 'c')"))
constraint(
    "CHECK",
    "values of an IN list over varchar",
    check("name::varchar(9) IN ('a', 'b')"),
    check("name::varchar(9) IN ('b', 'a')"),
)
constraint("CHECK", "rename", check("n > 0", "above"), check("n > 0", "positive"))
constraint(
    "CHECK",
    "percent signs, backslashes, quotes and :words",
    check(r"name NOT LIKE '%x'"),
    check("name NOT LIKE '%:word ''it'' \\d \"\"\" %' AND name <> ':b'"),
)
constraint("CHECK", "name that needs quotes", None, check("n > 0", "Odd: name%"))
constraint("UNIQUE", "add", None, unique("name"))
constraint("UNIQUE", "drop", unique("name", "n"), None)
constraint("UNIQUE", "columns", unique("name", name="u"), unique("name", "n", name="u"))
constraint(
    "UNIQUE",
    "NULLS NOT DISTINCT",
    unique("name", "n"),
    unique("name", "n", postgresql_nulls_not_distinct=True),
)
constraint("UNIQUE", "deferrable", unique("name"), unique("name", deferrable=True, initially="DEFERRED"))
constraint("UNIQUE", "INCLUDE", unique("name"), unique("name", postgresql_include=["n"]))
constraint("UNIQUE", "rename", unique("name", name="a"), unique("name", name="b"))
constraint(
    "UNIQUE",
    "constraint to partial index",
    unique("name", name="uq_t_name"),
    lambda: Index("uq_t_name", "name", unique=True, postgresql_where=text("n IS NULL")),
)
swap(
    "UNIQUE",
    "fillfactor of its index",
    ["ALTER TABLE app.t ADD CONSTRAINT u UNIQUE (n)"],
    ["ALTER TABLE app.t ADD CONSTRAINT u UNIQUE (n) WITH (fillfactor = 70)"],
)
constraint("EXCLUDE", "add", None, exclude(("span", "&&")))
constraint("EXCLUDE", "drop", exclude(("span", "&&")), None)
constraint(
    "EXCLUDE",
    "columns and operators",
    exclude(("span", "&&")),
    exclude(("span", "&&"), ("n", "=")),
)
constraint(
    "EXCLUDE",
    "predicate",
    exclude(("span", "&&"), where=text("n > 0")),
    exclude(("span", "&&"), where=text("n > 1 AND name <> '%'")),
)
constraint(
    "EXCLUDE",
    "expression and quoted column",
    exclude(("time", "&&")),
    exclude((text("int4range(id, n)"), "&&"), ("time", "-|-")),
)
constraint(
    "EXCLUDE",
    "deferrable",
    exclude(("span", "&&")),
    exclude(("span", "&&"), deferrable=True, initially="DEFERRED"),
)

ADD = "ALTER TABLE app.t ADD CONSTRAINT c"
swap("CHECK", "NOT VALID becomes valid", [f"{ADD} CHECK (n > 0) NOT VALID"], [f"{ADD} CHECK (n > 0)"])
swap("CHECK", "valid becomes NOT VALID", [f"{ADD} CHECK (n > 0)"], [f"{ADD} CHECK (n > 0) NOT VALID"])
swap("CHECK", "becomes NOT ENFORCED", [f"{ADD} CHECK (n > 0)"], [f"{ADD} CHECK (n > 0) NOT ENFORCED"])
swap("CHECK", "becomes ENFORCED", [f"{ADD} CHECK (n > 0) NOT ENFORCED"], [f"{ADD} CHECK (n > 0)"])
swap("CHECK", "NO INHERIT", [f"{ADD} CHECK (n > 0)"], [f"{ADD} CHECK (n > 0) NO INHERIT"])
swap(
    "CHECK",
    "comment",
    ["COMMENT ON CONSTRAINT c ON app.t IS 'It''s so'"],
    ['COMMENT ON CONSTRAINT c ON app.t IS E\'It is """ 100% :so\\n\\\\ \''],
    always=[f"{ADD} CHECK (n > 0)"],
)
swap(
    "CHECK",
    "calls a new function",
    [],
    [
        statement(
            "CREATE FUNCTION app.fine(v integer) RETURNS boolean IMMUTABLE RETURN v > 0", needs_tables=False
        ),
        f"{ADD} CHECK (app.fine(n))",
    ],
)
swap(
    "CHECK",
    "calls a replaced function",
    [statement("CREATE FUNCTION app.fine(v integer) RETURNS boolean IMMUTABLE RETURN v > 0")],
    [statement("CREATE FUNCTION app.fine(v integer) RETURNS boolean IMMUTABLE RETURN v > 1")],
    always=[f"{ADD} CHECK (app.fine(n))"],
)


Parts = list[Callable[[], SchemaItem]]


def keyed(name: str, before: Parts, after: Parts, *, referred: bool = False) -> None:
    """Register a case in which a table with rows gets another primary key."""
    rows = "INSERT INTO app.k (a, b) VALUES (1, 2), (2, 2)" + (
        "; INSERT INTO app.z VALUES (1)" if referred else ""
    )

    @case("primary keys", name, rows=rows, kept="SELECT a, b FROM app.k ORDER BY a")
    def _(metadata: MetaData, new: bool) -> None:
        names = ("a", "b")
        columns = [Column(part, Integer, nullable=False, autoincrement=False) for part in names]
        Table("k", metadata, *columns, *(part() for part in (after if new else before)), schema=SCHEMA)
        if referred:
            Table("z", metadata, Column("k", Integer, ForeignKey("app.k.a")), schema=SCHEMA)


def key(*columns: str, **options: Any) -> Callable[[], SchemaItem]:
    """Return what makes a primary key."""
    return lambda: PrimaryKeyConstraint(*columns, **options)


keyed("columns", [key("a")], [key("a", "b")])
keyed("add", [], [key("a")])
keyed("drop", [key("a")], [])
keyed("beneath a foreign key", [unique("a"), key("a")], [unique("a"), key("a", "b")], referred=True)
keyed("rename", [key("a", name="pk_old")], [key("a", name="pk_new")])
keyed("rename beneath a foreign key", [key("a", name="pk_old")], [key("a", name="pk_new")], referred=True)
keyed("deferrable", [key("a")], [key("a", deferrable=True)])
keyed("INCLUDE", [key("a")], [key("a", postgresql_include=["b"])])

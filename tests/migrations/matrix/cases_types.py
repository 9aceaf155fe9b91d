"""Column types: how one becomes another, and what becomes of the rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, MetaData, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

from devmentor_models.kit.objects import Extension, declare, function, statement
from tests.migrations.matrix.case import case, table

KIND = postgresql.ENUM("a", "b", name="kind", schema="app")


def _retype(name: str, old: Any, new: Any, value: str | None, then: Any, *extensions: str) -> None:
    """Register a change of type: a row with ``value`` (SQL) shows ``then`` after it, and ``value`` again."""
    written = f"INSERT INTO app.t (id, n) VALUES (1, {value}), (2, NULL)"
    shown = "SELECT id, n FROM app.t ORDER BY id"

    @case(
        "types",
        name,
        rows=None if value is None else written,
        kept=None if value is None else shown,
        upgraded=None if value is None else ("SELECT n FROM app.t ORDER BY id", [(then,), (None,)]),
    )
    def build(metadata: MetaData, after: bool) -> None:
        declare(metadata, *map(Extension, extensions))
        table(metadata, "t", Column("n", new if after else old))


_retype("integer to bigint", sa.Integer, sa.BigInteger, "7", 7)
_retype("bigint to smallint", sa.BigInteger, sa.SmallInteger, "7", 7)
_retype("integer to numeric", sa.Integer, sa.Numeric(10, 2), "7", Decimal("7.00"))
_retype("integer to double precision", sa.Integer, sa.Double, "7", 7.0)
_retype("integer to boolean", sa.Integer, sa.Boolean, "1", True)
_retype("bigint to boolean", sa.BigInteger, sa.Boolean, "1", True)
_retype("boolean to smallint", sa.Boolean, sa.SmallInteger, "true", 1)
_retype("boolean to text", sa.Boolean, Text, "true", "true")
_retype("integer to text", sa.Integer, Text, "7", "7")
_retype("text to integer", Text, sa.Integer, "'7'", 7)
_retype("text to boolean", Text, sa.Boolean, "'true'", True)
_retype("text to date", Text, sa.Date, None, None)
_retype("text to uuid", Text, sa.Uuid, None, None)
_retype("varchar longer", sa.String(20), sa.String(80), "'abc'", "abc")
_retype("varchar shorter", sa.String(80), sa.String(20), "'abc'", "abc")
_retype("varchar to text", sa.String(80), Text, "'abc'", "abc")
_retype("text to varchar", Text, sa.String(80), "'abc'", "abc")
_retype("char to varchar", sa.CHAR(3), sa.String(3), "'abc'", "abc")
_retype("numeric precision", sa.Numeric(8, 2), sa.Numeric(12, 4), "1.25", Decimal("1.2500"))
_retype("numeric precision less", sa.Numeric(12, 4), sa.Numeric(8, 2), "1.25", Decimal("1.25"))
_retype("numeric without precision", sa.Numeric(12, 4), sa.Numeric, "1.25", Decimal("1.2500"))
_retype("text to array", Text, ARRAY(Text), "'a,b'", ["a,b"])
_retype("integer to array", sa.Integer, ARRAY(sa.Integer), "7", [7])
_retype("array of integer to array of bigint", ARRAY(sa.Integer), ARRAY(sa.BigInteger), "'{1,2}'", [1, 2])
_retype("array of integer to array of text", ARRAY(sa.Integer), ARRAY(Text), "'{1,2}'", ["1", "2"])
_retype("array to jsonb", ARRAY(Text), JSONB, None, None)
_retype("text to jsonb", Text, JSONB, """'{"a": 1}'""", {"a": 1})
_retype("json to jsonb", JSON, JSONB, """'{"a": 1}'""", {"a": 1})
_retype("jsonb to text", JSONB, Text, """'{"a": 1}'""", '{"a": 1}')
_retype("text to bytes", Text, sa.LargeBinary, "'a\\b'", b"a\\b")
_retype("text to enum", Text, KIND, "'b'", "b")
_retype("enum to text", KIND, Text, "'b'", "b")
_retype("array of text to array of enum", ARRAY(Text), ARRAY(KIND), "'{a,b}'", "{a,b}")
_retype("enum to another enum", KIND, postgresql.ENUM("a", "b", "c", name="sort", schema="app"), "'b'", "b")
_retype("enum to integer", postgresql.ENUM("1", "2", name="digit", schema="app"), sa.Integer, "'2'", 2)
_retype("inet to cidr", postgresql.INET, postgresql.CIDR, None, None)
_retype("text to inet", Text, postgresql.INET, None, None)
_retype("text to citext", Text, postgresql.CITEXT, "'Abc'", "Abc", "citext")
_retype("text to hstore", Text, postgresql.HSTORE, None, None, "hstore")
_retype("vector to halfvec", VECTOR(3), HALFVEC(3), "'[1,2,3]'", "[1,2,3]", "vector")
_retype("vector dimensions", VECTOR(3), VECTOR(4), None, None, "vector")
_retype("halfvec dimensions", HALFVEC(3), HALFVEC(4), None, None, "vector")
_retype("array of real to vector", ARRAY(sa.REAL), VECTOR(3), "'{1,2,3}'", "[1,2,3]", "vector")
_retype("text to interval", Text, postgresql.INTERVAL, None, None)
_retype(
    "interval fields",
    postgresql.INTERVAL,
    postgresql.INTERVAL(fields="DAY TO SECOND", precision=3),
    None,
    None,
)
_retype("time to time with time zone", sa.Time, sa.Time(timezone=True), None, None)
_retype("timestamp precision", postgresql.TIMESTAMP(), postgresql.TIMESTAMP(precision=3), None, None)
_retype("bit length", postgresql.BIT(3), postgresql.BIT(8, varying=True), "B'101'", "101")
_retype("a type without a class", postgresql.MACADDR, postgresql.MACADDR8, None, None)
_retype("array of varchar, longer", ARRAY(sa.String(5)), ARRAY(sa.String(9)), "'{a}'", ["a"])
_retype("collation", Text, Text(collation="C"), "'a'", "a")
_retype("collation of a sized type", sa.String(9, collation="C"), sa.String(9, collation="POSIX"), "'a'", "a")
_retype("range", postgresql.INT4RANGE, postgresql.INT8RANGE, None, None)
_retype("multirange", postgresql.INT4MULTIRANGE, postgresql.NUMMULTIRANGE, None, None)


def _moment(name: str, old: Any, new: Any, value: str, then: str) -> None:
    """Register a change between types of time; a moment stays what it was in UTC."""

    @case(
        "types",
        name,
        rows=f"INSERT INTO app.t (id, n) VALUES (1, '{value}')",
        kept="SELECT id, n FROM app.t",
        upgraded=("SELECT (to_jsonb(n) #>> '{}') FROM app.t", [(then,)]),
    )
    def build(metadata: MetaData, after: bool) -> None:
        table(metadata, "t", Column("n", new if after else old))


_AWARE, _NAIVE = sa.DateTime(timezone=True), sa.DateTime()
_moment("timestamp to timestamptz", _NAIVE, _AWARE, "2026-07-01 12:00:00", "2026-07-01T08:00:00-04:00")
_moment("timestamptz to timestamp", _AWARE, _NAIVE, "2026-07-01 12:00:00+00", "2026-07-01T12:00:00")
_moment("date to timestamptz", sa.Date, _AWARE, "2026-07-01", "2026-06-30T20:00:00-04:00")
_moment("timestamptz to date", _AWARE, sa.Date, "2026-07-01 00:00:00+00", "2026-07-01")
_moment("date to timestamp", sa.Date, _NAIVE, "2026-07-01", "2026-07-01T00:00:00")


@case(
    "types",
    "beneath everything that may use a column",
    rows="INSERT INTO app.t (id, n) VALUES (1, 7)",
    kept="SELECT id, n, m FROM app.t",
    upgraded=("SELECT n FROM app.v", [(7,)]),
)
def _beneath(metadata: MetaData, new: bool) -> None:
    declare(
        metadata,
        function("CREATE FUNCTION app.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"),
    )
    table(
        metadata,
        "t",
        Column("n", sa.BigInteger if new else sa.Integer, index=True, server_default=text("1")),
        Column("m", sa.BigInteger, sa.Computed("n + 1", persisted=True)),
        sa.CheckConstraint("n > 0", name="positive"),
        sa.UniqueConstraint("n", "id"),
        sa.Index("partial", "name", postgresql_where=text("n > 5")),
        sa.Index("expression", text("(n + id)")),
    )
    declare(
        metadata,
        statement("CREATE VIEW app.v AS SELECT id, n FROM app.t"),
        statement("CREATE VIEW app.w AS SELECT n FROM app.v"),
        statement("CREATE MATERIALIZED VIEW app.x AS SELECT n FROM app.w"),
        statement("CREATE UNIQUE INDEX ix ON app.x (n)"),
        statement("COMMENT ON VIEW app.v IS 'Numbers'"),
        statement("GRANT SELECT ON app.v TO PUBLIC"),
        statement("GRANT SELECT (n) ON app.w TO PUBLIC"),
        statement("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY"),
        statement("CREATE POLICY p ON app.t USING (n > 0)"),
        statement(
            "CREATE TRIGGER g BEFORE UPDATE OF n ON app.t FOR EACH ROW"
            " WHEN (NEW.n > 1) EXECUTE FUNCTION app.g()"
        ),
        statement("ALTER TABLE app.t ENABLE ALWAYS TRIGGER g"),
        statement("CREATE STATISTICS app.st ON n, id FROM app.t"),
        statement("CREATE RULE r AS ON DELETE TO app.t WHERE old.n = 3 DO ALSO SELECT 1"),
        statement("CREATE FUNCTION app.f() RETURNS bigint BEGIN ATOMIC SELECT sum(n) FROM app.t; END"),
        statement("CREATE PUBLICATION pub FOR TABLE app.t WHERE (id > 0)"),
    )


@case(
    "types",
    "of a primary key and the foreign keys to it",
    rows="INSERT INTO app.a VALUES (1, 'x'); INSERT INTO app.b VALUES (1, 'y', 1)",
    kept="SELECT a.id, b.a_id, a.name, b.name FROM app.a JOIN app.b ON a.id::text = b.a_id::text",
)
def _keys(metadata: MetaData, new: bool) -> None:
    kind = sa.Text if new else sa.Integer
    sa.Table(
        "a",
        metadata,
        Column("id", kind, primary_key=True, autoincrement=False),
        Column("name", Text),
        schema="app",
    )
    table(metadata, "b", Column("a_id", kind, sa.ForeignKey("app.a.id", ondelete="CASCADE")))


@case(
    "types",
    "integer to text, with a check for each",
    rows="INSERT INTO app.t (id, n) VALUES (1, 7)",
    kept="SELECT id, n FROM app.t",
)
def _check(metadata: MetaData, new: bool) -> None:
    check = sa.CheckConstraint("n <> ''" if new else "n > 0", name="sound")
    table(metadata, "t", Column("n", Text if new else sa.Integer), check, sa.Index("ix", "n"))

"""Tables, partitions, storage, schemas, extensions and statistics objects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql

from devmentor_models.kit.objects import Extension, Schema, declare, function, statement, view
from tests.migrations.matrix.case import case, table
from tests.migrations.matrix.cases_columns import ODD

PARTITIONS = "CREATE TABLE app.p_2026 PARTITION OF app.p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
IN_PARTITION = "INSERT INTO app.p (id, day) VALUES (1, '2026-05-05')"


@case("tables", "add")
def _add(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if new:
        table(metadata, "t", Column("s_id", Integer, ForeignKey("app.s.id"), index=True), comment="New")


@case("tables", "drop")
def _drop(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if not new:
        table(metadata, "t", Column("s_id", Integer, ForeignKey("app.s.id"), index=True), comment="Old")


@case("tables", "rename", rows="INSERT INTO app.t VALUES (1, 'a')", kept="SELECT * FROM app.t")
def _rename(metadata: MetaData, new: bool) -> None:
    options = {"info": {"renamed_from": "t"}} if new else {}
    table(metadata, "u" if new else "t", Column("n", Integer, index=True), **options)


@case(
    "tables",
    "rename one that others refer to, and its columns",
    rows="INSERT INTO app.t VALUES (1, 'a', 2); INSERT INTO app.r VALUES (1, 'b', 1)",
    kept="SELECT t.name, n FROM app.t JOIN app.r ON t_id = t.id",
)
def _rename_all(metadata: MetaData, new: bool) -> None:
    own, column = ("Odd one", "order") if new else ("t", "n")
    info = {"renamed_from": "n"} if new else {}
    table(
        metadata,
        own,
        Column(column, Integer, unique=True, info=info),
        **({"info": {"renamed_from": "t"}} if new else {}),
    )
    table(metadata, "r", Column("t_id", Integer, ForeignKey(f"app.{own}.id")))
    declare(metadata, view("app.v", f'SELECT id, "{column}" AS n FROM app."{own}"'))


@case("tables", "two that refer to each other")
def _circle(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if new:
        table(metadata, "a", Column("b_id", Integer, ForeignKey("app.b.id", use_alter=True, name="a_b")))
        table(metadata, "b", Column("a_id", Integer, ForeignKey("app.a.id", ondelete="CASCADE")))
        table(metadata, "c", Column("c_id", Integer, ForeignKey("app.c.id")))


@case("tables", "a serial key")
def _serial(metadata: MetaData, new: bool) -> None:
    Table("s", metadata, Column("id", Integer, primary_key=True), schema="app")
    if new:
        Table("t", metadata, Column("id", Integer, primary_key=True), Column("n", Text), schema="app")


@case("tables", "a table that may have everything, new at once")
def _everything(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if new:
        _all(metadata)


@case("tables", "a table that may have everything, dropped at once")
def _nothing(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if not new:
        _all(metadata)


def _all(metadata: MetaData) -> None:
    words = ODD.replace("'", "''")
    declare(
        metadata,
        Extension("btree_gist"),
        Extension("pg_trgm"),
        function(
            "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            " SET search_path = app AS $f$\n"
            f"BEGIN\n    -- {ODD}\n    NEW.name := ':x'; RETURN NEW;\nEND\n$f$",
            comment=ODD,
        ),
        function("CREATE FUNCTION app.me() RETURNS integer LANGUAGE sql STABLE AS 'SELECT 1'"),
        statement("CREATE DOMAIN app.short AS text CHECK (length(VALUE) < 9)", needs_tables=False),
    )
    kind = postgresql.ENUM("a", "b", name="kind", schema="app")
    table(
        metadata,
        "t",
        Column("k", kind, server_default="a", nullable=False),
        Column("me", Integer, server_default=text("app.me()")),
        Column("s_id", Integer, ForeignKey("app.s.id", ondelete="SET NULL")),
        Column("during", postgresql.INT4RANGE),
        Index("names", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
        postgresql.ExcludeConstraint(("k", "="), ("during", "&&"), using="gist", name="apart"),
        comment=ODD,
    )
    declare(
        metadata,
        statement("ALTER TABLE app.t ADD COLUMN d app.short"),
        statement(f"ALTER TABLE app.t ADD CONSTRAINT odd CHECK (name <> '{words}')"),
        statement("CREATE TRIGGER touch BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.touch()"),
        statement("CREATE TRIGGER off BEFORE DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION app.touch()"),
        statement("ALTER TABLE app.t DISABLE TRIGGER off"),
        view("app.v", f"SELECT id, name, '{words}' AS odd FROM app.t WHERE me = app.me()"),
        view("app.m", "SELECT id, name FROM app.v", materialized=True),
        statement("CREATE UNIQUE INDEX m_id ON app.m (id)"),
        statement("CREATE FUNCTION app.rows() RETURNS SETOF app.t LANGUAGE sql AS 'SELECT * FROM app.t'"),
        statement("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY"),
        statement("ALTER TABLE app.t FORCE ROW LEVEL SECURITY"),
        statement(f"CREATE POLICY p ON app.t USING (me = app.me() AND name <> '{words}')"),
        statement("GRANT SELECT, INSERT ON app.t TO PUBLIC"),
        statement("GRANT UPDATE (name) ON app.t TO PUBLIC"),
        statement("REVOKE ALL ON FUNCTION app.touch() FROM PUBLIC"),
        statement(f"COMMENT ON COLUMN app.v.odd IS '{words}'"),
        statement("CREATE STATISTICS app.st (dependencies) ON k, me FROM app.t"),
    )


def _partitioned(metadata: MetaData, *columns: Column[Any], by: str | None = "RANGE (day)") -> Table:
    options: dict[str, Any] = {"postgresql_partition_by": by} if by else {}
    return Table(
        "p",
        metadata,
        Column("id", Integer, nullable=False),
        Column("day", Date, nullable=False, server_default=text("'2026-02-02'")),
        *columns,
        PrimaryKeyConstraint("id", "day"),
        schema="app",
        **options,
    )


@case("partitions", "a partitioned table is new")
def _new_partitioned(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if new:
        _partitioned(metadata, Column("n", Integer, index=True))


@case(
    "partitions",
    "those that only the database has stay",
    live=PARTITIONS,
    rows=IN_PARTITION,
    kept="SELECT id FROM app.p",
)
def _only_live(metadata: MetaData, new: bool) -> None:
    _partitioned(
        metadata,
        *([Column("n", Integer, index=True, server_default=text("7"), comment="New")] if new else []),
    )


@case(
    "partitions",
    "all follow a change of type, check, trigger and index",
    live=PARTITIONS,
    rows=IN_PARTITION,
    kept="SELECT id FROM app.p",
)
def _follow(metadata: MetaData, new: bool) -> None:
    declare(
        metadata,
        function("CREATE FUNCTION app.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"),
    )
    _partitioned(metadata, Column("n", Text if new else Integer))
    if new:
        declare(
            metadata,
            statement("ALTER TABLE app.p ADD CONSTRAINT ck CHECK (id > 0)"),
            statement("CREATE TRIGGER g BEFORE INSERT ON app.p FOR EACH ROW EXECUTE FUNCTION app.g()"),
            statement("CREATE INDEX ix ON app.p (n) WHERE id > 3"),
        )


_KIND = "SELECT relkind::text FROM pg_class WHERE oid = 'app.p'::regclass"
_DEFAULT = (
    "DO $$ BEGIN IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'app.p'::regclass) THEN"
    " CREATE TABLE app.p_default PARTITION OF app.p DEFAULT; END IF; END $$"
)


@case(
    "partitions",
    "a plain table becomes partitioned",
    rows=IN_PARTITION,
    kept="SELECT id, day FROM app.p",
    live=_DEFAULT,
    upgraded=("SELECT id FROM app.p_default", [(1,)]),
)
def _partition(metadata: MetaData, new: bool) -> None:
    _partitioned(
        metadata, Column("n", Integer, index=True, comment="Kept"), by="RANGE (day)" if new else None
    )
    declare(
        metadata,
        statement("GRANT SELECT ON app.p TO PUBLIC"),
        statement("COMMENT ON TABLE app.p IS 'Kept'"),
        view("app.v", "SELECT id FROM app.p"),
        statement("ALTER TABLE app.p ENABLE ROW LEVEL SECURITY"),
        statement("CREATE POLICY own ON app.p USING (id > 0)"),
    )


@case(
    "partitions",
    "the key changes",
    rows=IN_PARTITION,
    kept="SELECT id, day FROM app.p",
    live="CREATE TABLE app.p_default PARTITION OF app.p DEFAULT",
)
def _key(metadata: MetaData, new: bool) -> None:
    _partitioned(metadata, by="RANGE (id)" if new else "RANGE (day)")


@case("storage", "parameters of a table, set and reset")
def _parameters(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    options = "autovacuum_enabled = false, toast.autovacuum_enabled = false" if new else "fillfactor = 70"
    declare(metadata, statement(f"ALTER TABLE app.t SET ({options})"))


@case("storage", "parameters of a new table")
def _parameters_of_new(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if new:
        table(metadata, "t")
        declare(
            metadata, statement("ALTER TABLE app.t SET (fillfactor = 70, toast.autovacuum_enabled = false)")
        )


@case("storage", "unlogged", rows="INSERT INTO app.t VALUES (1, 'a')", kept="SELECT * FROM app.t")
def _unlogged(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", prefixes=["UNLOGGED"] if new else [])


@case("storage", "a new unlogged table")
def _new_unlogged(metadata: MetaData, new: bool) -> None:
    table(metadata, "s")
    if new:
        table(metadata, "t", prefixes=["UNLOGGED"])


def _replica(metadata: MetaData, identity: str) -> None:
    table(metadata, "t", Column("n", Integer, nullable=False), Index("ix", "n", unique=True))
    declare(metadata, statement(f"ALTER TABLE app.t REPLICA IDENTITY {identity}"))


@case("replica identity", "default to full")
def _full(metadata: MetaData, new: bool) -> None:
    _replica(metadata, "FULL" if new else "DEFAULT")


@case("replica identity", "nothing to an index")
def _using(metadata: MetaData, new: bool) -> None:
    _replica(metadata, "USING INDEX ix" if new else "NOTHING")


@case("replica identity", "its index changes")
def _its_index(metadata: MetaData, new: bool) -> None:
    first, second = Column("n", Integer, nullable=False), Column("m", Integer, nullable=False)
    table(metadata, "t", first, second, Index("ix", "n", *(["m"] if new else []), unique=True))
    declare(metadata, statement("ALTER TABLE app.t REPLICA IDENTITY USING INDEX ix"))


@case("schemas", "add, with a table")
def _schema(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    if new:
        Table("o", metadata, Column("id", Integer, primary_key=True, autoincrement=False), schema="other")


@case("schemas", "add, with nothing in it")
def _empty_schema(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    declare(metadata, *([Schema("other")] if new else []))


@case("schemas", "drop, with a table")
def _drop_schema(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    if not new:
        Table("o", metadata, Column("id", Integer, primary_key=True, autoincrement=False), schema="other")


@case("extensions", "add one, with a column of its type")
def _extension(metadata: MetaData, new: bool) -> None:
    declare(metadata, *([Extension("hstore")] if new else []))
    table(metadata, "t", *([Column("n", postgresql.HSTORE, server_default="")] if new else []))


@case("extensions", "drop several")
def _drop_extensions(metadata: MetaData, new: bool) -> None:
    declare(metadata, *([] if new else [Extension("citext"), Extension("vector"), Extension("pg_trgm")]))
    table(metadata, "t", *([] if new else [Column("n", postgresql.CITEXT, index=True)]))


@case("extensions", "add one that an index needs")
def _for_index(metadata: MetaData, new: bool) -> None:
    declare(metadata, *([Extension("pg_trgm")] if new else []))
    index = Index("ix", "name", postgresql_using="gist", postgresql_ops={"name": "gist_trgm_ops"})
    table(metadata, "t", *([index] if new else []))


def _statistics(metadata: MetaData, *sql: str) -> None:
    table(metadata, "t", Column("a", Integer), Column("b", Integer))
    declare(metadata, *map(statement, sql))


@case("statistics objects", "add")
def _add_statistics(metadata: MetaData, new: bool) -> None:
    _statistics(
        metadata, *(["CREATE STATISTICS app.st (ndistinct, mcv) ON a, b, (a % 10) FROM app.t"] if new else [])
    )


@case("statistics objects", "columns")
def _statistics_columns(metadata: MetaData, new: bool) -> None:
    _statistics(metadata, f"CREATE STATISTICS app.st ON a, {'b' if new else 'name'} FROM app.t")


@case("statistics objects", "target")
def _statistics_target(metadata: MetaData, new: bool) -> None:
    target = "ALTER STATISTICS app.st SET STATISTICS {}"
    _statistics(metadata, "CREATE STATISTICS app.st ON a, b FROM app.t", target.format(500 if new else 400))

"""Indexes, their methods and options."""

from __future__ import annotations

from typing import Any

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, JSONB

from devmentor_models.kit.objects import Extension, declare, statement
from tests.migrations.matrix.case import SCHEMA, case, table
from tests.migrations.matrix.statements import swap

Wanted = tuple[tuple[str, ...], dict[str, Any]] | str | None


def ix(*keys: str, **options: Any) -> Wanted:
    """Return the arguments of an index; what is no column is an expression."""
    return keys, options


def gin(key: str, **options: Any) -> Wanted:
    """Return the arguments of a GIN index."""
    return ix(key, postgresql_using="gin", **options)


def hnsw(**parameters: int) -> Wanted:
    """Return the arguments of an HNSW index over a vector at half the precision."""
    key = '("full"::halfvec(3)) halfvec_cosine_ops'
    return ix(key, postgresql_using="hnsw", postgresql_with=parameters)


def index(name: str, before: Wanted, after: Wanted) -> None:
    """Register a case about an index of a table with columns of many types; as a string it is SQL."""

    @case(
        "indexes",
        name,
        rows="INSERT INTO app.t (id, name) VALUES (1, 'a')",
        kept="SELECT id, name FROM app.t",
    )
    def _(metadata: MetaData, new: bool) -> None:
        declare(metadata, Extension("vector"), Extension("pg_trgm"))
        wanted = after if new else before
        indexes = []
        if isinstance(wanted, str):
            declare(metadata, statement(wanted))
        elif wanted is not None:
            keys = [key if key.isidentifier() else text(key) for key in wanted[0]]
            indexes.append(Index("i", *keys, **wanted[1]))
        table(metadata, "t", *_columns(), *indexes)


def _columns() -> list[Column[Any]]:
    return [
        Column("n", Integer),
        Column("data", JSONB),
        Column("tags", ARRAY(Text)),
        Column("span", INT4RANGE),
        Column("half", HALFVEC(3)),
        Column("full", VECTOR(3)),
        Column("user", Text),
    ]


index("add", None, ix("name"))
index("drop", ix("name", "n"), None)
index("columns", ix("name"), ix("name", "n"))
index("order of columns", ix("name", "n"), ix("n", "name"))
index("descending, nulls last", ix("n"), ix("n DESC NULLS LAST"))
index("unique", ix("n"), ix("n", unique=True))
index("NULLS NOT DISTINCT", ix("n", unique=True), ix("n", unique=True, postgresql_nulls_not_distinct=True))
index(
    "predicate",
    ix("n", postgresql_where=text("name IS NULL")),
    ix("n", postgresql_where=text("name = 'x%' OR n > 3")),
)
index("predicate comes", ix("n", unique=True), ix("n", unique=True, postgresql_where=text("name IS NULL")))
index("expression", ix("lower(name)"), ix("upper(name)"))
index("full-text expression", ix("name"), gin("to_tsvector('english', coalesce(name, ''))"))
index("operator class", ix("name"), ix("name", postgresql_ops={"name": "text_pattern_ops"}))
index(
    "operator class of a quoted column",
    ix("user"),
    ix("user", postgresql_ops={"user": "varchar_pattern_ops"}),
)
index("trigrams", ix("name"), gin("name", postgresql_ops={"name": "gin_trgm_ops"}))
index("method hash", ix("n"), ix("n", postgresql_using="hash"))
index(
    "method brin, with pages per range",
    ix("n"),
    ix("n", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
)
index("method gist", None, ix("span", postgresql_using="gist"))
index("jsonb_path_ops", gin("data"), gin("data", postgresql_ops={"data": "jsonb_path_ops"}))
index("array", None, gin("tags"))
index("INCLUDE", ix("n"), ix("n", postgresql_include=["name", "user"]))
index("fillfactor", ix("n"), ix("n", postgresql_with={"fillfactor": 70}))
index(
    "fillfactor changes",
    ix("n", postgresql_with={"fillfactor": 70}),
    ix("n", postgresql_with={"fillfactor": 80}),
)
index("HNSW parameters, on a cast", hnsw(m=16, ef_construction=64), hnsw(m=24, ef_construction=100))
index(
    "HNSW operator class",
    ix("half", postgresql_using="hnsw", postgresql_ops={"half": "halfvec_cosine_ops"}),
    ix("half", postgresql_using="hnsw", postgresql_ops={"half": "halfvec_l2_ops"}),
)
index("collation", ix("name"), ix('name COLLATE "C"'))
index(
    "operator class with parameters",
    None,
    "CREATE INDEX i ON app.t USING gist (name public.gist_trgm_ops (siglen = 32))",
)
index("rename", ix("n"), "CREATE INDEX j ON app.t (n)")
index("name that needs quotes", None, 'CREATE INDEX "Odd: name" ON app.t (n)')
index(
    "percent signs, backslashes and quotes",
    None,
    "CREATE INDEX i ON app.t ((name || '%:w \"x\" \\')) WHERE name <> '''%s'",
)
index(
    "all at once",
    ix("n"),
    'CREATE UNIQUE INDEX i ON app.t USING btree (lower(name) DESC, n) INCLUDE ("user") NULLS NOT DISTINCT'
    " WITH (fillfactor = 90, deduplicate_items = off) WHERE (n > 3)",
)
ON_N = "CREATE INDEX i ON app.t (n)"
swap("indexes", "comment", [], ["COMMENT ON INDEX app.i IS 'Finds by n'"], always=[ON_N])
swap("indexes", "clustered", [], ["ALTER TABLE app.t CLUSTER ON i"], always=[ON_N])
swap(
    "indexes",
    "beneath the replica identity",
    ["CREATE UNIQUE INDEX i ON app.t (id)"],
    ["CREATE UNIQUE INDEX i ON app.t (id) WITH (fillfactor = 80)"],
    always=["ALTER TABLE app.t REPLICA IDENTITY USING INDEX i"],
)


def partitioned(name: str, before: list[str], after: list[str]) -> None:
    """Register a case about the indexes of a partitioned table, which has a partition with rows."""

    @case(
        "indexes",
        f"partitioned table: {name}",
        live="CREATE TABLE app.p_1 PARTITION OF app.p FOR VALUES FROM (1) TO (10)",
        rows="INSERT INTO app.p VALUES (1, 1)",
        kept="SELECT id, n FROM app.p",
    )
    def _(metadata: MetaData, new: bool) -> None:
        Table(
            "p",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("n", Integer),
            schema=SCHEMA,
            postgresql_partition_by="RANGE (id)",
        )
        declare(metadata, *map(statement, after if new else before))


partitioned("add", [], ["CREATE INDEX i ON app.p (n)"])
partitioned("predicate", ["CREATE INDEX i ON app.p (n)"], ["CREATE INDEX i ON app.p (n) WHERE n > 0"])

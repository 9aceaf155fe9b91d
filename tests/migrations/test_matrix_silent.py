"""What is no difference: `check` says nothing of it, and autogenerate proposes nothing (M3)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Column, Date, Integer, MetaData, PrimaryKeyConstraint, Table, Text, text

from devmentor_models.kit.objects import Extension, declare
from devmentor_models.testing.databases import DatabaseServer
from tests.migrations.matrix.harness import Trial, built, trial


@pytest.fixture
def live(devmentor_server: DatabaseServer) -> Iterator[Trial]:
    """Yield a trial on an empty database, with a scratch database."""
    name = f"devmentor_test_{uuid4().hex}"
    with devmentor_server.database(name, drop=True) as scratch, trial(devmentor_server, scratch) as made:
        yield made


def _table(*names: str, default: str | None = None) -> MetaData:
    metadata = MetaData()
    server_default = None if default is None else text(default)
    columns = (Column(name, Text, nullable=name != "b", server_default=server_default) for name in names)
    Table("t", metadata, *columns, schema="app")
    return metadata


def _partitioned() -> MetaData:
    metadata = MetaData()
    Table(
        "p",
        metadata,
        Column("id", Integer, nullable=False),
        Column("day", Date, nullable=False, index=True),
        PrimaryKeyConstraint("id", "day"),
        schema="app",
        postgresql_partition_by="RANGE (day)",
    )
    return metadata


def test_the_order_of_columns_is_no_difference(live: Trial) -> None:
    """An added column always comes last, wherever the model has it."""
    built(live, _table("a", "b", "c"))
    assert live.differences(_table("c", "a", "b")) == []


def test_the_name_of_a_not_null_constraint_is_no_difference(live: Trial) -> None:
    """PostgreSQL 18 gives them names, after what the column was called then."""
    built(live, _table("a", "b"))
    live.execute("ALTER TABLE app.t RENAME b TO x; ALTER TABLE app.t RENAME x TO b")
    live.execute("ALTER TABLE app.t RENAME CONSTRAINT t_b_not_null TO odd")
    assert live.differences(_table("a", "b")) == []


def test_partitions_that_only_the_database_has_are_no_difference(live: Trial) -> None:
    """They are made as time goes by, each with sub-partitions, indexes and keys of its own."""
    built(live, _partitioned())
    live.execute("""
        CREATE TABLE app.p_2026 PARTITION OF app.p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
            PARTITION BY LIST (id);
        CREATE TABLE app.p_2026_1 PARTITION OF app.p_2026 FOR VALUES IN (1);
        CREATE TABLE app.p_rest PARTITION OF app.p DEFAULT;
        ALTER TABLE app.p_rest SET (fillfactor = 50);
    """)
    assert live.differences(_partitioned()) == []


def test_a_partition_that_is_unlogged_is_named_and_repaired(live: Trial) -> None:
    """Its rows would be lost in a crash; the parent says that they must not."""
    built(live, _partitioned())
    live.execute("CREATE UNLOGGED TABLE app.p_rest PARTITION OF app.p DEFAULT")
    [line] = live.differences(_partitioned())
    assert "partition app.p_rest" in line
    assert "SET LOGGED" in line
    live.repair(_partitioned())
    assert live.differences(_partitioned()) == []


def test_an_extension_that_may_be_there_is_no_difference(live: Trial) -> None:
    """A DBA's tools are a DBA's business, where the models say so."""
    models = _table("a")
    declare(models, Extension("pg_trgm", required=False))
    built(live, models)
    assert live.differences(models) == []
    live.execute("CREATE EXTENSION pg_trgm")
    assert live.differences(models) == []


def test_settings_of_the_session_make_no_difference(live: Trial) -> None:
    """Dates, floats and bytes are written out alike, however a database or a role wants them shown."""
    defaults = "('2026-03-04 05:06:07+00'::timestamptz)::text || '\\x00ff'::bytea || 0.1::float8"
    models = _table("a", default=defaults)
    built(live, models)
    for setting in ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "bytea_output = 'escape'"):
        live.execute(
            f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting.replace(chr(39), chr(39) * 2)}',"
            " current_database()); END $$"
        )
    found = [line for line in live.differences(models) if "database setting" not in line]
    assert found == []

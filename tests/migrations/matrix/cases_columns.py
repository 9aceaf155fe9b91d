"""Columns, their types, defaults and comments."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Computed, Integer, MetaData, Text
from sqlalchemy.dialects import postgresql

from tests.migrations.matrix.case import case, table


@case("columns", "add a nullable column")
def _add(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([Column("n", Integer)] if new else []))


@case("columns", "drop a column")
def _drop(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([] if new else [Column("n", Integer)]))


@case(
    "types",
    "integer to bigint",
    rows="INSERT INTO app.t (id, n) VALUES (1, 7)",
    kept="SELECT id, n FROM app.t",
)
def _widen(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", BigInteger if new else Integer))


@case(
    "types",
    "text to integer",
    rows="INSERT INTO app.t (id, n) VALUES (1, '7')",
    kept="SELECT id, n FROM app.t",
    upgraded=("SELECT n FROM app.t", [(7,)]),
)
def _text_to_integer(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Integer if new else Text))


@case("columns", "rename", rows="INSERT INTO app.t (id, n) VALUES (1, 7)", kept="SELECT id, n FROM app.t")
def _rename(metadata: MetaData, new: bool) -> None:
    column = (
        Column("m", Integer, info={"renamed_from": "n"}, index=True)
        if new
        else Column("n", Integer, index=True)
    )
    table(metadata, "t", column)


@case("columns", "generated expression")
def _generated(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Text, Computed("upper(name)" if new else "lower(name)", persisted=True)))


@case("types", "enum: add in the middle")
def _enum(metadata: MetaData, new: bool) -> None:
    values = ["a", "b", "c"] if new else ["a", "c"]
    table(metadata, "t", Column("n", postgresql.ENUM(*values, name="kind", schema="app"), server_default="a"))

"""Every column refuses what it cannot hold with InvalidValue, by name, before anything is sent.

The cases are made from the metadata: a new column is covered the day it is declared, and one of an
unchecked type fails `test_every_column_is_checked`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Enum, Integer, event, insert, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import ColumnProperty, Session

from devmentor_models import registry
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.base import Base
from devmentor_models.kit.encryption import EncryptedText, WrappedKey
from devmentor_models.kit.plain import problem_finder
from devmentor_models.kit.types import (
    CalendarDate,
    CheckedType,
    Embedding,
    IpAddress,
    Json,
    LongText,
    Money,
    Sha256,
    TextList,
    Timestamp,
    UuidList,
    Varchar,
)
from devmentor_models.learning.types import Percentage

NUL, SURROGATE = "a\x00b", "a\ud800b"
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - the naive datetime is the point

BAD: dict[type[CheckedType[Any]], list[Any]] = {
    Varchar: [NUL, SURROGATE, 7, b"x"],
    LongText: [NUL, SURROGATE, 7, b"x"],
    EncryptedText: [NUL, SURROGATE, 7, "x" * 5000],
    TextList: [[NUL], [SURROGATE], "x", [7], ["x" * 1000]],
    UuidList: ["x", [7], ["x"], 7],
    Json: [
        {"k": NUL},
        {NUL: 1},
        [SURROGATE],
        {"k": math.nan},
        [math.inf],
        -math.inf,
        {"k": {1, 2}},
        {1: 2},
    ],
    Timestamp: [NAIVE, "infinity", "2026-01-01", date(2026, 1, 1), math.inf],
    CalendarDate: ["infinity", datetime(2026, 1, 1, tzinfo=UTC), 20260101],
    Money: [math.nan, math.inf, 1.5, "1"],
    Percentage: [math.nan, Decimal("NaN"), 101, "1"],
    Embedding: [[math.nan, 1.0], [0.0, 0.0], [math.inf], [], [1.0] * 4001, "vector", [7e4]],
    WrappedKey: [b"x", "x" * 65, b"\x02" * 65],
    Sha256: [b"x", "x" * 32, b""],
    IpAddress: ["nowhere", "1.2.3.4/33", NUL],
}


def _attributes() -> Iterator[tuple[type[Base], str, Column[Any]]]:
    """Yield every writable mapped column."""
    assert registry.target_metadata.tables
    for mapper in Base.registry.mappers:
        for item in mapper.attrs:
            column = item.columns[0] if isinstance(item, ColumnProperty) else None
            if isinstance(column, Column) and column.computed is None:
                yield mapper.class_, item.key, column


def _bad_values(column: Column[Any]) -> list[Any]:
    kind = column.type
    if isinstance(kind, CheckedType):
        found = next(values for known, values in BAD.items() if isinstance(kind, known))
        return [*found, "x" * (kind.length + 1)] if isinstance(kind, Varchar) else found
    if isinstance(kind, Enum):
        return ["no such member", 7]
    if isinstance(kind, Integer):
        return [2**63, -(2**63) - 1, "7", 1.5, True]
    return ["no", object()]


CASES = [
    pytest.param(model, key, column, id=f"{column.table}.{column.name}")
    for model, key, column in _attributes()
]


def test_there_are_cases() -> None:
    """The list below covers every table."""
    assert {case.values[2].table for case in CASES} == set(registry.target_metadata.tables.values())  # type: ignore[union-attr] # the third value is always a Column


@pytest.mark.parametrize(("model", "key", "column"), CASES)
def test_every_column_is_checked(model: type[Base], key: str, column: Column[Any]) -> None:
    """No column has a type that would take whatever comes."""
    assert isinstance(column.type, CheckedType) or problem_finder(column) is not None


@pytest.mark.parametrize(("model", "key", "column"), CASES)
def test_assignment_refuses_bad_values(model: type[Base], key: str, column: Column[Any]) -> None:
    """A bad value never becomes part of an object, hence of a unit of work."""
    for value in _bad_values(column):
        with pytest.raises(InvalidValue) as caught:
            model(**{key: value})
        assert caught.value.field == f"{column.table.fullname}.{column.name}"


@pytest.mark.parametrize(
    ("model", "key", "column"),
    [case for case in CASES if isinstance(case.values[2].type, CheckedType)],  # type: ignore[union-attr] # as above
)
def test_statements_refuse_bad_values(
    model: type[Base], key: str, column: Column[Any], devmentor_session: Session
) -> None:
    """A Core statement is refused before it is sent."""
    sent: list[str] = []
    engine = devmentor_session.get_bind()
    assert not isinstance(engine, Engine)

    @event.listens_for(engine, "before_cursor_execute")
    def note(*arguments: Any) -> None:
        sent.append(arguments[2])

    for value in _bad_values(column):
        with pytest.raises(InvalidValue) as caught:
            devmentor_session.execute(insert(column.table).values({column.name: value}))
        assert caught.value.field == f"{column.table.fullname}.{column.name}"
    assert [statement for statement in sent if statement.startswith("INSERT")] == []


def test_computed_columns_cannot_be_written(devmentor_session: Session) -> None:
    """What PostgreSQL computes, nobody sets: the generated columns have no case above."""
    computed = [
        column
        for table in registry.target_metadata.tables.values()
        for column in table.columns
        if column.computed is not None
    ]
    assert {type(column.type) for column in computed} >= {TSVECTOR}
    for column in computed:
        with pytest.raises(Exception, match="cannot insert a non-DEFAULT value"):
            devmentor_session.execute(
                text(
                    f"INSERT INTO {column.table.fullname} ({column.name}) VALUES (NULL::text::{_sql(column)})"
                )
            )
        devmentor_session.rollback()


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's constructors have no types


def _sql(column: Column[Any]) -> str:
    return str(column.type.compile(_DIALECT))

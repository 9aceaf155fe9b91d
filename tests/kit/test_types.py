"""Column types refuse what PostgreSQL or the driver would mangle, and say which field it was."""

from array import array
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest
from pgvector import HalfVector
from sqlalchemy import Column, MetaData, Table

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.types import (
    CalendarDate,
    CheckedType,
    Embedding,
    IpAddress,
    Json,
    LongText,
    Money,
    NormalizedVarchar,
    Sha256,
    TextList,
    Timestamp,
    Varchar,
)

DEEP: list[Any] = []
for _ in range(7_000):
    DEEP = [DEEP]


def attached(kind: CheckedType[Any]) -> CheckedType[Any]:
    """Return the type as a column of ``shop.goods`` carries it."""
    table = Table("goods", MetaData(), Column("thing", kind), schema="shop")
    bound = table.c.thing.type
    assert isinstance(bound, CheckedType)
    return bound


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Varchar(5), "a\x00b", "NUL"),
        (Varchar(5), "\ud800", "surrogate"),
        (Varchar(5), "abcdef", "at most 5"),
        (Varchar(5), 5, "expects text"),
        (NormalizedVarchar(5), " \t ", "empty"),
        (NormalizedVarchar(5), "a\nb", "control"),
        (LongText(), "\x00", "NUL"),
        (LongText(), b"bytes", "expects text"),
        (TextList(), "abc", "list"),
        (TextList(), ["a\x00"], "NUL"),
        (TextList(item_length=2), ["abc"], "at most 2"),
        (TextList(max_items=1), ["a", "b"], "at most 1"),
        (TextList(), [1], "expects texts"),
        (Timestamp(), datetime(2026, 1, 1), "time zone"),  # noqa: DTZ001 - the naive datetime is the point
        (Timestamp(), "infinity", "expects a datetime"),
        (Timestamp(), date(2026, 1, 1), "expects a datetime"),
        (CalendarDate(), "infinity", "expects a date"),
        (CalendarDate(), datetime(2026, 1, 1, tzinfo=UTC), "expects a date"),
        (Money(), Decimal("NaN"), "finite"),
        (Money(), Decimal("Infinity"), "finite"),
        (Money(), 1.5, "Decimal"),
        (Money(), Decimal(10) ** 8, "digits"),
        (Json(), {"a": float("nan")}, "JSON does not have"),
        (Json(), [float("inf")], "JSON does not have"),
        (Json(), {"a": "\x00"}, "NUL"),
        (Json(), {"\ud800": 1}, "surrogate"),
        (Json(), {1: 2}, "key"),
        (Json(), {"when": datetime(2026, 1, 1, tzinfo=UTC)}, "datetime"),
        (Json(), DEEP, "deeper"),
        (Sha256(), b"short", "32 bytes"),
        (Sha256(), "text", "32 bytes"),
        (IpAddress(), "999.1.1.1", "IP address"),
        (Embedding(3), [1.0, 2.0], "2 dimensions"),
        (Embedding(), [], "0 dimensions"),
        (Embedding(), [0.1] * 4001, "4001 dimensions"),
        (Embedding(2), [0.0, 0.0], "zero"),
        (Embedding(2), [1e-9, 0.0], "zero"),
        (Embedding(2), [float("nan"), 1.0], "NaN"),
        (Embedding(2), [float("inf"), 1.0], "NaN"),
        (Embedding(2), [70000.0, 1.0], "half precision"),
        (Embedding(2), "no vector", "numbers"),
    ],
)
def test_a_bad_value_is_refused_by_name(kind: CheckedType[Any], value: Any, reason: str) -> None:
    """Each bad value raises InvalidValue with schema.table.column and a reason, before any SQL."""
    with pytest.raises(InvalidValue, match=reason) as caught:
        attached(kind).check(value)
    assert caught.value.field == "shop.goods.thing"


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (Varchar(5), "añb", "añb"),
        (NormalizedVarchar(9), " e\u0301 ", "é"),
        (NormalizedVarchar(9), "\u212a", "K"),
        (TextList(), ("a", "b"), ["a", "b"]),
        (Money(), 3, Decimal(3)),
        (Json(), {"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
        (IpAddress(), "::1", ip_address("::1")),
        (Embedding(2), (1, 2), [1.0, 2.0]),
        (Embedding(), [0.5], [0.5]),
    ],
)
def test_a_good_value_is_kept(kind: CheckedType[Any], value: Any, kept: Any) -> None:
    """Good values come through, in the type's normal form."""
    assert attached(kind).check(value) == kept


def test_the_reason_never_quotes_the_value() -> None:
    """Messages go to logs: they must not carry what was rejected."""
    with pytest.raises(InvalidValue) as caught:
        attached(Varchar(5)).check("secret-token")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "0 dimensions"),
        ([0.1] * 4001, "4001 dimensions"),
        ([0.0, -0.0], "zero"),
        ([1e-9, -1e-9], "zero"),
        ([float("nan"), 1.0], "NaN"),
        ([1.0, float("-inf")], "NaN"),
        ([70000.0, 1.0], "half precision"),
        ("no vector", "numbers"),
        (b"no vector", "numbers"),
        (["1", 2], "numbers"),
        ([[1.0], [2.0]], "numbers"),
        (1.0, "numbers"),
        (array("d", [0.0, 0.0]), "zero"),
        (np.ones((2, 2)), "numbers"),
    ],
)
def test_a_vector_that_cannot_be_packed(value: Any, reason: str) -> None:
    """What would be refused as numbers is refused as bytes."""
    with pytest.raises(InvalidValue, match=reason):
        Embedding().pack(value)


@pytest.mark.parametrize(
    "value",
    [
        [1, -2.5, 0],
        (0.0, 6e-8, 0.0),
        [0.0, -0.1, 65504.0],
        array("f", [1.5, 2.5, -0.0]),
        array("i", [1, 2, 3]),
        np.array([1.5, 2.5, 3.5], dtype=np.float32),
        np.array([1, 2, 3], dtype=np.float16),
        HalfVector([1.0, 2.0, 3.0]),
    ],
    ids=repr,
)
def test_a_packed_vector_is_what_pgvector_makes_of_it(value: Any) -> None:
    """Sequences, arrays and pgvector's own come as its binary form."""
    numbers = value.to_list() if isinstance(value, HalfVector) else [float(number) for number in value]
    assert Embedding().pack(value) == HalfVector(numbers).to_binary()

"""Money and JSON come back as they went in, or are refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Engine, MetaData, Numeric, Table, insert, select

from devmentor_models import Actor, Database, registry
from devmentor_models.ai.enums import Operation, Provider
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.types import ExactNumber, Json, Money
from devmentor_models.learning.types import Percentage
from tests.support.users import NewUser

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
PROFILE = settings(
    max_examples=5000 if THOROUGH else 60,
    derandomize=not THOROUGH,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: Writes a value into a column, and reads it.
RoundTrip = Callable[[str, Any], Any]

TABLE = Table(
    "exact",
    MetaData(),
    Column("money", Money()),
    Column("percent", Percentage()),
    Column("json", Json()),
    prefixes=["TEMPORARY"],
)
NUMBERS = (
    st.decimals() | st.integers() | st.decimals(0, 100, places=3) | st.decimals(-(10**8), 10**8, places=7)
)
TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["\x00", "\ud800", "\udc00\ud800", "é", "e\u0301"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.floats(min_value=1e15, max_value=1e30)
    | st.sampled_from(
        [1e23, 1e22, -0.0, 5e-324, 2.0**53, 2.0**63, 10**23, 10**400, 10**1500, -(10**4000), 1.0, 1e16]
    )
    | TEXTS
    | st.binary(max_size=2)
    | st.decimals()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.dictionaries(TEXTS | st.integers() | st.none(), inner) | st.tuples(inner, inner)
    ),
    max_leaves=10,
)


@pytest.fixture
def round_trip(devmentor_engine: Engine) -> Any:
    """Return the function; nothing of it stays."""
    with devmentor_engine.connect() as connection:
        TABLE.create(connection)
        yield lambda name, value: _round_trip(connection, name, value)
        connection.rollback()


def _round_trip(connection: Connection, name: str, value: Any) -> Any:
    connection.execute(TABLE.delete())
    connection.execute(insert(TABLE).values({name: value}))
    return connection.execute(select(TABLE.c[name])).scalar_one()


@given(value=NUMBERS)
@example(value=Decimal("0.0000004"))
@example(value=Decimal("sNaN"))
@example(value=Decimal("1E-999999"))
@example(value=Decimal("1E+999999"))
@example(value=10**4000)
@example(value=Decimal("99999999.999999"))
@example(value=Decimal("100.00") / 3)
@PROFILE
def test_a_number_comes_back_equal_or_is_refused(round_trip: RoundTrip, value: Decimal | int) -> None:
    """However many digits it has, in front of the point and behind it."""
    for name in ("money", "percent"):
        try:
            outcome = round_trip(name, value) == value
        except InvalidValue as error:
            outcome = error.field == f"exact.{name}"
        assert outcome


@given(value=VALUES)
@example(value=1e23)
@example(value=[1e308, -1e300])
@example(value={"a": (1, 2)})
@PROFILE
def test_json_comes_back_equal_or_is_refused(round_trip: RoundTrip, value: Any) -> None:
    """As the same types, but that an integral float may come back as the int that it equals."""
    try:
        outcome = round_trip("json", value) == value
    except InvalidValue as error:
        outcome = error.field == "exact.json"
    assert outcome


@pytest.mark.parametrize(
    "value", [1.5, 0.1, 1e16, 1e22, 2.0**53, -0.0, 10**1000, {"a": [None, {"b": "é"}]}, "", [], {}]
)
def test_json_that_can_be_stored_is_not_refused(round_trip: RoundTrip, value: Any) -> None:
    """The property above would hold for a type that refuses everything."""
    assert round_trip("json", value) == value


def test_every_numeric_column_is_exact() -> None:
    """No column rounds: not those of today, and not the next one."""
    numeric = [
        column
        for table in registry.target_metadata.tables.values()
        for column in table.columns
        if isinstance(getattr(column.type, "impl", column.type), Numeric)
        and column.type.python_type is Decimal
    ]
    assert len(numeric) >= 3
    assert [column for column in numeric if not isinstance(column.type, ExactNumber)] == []


def test_the_context_of_the_caller_does_not_matter(database: Database, new_user: NewUser) -> None:
    """Neither its precision nor what it traps; sums are exact too."""
    with localcontext(Context(prec=2, traps=[])), database.begin(Actor.user(new_user().id)) as tx:
        for cost in ("1.234567", "98765432.000001"):
            usage = tx.usage.record(
                provider=Provider.OPENAI, model="m", operation=Operation.CHAT, cost=Decimal(cost)
            )
            assert usage.cost == Decimal(cost)
        for cost in ("0.0000004", "NaN", "100000000"):
            with pytest.raises(InvalidValue, match="cost"):
                tx.usage.record(
                    provider=Provider.OPENAI, model="m", operation=Operation.CHAT, cost=Decimal(cost)
                )
        total = tx.usage.monthly_cost(usage.created_at.date())
    assert total == Decimal("98765433.234568")

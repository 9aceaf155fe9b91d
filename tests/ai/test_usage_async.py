"""Usage: records, totals, costs, partitions (F7)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.ai import queries
from devmentor_models.ai.enums import Operation, Provider
from devmentor_models.ai.values import UsageTotal
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.ai import UsageFactory
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio


class _Undo(Exception):
    """Leaves a transaction without a trace."""


MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


async def test_record(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A call is recorded with all that is known of it, also for a project that is not there any more."""
    me = Actor.user(new_user().id)
    project_id = uuid7()
    async with async_database.begin(me) as tx:
        usage = await tx.usage.record(
            provider=Provider.ANTHROPIC,
            model="claude-test",
            operation=Operation.CHAT,
            prompt_tokens=1000,
            completion_tokens=200,
            cost=Decimal("0.006"),
            latency_ms=840,
            project_id=project_id,
        )
        assert (usage.user_id, usage.project_id, usage.cached) == (me.user_id, project_id, False)
        assert await tx.usage.monthly_cost(usage.created_at.date()) == Decimal("0.006")


async def test_totals(async_database: AsyncDatabase, new_user: NewUser, devmentor_engine: Engine) -> None:
    """Calls are totalled by day and model within the period, of the user alone."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    with Session(devmentor_engine) as session:
        for actor, created_at, model, cached in [
            (me, MAY - timedelta(microseconds=1), "a", False),
            (me, MAY, "a", False),
            (me, MAY + timedelta(hours=23, minutes=59), "a", True),
            (me, MAY + timedelta(hours=1), "b", False),
            (me, MAY + timedelta(days=1), "a", False),
            (me, JUNE, "a", False),
            (other, MAY, "a", False),
        ]:
            UsageFactory.insert(
                session,
                user_id=actor.user_id,
                created_at=created_at,
                model=model,
                cached=cached,
                cost=Decimal("0.5"),
                latency_ms=10,
            )
        session.commit()
    async with async_database.begin(me, readonly=True) as tx:
        totals = await tx.usage.totals(since=MAY, until=JUNE)
        assert [(total.day, total.model, total.calls) for total in totals] == [
            (date(2026, 5, 1), "a", 2),
            (date(2026, 5, 1), "b", 1),
            (date(2026, 5, 2), "a", 1),
        ]
        assert totals[0] == UsageTotal(
            day=date(2026, 5, 1),
            provider=Provider.OPENAI,
            model="a",
            calls=2,
            cached_calls=1,
            prompt_tokens=200,
            completion_tokens=40,
            cost=Decimal(1),
            latency_ms=Decimal(10),
        )
        assert await tx.usage.monthly_cost(date(2026, 5, 17)) == Decimal(2)
        assert await tx.usage.monthly_cost(date(2026, 6, 30)) == Decimal("0.5")
        assert await tx.usage.monthly_cost(date(2026, 12, 31)) == 0


async def test_only_the_months_asked_for_are_opened(devmentor_url: str, new_user: NewUser) -> None:
    """The plan of a month's totals reads that month's partition and no other."""
    me = Actor.user(new_user().id)
    async with AsyncDatabase.from_url(devmentor_url, pool_min=0) as administrators:
        with pytest.raises(_Undo):
            await _explain_months(administrators, me)


async def _explain_months(db: AsyncDatabase, me: Actor) -> None:
    async with db.begin(Actor.service("ai")) as tx:
        # Months far from any that another test writes to; rolled back with the block.
        for year in (2190, 2191):
            await tx.session.execute(
                text(
                    f"CREATE TABLE ai.usage_test_{year} PARTITION OF ai.usage"
                    f" FOR VALUES FROM ('{year}-01-01 00:00Z') TO ('{year}-02-01 00:00Z')"
                )
            )
        month = queries.USAGE_TOTALS.params(
            tenant=me.user_id,
            since=datetime(2190, 1, 1, tzinfo=UTC),
            until=datetime(2190, 2, 1, tzinfo=UTC),
        )
        sql = month.compile(dialect=tx.session.get_bind().dialect, compile_kwargs={"literal_binds": True})
        plan = await tx.session.execute(text(f"EXPLAIN {sql}"))
        lines = "\n".join(plan.scalars())
        assert "usage_test_2190" in lines
        assert "usage_test_2191" not in lines
        assert "usage_default" not in lines
        raise _Undo


@pytest.mark.parametrize(
    "value",
    [
        {"prompt_tokens": -1},
        {"completion_tokens": 2**31},
        {"latency_ms": -1},
        {"cost": Decimal(-1)},
        {"cost": Decimal("NaN")},
        {"cost": 0.1},
        {"model": "nul\x00"},
    ],
    ids=lambda value: next(iter(value)),
)
async def test_bad_values(async_database: AsyncDatabase, new_user: NewUser, value: dict[str, object]) -> None:
    """What is negative, too large, not exact or not text is refused by the name of its field."""
    me = Actor.user(new_user().id)
    values: dict[str, object] = {"model": "gpt-test", **value}
    async with async_database.begin(me) as tx:
        with pytest.raises(InvalidValue, match=next(iter(value))):
            await tx.usage.record(provider=Provider.OPENAI, operation=Operation.CHAT, **values)  # type: ignore[arg-type] # wrong on purpose
        assert await tx.usage.totals(since=datetime.now(UTC) - timedelta(1), until=datetime.now(UTC)) == []


async def test_period_is_bounded(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Totals refuse an empty period, one of over a year, and bounds without a zone."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        for since, until in [
            (MAY, MAY),
            (JUNE, MAY),
            (MAY, MAY + timedelta(days=367)),
            (MAY.replace(tzinfo=None), JUNE),
        ]:
            with pytest.raises(InvalidValue):
                await tx.usage.totals(since=since, until=until)

"""Recommendations: renewed, best first, decided once, purged (F6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import InvalidValue, NotFound, VersionConflict
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import after
from devmentor_models.learning.enums import RecommendationKind, RecommendationStatus
from devmentor_models.learning.models import Recommendation
from devmentor_models.learning.queries import open_recommendations

pytestmark = pytest.mark.anyio

RESOURCE = RecommendationKind.RESOURCE


async def _add(
    tx: AsyncTransaction, target: str, score: float = 0.5, expires_at: datetime | None = None
) -> Recommendation:
    return await tx.recommendations.add(
        kind=RESOURCE, target=target, title=target, score=score, expires_at=expires_at
    )


def _in_hours(hours: int) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


async def test_best_first_in_pages(async_database: AsyncDatabase, learner: Actor) -> None:
    """Every recommendation appears once, best first, the newer first among equals."""
    async with async_database.begin(learner) as tx:
        made = [await _add(tx, str(number), score) for number, score in enumerate([0.1, 0.9, 0.5, 0.5, 0.3])]
        seen: list[Recommendation] = []
        cursor = None
        for _ in range(3):
            page = await tx.recommendations.list_open(limit=2, cursor=cursor)
            seen += page.items
            cursor = page.next_cursor
        assert cursor is None
        assert seen == [made[index] for index in (1, 3, 2, 4, 0)]


async def test_paging_while_rows_are_added(async_database: AsyncDatabase, learner: Actor) -> None:
    """What is added between two pages neither repeats nor hides a row."""
    async with async_database.begin(learner) as tx:
        made = [await _add(tx, str(number), number / 10) for number in range(6)]
        first = await tx.recommendations.list_open(limit=3)
    async with async_database.begin(learner) as tx:
        await _add(tx, "better", 0.95)
        second = await tx.recommendations.list_open(limit=3, cursor=first.next_cursor)
    ids = [recommendation.id for recommendation in [*first.items, *second.items]]
    assert ids == [recommendation.id for recommendation in reversed(made)]


async def test_open_means_new_and_not_expired(async_database: AsyncDatabase, learner: Actor) -> None:
    """Decided and expired recommendations are not listed, and a kind can be picked."""
    async with async_database.begin(learner) as tx:
        kept = await _add(tx, "kept", expires_at=_in_hours(1))
        await _add(tx, "expired", expires_at=_in_hours(-1))
        await tx.recommendations.accept((await _add(tx, "accepted")).id)
        await tx.recommendations.dismiss((await _add(tx, "dismissed")).id)
        assert (await tx.recommendations.list_open()).items == [kept]
        assert (await tx.recommendations.list_open(kind=RESOURCE)).items == [kept]
        assert (await tx.recommendations.list_open(kind=RecommendationKind.REVIEW)).items == []


async def test_adding_again_renews(async_database: AsyncDatabase, learner: Actor) -> None:
    """The same target is one row with the newest score; a dismissed one does not come back."""
    async with async_database.begin(learner) as tx:
        first = await _add(tx, "x", 0.2)
        assert await _add(tx, "x", 0.8) is first
        assert first.score == 0.8
        await tx.recommendations.dismiss(first.id)
        again = await _add(tx, "x", 1)
        assert again.status is RecommendationStatus.DISMISSED
        assert (await tx.recommendations.list_open()).items == []


async def test_decided_once(async_database: AsyncDatabase, learner: Actor) -> None:
    """The same decision again changes nothing, the opposite one is a conflict."""
    async with async_database.begin(learner) as tx:
        made = await _add(tx, "x")
        accepted = await tx.recommendations.accept(made.id)
        decided_at = accepted.decided_at
        assert decided_at is not None
        assert (await tx.recommendations.accept(made.id)).decided_at == decided_at
        with pytest.raises(VersionConflict, match="accepted"):
            await tx.recommendations.dismiss(made.id)


async def test_purge(async_database: AsyncDatabase, learner: Actor, stranger: Actor) -> None:
    """Expired ones go in bounded batches, of the actor alone; accepted ones stay."""
    async with async_database.begin(learner) as tx:
        for number in range(3):
            await _add(tx, str(number), expires_at=_in_hours(-1))
        accepted = await _add(tx, "accepted", expires_at=_in_hours(-1))
        await tx.recommendations.accept(accepted.id)
    async with async_database.begin(stranger) as tx:
        assert await tx.recommendations.purge_expired() == 0
    async with async_database.begin(learner) as tx:
        assert await tx.recommendations.purge_expired(limit=2) == 2
        with pytest.raises(InvalidValue, match="limit"):
            await tx.recommendations.purge_expired(limit=0)
    async with async_database.begin(Actor.service("learning")) as tx:
        assert await tx.recommendations.purge_expired() >= 1
    async with async_database.begin(learner) as tx:
        assert await tx.recommendations.purge_expired() == 0
        assert (await tx.recommendations.get(accepted.id)).status is RecommendationStatus.ACCEPTED


async def test_other_tenants_recommendation(
    async_database: AsyncDatabase, learner: Actor, stranger: Actor
) -> None:
    """A stranger neither sees nor decides it, and may be recommended the same."""
    async with async_database.begin(learner) as tx:
        made = await _add(tx, "x")
    async with async_database.begin(stranger) as tx:
        for call in (tx.recommendations.get, tx.recommendations.accept, tx.recommendations.dismiss):
            with pytest.raises(NotFound):
                await call(made.id)
        assert (await _add(tx, "x")).id != made.id
        with pytest.raises(NotFound):
            await tx.recommendations.get(uuid7())


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
async def test_bad_recommendation_scores(async_database: AsyncDatabase, learner: Actor, score: float) -> None:
    """A score lies between 0 and 1."""
    async with async_database.begin(learner) as tx:
        with pytest.raises(InvalidValue, match="score"):
            await _add(tx, "x", score)


async def test_open_recommendations_use_their_index(async_database: AsyncDatabase, learner: Actor) -> None:
    """The list reads the partial index in its order, also under a plan that knows no parameters."""
    assert learner.user_id is not None
    statement = after(
        open_recommendations(learner.user_id, None),
        [Recommendation.score, Recommendation.id],
        cursor=None,
        limit=10,
    )
    assert "status = 'new'" in str(statement)
    async with async_database.begin(learner, readonly=True) as tx:
        sql = statement.compile(dialect=tx.session.get_bind().dialect, compile_kwargs={"literal_binds": True})
        # So that the small table of a test is planned like a large one.
        await tx.session.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join((await tx.session.execute(text(f"EXPLAIN {sql}"))).scalars())
    assert "Index Scan Backward using ix_recommendations_new" in plan
    assert "Sort" not in plan

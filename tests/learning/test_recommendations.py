# Generated from test_recommendations_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Recommendations: renewed, best first, decided once, purged (F6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import InvalidValue, NotFound, VersionConflict
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import after
from devmentor_models.learning.enums import RecommendationKind, RecommendationStatus
from devmentor_models.learning.models import Recommendation
from devmentor_models.learning.queries import open_recommendations

pytestmark = pytest.mark.anyio

RESOURCE = RecommendationKind.RESOURCE


def _add(
    tx: Transaction, target: str, score: float = 0.5, expires_at: datetime | None = None
) -> Recommendation:
    return tx.recommendations.add(
        kind=RESOURCE, target=target, title=target, score=score, expires_at=expires_at
    )


def _in_hours(hours: int) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def test_best_first_in_pages(database: Database, learner: Actor) -> None:
    """Every recommendation appears once, best first, the newer first among equals."""
    with database.begin(learner) as tx:
        made = [_add(tx, str(number), score) for number, score in enumerate([0.1, 0.9, 0.5, 0.5, 0.3])]
        seen: list[Recommendation] = []
        cursor = None
        for _ in range(3):
            page = tx.recommendations.list_open(limit=2, cursor=cursor)
            seen += page.items
            cursor = page.next_cursor
        assert cursor is None
        assert seen == [made[index] for index in (1, 3, 2, 4, 0)]


def test_paging_while_rows_are_added(database: Database, learner: Actor) -> None:
    """What is added between two pages neither repeats nor hides a row."""
    with database.begin(learner) as tx:
        made = [_add(tx, str(number), number / 10) for number in range(6)]
        first = tx.recommendations.list_open(limit=3)
    with database.begin(learner) as tx:
        _add(tx, "better", 0.95)
        second = tx.recommendations.list_open(limit=3, cursor=first.next_cursor)
    ids = [recommendation.id for recommendation in [*first.items, *second.items]]
    assert ids == [recommendation.id for recommendation in reversed(made)]


def test_open_means_new_and_not_expired(database: Database, learner: Actor) -> None:
    """Decided and expired recommendations are not listed, and a kind can be picked."""
    with database.begin(learner) as tx:
        kept = _add(tx, "kept", expires_at=_in_hours(1))
        _add(tx, "expired", expires_at=_in_hours(-1))
        tx.recommendations.accept((_add(tx, "accepted")).id)
        tx.recommendations.dismiss((_add(tx, "dismissed")).id)
        assert (tx.recommendations.list_open()).items == [kept]
        assert (tx.recommendations.list_open(kind=RESOURCE)).items == [kept]
        assert (tx.recommendations.list_open(kind=RecommendationKind.REVIEW)).items == []


def test_adding_again_renews(database: Database, learner: Actor) -> None:
    """The same target is one row with the newest score; a dismissed one does not come back."""
    with database.begin(learner) as tx:
        first = _add(tx, "x", 0.2)
        assert _add(tx, "x", 0.8) is first
        assert first.score == 0.8
        tx.recommendations.dismiss(first.id)
        again = _add(tx, "x", 1)
        assert again.status is RecommendationStatus.DISMISSED
        assert (tx.recommendations.list_open()).items == []


def test_decided_once(database: Database, learner: Actor) -> None:
    """The same decision again changes nothing, the opposite one is a conflict."""
    with database.begin(learner) as tx:
        made = _add(tx, "x")
        accepted = tx.recommendations.accept(made.id)
        decided_at = accepted.decided_at
        assert decided_at is not None
        assert (tx.recommendations.accept(made.id)).decided_at == decided_at
        with pytest.raises(VersionConflict, match="accepted"):
            tx.recommendations.dismiss(made.id)


def test_purge(database: Database, learner: Actor, stranger: Actor) -> None:
    """Expired ones go in bounded batches, of the actor alone; accepted ones stay."""
    with database.begin(learner) as tx:
        for number in range(3):
            _add(tx, str(number), expires_at=_in_hours(-1))
        accepted = _add(tx, "accepted", expires_at=_in_hours(-1))
        tx.recommendations.accept(accepted.id)
    with database.begin(stranger) as tx:
        assert tx.recommendations.purge_expired() == 0
    with database.begin(learner) as tx:
        assert tx.recommendations.purge_expired(limit=2) == 2
        with pytest.raises(InvalidValue, match="limit"):
            tx.recommendations.purge_expired(limit=0)
    with database.begin(Actor.service("learning")) as tx:
        assert tx.recommendations.purge_expired() >= 1
    with database.begin(learner) as tx:
        assert tx.recommendations.purge_expired() == 0
        assert (tx.recommendations.get(accepted.id)).status is RecommendationStatus.ACCEPTED


def test_other_tenants_recommendation(database: Database, learner: Actor, stranger: Actor) -> None:
    """A stranger neither sees nor decides it, and may be recommended the same."""
    with database.begin(learner) as tx:
        made = _add(tx, "x")
    with database.begin(stranger) as tx:
        for call in (tx.recommendations.get, tx.recommendations.accept, tx.recommendations.dismiss):
            with pytest.raises(NotFound):
                call(made.id)
        assert (_add(tx, "x")).id != made.id
        with pytest.raises(NotFound):
            tx.recommendations.get(uuid7())


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_bad_recommendation_scores(database: Database, learner: Actor, score: float) -> None:
    """A score lies between 0 and 1."""
    with database.begin(learner) as tx:
        with pytest.raises(InvalidValue, match="score"):
            _add(tx, "x", score)


def test_open_recommendations_use_their_index(database: Database, learner: Actor) -> None:
    """The list reads the partial index in its order, also under a plan that knows no parameters."""
    assert learner.user_id is not None
    statement = after(
        open_recommendations(learner.user_id, None),
        [Recommendation.score, Recommendation.id],
        cursor=None,
        limit=10,
    )
    assert "status = 'new'" in str(statement)
    with database.begin(learner, readonly=True) as tx:
        sql = statement.compile(dialect=tx.session.get_bind().dialect, compile_kwargs={"literal_binds": True})
        # So that the small table of a test is planned like a large one.
        tx.session.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join((tx.session.execute(text(f"EXPLAIN {sql}"))).scalars())
    assert "Index Scan Backward using ix_recommendations_new" in plan
    assert "Sort" not in plan

# Generated from test_assessments_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Assessments: submitted once, scored exactly, averaged (F6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from devmentor_models import Actor, Database
from devmentor_models.errors import InvalidValue, NotFound, VersionConflict
from devmentor_models.kit.ids import uuid7
from devmentor_models.learning.enums import AssessmentKind
from devmentor_models.learning.repositories import NewStep
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio


def test_submit_once(database: Database, learner: Actor) -> None:
    """The first result stays, whatever comes later."""
    with database.begin(learner) as tx:
        made = tx.assessments.create(title="Quiz", questions=[{"q": "?"}], passing_score=80)
        assert (made.score, made.passed, made.submitted_at) == (None, None, None)
        assert tx.assessments.submit(made.id, answers={"1": "b"}, score=Decimal("79.99")) is made
        assert (made.score, made.passed, made.answers) == (Decimal("79.99"), False, {"1": "b"})
        assert made.submitted_at is not None
        with pytest.raises(VersionConflict, match="already"):
            tx.assessments.submit(made.id, answers={}, score=100)
    with database.begin(learner, readonly=True) as tx:
        assert (tx.assessments.get(made.id)).score == Decimal("79.99")


def test_submitting_at_once(database: Database, learner: Actor) -> None:
    """Of eight results at once one is taken."""
    with database.begin(learner) as tx:
        made = tx.assessments.create(title="Quiz", questions=[])

    def submit(score: int) -> bool:
        with database.begin(learner) as tx:
            tx.assessments.submit(made.id, answers=[], score=score)
            return True

    results = run_concurrently([partial(submit, score) for score in range(8)])
    assert results.count(True) == 1
    assert sum(isinstance(result, VersionConflict) for result in results) == 7


def test_belongs_to_roadmap_and_step(database: Database, learner: Actor, stranger: Actor) -> None:
    """The roadmap comes from the step; a foreign or contradictory one is refused."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[NewStep(title="A")])
        other = tx.roadmaps.create(title="Git")
        step = roadmap.steps[0]
        made = tx.assessments.create(title="Quiz", questions=[], step_id=step.id)
        assert made.roadmap_id == roadmap.id
        with pytest.raises(InvalidValue, match="step_id"):
            tx.assessments.create(title="Q", questions=[], step_id=step.id, roadmap_id=other.id)
    with database.begin(stranger) as tx:
        with pytest.raises(NotFound):
            tx.assessments.create(title="Q", questions=[], step_id=step.id)
        with pytest.raises(NotFound):
            tx.assessments.create(title="Q", questions=[], roadmap_id=roadmap.id)
        with pytest.raises(NotFound):
            tx.assessments.get(made.id)
        with pytest.raises(NotFound):
            tx.assessments.submit(made.id, answers=[], score=1)


def test_result_outlives_its_roadmap(database: Database, learner: Actor) -> None:
    """Removing a roadmap keeps the results, which prove a skill."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[NewStep(title="A")])
        made = tx.assessments.create(title="Quiz", questions=[], step_id=roadmap.steps[0].id)
        tx.assessments.submit(made.id, answers=[], score=90)
    with database.begin(learner) as tx:
        tx.session.delete(tx.roadmaps.get(roadmap.id))
    with database.begin(learner) as tx:
        kept = tx.assessments.get(made.id)
        assert (kept.roadmap_id, kept.step_id, kept.score) == (None, None, Decimal(90))


def test_list_filters_and_pages(database: Database, learner: Actor) -> None:
    """Assessments come newest first, by roadmap, step or state."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[NewStep(title="A")])
        step_id = roadmap.steps[0].id
        one = tx.assessments.create(title="1", questions=[], step_id=step_id)
        two = tx.assessments.create(title="2", questions=[], roadmap_id=roadmap.id)
        three = tx.assessments.create(title="3", questions=[])
        tx.assessments.submit(two.id, answers=[], score=50)
        first = tx.assessments.list(limit=2)
        second = tx.assessments.list(limit=2, cursor=first.next_cursor)
        assert [*first.items, *second.items] == [three, two, one]
        assert (tx.assessments.list(roadmap_id=roadmap.id)).items == [two, one]
        assert (tx.assessments.list(step_id=step_id)).items == [one]
        assert (tx.assessments.list(submitted=True)).items == [two]
        assert (tx.assessments.list(submitted=False)).items == [three, one]


def test_average(database: Database, learner: Actor, stranger: Actor) -> None:
    """Only submitted results of the learner count, narrowed as asked for."""
    with database.begin(learner) as tx:
        assert tx.assessments.average() is None
        for kind, score in [(AssessmentKind.QUIZ, 50), (AssessmentKind.QUIZ, 75), (AssessmentKind.SELF, 100)]:
            made = tx.assessments.create(title="Q", questions=[], kind=kind)
            tx.assessments.submit(made.id, answers=[], score=score)
        tx.assessments.create(title="pending", questions=[])
        assert tx.assessments.average() == Decimal(75)
        assert tx.assessments.average(kind=AssessmentKind.QUIZ) == Decimal("62.5")
        assert tx.assessments.average(roadmap_id=uuid7()) is None
        assert tx.assessments.average(since=datetime.now(UTC) + timedelta(hours=1)) is None
        with pytest.raises(InvalidValue, match="since"):
            tx.assessments.average(since=datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose
    with database.begin(stranger) as tx:
        assert tx.assessments.average() is None


@pytest.mark.parametrize("score", [-1, Decimal("100.01"), Decimal("NaN"), Decimal("Infinity"), 0.5, True])
def test_bad_scores(database: Database, learner: Actor, score: Any) -> None:
    """A score is an exact number from 0 to 100, and a refused one leaves the assessment open."""
    with database.begin(learner) as tx:
        made = tx.assessments.create(title="Quiz", questions=[])
        with pytest.raises(InvalidValue, match="score"):
            tx.assessments.submit(made.id, answers=[], score=score)
        with pytest.raises(InvalidValue, match="passing_score"):
            tx.assessments.create(title="Quiz", questions=[], passing_score=score)
        assert (tx.assessments.submit(made.id, answers=[], score=0)).score == 0


def test_bad_questions(database: Database, learner: Actor) -> None:
    """Questions are a list of JSON values."""
    with database.begin(learner) as tx:
        for questions in ("text", {"q": 1}, [float("nan")], ["nul\x00"]):
            with pytest.raises(InvalidValue, match="questions"):
                tx.assessments.create(title="Quiz", questions=questions)  # type: ignore[arg-type] # wrong on purpose

"""Assessments: submitted once, scored exactly, averaged (F6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import InvalidValue, NotFound, VersionConflict
from devmentor_models.kit.ids import uuid7
from devmentor_models.learning.enums import AssessmentKind
from devmentor_models.learning.repositories_async import NewStep
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio


async def test_submit_once(async_database: AsyncDatabase, learner: Actor) -> None:
    """The first result stays, whatever comes later."""
    async with async_database.begin(learner) as tx:
        made = await tx.assessments.create(title="Quiz", questions=[{"q": "?"}], passing_score=80)
        assert (made.score, made.passed, made.submitted_at) == (None, None, None)
        assert await tx.assessments.submit(made.id, answers={"1": "b"}, score=Decimal("79.99")) is made
        assert (made.score, made.passed, made.answers) == (Decimal("79.99"), False, {"1": "b"})
        assert made.submitted_at is not None
        with pytest.raises(VersionConflict, match="already"):
            await tx.assessments.submit(made.id, answers={}, score=100)
    async with async_database.begin(learner, readonly=True) as tx:
        assert (await tx.assessments.get(made.id)).score == Decimal("79.99")


async def test_submitting_at_once(async_database: AsyncDatabase, learner: Actor) -> None:
    """Of eight results at once one is taken."""
    async with async_database.begin(learner) as tx:
        made = await tx.assessments.create(title="Quiz", questions=[])

    async def submit(score: int) -> bool:
        async with async_database.begin(learner) as tx:
            await tx.assessments.submit(made.id, answers=[], score=score)
            return True

    results = await run_concurrently([partial(submit, score) for score in range(8)])
    assert results.count(True) == 1
    assert sum(isinstance(result, VersionConflict) for result in results) == 7


async def test_belongs_to_roadmap_and_step(
    async_database: AsyncDatabase, learner: Actor, stranger: Actor
) -> None:
    """The roadmap comes from the step; a foreign or contradictory one is refused."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[NewStep(title="A")])
        other = await tx.roadmaps.create(title="Git")
        step = roadmap.steps[0]
        made = await tx.assessments.create(title="Quiz", questions=[], step_id=step.id)
        assert made.roadmap_id == roadmap.id
        with pytest.raises(InvalidValue, match="step_id"):
            await tx.assessments.create(title="Q", questions=[], step_id=step.id, roadmap_id=other.id)
    async with async_database.begin(stranger) as tx:
        with pytest.raises(NotFound):
            await tx.assessments.create(title="Q", questions=[], step_id=step.id)
        with pytest.raises(NotFound):
            await tx.assessments.create(title="Q", questions=[], roadmap_id=roadmap.id)
        with pytest.raises(NotFound):
            await tx.assessments.get(made.id)
        with pytest.raises(NotFound):
            await tx.assessments.submit(made.id, answers=[], score=1)


async def test_result_outlives_its_roadmap(async_database: AsyncDatabase, learner: Actor) -> None:
    """Removing a roadmap keeps the results, which prove a skill."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[NewStep(title="A")])
        made = await tx.assessments.create(title="Quiz", questions=[], step_id=roadmap.steps[0].id)
        await tx.assessments.submit(made.id, answers=[], score=90)
    async with async_database.begin(learner) as tx:
        await tx.session.delete(await tx.roadmaps.get(roadmap.id))
    async with async_database.begin(learner) as tx:
        kept = await tx.assessments.get(made.id)
        assert (kept.roadmap_id, kept.step_id, kept.score) == (None, None, Decimal(90))


async def test_list_filters_and_pages(async_database: AsyncDatabase, learner: Actor) -> None:
    """Assessments come newest first, by roadmap, step or state."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[NewStep(title="A")])
        step_id = roadmap.steps[0].id
        one = await tx.assessments.create(title="1", questions=[], step_id=step_id)
        two = await tx.assessments.create(title="2", questions=[], roadmap_id=roadmap.id)
        three = await tx.assessments.create(title="3", questions=[])
        await tx.assessments.submit(two.id, answers=[], score=50)
        first = await tx.assessments.list(limit=2)
        second = await tx.assessments.list(limit=2, cursor=first.next_cursor)
        assert [*first.items, *second.items] == [three, two, one]
        assert (await tx.assessments.list(roadmap_id=roadmap.id)).items == [two, one]
        assert (await tx.assessments.list(step_id=step_id)).items == [one]
        assert (await tx.assessments.list(submitted=True)).items == [two]
        assert (await tx.assessments.list(submitted=False)).items == [three, one]


async def test_average(async_database: AsyncDatabase, learner: Actor, stranger: Actor) -> None:
    """Only submitted results of the learner count, narrowed as asked for."""
    async with async_database.begin(learner) as tx:
        assert await tx.assessments.average() is None
        for kind, score in [(AssessmentKind.QUIZ, 50), (AssessmentKind.QUIZ, 75), (AssessmentKind.SELF, 100)]:
            made = await tx.assessments.create(title="Q", questions=[], kind=kind)
            await tx.assessments.submit(made.id, answers=[], score=score)
        await tx.assessments.create(title="pending", questions=[])
        assert await tx.assessments.average() == Decimal(75)
        assert await tx.assessments.average(kind=AssessmentKind.QUIZ) == Decimal("62.5")
        assert await tx.assessments.average(roadmap_id=uuid7()) is None
        assert await tx.assessments.average(since=datetime.now(UTC) + timedelta(hours=1)) is None
        with pytest.raises(InvalidValue, match="since"):
            await tx.assessments.average(since=datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose
    async with async_database.begin(stranger) as tx:
        assert await tx.assessments.average() is None


@pytest.mark.parametrize("score", [-1, Decimal("100.01"), Decimal("NaN"), Decimal("Infinity"), 0.5, True])
async def test_bad_scores(async_database: AsyncDatabase, learner: Actor, score: Any) -> None:
    """A score is an exact number from 0 to 100, and a refused one leaves the assessment open."""
    async with async_database.begin(learner) as tx:
        made = await tx.assessments.create(title="Quiz", questions=[])
        with pytest.raises(InvalidValue, match="score"):
            await tx.assessments.submit(made.id, answers=[], score=score)
        with pytest.raises(InvalidValue, match="passing_score"):
            await tx.assessments.create(title="Quiz", questions=[], passing_score=score)
        assert (await tx.assessments.submit(made.id, answers=[], score=0)).score == 0


async def test_bad_questions(async_database: AsyncDatabase, learner: Actor) -> None:
    """Questions are a list of JSON values."""
    async with async_database.begin(learner) as tx:
        for questions in ("text", {"q": 1}, [float("nan")], ["nul\x00"]):
            with pytest.raises(InvalidValue, match="questions"):
                await tx.assessments.create(title="Quiz", questions=questions)  # type: ignore[arg-type] # wrong on purpose

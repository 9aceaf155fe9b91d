# Generated from test_progress_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Progress: reports in any order, completing, skipping, summaries (F6)."""

from __future__ import annotations

from functools import partial

import pytest

from devmentor_models import Actor, Database
from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.learning.enums import ProgressStatus
from devmentor_models.learning.models import RoadmapStep
from devmentor_models.learning.repositories import NewStep, RoadmapSummary
from devmentor_models.testing.factories.learning import RoadmapStepFactory
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio


def _step(db: Database, actor: Actor) -> RoadmapStep:
    with db.begin(actor) as tx:
        roadmap = tx.roadmaps.create(title="SQL")
        step: RoadmapStep = RoadmapStepFactory.insert(tx.session, roadmap=roadmap)
        return step


def test_from_start_to_completion(database: Database, learner: Actor) -> None:
    """A step is begun, reported on and completed; the object at hand follows."""
    step = _step(database, learner)
    with database.begin(learner) as tx:
        assert tx.progress.find(step.id) is None
        progress = tx.progress.start(step.id)
        assert (progress.status, progress.percent) == (ProgressStatus.IN_PROGRESS, 0)
        assert progress.started_at is not None
        assert tx.progress.record(step.id, percent=40, minutes=10) is progress
        assert (progress.percent, progress.minutes_spent) == (40, 10)
        tx.progress.complete(step.id, minutes=5)
        assert (progress.status, progress.percent) == (ProgressStatus.COMPLETED, 100)
        assert progress.minutes_spent == 15
        assert progress.completed_at is not None
        assert tx.progress.find(step.id) is progress


def test_never_backwards(database: Database, learner: Actor) -> None:
    """A late report of less, a new start and a skip leave a completed step completed."""
    step = _step(database, learner)
    with database.begin(learner) as tx:
        tx.progress.record(step.id, percent=60)
        assert (tx.progress.record(step.id, percent=30)).percent == 60
        completed_at = (tx.progress.complete(step.id)).completed_at
        for progress in (
            tx.progress.record(step.id, percent=30),
            tx.progress.start(step.id),
            tx.progress.complete(step.id),
            tx.progress.skip(step.id),
        ):
            assert (progress.status, progress.percent) == (ProgressStatus.COMPLETED, 100)
            assert progress.completed_at == completed_at


def test_reports_at_once(database: Database, learner: Actor) -> None:
    """Of reports that come at once the largest share stays, and all minutes count."""
    step = _step(database, learner)

    def report(percent: int) -> int:
        with database.begin(learner) as tx:
            return (tx.progress.record(step.id, percent=percent, minutes=1)).percent

    run_concurrently([partial(report, percent) for percent in (10, 80, 30, 70, 20, 60, 40, 50)])
    with database.begin(learner, readonly=True) as tx:
        progress = tx.progress.find(step.id)
        assert progress is not None
        assert (progress.percent, progress.minutes_spent) == (80, 8)


def test_reset_begins_anew(database: Database, learner: Actor) -> None:
    """Only a reset moves back; the minutes that were spent stay."""
    step = _step(database, learner)
    with database.begin(learner) as tx:
        with pytest.raises(NotFound):
            tx.progress.reset(step.id)
        tx.progress.complete(step.id, minutes=20)
        progress = tx.progress.reset(step.id)
        assert (progress.status, progress.percent) == (ProgressStatus.NOT_STARTED, 0)
        assert (progress.started_at, progress.completed_at) == (None, None)
        assert progress.minutes_spent == 20


def test_skipped_step_can_be_taken_up(database: Database, learner: Actor) -> None:
    """Skipping is no end: work on the step counts again."""
    step = _step(database, learner)
    with database.begin(learner) as tx:
        assert (tx.progress.skip(step.id)).status is ProgressStatus.SKIPPED
        assert (tx.progress.skip(step.id)).status is ProgressStatus.SKIPPED
        assert (tx.progress.record(step.id, percent=10)).status is ProgressStatus.IN_PROGRESS


def test_summary(database: Database, learner: Actor) -> None:
    """A summary counts steps by what became of them; skipped ones count neither way."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(
            title="SQL", steps=[NewStep(title=name, estimated_minutes=30) for name in "ABCD"]
        )
        a, b, c, d = roadmap.steps
        tx.progress.complete(a.id, minutes=25)
        tx.progress.skip(b.id)
        tx.progress.record(d.id, percent=50, minutes=10)
        assert tx.progress.summary(roadmap.id) == RoadmapSummary(
            roadmap_id=roadmap.id,
            steps=4,
            completed=1,
            in_progress=1,
            skipped=1,
            percent=50,
            minutes_spent=35,
            minutes_left=45,
            next_step_id=c.id,
        )


def test_summary_at_the_ends(database: Database, learner: Actor) -> None:
    """No steps are 0 percent, almost all done is below 100, all done or skipped is 100."""
    with database.begin(learner) as tx:
        empty = tx.roadmaps.create(title="Empty")
        summary = tx.progress.summary(empty.id)
        assert (summary.steps, summary.percent, summary.minutes_left) == (0, 0, 0)
        assert summary.next_step_id is None

        roadmap = tx.roadmaps.create(title="SQL", steps=[NewStep(title=name) for name in "ABC"])
        a, b, c = roadmap.steps
        tx.progress.complete(a.id)
        tx.progress.complete(b.id)
        tx.progress.record(c.id, percent=99)
        assert (tx.progress.summary(roadmap.id)).percent == 99
        tx.progress.complete(c.id)
        summary = tx.progress.summary(roadmap.id)
        assert (summary.percent, summary.next_step_id) == (100, None)

        skipped = tx.roadmaps.create(title="Known", steps=[NewStep(title="A")])
        tx.progress.skip(skipped.steps[0].id)
        assert (tx.progress.summary(skipped.id)).percent == 100


@pytest.mark.parametrize(("percent", "minutes"), [(-1, 0), (101, 0), (50.5, 0), (1, -1), (1, 10_081)])
def test_numbers_out_of_range(database: Database, learner: Actor, percent: int, minutes: int) -> None:
    """Shares outside 0 to 100 and minutes beyond a week are refused before anything is sent."""
    with database.begin(learner) as tx:
        with pytest.raises(InvalidValue):
            tx.progress.record(uuid7(), percent=percent, minutes=minutes)


def test_other_tenants_step(database: Database, learner: Actor, stranger: Actor) -> None:
    """A stranger can neither report on a step nor sum its roadmap up, and the transaction goes on."""
    step = _step(database, learner)
    with database.begin(stranger) as tx:
        for call in (tx.progress.start, tx.progress.complete, tx.progress.skip, tx.progress.reset):
            with pytest.raises(NotFound):
                call(step.id)
        with pytest.raises(NotFound):
            tx.progress.summary(step.roadmap_id)
        assert tx.progress.find(step.id) is None

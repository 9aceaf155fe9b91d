# Generated from test_roadmaps_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Roadmaps: steps, their order, adapting to results (F6)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.learning.enums import ProgressStatus, RoadmapStatus, SkillLevel, StepKind
from devmentor_models.learning.models import Roadmap
from devmentor_models.learning.repositories import NewStep
from devmentor_models.projects.models import Project
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio

A, B, C = NewStep(title="A"), NewStep(title="B", estimated_minutes=30), NewStep(title="C")
REMEDY = NewStep(title="R", kind=StepKind.REMEDIAL)


def _titles(tx: Transaction, roadmap_id: UUID) -> list[str]:
    roadmap = tx.roadmaps.get(roadmap_id)
    assert [step.position for step in roadmap.steps] == sorted({step.position for step in roadmap.steps})
    return [step.title for step in roadmap.steps]


def _assess(tx: Transaction, roadmap: Roadmap, step_id: UUID | None, score: int) -> UUID:
    assessment = tx.assessments.create(title="Quiz", questions=["?"], roadmap_id=roadmap.id, step_id=step_id)
    tx.assessments.submit(assessment.id, answers=["!"], score=score)
    return assessment.id


def test_create_with_steps(database: Database, learner: Actor) -> None:
    """A roadmap and its steps are stored at once and come back in order."""
    with database.begin(learner) as tx:
        made = tx.roadmaps.create(
            title="SQL", goal="Read plans", topics=["sql"], level=SkillLevel.ADVANCED, steps=[A, B, C]
        )
        assert [step.position for step in made.steps] == [1, 2, 3]
    with database.begin(learner, readonly=True) as tx:
        roadmap = tx.roadmaps.get(made.id)
        assert (roadmap.title, roadmap.topics, roadmap.level) == ("SQL", ["sql"], SkillLevel.ADVANCED)
        assert roadmap.status is RoadmapStatus.ACTIVE
        assert [step.title for step in roadmap.steps] == ["A", "B", "C"]
        assert roadmap.steps[1].estimated_minutes == 30


def test_bad_step_writes_nothing(database: Database, learner: Actor) -> None:
    """One bad step refuses the whole roadmap, before anything is sent."""
    with database.begin(learner) as tx:
        with pytest.raises(InvalidValue, match="title"):
            tx.roadmaps.create(title="SQL", steps=[A, NewStep(title="nul\x00")])
        with pytest.raises(InvalidValue, match="estimated_minutes"):
            tx.roadmaps.create(title="SQL", steps=[A, NewStep(title="B", estimated_minutes=0)])
        with pytest.raises(InvalidValue, match="steps"):
            tx.roadmaps.create(title="SQL", steps=[A] * 501)
        assert (tx.roadmaps.list()).items == []


def test_project_of_a_roadmap(database: Database, learner: Actor, stranger: Actor) -> None:
    """A roadmap can belong to an own project, never to a stranger's; it outlives its project."""
    with database.begin(learner) as tx:
        project: Project = ProjectFactory.insert(tx.session, user_id=learner.user_id)
        roadmap = tx.roadmaps.create(title="SQL", project_id=project.id)
        assert (tx.roadmaps.list(project_id=project.id)).items == [roadmap]
    with pytest.raises(ForeignKeyViolation):
        with database.begin(stranger) as tx:
            tx.roadmaps.create(title="SQL", project_id=project.id)
    with database.begin(learner) as tx:
        gone = tx.session.get(Project, project.id)
        tx.session.delete(gone)
    with database.begin(learner) as tx:
        assert (tx.roadmaps.get(roadmap.id)).project_id is None


def test_list_pages_newest_first(database: Database, learner: Actor) -> None:
    """Pages hold every roadmap once, newest first, and can be narrowed to a status."""
    with database.begin(learner) as tx:
        made = [tx.roadmaps.create(title=f"R{number}") for number in range(5)]
        tx.roadmaps.archive(made[0].id)
        first = tx.roadmaps.list(limit=3)
        second = tx.roadmaps.list(limit=3, cursor=first.next_cursor)
        assert [*first.items, *second.items] == made[::-1]
        assert (tx.roadmaps.list(status=RoadmapStatus.ARCHIVED)).items == [made[0]]


def test_add_step(database: Database, learner: Actor) -> None:
    """A step joins the end or stands behind another one, and the rest moves on."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A, B])
        first = roadmap.steps[0]
        tx.roadmaps.add_step(roadmap.id, C)
        tx.roadmaps.add_step(roadmap.id, REMEDY, after_step_id=first.id)
        assert _titles(tx, roadmap.id) == ["A", "R", "B", "C"]
        with pytest.raises(NotFound):
            tx.roadmaps.add_step(roadmap.id, C, after_step_id=uuid7())


def test_steps_added_at_once(database: Database, learner: Actor) -> None:
    """Eight writers add a step each; every one gets a place of its own."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A])

    def add(number: int) -> int:
        with database.begin(learner) as tx:
            return (tx.roadmaps.add_step(roadmap.id, NewStep(title=str(number)))).position

    positions = run_concurrently([partial(add, number) for number in range(8)])
    assert sorted(map(str, positions)) == [str(position) for position in range(2, 10)]


def test_reorder(database: Database, learner: Actor) -> None:
    """Steps take the order that is given; an incomplete or foreign order changes nothing."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A, B, C])
        a, b, c = (step.id for step in roadmap.steps)
        steps = tx.roadmaps.reorder_steps(roadmap.id, [c, a, b])
        assert [(step.position, step.title) for step in steps] == [(1, "C"), (2, "A"), (3, "B")]
        for order in ([a, b], [a, b, b], [a, b, uuid7()], [a, b, c, c]):
            with pytest.raises(InvalidValue, match="order"):
                tx.roadmaps.reorder_steps(roadmap.id, order)
    with database.begin(learner) as tx:
        assert _titles(tx, roadmap.id) == ["C", "A", "B"]


def test_failed_result_adds_remedial_steps_once(database: Database, learner: Actor) -> None:
    """A result that does not pass adds steps behind the assessed one; a second call adds nothing."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A, B])
        first, second = roadmap.steps
        assessment_id = _assess(tx, roadmap, first.id, 40)
        adapted = tx.roadmaps.adapt(assessment_id, remedial=[REMEDY], mastered=[second.id])
        assert [step.remedial_for_id for step in adapted.inserted] == [first.id]
        assert list(adapted.skipped) == []
        again = tx.roadmaps.adapt(assessment_id, remedial=[REMEDY])
        assert list(again.inserted) == []
        assert _titles(tx, roadmap.id) == ["A", "R", "B"]


def test_failed_result_without_a_step(database: Database, learner: Actor) -> None:
    """Without a step, remedial steps stand before what is still to do."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A, B])
        tx.progress.complete(roadmap.steps[0].id)
        tx.roadmaps.adapt(_assess(tx, roadmap, None, 0), remedial=[REMEDY])
        assert _titles(tx, roadmap.id) == ["A", "R", "B"]


def test_passed_result_skips_mastered_steps(database: Database, learner: Actor) -> None:
    """A result that passes skips what is mastered, but leaves completed steps as they are."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A, B, C])
        a, b, c = roadmap.steps
        tx.progress.complete(a.id)
        assessment_id = _assess(tx, roadmap, None, 95)
        adapted = tx.roadmaps.adapt(assessment_id, remedial=[REMEDY], mastered=[a.id, b.id])
        assert [progress.step_id for progress in adapted.skipped] == [b.id]
        assert list(adapted.inserted) == []
        done = tx.progress.find(a.id)
        assert done is not None
        assert done.status is ProgressStatus.COMPLETED
        assert (tx.progress.summary(roadmap.id)).next_step_id == c.id


def test_adapt_refuses(database: Database, learner: Actor, stranger: Actor) -> None:
    """Only a submitted result of an own roadmap adapts, and only steps of that roadmap are skipped."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A])
        pending = tx.assessments.create(title="Q", questions=[], roadmap_id=roadmap.id)
        loose = tx.assessments.create(title="Q", questions=[])
        tx.assessments.submit(loose.id, answers=[], score=10)
        passed = _assess(tx, roadmap, None, 100)
        for assessment_id in (pending.id, loose.id):
            with pytest.raises(InvalidValue, match="assessment_id"):
                tx.roadmaps.adapt(assessment_id, remedial=[REMEDY])
        with pytest.raises(NotFound):
            tx.roadmaps.adapt(passed, mastered=[uuid7()])
        # The refused call has not used the result up.
        assert len((tx.roadmaps.adapt(passed, mastered=[roadmap.steps[0].id])).skipped) == 1
    with database.begin(stranger) as tx:
        with pytest.raises(NotFound):
            tx.roadmaps.adapt(passed)


def test_adapting_at_once(database: Database, learner: Actor) -> None:
    """Eight calls for one result add the remedial step once."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A, B])
        assessment_id = _assess(tx, roadmap, None, 10)

    def adapt() -> int:
        with database.begin(learner) as tx:
            return len((tx.roadmaps.adapt(assessment_id, remedial=[REMEDY])).inserted)

    assert sorted(map(str, run_concurrently([adapt] * 8))) == ["0"] * 7 + ["1"]


def test_status(database: Database, learner: Actor) -> None:
    """Completing keeps its time through archiving; reopening clears it."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL")
        tx.roadmaps.complete(roadmap.id)
        completed_at = roadmap.completed_at
        assert completed_at is not None
        tx.roadmaps.archive(roadmap.id)
        assert (roadmap.status, roadmap.completed_at) == (RoadmapStatus.ARCHIVED, completed_at)
        tx.roadmaps.reopen(roadmap.id)
        assert (roadmap.status, roadmap.completed_at) == (RoadmapStatus.ACTIVE, None)


def test_other_tenants_roadmap(database: Database, learner: Actor, stranger: Actor) -> None:
    """A stranger finds no roadmap to read, change or reorder."""
    with database.begin(learner) as tx:
        roadmap = tx.roadmaps.create(title="SQL", steps=[A])
    with database.begin(stranger) as tx:
        for call in (tx.roadmaps.get, tx.roadmaps.archive, tx.roadmaps.complete, tx.roadmaps.reopen):
            with pytest.raises(NotFound):
                call(roadmap.id)
        with pytest.raises(NotFound):
            tx.roadmaps.add_step(roadmap.id, B)
        with pytest.raises(NotFound):
            tx.roadmaps.reorder_steps(roadmap.id, [roadmap.steps[0].id])
        assert (tx.roadmaps.list()).items == []

"""Roadmaps: steps, their order, adapting to results (F6)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.learning.enums import ProgressStatus, RoadmapStatus, SkillLevel, StepKind
from devmentor_models.learning.models import Roadmap
from devmentor_models.learning.repositories_async import NewStep
from devmentor_models.projects.models import Project
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio

A, B, C = NewStep(title="A"), NewStep(title="B", estimated_minutes=30), NewStep(title="C")
REMEDY = NewStep(title="R", kind=StepKind.REMEDIAL)


async def _titles(tx: AsyncTransaction, roadmap_id: UUID) -> list[str]:
    roadmap = await tx.roadmaps.get(roadmap_id)
    assert [step.position for step in roadmap.steps] == sorted({step.position for step in roadmap.steps})
    return [step.title for step in roadmap.steps]


async def _assess(tx: AsyncTransaction, roadmap: Roadmap, step_id: UUID | None, score: int) -> UUID:
    assessment = await tx.assessments.create(
        title="Quiz", questions=["?"], roadmap_id=roadmap.id, step_id=step_id
    )
    await tx.assessments.submit(assessment.id, answers=["!"], score=score)
    return assessment.id


async def test_create_with_steps(async_database: AsyncDatabase, learner: Actor) -> None:
    """A roadmap and its steps are stored at once and come back in order."""
    async with async_database.begin(learner) as tx:
        made = await tx.roadmaps.create(
            title="SQL", goal="Read plans", topics=["sql"], level=SkillLevel.ADVANCED, steps=[A, B, C]
        )
        assert [step.position for step in made.steps] == [1, 2, 3]
    async with async_database.begin(learner, readonly=True) as tx:
        roadmap = await tx.roadmaps.get(made.id)
        assert (roadmap.title, roadmap.topics, roadmap.level) == ("SQL", ["sql"], SkillLevel.ADVANCED)
        assert roadmap.status is RoadmapStatus.ACTIVE
        assert [step.title for step in roadmap.steps] == ["A", "B", "C"]
        assert roadmap.steps[1].estimated_minutes == 30


async def test_bad_step_writes_nothing(async_database: AsyncDatabase, learner: Actor) -> None:
    """One bad step refuses the whole roadmap, before anything is sent."""
    async with async_database.begin(learner) as tx:
        with pytest.raises(InvalidValue, match="title"):
            await tx.roadmaps.create(title="SQL", steps=[A, NewStep(title="nul\x00")])
        with pytest.raises(InvalidValue, match="estimated_minutes"):
            await tx.roadmaps.create(title="SQL", steps=[A, NewStep(title="B", estimated_minutes=0)])
        with pytest.raises(InvalidValue, match="steps"):
            await tx.roadmaps.create(title="SQL", steps=[A] * 501)
        assert (await tx.roadmaps.list()).items == []


async def test_project_of_a_roadmap(async_database: AsyncDatabase, learner: Actor, stranger: Actor) -> None:
    """A roadmap can belong to an own project, never to a stranger's; it outlives its project."""
    async with async_database.begin(learner) as tx:
        project: Project = await tx.session.run_sync(ProjectFactory.insert, user_id=learner.user_id)
        roadmap = await tx.roadmaps.create(title="SQL", project_id=project.id)
        assert (await tx.roadmaps.list(project_id=project.id)).items == [roadmap]
    with pytest.raises(ForeignKeyViolation):
        async with async_database.begin(stranger) as tx:
            await tx.roadmaps.create(title="SQL", project_id=project.id)
    async with async_database.begin(learner) as tx:
        gone = await tx.session.get(Project, project.id)
        await tx.session.delete(gone)
    async with async_database.begin(learner) as tx:
        assert (await tx.roadmaps.get(roadmap.id)).project_id is None


async def test_list_pages_newest_first(async_database: AsyncDatabase, learner: Actor) -> None:
    """Pages hold every roadmap once, newest first, and can be narrowed to a status."""
    async with async_database.begin(learner) as tx:
        made = [await tx.roadmaps.create(title=f"R{number}") for number in range(5)]
        await tx.roadmaps.archive(made[0].id)
        first = await tx.roadmaps.list(limit=3)
        second = await tx.roadmaps.list(limit=3, cursor=first.next_cursor)
        assert [*first.items, *second.items] == made[::-1]
        assert (await tx.roadmaps.list(status=RoadmapStatus.ARCHIVED)).items == [made[0]]


async def test_add_step(async_database: AsyncDatabase, learner: Actor) -> None:
    """A step joins the end or stands behind another one, and the rest moves on."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A, B])
        first = roadmap.steps[0]
        await tx.roadmaps.add_step(roadmap.id, C)
        await tx.roadmaps.add_step(roadmap.id, REMEDY, after_step_id=first.id)
        assert await _titles(tx, roadmap.id) == ["A", "R", "B", "C"]
        with pytest.raises(NotFound):
            await tx.roadmaps.add_step(roadmap.id, C, after_step_id=uuid7())


async def test_steps_added_at_once(async_database: AsyncDatabase, learner: Actor) -> None:
    """Eight writers add a step each; every one gets a place of its own."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A])

    async def add(number: int) -> int:
        async with async_database.begin(learner) as tx:
            return (await tx.roadmaps.add_step(roadmap.id, NewStep(title=str(number)))).position

    positions = await run_concurrently([partial(add, number) for number in range(8)])
    assert sorted(map(str, positions)) == [str(position) for position in range(2, 10)]


async def test_reorder(async_database: AsyncDatabase, learner: Actor) -> None:
    """Steps take the order that is given; an incomplete or foreign order changes nothing."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A, B, C])
        a, b, c = (step.id for step in roadmap.steps)
        steps = await tx.roadmaps.reorder_steps(roadmap.id, [c, a, b])
        assert [(step.position, step.title) for step in steps] == [(1, "C"), (2, "A"), (3, "B")]
        for order in ([a, b], [a, b, b], [a, b, uuid7()], [a, b, c, c]):
            with pytest.raises(InvalidValue, match="order"):
                await tx.roadmaps.reorder_steps(roadmap.id, order)
    async with async_database.begin(learner) as tx:
        assert await _titles(tx, roadmap.id) == ["C", "A", "B"]


async def test_failed_result_adds_remedial_steps_once(async_database: AsyncDatabase, learner: Actor) -> None:
    """A result that does not pass adds steps behind the assessed one; a second call adds nothing."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A, B])
        first, second = roadmap.steps
        assessment_id = await _assess(tx, roadmap, first.id, 40)
        adapted = await tx.roadmaps.adapt(assessment_id, remedial=[REMEDY], mastered=[second.id])
        assert [step.remedial_for_id for step in adapted.inserted] == [first.id]
        assert list(adapted.skipped) == []
        again = await tx.roadmaps.adapt(assessment_id, remedial=[REMEDY])
        assert list(again.inserted) == []
        assert await _titles(tx, roadmap.id) == ["A", "R", "B"]


async def test_failed_result_without_a_step(async_database: AsyncDatabase, learner: Actor) -> None:
    """Without a step, remedial steps stand before what is still to do."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A, B])
        await tx.progress.complete(roadmap.steps[0].id)
        await tx.roadmaps.adapt(await _assess(tx, roadmap, None, 0), remedial=[REMEDY])
        assert await _titles(tx, roadmap.id) == ["A", "R", "B"]


async def test_passed_result_skips_mastered_steps(async_database: AsyncDatabase, learner: Actor) -> None:
    """A result that passes skips what is mastered, but leaves completed steps as they are."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A, B, C])
        a, b, c = roadmap.steps
        await tx.progress.complete(a.id)
        assessment_id = await _assess(tx, roadmap, None, 95)
        adapted = await tx.roadmaps.adapt(assessment_id, remedial=[REMEDY], mastered=[a.id, b.id])
        assert [progress.step_id for progress in adapted.skipped] == [b.id]
        assert list(adapted.inserted) == []
        done = await tx.progress.find(a.id)
        assert done is not None
        assert done.status is ProgressStatus.COMPLETED
        assert (await tx.progress.summary(roadmap.id)).next_step_id == c.id


async def test_adapt_refuses(async_database: AsyncDatabase, learner: Actor, stranger: Actor) -> None:
    """Only a submitted result of an own roadmap adapts, and only steps of that roadmap are skipped."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A])
        pending = await tx.assessments.create(title="Q", questions=[], roadmap_id=roadmap.id)
        loose = await tx.assessments.create(title="Q", questions=[])
        await tx.assessments.submit(loose.id, answers=[], score=10)
        passed = await _assess(tx, roadmap, None, 100)
        for assessment_id in (pending.id, loose.id):
            with pytest.raises(InvalidValue, match="assessment_id"):
                await tx.roadmaps.adapt(assessment_id, remedial=[REMEDY])
        with pytest.raises(NotFound):
            await tx.roadmaps.adapt(passed, mastered=[uuid7()])
        # The refused call has not used the result up.
        assert len((await tx.roadmaps.adapt(passed, mastered=[roadmap.steps[0].id])).skipped) == 1
    async with async_database.begin(stranger) as tx:
        with pytest.raises(NotFound):
            await tx.roadmaps.adapt(passed)


async def test_adapting_at_once(async_database: AsyncDatabase, learner: Actor) -> None:
    """Eight calls for one result add the remedial step once."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A, B])
        assessment_id = await _assess(tx, roadmap, None, 10)

    async def adapt() -> int:
        async with async_database.begin(learner) as tx:
            return len((await tx.roadmaps.adapt(assessment_id, remedial=[REMEDY])).inserted)

    assert sorted(map(str, await run_concurrently([adapt] * 8))) == ["0"] * 7 + ["1"]


async def test_status(async_database: AsyncDatabase, learner: Actor) -> None:
    """Completing keeps its time through archiving; reopening clears it."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL")
        await tx.roadmaps.complete(roadmap.id)
        completed_at = roadmap.completed_at
        assert completed_at is not None
        await tx.roadmaps.archive(roadmap.id)
        assert (roadmap.status, roadmap.completed_at) == (RoadmapStatus.ARCHIVED, completed_at)
        await tx.roadmaps.reopen(roadmap.id)
        assert (roadmap.status, roadmap.completed_at) == (RoadmapStatus.ACTIVE, None)


async def test_other_tenants_roadmap(async_database: AsyncDatabase, learner: Actor, stranger: Actor) -> None:
    """A stranger finds no roadmap to read, change or reorder."""
    async with async_database.begin(learner) as tx:
        roadmap = await tx.roadmaps.create(title="SQL", steps=[A])
    async with async_database.begin(stranger) as tx:
        for call in (tx.roadmaps.get, tx.roadmaps.archive, tx.roadmaps.complete, tx.roadmaps.reopen):
            with pytest.raises(NotFound):
                await call(roadmap.id)
        with pytest.raises(NotFound):
            await tx.roadmaps.add_step(roadmap.id, B)
        with pytest.raises(NotFound):
            await tx.roadmaps.reorder_steps(roadmap.id, [roadmap.steps[0].id])
        assert (await tx.roadmaps.list()).items == []

"""Projects made with their plan at once, and templates (requirement F4)."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import ExclusionViolation, InvalidValue, NotFound, UniqueViolation
from devmentor_models.projects.enums import TaskKind, TaskPriority
from devmentor_models.projects.models import Epic, Project, Task
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.testing.factories.projects import ProjectTemplateFactory

pytestmark = pytest.mark.anyio

PLAN = Plan(
    epics=[
        EpicPlan(title="First", tasks=[TaskPlan(title="A", labels=["x"]), TaskPlan(title="B")]),
        EpicPlan(title="Second", description="later", tasks=[TaskPlan(title="C", kind=TaskKind.TECH_DEBT)]),
    ],
    tasks=[TaskPlan(title="Loose", priority=TaskPriority.URGENT, due_date=date(2026, 5, 1))],
)


async def test_a_plan_becomes_rows_in_its_order(async_database: AsyncDatabase, owner: UUID) -> None:
    """Project, epics and tasks are there, tied to each other and numbered."""
    async with async_database.begin(Actor.user(owner)) as tx:
        made = await tx.projects.create_with_plan(name="Planned", plan=PLAN, tags=["t"])
        assert made.project.tags == ["t"]
        assert [epic.title for epic in (await tx.epics.list(made.project.id)).items] == ["First", "Second"]
        first = (await tx.tasks.list(made.project.id, epic_id=made.epics[0].id)).items
        assert [(task.title, task.position) for task in first] == [("A", 1.0), ("B", 2.0)]
        debt = (await tx.tasks.list(made.project.id, kind=TaskKind.TECH_DEBT)).items
        assert [task.epic_id for task in debt] == [made.epics[1].id]
        assert [task.title for task in made.tasks] == ["A", "B", "C", "Loose"]


async def test_a_large_plan_takes_few_statements(
    async_database: AsyncDatabase, owner: UUID, statements: list[str]
) -> None:
    """200 tasks cost as many statements as two: they travel in batches."""
    counts = []
    for size in (2, 200):
        plan = Plan(epics=[EpicPlan(title="E", tasks=[TaskPlan(title=f"T{n}") for n in range(size)])])
        async with async_database.begin(Actor.user(owner)) as tx:
            statements.clear()
            await tx.projects.create_with_plan(name="Big", plan=plan, slug=f"big-{size}")
            counts.append(len(statements))
    assert counts[0] == counts[1] <= 5


async def test_a_bad_plan_writes_nothing(async_database: AsyncDatabase, owner: UUID) -> None:
    """The last task of the last epic does not fit: no project either."""
    bad = Plan(epics=[*PLAN.epics, EpicPlan(title="Third", tasks=[TaskPlan(title="x" * 301)])])
    async with async_database.begin(Actor.user(owner)) as tx:
        with pytest.raises(InvalidValue, match=r"projects\.tasks\.title"):
            await tx.projects.create_with_plan(name="Half", plan=bad)
        with pytest.raises(InvalidValue, match="template_id"):
            await tx.projects.create_with_plan(name="Half", plan=PLAN, template_id=uuid4())  # type: ignore[call-arg] # the mistake
    async with async_database.begin(Actor.user(owner)) as tx:
        for model in (Project, Epic, Task):
            count = select(func.count()).select_from(model).where(model.user_id == owner)
            assert (await tx.session.execute(count)).scalar_one() == 0


async def test_a_refused_project_takes_its_plan_along(async_database: AsyncDatabase, owner: UUID) -> None:
    """All or nothing: the second of two overlapping projects leaves no epic behind."""
    dates = {"start_date": date(2026, 1, 1), "end_date": date(2026, 2, 1)}
    async with async_database.begin(Actor.user(owner)) as tx:
        await tx.projects.create_with_plan(name="First", plan=PLAN, **dates)  # type: ignore[arg-type] # a plain dict
    with pytest.raises(ExclusionViolation):
        async with async_database.begin(Actor.user(owner)) as tx:
            await tx.projects.create_with_plan(name="Second", plan=PLAN, **dates)  # type: ignore[arg-type] # as above
    async with async_database.begin(Actor.user(owner)) as tx:
        count = select(func.count()).select_from(Epic).where(Epic.user_id == owner)
        assert (await tx.session.execute(count)).scalar_one() == 2


async def test_a_template_travels_from_project_to_project(async_database: AsyncDatabase, owner: UUID) -> None:
    """What is live in a project becomes a template, and that becomes the same plan again, without dates."""
    async with async_database.begin(Actor.user(owner)) as tx:
        made = await tx.projects.create_with_plan(name="Origin", plan=PLAN)
        await tx.tasks.soft_delete(made.tasks[1].id)
        template = await tx.templates.from_project(made.project.id, name="Reusable")
        assert template.slug == "reusable"
        plan = Plan.from_json(template.plan)
        assert [task.title for task in plan.epics[0].tasks] == ["A"]
        assert plan.tasks[0].priority is TaskPriority.URGENT
        assert plan.tasks[0].due_date is None
        copy = await tx.projects.from_template(template.id, name="Copy", credits=7)
        assert (copy.project.template_id, copy.project.credits) == (template.id, 7)
        assert [task.title for task in copy.tasks] == ["A", "C", "Loose"]
        await tx.templates.delete(template.id)
        assert (await tx.projects.get(copy.project.id)).template_id == template.id


async def test_templates_are_the_users_and_the_catalogues(
    async_database: AsyncDatabase, owner: UUID, stranger: UUID
) -> None:
    """Another user's template is NotFound; the catalogue's is everybody's to read, nobody's to delete."""
    async with async_database.begin(Actor.user(owner)) as tx:
        mine = await tx.templates.create(name="Mine", plan=Plan())
        assert (await tx.templates.create(name="Mine", plan=Plan())).slug == "mine-2"
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.templates.create(name="Other", slug="mine", plan=Plan())
    async with async_database.begin(Actor.service("projects")) as tx:
        common = await tx.session.run_sync(ProjectTemplateFactory.insert, user_id=None)
    async with async_database.begin(Actor.user(stranger)) as tx:
        for attempt in (tx.templates.get, tx.templates.delete):
            with pytest.raises(NotFound):
                await attempt(mine.id)
        with pytest.raises(NotFound):
            await tx.templates.delete(common.id)
        made = await tx.projects.from_template(common.id, name="From the catalogue")
        assert (made.epics, made.tasks) == ([], [])
        listed = [template.id for template in (await tx.templates.list(limit=500)).items]
        assert common.id in listed
        assert mine.id not in listed


async def test_a_catalogue_slug_is_unique(async_database: AsyncDatabase) -> None:
    """NULL owners count as one: the catalogue cannot hold a slug twice."""
    async with async_database.begin(Actor.service("projects")) as tx:
        first = await tx.session.run_sync(ProjectTemplateFactory.insert, user_id=None)
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.session.run_sync(ProjectTemplateFactory.insert, user_id=None, slug=first.slug)


@pytest.mark.parametrize(
    "data", [[], {"epics": [{}]}, {"tasks": [{"title": "x", "kind": "unknown"}]}, {"epics": "abc"}]
)
async def test_a_stored_plan_of_another_form_is_refused(
    async_database: AsyncDatabase, owner: UUID, data: object
) -> None:
    """A template that something else wrote gives InvalidValue, not a KeyError."""
    async with async_database.begin(Actor.user(owner)) as tx:
        template = await tx.session.run_sync(ProjectTemplateFactory.insert, user_id=owner, plan=data)
        with pytest.raises(InvalidValue, match="plan"):
            await tx.projects.from_template(template.id, name="Broken")

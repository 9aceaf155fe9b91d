# Generated from test_plans_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Projects made with their plan at once, and templates (requirement F4)."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from devmentor_models import Actor, Database
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


def test_a_plan_becomes_rows_in_its_order(database: Database, owner: UUID) -> None:
    """Project, epics and tasks are there, tied to each other and numbered."""
    with database.begin(Actor.user(owner)) as tx:
        made = tx.projects.create_with_plan(name="Planned", plan=PLAN, tags=["t"])
        assert made.project.tags == ["t"]
        assert [epic.title for epic in (tx.epics.list(made.project.id)).items] == ["First", "Second"]
        first = (tx.tasks.list(made.project.id, epic_id=made.epics[0].id)).items
        assert [(task.title, task.position) for task in first] == [("A", 1.0), ("B", 2.0)]
        debt = (tx.tasks.list(made.project.id, kind=TaskKind.TECH_DEBT)).items
        assert [task.epic_id for task in debt] == [made.epics[1].id]
        assert [task.title for task in made.tasks] == ["A", "B", "C", "Loose"]


def test_a_large_plan_takes_few_statements(database: Database, owner: UUID, statements: list[str]) -> None:
    """200 tasks cost as many statements as two: they travel in batches."""
    counts = []
    for size in (2, 200):
        plan = Plan(epics=[EpicPlan(title="E", tasks=[TaskPlan(title=f"T{n}") for n in range(size)])])
        with database.begin(Actor.user(owner)) as tx:
            statements.clear()
            tx.projects.create_with_plan(name="Big", plan=plan, slug=f"big-{size}")
            counts.append(len(statements))
    assert counts[0] == counts[1] <= 5


def test_a_bad_plan_writes_nothing(database: Database, owner: UUID) -> None:
    """The last task of the last epic does not fit: no project either."""
    bad = Plan(epics=[*PLAN.epics, EpicPlan(title="Third", tasks=[TaskPlan(title="x" * 301)])])
    with database.begin(Actor.user(owner)) as tx:
        with pytest.raises(InvalidValue, match=r"projects\.tasks\.title"):
            tx.projects.create_with_plan(name="Half", plan=bad)
        with pytest.raises(InvalidValue, match="template_id"):
            tx.projects.create_with_plan(name="Half", plan=PLAN, template_id=uuid4())  # type: ignore[call-arg] # the mistake
    with database.begin(Actor.user(owner)) as tx:
        for model in (Project, Epic, Task):
            count = select(func.count()).select_from(model).where(model.user_id == owner)
            assert (tx.session.execute(count)).scalar_one() == 0


def test_a_refused_project_takes_its_plan_along(database: Database, owner: UUID) -> None:
    """All or nothing: the second of two overlapping projects leaves no epic behind."""
    dates = {"start_date": date(2026, 1, 1), "end_date": date(2026, 2, 1)}
    with database.begin(Actor.user(owner)) as tx:
        tx.projects.create_with_plan(name="First", plan=PLAN, **dates)  # type: ignore[arg-type] # a plain dict
    with pytest.raises(ExclusionViolation):
        with database.begin(Actor.user(owner)) as tx:
            tx.projects.create_with_plan(name="Second", plan=PLAN, **dates)  # type: ignore[arg-type] # as above
    with database.begin(Actor.user(owner)) as tx:
        count = select(func.count()).select_from(Epic).where(Epic.user_id == owner)
        assert (tx.session.execute(count)).scalar_one() == 2


def test_a_template_travels_from_project_to_project(database: Database, owner: UUID) -> None:
    """What is live in a project becomes a template, and that becomes the same plan again, without dates."""
    with database.begin(Actor.user(owner)) as tx:
        made = tx.projects.create_with_plan(name="Origin", plan=PLAN)
        tx.tasks.soft_delete(made.tasks[1].id)
        template = tx.templates.from_project(made.project.id, name="Reusable")
        assert template.slug == "reusable"
        plan = Plan.from_json(template.plan)
        assert [task.title for task in plan.epics[0].tasks] == ["A"]
        assert plan.tasks[0].priority is TaskPriority.URGENT
        assert plan.tasks[0].due_date is None
        copy = tx.projects.from_template(template.id, name="Copy", credits=7)
        assert (copy.project.template_id, copy.project.credits) == (template.id, 7)
        assert [task.title for task in copy.tasks] == ["A", "C", "Loose"]
        tx.templates.delete(template.id)
        assert (tx.projects.get(copy.project.id)).template_id == template.id


def test_templates_are_the_users_and_the_catalogues(database: Database, owner: UUID, stranger: UUID) -> None:
    """Another user's template is NotFound; the catalogue's is everybody's to read, nobody's to delete."""
    with database.begin(Actor.user(owner)) as tx:
        mine = tx.templates.create(name="Mine", plan=Plan())
        assert (tx.templates.create(name="Mine", plan=Plan())).slug == "mine-2"
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.templates.create(name="Other", slug="mine", plan=Plan())
    with database.begin(Actor.service("projects")) as tx:
        common = ProjectTemplateFactory.insert(tx.session, user_id=None)
    with database.begin(Actor.user(stranger)) as tx:
        for attempt in (tx.templates.get, tx.templates.delete):
            with pytest.raises(NotFound):
                attempt(mine.id)
        with pytest.raises(NotFound):
            tx.templates.delete(common.id)
        made = tx.projects.from_template(common.id, name="From the catalogue")
        assert (made.epics, made.tasks) == ([], [])
        listed = [template.id for template in (tx.templates.list(limit=500)).items]
        assert common.id in listed
        assert mine.id not in listed


def test_a_catalogue_slug_is_unique(database: Database) -> None:
    """NULL owners count as one: the catalogue cannot hold a slug twice."""
    with database.begin(Actor.service("projects")) as tx:
        first = ProjectTemplateFactory.insert(tx.session, user_id=None)
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                ProjectTemplateFactory.insert(tx.session, user_id=None, slug=first.slug)


@pytest.mark.parametrize(
    "data", [[], {"epics": [{}]}, {"tasks": [{"title": "x", "kind": "unknown"}]}, {"epics": "abc"}]
)
def test_a_stored_plan_of_another_form_is_refused(database: Database, owner: UUID, data: object) -> None:
    """A template that something else wrote gives InvalidValue, not a KeyError."""
    with database.begin(Actor.user(owner)) as tx:
        template = ProjectTemplateFactory.insert(tx.session, user_id=owner, plan=data)
        with pytest.raises(InvalidValue, match="plan"):
            tx.projects.from_template(template.id, name="Broken")

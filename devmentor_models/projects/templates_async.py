"""Templates: plans to start projects from (requirement F4)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.projects import queries
from devmentor_models.projects.enums import CollaboratorRole
from devmentor_models.projects.models import Epic, ProjectTemplate, Task
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.projects.shared_async import AsyncProjectsRepository
from devmentor_models.projects.slugs import check_slug, slug_of
from devmentor_models.projects.values import check_values


class AsyncTemplateRepository(AsyncProjectsRepository):
    """Templates of the acting user, and those of the catalogue, which everybody reads (F4)."""

    async def create(
        self, *, name: str, plan: Plan, slug: str | None = None, description: str | None = None
    ) -> ProjectTemplate:
        """Keep a plan as a template of the user's own.

        Args:
            name: Name for people, at most 200 characters.
            plan: Epics and tasks.
            slug: Name for URLs; made from ``name`` when left out, with a number if that is taken.
            description: What the template is good for.

        Raises:
            InvalidValue: A value does not fit.
            UniqueViolation: The given slug is taken.
        """
        values = {
            "id": uuid7(),
            "user_id": self.user_id,
            "name": name,
            "plan": plan.to_json(),
            "description": description,
        }
        check_values(ProjectTemplate, values)
        if slug is None:
            return await self._insert_with_slug(ProjectTemplate, values, slug_of(name, default="template"))
        return await self._add(ProjectTemplate(slug=check_slug(slug), **values))

    async def get(self, template_id: UUID) -> ProjectTemplate:
        """Return a template of the user or of the catalogue; `Plan.from_json` reads its plan.

        Raises:
            NotFound: No such template is visible.
        """
        return await self._visible(queries.TEMPLATE_BY_ID, template_id, "template")

    async def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[ProjectTemplate]:
        """Return a page of the user's and the catalogue's templates, newest first."""
        statement = select(ProjectTemplate).where(queries.TEMPLATE_VISIBLE).params(user_id=self.user_id)
        return await self._page(statement, [ProjectTemplate.id], cursor=cursor, limit=limit)

    async def from_project(
        self, project_id: UUID, *, name: str, description: str | None = None
    ) -> ProjectTemplate:
        """Make a template from a project's live epics and tasks, without dates and people.

        Raises:
            NotFound: The user has no such project.
            InvalidValue: A value does not fit.
        """
        await self._project_owner(project_id, role=CollaboratorRole.VIEWER)
        parameters = {"user_id": self.user_id, "project_id": project_id}
        in_order = queries.EPICS_OF_PROJECT.order_by(Epic.position, Epic.id)
        epics = await self._all(in_order, parameters)
        tasks = await self._all(queries.TASKS_OF_PROJECT.order_by(Task.position, Task.id), parameters)
        planned: dict[UUID | None, list[TaskPlan]] = {}
        for task in tasks:
            planned.setdefault(task.epic_id, []).append(_planned(task))
        plan = Plan(
            epics=[
                EpicPlan(title=epic.title, description=epic.description, tasks=planned.get(epic.id, []))
                for epic in epics
            ],
            tasks=planned.get(None, []),
        )
        return await self.create(name=name, plan=plan, description=description)

    async def delete(self, template_id: UUID) -> None:
        """Delete one of the user's own templates; projects made from it stay.

        Raises:
            NotFound: The user has no such template.
        """
        await self.session.delete(
            await self._visible(queries.OWN_TEMPLATE_BY_ID, template_id, "own template")
        )
        await self._flush()


def _planned(task: Task) -> TaskPlan:
    return TaskPlan(
        title=task.title,
        description=task.description,
        kind=task.kind,
        priority=task.priority,
        labels=task.labels,
    )

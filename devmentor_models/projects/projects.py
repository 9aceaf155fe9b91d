# Generated from projects_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Projects and their credits (requirements F4, F8, S8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import select

from devmentor_models.errors import InsufficientCredits, InvalidValue
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page, check_limit
from devmentor_models.projects import queries
from devmentor_models.projects.changes import ProjectChanges, ProjectOptions
from devmentor_models.projects.enums import ProjectStatus
from devmentor_models.projects.models import CreditEntry, Epic, Project, Task
from devmentor_models.projects.plans import Plan, TaskPlan
from devmentor_models.projects.results import PlannedProject, RankedProject
from devmentor_models.projects.shared import ProjectsRepository
from devmentor_models.projects.slugs import check_slug, slug_of
from devmentor_models.projects.values import built, check_names, check_values

FIRST_GRANT = "first grant"


class ProjectRepository(ProjectsRepository):
    """The acting user's projects (requirements F4, F8, S8)."""

    def create(
        self,
        *,
        name: str,
        slug: str | None = None,
        description: str | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
        tags: Sequence[str] = (),
        settings: dict[str, Any] | None = None,
        credits: int = 0,
    ) -> Project:
        """Make a project (F4).

        Args:
            name: Name for people, at most 200 characters.
            slug: Name for URLs; made from ``name`` when left out, with a number if that is taken.
            description: What the project is about.
            start_date: First day of its schedule.
            end_date: Last day of its schedule.
            tags: Free words to filter by.
            settings: Preferences, as JSON.
            credits: Credits to start with; the ledger says so.

        Raises:
            InvalidValue: A value does not fit.
            UniqueViolation: The given slug is taken.
            ExclusionViolation: Another project of the user is scheduled at that time.
            CheckViolation: ``end_date`` is before ``start_date``.
        """
        options: ProjectOptions = {
            "slug": slug,
            "description": description,
            "start_date": start_date,
            "end_date": end_date,
            "tags": tags,
            "settings": settings or {},
            "credits": credits,
        }
        return self._create(uuid7(), name, options)

    def create_with_plan(self, *, name: str, plan: Plan, **options: Unpack[ProjectOptions]) -> PlannedProject:
        """Make a project with its epics and tasks, all or nothing, in a handful of statements (F4).

        Args:
            name: Name for people.
            plan: Epics and tasks to make.
            **options: Further arguments of `create`.

        Raises:
            InvalidValue: A value of the project or of the plan does not fit; nothing was written.
            DevMentorError: As for `create`.
        """
        return self._create_planned(name, plan, options)

    def from_template(
        self, template_id: UUID, *, name: str, **options: Unpack[ProjectOptions]
    ) -> PlannedProject:
        """Make a project from a template of the catalogue or of the user (F4).

        Args:
            template_id: The template.
            name: Name of the new project.
            **options: Further arguments of `create`.

        Raises:
            NotFound: No such template is visible.
            DevMentorError: As for `create_with_plan`.
        """
        template = self._visible(queries.TEMPLATE_BY_ID, template_id, "template")
        plan = Plan.from_json(template.plan)
        return self._create_planned(name, plan, options, template_id=template.id)

    def get(self, project_id: UUID) -> Project:
        """Return a live project.

        Raises:
            NotFound: The user has no such project, or it is deleted.
        """
        return self._visible(queries.PROJECT_BY_ID, project_id, "project")

    def find_by_slug(self, slug: str) -> Project | None:
        """Return the live project with this slug, or None."""
        return self._find(queries.PROJECT_BY_SLUG, {"user_id": self.user_id, "slug": slug})

    def list(
        self,
        *,
        status: ProjectStatus | None = None,
        tag: str | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Project]:
        """Return a page of the user's live projects, newest first.

        Args:
            status: Only projects in this status.
            tag: Only projects with this tag.
            cursor: `Page.next_cursor` of the page before.
            limit: Rows on the page, 1 to 500.

        Raises:
            InvalidValue: ``cursor`` or ``limit`` is not valid.
        """
        statement = select(Project).where(Project.user_id == self.user_id, Project.deleted_at.is_(None))
        if status is not None:
            statement = statement.where(Project.status == status)
        if tag is not None:
            statement = statement.where(Project.tags.contains([tag]))
        return self._page(statement, [Project.id], cursor=cursor, limit=limit)

    def update(
        self, project_id: UUID, *, version: int | None = None, **changes: Unpack[ProjectChanges]
    ) -> Project:
        """Change fields of a project; what is left out stays.

        Args:
            project_id: The project.
            version: The version that the caller has seen, to refuse a lost write.
            **changes: New values.

        Raises:
            NotFound: The user has no such project.
            InvalidValue: A value does not fit; nothing was changed.
            VersionConflict: The project was changed since ``version``.
            UniqueViolation: The slug is taken.
            ExclusionViolation: The schedule overlaps with another project's.
        """
        check_names(changes, ProjectChanges)
        if "slug" in changes:
            check_slug(changes["slug"])
        project = self._editable(queries.PROJECT_BY_ID, project_id, "project")
        return self._change(project, changes, version=version)

    def archive(self, project_id: UUID) -> Project:
        """Archive a project; nothing happens when it is archived already.

        Raises:
            NotFound: The user has no such project.
        """
        project = self._editable(queries.PROJECT_BY_ID, project_id, "project")
        values = {"status": ProjectStatus.ARCHIVED}
        return self._change(project, values)

    def unarchive(self, project_id: UUID) -> Project:
        """Make an archived project active again.

        Raises:
            NotFound: The user has no such project.
        """
        project = self._editable(queries.PROJECT_BY_ID, project_id, "project")
        values = {"status": ProjectStatus.ACTIVE}
        return self._change(project, values)

    def soft_delete(self, project_id: UUID) -> Project:
        """Hide a project and everything in it; its slug and dates become free (S3).

        Raises:
            NotFound: The user has no such project, or it is deleted already.
        """
        project = self._owned_project(queries.PROJECT_BY_ID, project_id, "project")
        values = {"deleted_at": datetime.now(UTC)}
        return self._change(project, values)

    def restore(self, project_id: UUID) -> Project:
        """Bring a deleted project back, with exactly what went with it (S3).

        Raises:
            NotFound: The user has no such deleted project.
            UniqueViolation: Another project has taken its slug.
            ExclusionViolation: Another project has taken its dates.
        """
        project = self._owned_project(queries.DELETED_PROJECT_BY_ID, project_id, "deleted project")
        return self._change(project, {"deleted_at": None})

    def spend_credits(
        self, project_id: UUID, amount: int, *, reason: str, idempotency_key: str | None = None
    ) -> CreditEntry:
        """Spend credits of a project, never more than there are, however many try at once (S8).

        Args:
            project_id: The project.
            amount: Credits to spend, at least 1.
            reason: What for, at most 200 characters.
            idempotency_key: The same key again spends nothing and returns the first entry.

        Raises:
            NotFound: The user has no such project.
            InsufficientCredits: There are fewer credits; nothing was spent.
            InvalidValue: ``amount`` is no positive whole number, or the key was used for another change.
        """
        whole_number("amount", amount, at_least=1)
        return self._move(project_id, -amount, reason, idempotency_key)

    def grant_credits(
        self, project_id: UUID, amount: int, *, reason: str, idempotency_key: str | None = None
    ) -> CreditEntry:
        """Add credits to a project; arguments and errors as for `spend_credits` (S8)."""
        whole_number("amount", amount, at_least=1)
        return self._move(project_id, amount, reason, idempotency_key)

    def credit_history(
        self, project_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[CreditEntry]:
        """Return a page of a project's ledger, newest first."""
        statement = queries.CREDITS_OF_PROJECT.params(user_id=self.user_id, project_id=project_id)
        return self._page(statement, [CreditEntry.id], cursor=cursor, limit=limit)

    def ranked_by_activity(
        self,
        embedding: Sequence[float],
        *,
        model_id: UUID,
        within: timedelta = timedelta(days=7),
        more_than: int = 10,
        limit: int = 20,
    ) -> Sequence[RankedProject]:
        """Return projects with recent activity, those nearest to a vector first, in one statement (F8).

        Args:
            embedding: What to compare the projects' vectors with.
            model_id: The embedding model that made both.
            within: How recent a document must be.
            more_than: Only projects with more than so many recent documents.
            limit: Projects at most, 1 to 500.

        Raises:
            InvalidValue: The vector is not finite or zero, or ``limit`` is not valid.
        """
        parameters = {
            "user_id": self.user_id,
            "embedding": embedding,
            "model_id": model_id,
            "age": within,
            "more_than": whole_number("more_than", more_than),
            "limit": check_limit(limit),
        }
        rows = (self._execute(queries.ranked_by_activity(), parameters)).mappings()
        return [RankedProject(row["Project"], row["documents"], row["distance"]) for row in rows]

    def _create_planned(
        self, name: str, plan: Plan, options: ProjectOptions, template_id: UUID | None = None
    ) -> PlannedProject:
        project_id = uuid7()
        epics, tasks = self._planned(project_id, plan)  # validates all of it before anything is sent
        project = self._create(project_id, name, options, template_id)
        self._add_all(epics)
        self._add_all(tasks)
        return PlannedProject(project, epics, tasks)

    def _create(
        self, project_id: UUID, name: str, options: ProjectOptions, template_id: UUID | None = None
    ) -> Project:
        check_names(options, ProjectOptions)
        values: dict[str, Any] = {"tags": (), "settings": {}, "credits": 0, **options}
        values |= {"id": project_id, "user_id": self.user_id, "name": name, "template_id": template_id}
        slug = values.pop("slug", None)
        whole_number("credits", values["credits"])
        check_values(Project, values)
        if slug is None:
            project = self._insert_with_slug(Project, values, slug_of(name))
        else:
            project = self._add(Project(slug=check_slug(slug), **values))
        if project.credits:
            self.session.add(
                CreditEntry(
                    user_id=project.user_id,
                    project_id=project.id,
                    amount=project.credits,
                    balance_after=project.credits,
                    reason=FIRST_GRANT,
                )
            )
        self._flush()
        return project

    def _planned(self, project_id: UUID, plan: Plan) -> tuple[Sequence[Epic], Sequence[Task]]:
        """Return the rows of a plan, numbered in its order."""
        owner = {"user_id": self.user_id, "project_id": project_id}
        epics: Sequence[Epic] = [
            built(Epic, {"title": epic.title, "description": epic.description, "position": float(n), **owner})
            for n, epic in enumerate(plan.epics, 1)
        ]
        lists = [(epic.id, planned.tasks) for epic, planned in zip(epics, plan.epics, strict=True)]
        tasks = [
            built(Task, {**_columns(task), "epic_id": epic_id, "position": float(n), **owner})
            for epic_id, planned in [*lists, (None, plan.tasks)]
            for n, task in enumerate(planned, 1)
        ]
        return epics, tasks

    def _move(self, project_id: UUID, change: int, reason: str, key: str | None) -> CreditEntry:
        check_values(CreditEntry, {"reason": reason, "idempotency_key": key})
        if key is not None:
            # The lock comes first, in a statement of its own: the next one then sees what the others wrote.
            self._project_owner(project_id, role=None, lock=True)
            parameters = {"user_id": self.user_id, "project_id": project_id, "key": key}
            earlier = self._find(queries.ENTRY_BY_KEY, parameters)
            if earlier is not None:
                return _same_change(earlier, change)
        found = self._execute(
            queries.CHANGE_CREDITS,
            {
                "tenant": self.user_id,
                "project": project_id,
                "change": change,
                "for_what": reason,
                "key": key,
                "entry": uuid7(),
            },
        )
        entry: CreditEntry | None = found.scalar_one_or_none()
        if entry is None:
            self._project_owner(project_id, role=None)
            raise InsufficientCredits
        self._refresh_loaded(Project, project_id)
        return entry


def _columns(task: TaskPlan) -> dict[str, Any]:
    return {field.name: getattr(task, field.name) for field in fields(task)}


def _same_change(entry: CreditEntry, change: int) -> CreditEntry:
    """Return the entry that a key stands for; a key for another change is a caller's mistake."""
    if entry.amount != change:
        raise InvalidValue("idempotency_key", "was used for another amount")
    return entry

"""Tasks: the work in a project (requirements F4, F8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_

from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.projects import queries
from devmentor_models.projects.changes import TaskChanges
from devmentor_models.projects.enums import TaskKind, TaskPriority, TaskStatus
from devmentor_models.projects.models import Epic, Task
from devmentor_models.projects.shared_async import AsyncProjectsRepository
from devmentor_models.projects.values import built, check_names


class AsyncTaskRepository(AsyncProjectsRepository):
    """Tasks of the acting user's projects (requirements F4, F8)."""

    async def create(
        self,
        *,
        project_id: UUID,
        title: str,
        epic_id: UUID | None = None,
        description: str | None = None,
        kind: TaskKind = TaskKind.FEATURE,
        priority: TaskPriority = TaskPriority.MEDIUM,
        assignee_id: UUID | None = None,
        labels: Sequence[str] = (),
        due_date: date | None = None,
    ) -> Task:
        """Add a task at the end of an epic, or of the project's tasks without one.

        Args:
            project_id: The project.
            title: Title, at most 300 characters.
            epic_id: An epic of the same project.
            description: What is to be done.
            kind: What sort of work it is.
            priority: How urgent it is.
            assignee_id: Who is to do it.
            labels: Free words to filter by.
            due_date: Day by which it is to be done.

        Raises:
            NotFound: The user has no such project, or it has no such epic.
            InvalidValue: A value does not fit.
            ForeignKeyViolation: There is no such assignee.
        """
        values = {
            "project_id": project_id,
            "title": title,
            "epic_id": epic_id,
            "description": description,
            "kind": kind,
            "priority": priority,
            "assignee_id": assignee_id,
            "labels": labels,
            "due_date": due_date,
        }
        task = built(Task, values)
        task.user_id = await self._project_owner(project_id)
        await self._require_epic(project_id, epic_id)
        last = select(func.coalesce(func.max(Task.position), 0) + 1).where(*_list_of(task, epic_id))
        task.position = (await self._execute(last)).scalar_one()
        return await self._add(task)

    async def get(self, task_id: UUID) -> Task:
        """Return a live task.

        Raises:
            NotFound: The user has no such task, or it, its epic or its project is deleted.
        """
        return await self._visible(queries.TASK_BY_ID, task_id, "task")

    async def list(
        self,
        project_id: UUID,
        *,
        status: TaskStatus | None = None,
        kind: TaskKind | None = None,
        assignee_id: UUID | None = None,
        epic_id: UUID | None = None,
        label: str | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Task]:
        """Return a page of a project's tasks by position.

        Args:
            project_id: The project.
            status: Only tasks in this status.
            kind: Only tasks of this kind.
            assignee_id: Only this person's tasks.
            epic_id: Only tasks of this epic.
            label: Only tasks with this label.
            cursor: `Page.next_cursor` of the page before.
            limit: Rows on the page, 1 to 500.
        """
        statement = queries.TASKS_OF_PROJECT.params(user_id=self.user_id, project_id=project_id)
        wanted = {"status": status, "kind": kind, "assignee_id": assignee_id, "epic_id": epic_id}
        statement = statement.filter_by(
            **{name: value for name, value in wanted.items() if value is not None}
        )
        if label is not None:
            statement = statement.where(Task.labels.contains([label]))
        keys = [Task.position, Task.id]
        return await self._page(statement, keys, cursor=cursor, limit=limit, descending=False)

    async def update(
        self, task_id: UUID, *, version: int | None = None, **changes: Unpack[TaskChanges]
    ) -> Task:
        """Change fields of a task; what is left out stays. A status of done sets the time of completion.

        Args:
            task_id: The task.
            version: The version that the caller has seen, to refuse a lost write.
            **changes: New values.

        Raises:
            NotFound: The user has no such task.
            InvalidValue: A value does not fit; nothing was changed.
            VersionConflict: The task was changed since ``version``.
        """
        check_names(changes, TaskChanges)
        task = await self._editable(queries.TASK_BY_ID, task_id, "task")
        values: dict[str, Any] = dict(changes)
        if "status" in changes:
            values |= _status(task, changes["status"])
        return await self._change(task, values, version=version)

    async def move(self, task_id: UUID, *, epic_id: UUID | None, after: UUID | None = None) -> Task:
        """Move a task to an epic of its project, and to a place in it.

        Args:
            task_id: The task.
            epic_id: The epic; None for the project's tasks without one.
            after: The task of that epic to stand behind; None for the front.

        Raises:
            NotFound: The user has no such task, or its project no such epic, or the epic no task ``after``.
            InvalidValue: A task cannot stand behind itself.
        """
        if after == task_id:
            raise InvalidValue("after", "is the task itself")
        task = await self._editable(queries.TASK_BY_ID, task_id, "task")
        await self._require_epic(task.project_id, epic_id)
        position = await self._place(task, epic_id, after)
        if position is None:
            await self._renumber(task, epic_id)
            position = await self._place(task, epic_id, after)
        values = {"epic_id": epic_id, "position": position}
        return await self._change(task, values)

    async def assign(self, task_id: UUID, assignee_id: UUID | None) -> Task:
        """Give a task to a user, or to nobody.

        Raises:
            NotFound: The acting user has no such task.
            ForeignKeyViolation: There is no such assignee.
        """
        task = await self._editable(queries.TASK_BY_ID, task_id, "task")
        return await self._change(task, {"assignee_id": assignee_id})

    async def complete(self, task_id: UUID) -> Task:
        """Mark a task as done; nothing happens when it is done already.

        Raises:
            NotFound: The user has no such task.
        """
        task = await self._editable(queries.TASK_BY_ID, task_id, "task")
        values = _status(task, TaskStatus.DONE)
        return await self._change(task, values)

    async def reopen(self, task_id: UUID) -> Task:
        """Mark a task that was done as still to do; nothing happens when it is open.

        Raises:
            NotFound: The user has no such task.
        """
        task = await self._editable(queries.TASK_BY_ID, task_id, "task")
        values = _status(task, TaskStatus.TODO) if task.status is TaskStatus.DONE else {}
        return await self._change(task, values)

    async def soft_delete(self, task_id: UUID) -> Task:
        """Hide a task (S3).

        Raises:
            NotFound: The user has no such task, or it is deleted already.
        """
        task = await self._editable(queries.TASK_BY_ID, task_id, "task")
        values = {"deleted_at": datetime.now(UTC)}
        return await self._change(task, values)

    async def restore(self, task_id: UUID) -> Task:
        """Bring a deleted task back (S3).

        Raises:
            NotFound: The user has no such deleted task, or its epic or project is deleted.
        """
        task = await self._editable(queries.DELETED_TASK_BY_ID, task_id, "deleted task")
        return await self._change(task, {"deleted_at": None})

    async def assigned_to_team(
        self,
        team_id: UUID,
        *,
        status: TaskStatus | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Task]:
        """Return a page of the tasks assigned to a team's members, newest first, in one statement (F8).

        Only tasks of projects that the acting user owns or works in, and only of a team that the user owns
        or belongs to; of any other team there are none.

        Args:
            team_id: The team.
            status: Only tasks in this status.
            cursor: `Page.next_cursor` of the page before.
            limit: Rows on the page, 1 to 500.
        """
        statement = queries.assigned_to_team().params(user_id=self.user_id, team_id=team_id)
        if status is not None:
            statement = statement.where(Task.status == status)
        return await self._page(statement, [Task.id], cursor=cursor, limit=limit)

    async def _require_epic(self, project_id: UUID, epic_id: UUID | None) -> None:
        if epic_id is None:
            return
        epic: Epic = await self._visible(queries.EPIC_BY_ID, epic_id, "epic")
        if epic.project_id != project_id:
            raise NotFound("epic", epic_id)

    async def _place(self, task: Task, epic_id: UUID | None, after: UUID | None) -> float | None:
        """Return a position behind ``after``, or None when there is no number left in between."""
        others = select(func.min(Task.position)).where(*_list_of(task, epic_id), Task.id != task.id)
        if after is None:
            first: float | None = (await self._execute(others)).scalar_one()
            return 1.0 if first is None else first - 1
        before = await self.get(after)
        if (before.project_id, before.epic_id) != (task.project_id, epic_id):
            raise NotFound("task", after)
        behind = others.where(tuple_(Task.position, Task.id) > tuple_(before.position, before.id))
        following: float | None = (await self._execute(behind)).scalar_one()
        if following is None:
            return before.position + 1
        middle = (before.position + following) / 2
        return middle if before.position < middle < following else None

    async def _renumber(self, task: Task, epic_id: UUID | None) -> None:
        """Number a list 1, 2, 3 …: halving a gap some fifty times leaves no number in it."""
        siblings: Select[Task] = (
            select(Task)
            .where(*_list_of(task, epic_id))
            .order_by(Task.position, Task.id)
            .execution_options(populate_existing=True)
        )
        await self._number(await self._all(siblings))


def _list_of(task: Task, epic_id: UUID | None) -> tuple[Any, ...]:
    """Return the conditions of a list of the task's project; deleted tasks keep their places."""
    return Task.user_id == task.user_id, Task.project_id == task.project_id, Task.epic_id == epic_id


def _status(task: Task, status: TaskStatus) -> dict[str, Any]:
    """Return the columns of a status: the time of completion is set exactly while a task is done."""
    done = status is TaskStatus.DONE
    return {"status": status, "completed_at": (task.completed_at or datetime.now(UTC)) if done else None}

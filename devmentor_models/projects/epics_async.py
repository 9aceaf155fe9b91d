"""Epics: the parts of a project's plan (requirement F4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Unpack
from uuid import UUID

from sqlalchemy import func, select

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.projects import queries
from devmentor_models.projects.changes import EpicChanges
from devmentor_models.projects.enums import EpicStatus
from devmentor_models.projects.models import Epic
from devmentor_models.projects.shared_async import AsyncProjectsRepository
from devmentor_models.projects.values import built, check_names


class AsyncEpicRepository(AsyncProjectsRepository):
    """Epics of the acting user's projects (requirement F4)."""

    async def create(
        self,
        *,
        project_id: UUID,
        title: str,
        description: str | None = None,
        status: EpicStatus = EpicStatus.PLANNED,
    ) -> Epic:
        """Add an epic at the end of a project's plan.

        Raises:
            NotFound: The user has no such project.
            InvalidValue: A value does not fit.
        """
        values = {"project_id": project_id, "title": title, "description": description, "status": status}
        epic = built(Epic, values)
        epic.user_id = await self._project_owner(project_id)
        last = select(func.coalesce(func.max(Epic.position), 0) + 1)
        last = last.where(Epic.user_id == epic.user_id, Epic.project_id == project_id)
        epic.position = (await self._execute(last)).scalar_one()
        return await self._add(epic)

    async def get(self, epic_id: UUID) -> Epic:
        """Return a live epic.

        Raises:
            NotFound: The user has no such epic, or it or its project is deleted.
        """
        return await self._visible(queries.EPIC_BY_ID, epic_id, "epic")

    async def list(
        self,
        project_id: UUID,
        *,
        status: EpicStatus | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Epic]:
        """Return a page of a project's epics in the plan's order.

        Args:
            project_id: The project.
            status: Only epics in this status.
            cursor: `Page.next_cursor` of the page before.
            limit: Rows on the page, 1 to 500.
        """
        statement = queries.EPICS_OF_PROJECT.params(user_id=self.user_id, project_id=project_id)
        if status is not None:
            statement = statement.where(Epic.status == status)
        keys = [Epic.position, Epic.id]
        return await self._page(statement, keys, cursor=cursor, limit=limit, descending=False)

    async def update(
        self, epic_id: UUID, *, version: int | None = None, **changes: Unpack[EpicChanges]
    ) -> Epic:
        """Change fields of an epic; what is left out stays.

        Raises:
            NotFound: The user has no such epic.
            InvalidValue: A value does not fit; nothing was changed.
            VersionConflict: The epic was changed since ``version``.
        """
        check_names(changes, EpicChanges)
        epic = await self._editable(queries.EPIC_BY_ID, epic_id, "epic")
        return await self._change(epic, changes, version=version)

    async def reorder(self, project_id: UUID, epic_ids: Sequence[UUID]) -> Sequence[Epic]:
        """Put a project's epics in the given order, and return them in it.

        Args:
            project_id: The project.
            epic_ids: All live epics of the project, each once.

        Raises:
            NotFound: The user has no such project.
            InvalidValue: An epic is missing, unknown or named twice; nothing was changed.
        """
        await self._project_owner(project_id, lock=True)
        statement = queries.EPICS_OF_PROJECT.execution_options(populate_existing=True)
        parameters = {"user_id": self.user_id, "project_id": project_id}
        epics = {epic.id: epic for epic in await self._all(statement, parameters)}
        if len(epic_ids) != len(epics) or set(epic_ids) != set(epics):
            raise InvalidValue("epic_ids", "must name every epic of the project once")
        ordered = [epics[epic_id] for epic_id in epic_ids]
        await self._number(ordered)
        return ordered

    async def soft_delete(self, epic_id: UUID) -> Epic:
        """Hide an epic and its tasks (S3).

        Raises:
            NotFound: The user has no such epic, or it is deleted already.
        """
        epic = await self._editable(queries.EPIC_BY_ID, epic_id, "epic")
        values = {"deleted_at": datetime.now(UTC)}
        return await self._change(epic, values)

    async def restore(self, epic_id: UUID) -> Epic:
        """Bring a deleted epic back, with exactly the tasks that went with it (S3).

        Raises:
            NotFound: The user has no such deleted epic, or its project is deleted.
        """
        epic = await self._editable(queries.DELETED_EPIC_BY_ID, epic_id, "deleted epic")
        return await self._change(epic, {"deleted_at": None})

# Generated from activity_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The history of projects (requirements S3, F4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.projects import queries
from devmentor_models.projects.enums import ActivityAction
from devmentor_models.projects.models import Activity
from devmentor_models.projects.shared import ProjectsRepository
from devmentor_models.projects.values import built


class ActivityRepository(ProjectsRepository):
    """What happened in the acting user's projects. The other repositories record their own changes."""

    def record(
        self,
        *,
        project_id: UUID,
        action: ActivityAction,
        entity_table: str,
        entity_id: UUID,
        details: dict[str, Any] | None = None,
    ) -> Activity:
        """Record something that no other repository does, such as a comment.

        Args:
            project_id: A live project of the user.
            action: What was done.
            entity_table: ``schema.table`` of what it was done to.
            entity_id: Key of the row that it was done to.
            details: What else is worth knowing, as JSON; no secrets.

        Raises:
            NotFound: The user has no such project.
            InvalidValue: A value does not fit.
        """
        values = {
            "project_id": project_id,
            "actor_id": self.actor.user_id,
            "action": action,
            "entity_table": entity_table,
            "entity_id": entity_id,
            "details": details or {},
        }
        entry = built(Activity, values)
        entry.user_id = self._project_owner(project_id)
        return self._add(entry)

    def timeline(
        self,
        *,
        project_id: UUID | None = None,
        actor_id: UUID | None = None,
        since: datetime | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Activity]:
        """Return a page of what happened in the acting user's projects, newest first.

        Also of projects that are deleted or purged: a history forgets nothing.

        Args:
            project_id: Only in this project, which may be one that is shared with the user.
            actor_id: Only what this user did.
            since: Only from this moment on; PostgreSQL then reads the partitions of that time only.
            cursor: `Page.next_cursor` of the page before.
            limit: Rows on the page, 1 to 500.
        """
        if project_id is None:
            statement = select(Activity).where(Activity.user_id == self.user_id)
        else:
            statement = queries.ACTIVITY_OF_PROJECT.params(user_id=self.user_id, project_id=project_id)
        if actor_id is not None:
            statement = statement.where(Activity.actor_id == actor_id)
        if since is not None:
            statement = statement.where(Activity.created_at >= since)
        return self._page(statement, [Activity.created_at, Activity.id], cursor=cursor, limit=limit)

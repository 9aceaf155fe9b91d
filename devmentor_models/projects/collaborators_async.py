"""Collaborators: who may enter whose project (requirement F4)."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, and_, select
from sqlalchemy.dialects.postgresql import insert

from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page, after, page_of
from devmentor_models.projects import queries
from devmentor_models.projects.enums import CollaboratorRole
from devmentor_models.projects.models import Project, ProjectCollaborator
from devmentor_models.projects.results import SharedProject
from devmentor_models.projects.shared_async import AsyncProjectsRepository
from devmentor_models.projects.values import check_values


class AsyncCollaboratorRepository(AsyncProjectsRepository):
    """Collaborators in the acting user's projects (requirement F4)."""

    async def add(
        self, project_id: UUID, member_id: UUID, *, role: CollaboratorRole = CollaboratorRole.VIEWER
    ) -> ProjectCollaborator:
        """Let a user into a project; one who is in it already gets the role.

        Raises:
            NotFound: The acting user has no such project.
            InvalidValue: The member is the owner.
            ForeignKeyViolation: There is no such user.
        """
        check_values(ProjectCollaborator, {"role": role})
        owner = await self._project_owner(project_id, role=None)
        if member_id == owner:
            raise InvalidValue("member_id", "owns the project")
        new = insert(ProjectCollaborator).values(
            id=uuid7(), user_id=self.user_id, project_id=project_id, member_id=member_id, role=role
        )
        upsert = new.on_conflict_do_update(
            index_elements=["user_id", "project_id", "member_id"], set_={"role": new.excluded.role}
        ).returning(ProjectCollaborator)
        found = await self._execute(upsert.execution_options(populate_existing=True))
        collaborator: ProjectCollaborator = found.scalar_one()
        return collaborator

    async def change_role(
        self, project_id: UUID, member_id: UUID, role: CollaboratorRole
    ) -> ProjectCollaborator:
        """Change what a collaborator may do.

        Raises:
            NotFound: The user is no collaborator of the project.
            InvalidValue: ``role`` is no role.
        """
        await self._project_owner(project_id, role=None)
        collaborator = await self._collaborator(project_id, member_id)
        return await self._change(collaborator, {"role": role})

    async def remove(self, project_id: UUID, member_id: UUID) -> None:
        """Shut a collaborator out of a project.

        Raises:
            NotFound: The user is no collaborator of the project.
        """
        await self._project_owner(project_id, role=None)
        collaborator = await self._collaborator(project_id, member_id)
        await self.session.delete(collaborator)
        await self._flush()

    async def leave(self, project_id: UUID) -> None:
        """Leave a project of somebody else, from the next transaction on.

        Raises:
            NotFound: The acting user is no collaborator of such a project.
        """
        left = await self._execute(queries.LEAVE_PROJECT, {"project": project_id, "me": self.user_id})
        if left.first() is None:
            raise NotFound("project", project_id)

    async def list(
        self, project_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[ProjectCollaborator]:
        """Return a page of a project's collaborators, newest first."""
        statement = queries.COLLABORATORS_OF_PROJECT.params(user_id=self.user_id, project_id=project_id)
        return await self._page(statement, [ProjectCollaborator.id], cursor=cursor, limit=limit)

    async def projects_shared_with_me(
        self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[SharedProject]:
        """Return a page of the live projects of others that the acting user may enter, newest first."""
        statement = (
            select(Project, ProjectCollaborator.role)
            .join(
                ProjectCollaborator,
                and_(
                    ProjectCollaborator.user_id == Project.user_id,
                    ProjectCollaborator.project_id == Project.id,
                ),
            )
            .where(ProjectCollaborator.member_id == self.user_id, Project.deleted_at.is_(None))
        )
        # `after` is typed for one entity; it only adds conditions and an order.
        paged = after(cast("Select[Any]", statement), [Project.id], cursor=cursor, limit=limit)
        rows = (await self._execute(paged)).mappings()
        shared = [SharedProject(row["Project"], row["role"]) for row in rows]
        page = page_of([item.project for item in shared], [Project.id], limit)
        return Page(shared[: len(page.items)], page.next_cursor)

    async def _collaborator(self, project_id: UUID, member_id: UUID) -> ProjectCollaborator:
        parameters = {"user_id": self.user_id, "project_id": project_id, "member_id": member_id}
        return await self._get(queries.COLLABORATOR, parameters, entity="collaborator", key=member_id)

# Generated from shared_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What the repositories of the ``projects`` schema have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm.util import identity_key

from devmentor_models.errors import NotFound, RoleRequired, VersionConflict
from devmentor_models.kit.base import LIVE, MutableRecord
from devmentor_models.kit.repository import Repository
from devmentor_models.kit.session import translated
from devmentor_models.projects import queries
from devmentor_models.projects.enums import CollaboratorRole
from devmentor_models.projects.models import Epic, Project, ProjectTemplate, Task
from devmentor_models.projects.slugs import next_slug, random_slug
from devmentor_models.projects.values import change, check_values

M = TypeVar("M", bound=MutableRecord)
S = TypeVar("S", Project, ProjectTemplate)

#: How often the next free number is tried while others take it; then a random suffix is.
NUMBERED_ATTEMPTS = 10


class ProjectsRepository(Repository):
    """Base of the schema's repositories. Triggers keep the history.

    A row belongs to the owner of its project. Whoever the project is shared with sees it as well; editors
    change it. Row security says the same, below every statement; here it becomes a clear error.
    """

    def _visible(self, statement: Select[M], key: UUID, entity: str) -> M:
        """Return a row by its key: the acting user's, or of a project that is shared with the user."""
        return self._get(statement, {"user_id": self.user_id, "id": key}, entity=entity, key=key)

    def _editable(self, statement: Select[M], key: UUID, entity: str) -> M:
        """Return a row by its key, for changing it.

        Raises:
            NotFound: The acting user sees no such row.
            RoleRequired: The user sees it, but is no editor.
        """
        row = self._visible(statement, key, entity)
        project_id = row.id if isinstance(row, Project) else getattr(row, "project_id", None)
        self._require_editor(getattr(row, "user_id", None), project_id)
        return row

    def _owned_project(self, statement: Select[Project], project_id: UUID, entity: str) -> Project:
        """Return a project, for what only its owner may do.

        Raises:
            NotFound: The acting user sees no such project.
            RoleRequired: The project is another user's.
        """
        project = self._visible(statement, project_id, entity)
        if project.user_id != self.user_id:
            raise RoleRequired("owner", "project", project_id)
        return project

    def _project_owner(
        self, project_id: UUID, *, role: CollaboratorRole | None = CollaboratorRole.EDITOR, lock: bool = False
    ) -> UUID:
        """Return the owner of a live project in which the acting user is about to do something.

        Args:
            project_id: The project.
            role: What the user must be there, unless the owner; None: nothing but the owner will do.
            lock: Whether nobody else may change the project until the transaction ends.

        Raises:
            NotFound: The acting user sees no such project.
            RoleRequired: The user sees it, but has not the role.
        """
        statement = queries.PROJECT_LOCK if lock else queries.PROJECT_OWNER
        parameters = {"user_id": self.user_id, "id": project_id}
        owner: UUID | None = (self._execute(statement, parameters)).scalar_one_or_none()
        if owner is None and lock:
            # Rows that one may only see cannot be locked either.
            owner = (self._execute(queries.PROJECT_OWNER, parameters)).scalar_one_or_none()
        if owner is None:
            raise NotFound("project", project_id)
        if role is None and owner != self.user_id:
            raise RoleRequired("owner", "project", project_id)
        if role is CollaboratorRole.EDITOR:
            self._require_editor(owner, project_id)
        return owner

    def _require_editor(self, owner: UUID | None, project_id: UUID | None) -> None:
        if owner == self.user_id:
            return
        may_edit = self._execute(queries.MAY_EDIT, {"project_id": project_id})
        if not may_edit.scalar_one():
            raise RoleRequired(CollaboratorRole.EDITOR, "project", project_id)

    def _change(self, entity: M, values: Mapping[str, Any], *, version: int | None = None) -> M:
        """Assign values and write them; nothing happens when nothing differs.

        Raises:
            InvalidValue: A value does not fit; nothing was changed.
            VersionConflict: The row has another version than ``version``.
        """
        if version is not None and entity.version != version:
            raise VersionConflict
        if change(entity, values):
            self._flush()
        return entity

    def _number(self, rows: Sequence[Epic | Task]) -> None:
        """Give rows of one list the positions 1, 2, 3 …, in one statement: one line in the history.

        Raises:
            VersionConflict: Somebody else changed one of them.
        """
        moved = [
            (row.id, float(place), row.version) for place, row in enumerate(rows, 1) if row.position != place
        ]
        if not moved:
            return
        ids, positions, versions = zip(*moved, strict=True)
        parameters = {
            "tenant": rows[0].user_id,
            "ids": list(ids),
            "positions": list(positions),
            "versions": list(versions),
        }
        found = self._all(queries.place(type(rows[0])), parameters)
        if len(found) != len(moved):
            raise VersionConflict

    def _insert_with_slug(self, model: type[S], values: Mapping[str, Any], base: str) -> S:
        """Insert a row with ``base`` as its slug, or ``base-2`` … while that is taken.

        ON CONFLICT rather than a look beforehand: however many choose one name at once, each gets a slug.
        They take numbers from each other again and again, so that after some tries chance decides.
        """
        check_values(model, values)
        taken: set[str] = set()
        for attempt in count(1):
            slug = next_slug(base, taken) if attempt <= NUMBERED_ATTEMPTS else random_slug(base)
            statement = insert(model).values(**values, slug=slug)
            statement = statement.on_conflict_do_nothing(
                index_elements=["user_id", "slug"],
                index_where=LIVE if "deleted_at" in model.__table__.columns else None,
            )
            made: S | None = (self._execute(statement.returning(model))).scalar_one_or_none()
            if made is not None:
                return made
            taken = self._slugs_like(model, base)
        raise AssertionError  # counting does not end

    def _slugs_like(self, model: type[S], base: str) -> set[str]:
        statement = select(model.slug).where(
            model.user_id == self.user_id, (model.slug == base) | model.slug.startswith(f"{base}-")
        )
        if model is Project:
            statement = statement.where(Project.deleted_at.is_(None))
        return set((self._execute(statement)).scalars())

    def _refresh_loaded(self, model: type[M], key: UUID) -> None:
        """Read a row again that this session holds and that a statement has just changed."""
        loaded = self.session.identity_map.get(identity_key(model, key))
        if loaded is not None:
            with translated(self.session):
                self.session.refresh(loaded)

"""Collaborators and the history of projects (requirements S3, F4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.models import User
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.projects.enums import ActivityAction, CollaboratorRole
from devmentor_models.testing.factories.projects import ActivityFactory, ProjectCollaboratorFactory

pytestmark = pytest.mark.anyio


async def test_add_change_remove(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """Adding twice sets the role; each step is in the history."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Shared")
        first = await tx.collaborators.add(project.id, stranger)
        assert first.role is CollaboratorRole.VIEWER
        second = await tx.collaborators.add(project.id, stranger, role=CollaboratorRole.EDITOR)
        assert (second.id, second.role) == (first.id, CollaboratorRole.EDITOR)
        await tx.collaborators.change_role(project.id, stranger, CollaboratorRole.VIEWER)
        assert [found.member_id for found in (await tx.collaborators.list(project.id)).items] == [stranger]
        await tx.collaborators.remove(project.id, stranger)
        assert (await tx.collaborators.list(project.id)).items == []
        actions = [entry.action for entry in (await tx.activity.timeline(project_id=project.id)).items]
        assert actions == [
            ActivityAction.COLLABORATOR_REMOVED,
            ActivityAction.ROLE_CHANGED,
            ActivityAction.ROLE_CHANGED,
            ActivityAction.COLLABORATOR_ADDED,
            ActivityAction.CREATED,
        ]
        with pytest.raises(NotFound):
            await tx.collaborators.remove(project.id, stranger)


async def test_who_cannot_be_added(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """Not the owner, not somebody who does not exist, not to another tenant's project."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Closed")
        with pytest.raises(InvalidValue, match="member_id"):
            await tx.collaborators.add(project.id, owner)
        with pytest.raises(InvalidValue, match="role"):
            await tx.collaborators.add(project.id, stranger, role="owner")  # type: ignore[arg-type] # the mistake
        with pytest.raises(ForeignKeyViolation):
            async with tx.savepoint():
                await tx.collaborators.add(project.id, uuid4())
    async with async_database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            await tx.collaborators.add(project.id, uuid4())
        with pytest.raises(NotFound):
            await tx.collaborators.change_role(project.id, stranger, CollaboratorRole.EDITOR)


async def test_projects_shared_with_me(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """Live projects of others with the role in each, page by page; own ones are not among them."""
    async with async_database.begin(Actor.user(owner)) as tx:
        projects = [await tx.projects.create(name=f"P{number}") for number in range(4)]
        for project in projects:
            await tx.collaborators.add(project.id, stranger, role=CollaboratorRole.EDITOR)
        await tx.projects.soft_delete(projects[0].id)
    async with async_database.begin(Actor.user(stranger)) as tx:
        await tx.projects.create(name="Own")
        page = await tx.collaborators.projects_shared_with_me(limit=2)
        rest = await tx.collaborators.projects_shared_with_me(limit=2, cursor=page.next_cursor)
        shared = [*page.items, *rest.items]
        assert [item.project.name for item in shared] == ["P3", "P2", "P1"]
        assert {item.role for item in shared} == {CollaboratorRole.EDITOR}
        assert rest.next_cursor is None


async def test_the_timeline_filters_and_pages(
    async_database: AsyncDatabase, owner: UUID, stranger: UUID
) -> None:
    """By project, actor and time, newest first; ties in time are ordered by id."""
    moment = datetime.now(UTC) - timedelta(days=1)
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Timed")
        other = await tx.projects.create(name="Other")
        for _ in range(3):
            await tx.session.run_sync(ActivityFactory.insert, project=project, created_at=moment)
        await tx.session.run_sync(ActivityFactory.insert, project=other, actor_id=stranger)
        ids: list[UUID] = []
        cursor = None
        while True:
            page = await tx.activity.timeline(project_id=project.id, limit=2, cursor=cursor)
            ids += [entry.id for entry in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert len(set(ids)) == len(ids) == 4
        assert len((await tx.activity.timeline()).items) == 6
        assert len((await tx.activity.timeline(actor_id=stranger)).items) == 1
        recent = await tx.activity.timeline(project_id=project.id, since=moment + timedelta(hours=1))
        assert [entry.action for entry in recent.items] == [ActivityAction.CREATED]
        with pytest.raises(InvalidValue):
            await tx.activity.timeline(since=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake
    async with async_database.begin(Actor.user(stranger)) as tx:
        assert (await tx.activity.timeline(project_id=project.id)).items == []


async def test_record_what_no_repository_does(
    async_database: AsyncDatabase, owner: UUID, stranger: UUID
) -> None:
    """A comment, say; in the actor's own live projects, by the user or a service for the user."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Commented")
    actor = Actor.service("projects", on_behalf_of=owner)
    comment = {
        "project_id": project.id,
        "action": ActivityAction.COMMENTED,
        "entity_table": "projects.projects",
        "entity_id": project.id,
    }
    async with async_database.begin(actor) as tx:
        entry = await tx.activity.record(**comment, details={"text": "hm"})  # type: ignore[arg-type] # a plain dict
        assert (entry.actor_id, entry.details) == (owner, {"text": "hm"})
        with pytest.raises(InvalidValue, match="details"):
            await tx.activity.record(**comment, details={"when": datetime.now(UTC)})  # type: ignore[arg-type] # as above
    async with async_database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            await tx.activity.record(**comment)  # type: ignore[arg-type] # as above


async def test_history_survives_its_actor(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """The owner keeps the line when the person who acted is erased; memberships go with the person."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Remembered")
        await tx.session.run_sync(ProjectCollaboratorFactory.insert, project=project, member_id=stranger)
        entry = await tx.session.run_sync(ActivityFactory.insert, project=project, actor_id=stranger)
    async with async_database.begin(Actor.service("auth", on_behalf_of=stranger)) as tx:
        await tx.session.execute(delete(User).where(User.id == stranger))
    async with async_database.begin(Actor.user(owner)) as tx:
        kept = {line.id: line for line in (await tx.activity.timeline(project_id=project.id)).items}
        assert kept[entry.id].actor_id is None
        assert (await tx.collaborators.list(project.id)).items == []

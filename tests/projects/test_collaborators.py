# Generated from test_collaborators_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Collaborators and the history of projects (requirements S3, F4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete

from devmentor_models import Actor, Database
from devmentor_models.auth.models import User
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.projects.enums import ActivityAction, CollaboratorRole
from devmentor_models.testing.factories.projects import ActivityFactory, ProjectCollaboratorFactory

pytestmark = pytest.mark.anyio


def test_add_change_remove(database: Database, owner: UUID, stranger: UUID) -> None:
    """Adding twice sets the role; each step is in the history."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Shared")
        first = tx.collaborators.add(project.id, stranger)
        assert first.role is CollaboratorRole.VIEWER
        second = tx.collaborators.add(project.id, stranger, role=CollaboratorRole.EDITOR)
        assert (second.id, second.role) == (first.id, CollaboratorRole.EDITOR)
        tx.collaborators.change_role(project.id, stranger, CollaboratorRole.VIEWER)
        assert [found.member_id for found in (tx.collaborators.list(project.id)).items] == [stranger]
        tx.collaborators.remove(project.id, stranger)
        assert (tx.collaborators.list(project.id)).items == []
        actions = [entry.action for entry in (tx.activity.timeline(project_id=project.id)).items]
        assert actions == [
            ActivityAction.COLLABORATOR_REMOVED,
            ActivityAction.ROLE_CHANGED,
            ActivityAction.ROLE_CHANGED,
            ActivityAction.COLLABORATOR_ADDED,
            ActivityAction.CREATED,
        ]
        with pytest.raises(NotFound):
            tx.collaborators.remove(project.id, stranger)


def test_who_cannot_be_added(database: Database, owner: UUID, stranger: UUID) -> None:
    """Not the owner, not somebody who does not exist, not to another tenant's project."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Closed")
        with pytest.raises(InvalidValue, match="member_id"):
            tx.collaborators.add(project.id, owner)
        with pytest.raises(InvalidValue, match="role"):
            tx.collaborators.add(project.id, stranger, role="owner")  # type: ignore[arg-type] # the mistake
        with pytest.raises(ForeignKeyViolation):
            with tx.savepoint():
                tx.collaborators.add(project.id, uuid4())
    with database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            tx.collaborators.add(project.id, uuid4())
        with pytest.raises(NotFound):
            tx.collaborators.change_role(project.id, stranger, CollaboratorRole.EDITOR)


def test_projects_shared_with_me(database: Database, owner: UUID, stranger: UUID) -> None:
    """Live projects of others with the role in each, page by page; own ones are not among them."""
    with database.begin(Actor.user(owner)) as tx:
        projects = [tx.projects.create(name=f"P{number}") for number in range(4)]
        for project in projects:
            tx.collaborators.add(project.id, stranger, role=CollaboratorRole.EDITOR)
        tx.projects.soft_delete(projects[0].id)
    with database.begin(Actor.user(stranger)) as tx:
        tx.projects.create(name="Own")
        page = tx.collaborators.projects_shared_with_me(limit=2)
        rest = tx.collaborators.projects_shared_with_me(limit=2, cursor=page.next_cursor)
        shared = [*page.items, *rest.items]
        assert [item.project.name for item in shared] == ["P3", "P2", "P1"]
        assert {item.role for item in shared} == {CollaboratorRole.EDITOR}
        assert rest.next_cursor is None


def test_the_timeline_filters_and_pages(database: Database, owner: UUID, stranger: UUID) -> None:
    """By project, actor and time, newest first; ties in time are ordered by id."""
    moment = datetime.now(UTC) - timedelta(days=1)
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Timed")
        other = tx.projects.create(name="Other")
        for _ in range(3):
            ActivityFactory.insert(tx.session, project=project, created_at=moment)
        ActivityFactory.insert(tx.session, project=other, actor_id=stranger)
        ids: list[UUID] = []
        cursor = None
        while True:
            page = tx.activity.timeline(project_id=project.id, limit=2, cursor=cursor)
            ids += [entry.id for entry in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert len(set(ids)) == len(ids) == 4
        assert len((tx.activity.timeline()).items) == 6
        assert len((tx.activity.timeline(actor_id=stranger)).items) == 1
        recent = tx.activity.timeline(project_id=project.id, since=moment + timedelta(hours=1))
        assert [entry.action for entry in recent.items] == [ActivityAction.CREATED]
        with pytest.raises(InvalidValue):
            tx.activity.timeline(since=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake
    with database.begin(Actor.user(stranger)) as tx:
        assert (tx.activity.timeline(project_id=project.id)).items == []


def test_record_what_no_repository_does(database: Database, owner: UUID, stranger: UUID) -> None:
    """A comment, say; in the actor's own live projects, by the user or a service for the user."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Commented")
    actor = Actor.service("projects", on_behalf_of=owner)
    comment = {
        "project_id": project.id,
        "action": ActivityAction.COMMENTED,
        "entity_table": "projects.projects",
        "entity_id": project.id,
    }
    with database.begin(actor) as tx:
        entry = tx.activity.record(**comment, details={"text": "hm"})  # type: ignore[arg-type] # a plain dict
        assert (entry.actor_id, entry.details) == (owner, {"text": "hm"})
        with pytest.raises(InvalidValue, match="details"):
            tx.activity.record(**comment, details={"when": datetime.now(UTC)})  # type: ignore[arg-type] # as above
    with database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            tx.activity.record(**comment)  # type: ignore[arg-type] # as above


def test_history_survives_its_actor(database: Database, owner: UUID, stranger: UUID) -> None:
    """The owner keeps the line when the person who acted is erased; memberships go with the person."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Remembered")
        ProjectCollaboratorFactory.insert(tx.session, project=project, member_id=stranger)
        entry = ActivityFactory.insert(tx.session, project=project, actor_id=stranger)
    with database.begin(Actor.service("auth", on_behalf_of=stranger)) as tx:
        tx.session.execute(delete(User).where(User.id == stranger))
    with database.begin(Actor.user(owner)) as tx:
        kept = {line.id: line for line in (tx.activity.timeline(project_id=project.id)).items}
        assert kept[entry.id].actor_id is None
        assert (tx.collaborators.list(project.id)).items == []

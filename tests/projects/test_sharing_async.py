"""Collaboration: viewers read, editors write, the owner decides who they are (F4; Z1).

As the projects service alone: what these tests may, its role may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import NotFound, PermissionDenied, RoleRequired
from devmentor_models.projects.enums import ActivityAction, CollaboratorRole, TaskStatus
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.users import committed

pytestmark = pytest.mark.anyio

DIGEST = bytes(32)


@dataclass(frozen=True)
class Shared:
    """A project with something in it, and who may do what there."""

    owner: UUID
    viewer: UUID
    editor: UUID
    project_id: UUID
    epic_id: UUID
    task_id: UUID
    file_id: UUID


@pytest.fixture
async def database(
    devmentor_service_url: Callable[..., str], anyio_backend: str
) -> AsyncIterator[AsyncDatabase]:
    """Yield a Database for the projects service."""
    async with AsyncDatabase.from_url(devmentor_service_url("projects"), pool_min=0) as made:
        yield made


@pytest.fixture
async def shared(database: AsyncDatabase, devmentor_url: str) -> Shared:
    """Return a project that is shared with a viewer and an editor."""
    owner, viewer, editor = committed(
        devmentor_url, lambda session: [UserFactory.insert(session).id for _ in range(3)]
    )
    async with database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Shared", credits=10)
        await tx.collaborators.add(project.id, viewer)
        await tx.collaborators.add(project.id, editor, role=CollaboratorRole.EDITOR)
        epic = await tx.epics.create(project_id=project.id, title="Epic")
        task = await tx.tasks.create(project_id=project.id, epic_id=epic.id, title="Task")
        file = await tx.files.create(project_id=project.id, path="a.py")
        return Shared(owner, viewer, editor, project.id, epic.id, task.id, file.id)


async def _upload(tx: AsyncTransaction, file_id: UUID) -> object:
    return await tx.files.add_version(
        file_id, storage_bucket="test", storage_key=str(file_id), size_bytes=1, sha256=DIGEST
    )


#: What editors do and viewers may not.
WRITES: dict[str, Callable[[AsyncTransaction, Shared], Awaitable[object]]] = {
    "projects.update": lambda tx, it: tx.projects.update(it.project_id, description="New"),
    "projects.archive": lambda tx, it: tx.projects.archive(it.project_id),
    "epics.create": lambda tx, it: tx.epics.create(project_id=it.project_id, title="Another"),
    "epics.update": lambda tx, it: tx.epics.update(it.epic_id, title="Other"),
    "epics.reorder": lambda tx, it: tx.epics.reorder(it.project_id, [it.epic_id]),
    "epics.soft_delete": lambda tx, it: tx.epics.soft_delete(it.epic_id),
    "tasks.create": lambda tx, it: tx.tasks.create(
        project_id=it.project_id, epic_id=it.epic_id, title="More"
    ),
    "tasks.update": lambda tx, it: tx.tasks.update(it.task_id, title="Other"),
    "tasks.move": lambda tx, it: tx.tasks.move(it.task_id, epic_id=None),
    "tasks.assign": lambda tx, it: tx.tasks.assign(it.task_id, it.viewer),
    "tasks.complete": lambda tx, it: tx.tasks.complete(it.task_id),
    "tasks.soft_delete": lambda tx, it: tx.tasks.soft_delete(it.task_id),
    "files.create": lambda tx, it: tx.files.create(project_id=it.project_id, path="b.py"),
    "files.add_version": lambda tx, it: _upload(tx, it.file_id),
    "files.soft_delete": lambda tx, it: tx.files.soft_delete(it.file_id),
    "files.purge": lambda tx, it: tx.files.purge(it.file_id),
    "activity.record": lambda tx, it: tx.activity.record(
        project_id=it.project_id,
        action=ActivityAction.UPDATED,
        entity_table="projects.tasks",
        entity_id=it.task_id,
    ),
}

#: What the owner alone does.
OWNERS: dict[str, Callable[[AsyncTransaction, Shared], Awaitable[object]]] = {
    "projects.soft_delete": lambda tx, it: tx.projects.soft_delete(it.project_id),
    "projects.spend_credits": lambda tx, it: tx.projects.spend_credits(it.project_id, 1, reason="x"),
    "projects.grant_credits": lambda tx, it: tx.projects.grant_credits(
        it.project_id, 1, reason="x", idempotency_key="k"
    ),
    "collaborators.add": lambda tx, it: tx.collaborators.add(it.project_id, it.viewer),
    "collaborators.change_role": lambda tx, it: tx.collaborators.change_role(
        it.project_id, it.viewer, CollaboratorRole.EDITOR
    ),
    "collaborators.remove": lambda tx, it: tx.collaborators.remove(it.project_id, it.viewer),
}


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_collaborators_read_everything(database: AsyncDatabase, shared: Shared, role: str) -> None:
    """The project and all that is in it, by key and in lists; its history and its ledger, too."""
    async with database.begin(Actor.user(getattr(shared, role)), readonly=True) as tx:
        assert (await tx.projects.get(shared.project_id)).user_id == shared.owner
        assert (await tx.epics.get(shared.epic_id)).title == "Epic"
        assert (await tx.tasks.get(shared.task_id)).title == "Task"
        assert (await tx.files.get(shared.file_id)).path == "a.py"
        assert len((await tx.epics.list(shared.project_id)).items) == 1
        assert len((await tx.tasks.list(shared.project_id, status=TaskStatus.TODO)).items) == 1
        assert len((await tx.files.list(shared.project_id)).items) == 1
        assert len((await tx.collaborators.list(shared.project_id)).items) == 2
        assert len((await tx.projects.credit_history(shared.project_id)).items) == 1
        assert len((await tx.activity.timeline(project_id=shared.project_id)).items) >= 4
        (listed,) = (await tx.collaborators.projects_shared_with_me()).items
        assert (listed.project.id, listed.role) == (shared.project_id, CollaboratorRole(role))
        assert (await tx.projects.list()).items == [], "the user's own projects"
        assert (await tx.activity.timeline()).items == [], "the history of the user's own projects"


@pytest.mark.parametrize("what", WRITES)
async def test_editors_write(database: AsyncDatabase, shared: Shared, what: str) -> None:
    """What they make is the owner's, and the history says who did it."""
    async with database.begin(Actor.user(shared.editor)) as tx:
        made = await WRITES[what](tx, shared)
        assert getattr(made, "user_id", shared.owner) == shared.owner
    async with database.begin(Actor.user(shared.owner)) as tx:
        done = (await tx.activity.timeline(project_id=shared.project_id, actor_id=shared.editor)).items
        assert what == "epics.reorder" or len(done) == 1


@pytest.mark.parametrize("what", WRITES)
async def test_viewers_do_not_write(database: AsyncDatabase, shared: Shared, what: str) -> None:
    """They are told which role it takes, and nothing is written."""
    async with database.begin(Actor.user(shared.viewer)) as tx:
        with pytest.raises(RoleRequired) as refused:
            await WRITES[what](tx, shared)
        assert refused.value.role == "editor"
    async with database.begin(Actor.user(shared.owner)) as tx:
        assert not (await tx.activity.timeline(actor_id=shared.viewer)).items


@pytest.mark.parametrize("what", OWNERS)
@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_some_things_are_the_owners(
    database: AsyncDatabase, shared: Shared, what: str, role: str
) -> None:
    """Collaborators, credits, and whether the project is there at all."""
    async with database.begin(Actor.user(getattr(shared, role))) as tx:
        with pytest.raises(RoleRequired) as refused:
            await OWNERS[what](tx, shared)
        assert refused.value.role == "owner"


@pytest.mark.parametrize("what", [*WRITES, *OWNERS])
async def test_a_stranger_finds_nothing(
    database: AsyncDatabase, shared: Shared, stranger: UUID, what: str
) -> None:
    """Whoever is no collaborator does not learn that the project exists."""
    async with database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            await (WRITES | OWNERS)[what](tx, shared)


async def test_whoever_was_removed_has_no_access(database: AsyncDatabase, shared: Shared) -> None:
    """From the next transaction on; the role is what it was when the transaction began."""
    async with database.begin(Actor.user(shared.owner)) as tx:
        await tx.collaborators.change_role(shared.project_id, shared.editor, CollaboratorRole.VIEWER)
        await tx.collaborators.remove(shared.project_id, shared.viewer)
    async with database.begin(Actor.user(shared.viewer)) as tx:
        with pytest.raises(NotFound):
            await tx.projects.get(shared.project_id)
        assert (await tx.tasks.list(shared.project_id)).items == []
    async with database.begin(Actor.user(shared.editor)) as tx:
        assert (await tx.tasks.get(shared.task_id)).title == "Task"
        with pytest.raises(RoleRequired):
            await tx.tasks.complete(shared.task_id)


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_whoever_leaves_has_no_access(database: AsyncDatabase, shared: Shared, role: str) -> None:
    """By themselves, once; the other collaborator stays."""
    async with database.begin(Actor.user(getattr(shared, role))) as tx:
        await tx.collaborators.leave(shared.project_id)
        with pytest.raises(NotFound):
            await tx.collaborators.leave(shared.project_id)
    async with database.begin(Actor.user(getattr(shared, role))) as tx:
        with pytest.raises(NotFound):
            await tx.projects.get(shared.project_id)
    async with database.begin(Actor.user(shared.owner)) as tx:
        (left,) = (await tx.collaborators.list(shared.project_id)).items
        assert left.member_id != getattr(shared, role)
        with pytest.raises(NotFound):
            await tx.collaborators.leave(shared.project_id)


STATEMENTS = {
    "take the project": "UPDATE projects.projects SET user_id = devmentor.user_id()",
    "take a task": "UPDATE projects.tasks SET user_id = devmentor.user_id()",
    "spend": "UPDATE projects.projects SET credits = 0",
    "delete softly": "UPDATE projects.projects SET deleted_at = now()",
    "write the ledger": (
        "INSERT INTO projects.credit_entries (user_id, project_id, amount, balance_after, reason)"
        " SELECT user_id, id, 1, 11, 'x' FROM projects.projects"
    ),
    "invite": (
        "INSERT INTO projects.project_collaborators (user_id, project_id, member_id)"
        " SELECT user_id, id, user_id FROM projects.projects"
    ),
}


@pytest.mark.parametrize("what", STATEMENTS)
async def test_sql_of_an_editor_takes_nothing(database: AsyncDatabase, shared: Shared, what: str) -> None:
    """The database refuses by itself what the repositories do."""
    async with database.begin(Actor.user(shared.editor)) as tx:
        with pytest.raises(PermissionDenied):
            await tx.session.execute(text(STATEMENTS[what]))
        await tx.session.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM projects.projects",
        "DELETE FROM projects.project_collaborators WHERE member_id <> devmentor.user_id()",
        "UPDATE projects.project_collaborators SET role = 'editor'",
    ],
)
async def test_sql_of_an_editor_does_not_reach_what_is_the_owners(
    database: AsyncDatabase, shared: Shared, statement: str
) -> None:
    """Rows that one may read are not there for a command that one may not run."""
    async with database.begin(Actor.user(shared.editor)) as tx:
        touched = await tx.session.execute(text(f"{statement} RETURNING 1"))
        assert touched.all() == []


@pytest.mark.parametrize("table", ["epics", "tasks", "project_files"])
async def test_sql_of_a_viewer_changes_nothing(database: AsyncDatabase, shared: Shared, table: str) -> None:
    """A viewer's UPDATE and DELETE touch no row."""
    async with database.begin(Actor.user(shared.viewer)) as tx:
        for statement in (f"UPDATE projects.{table} SET deleted_at = now()", f"DELETE FROM projects.{table}"):
            assert (await tx.session.execute(text(f"{statement} RETURNING 1"))).all() == []

"""Tasks and epics: places, status, assignment (requirements F4, F8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.errors import CheckViolation, ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.projects.enums import ActivityAction, EpicStatus, TaskKind, TaskStatus
from devmentor_models.projects.models import Epic, Task
from devmentor_models.testing.factories.auth import TeamFactory, TeamMemberFactory
from devmentor_models.testing.factories.projects import EpicFactory, TaskFactory

pytestmark = pytest.mark.anyio


async def _titles(tx: AsyncTransaction, project_id: UUID, epic_id: UUID | None = None) -> list[str]:
    """Return a list's titles in order."""
    return [task.title for task in (await tx.tasks.list(project_id, epic_id=epic_id)).items]


async def test_tasks_line_up_in_the_order_of_creation(async_database: AsyncDatabase, owner: UUID) -> None:
    """Each new task stands behind the others, and the history has it."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Line")
        made = [await tx.tasks.create(project_id=project.id, title=title) for title in "abc"]
        assert await _titles(tx, project.id) == ["a", "b", "c"]
        assert [task.position for task in made] == [1, 2, 3]
        newest = (await tx.activity.timeline(project_id=project.id)).items[0]
        assert (newest.entity_table, newest.entity_id) == ("projects.tasks", made[2].id)


async def test_list_filters_and_pages(async_database: AsyncDatabase, owner: UUID) -> None:
    """By status, kind, assignee, epic and label; a cursor goes on behind the last position."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Filtered")
        epic = await tx.epics.create(project_id=project.id, title="E")
        task = await tx.tasks.create(
            project_id=project.id,
            title="match",
            epic_id=epic.id,
            kind=TaskKind.BUG,
            labels=["db"],
            assignee_id=owner,
        )
        for number in range(3):
            await tx.tasks.create(project_id=project.id, title=f"other {number}")
        filters: list[dict[str, Any]] = [
            {"kind": TaskKind.BUG},
            {"label": "db"},
            {"assignee_id": owner},
            {"epic_id": epic.id},
        ]
        for wanted in filters:
            assert [found.id for found in (await tx.tasks.list(project.id, **wanted)).items] == [task.id]
        page = await tx.tasks.list(project.id, limit=3)
        rest = await tx.tasks.list(project.id, limit=3, cursor=page.next_cursor)
        assert (len(page.items), len(rest.items), rest.next_cursor) == (3, 1, None)


async def test_completing_sets_the_time_and_reopening_clears_it(
    async_database: AsyncDatabase, owner: UUID
) -> None:
    """Twice is once, and update with a status keeps the two columns together as well."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Done")
        task = await tx.tasks.create(project_id=project.id, title="t")
        await tx.tasks.complete(task.id)
        finished = task.completed_at
        assert (task.status, finished is None) == (TaskStatus.DONE, False)
        await tx.tasks.complete(task.id)
        assert task.completed_at == finished
        await tx.tasks.reopen(task.id)
        assert (task.status, task.completed_at) == (TaskStatus.TODO, None)
        await tx.tasks.reopen(task.id)
        done = await tx.tasks.update(task.id, status=TaskStatus.DONE, title="u")
        assert done.completed_at is not None
        reviewed = (await tx.tasks.update(task.id, status=TaskStatus.REVIEW)).completed_at
        assert reviewed is None
        actions = [entry.action for entry in (await tx.activity.timeline(project_id=project.id)).items]
        assert actions.count(ActivityAction.COMPLETED) == actions.count(ActivityAction.REOPENED) == 2


async def test_the_database_ties_status_and_time(async_database: AsyncDatabase, owner: UUID) -> None:
    """A statement past the repositories cannot leave a finished task without its time."""
    async with async_database.begin(Actor.user(owner)) as tx:
        task = await tx.session.run_sync(TaskFactory.insert, user_id=owner)
        with pytest.raises(CheckViolation):
            async with tx.savepoint():
                done = update(Task).where(Task.id == task.id).values(status=TaskStatus.DONE)
                await tx.session.execute(done)


async def test_move_to_the_front_behind_and_to_another_epic(
    async_database: AsyncDatabase, owner: UUID
) -> None:
    """A move touches only the task that moves."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Moves")
        epic = await tx.epics.create(project_id=project.id, title="E")
        a, b, c = [await tx.tasks.create(project_id=project.id, title=title) for title in "abc"]
        await tx.tasks.move(c.id, epic_id=None)
        assert await _titles(tx, project.id) == ["c", "a", "b"]
        await tx.tasks.move(c.id, epic_id=None, after=a.id)
        assert await _titles(tx, project.id) == ["a", "c", "b"]
        await tx.tasks.move(a.id, epic_id=None, after=b.id)
        assert await _titles(tx, project.id) == ["c", "b", "a"]
        await tx.tasks.move(b.id, epic_id=epic.id)
        assert await _titles(tx, project.id, epic.id) == ["b"]
        assert (c.version, a.version, b.version) == (3, 2, 2)
        with pytest.raises(NotFound):
            await tx.tasks.move(a.id, epic_id=epic.id, after=c.id)
        with pytest.raises(InvalidValue):
            await tx.tasks.move(a.id, epic_id=None, after=a.id)
        with pytest.raises(NotFound):
            await tx.tasks.move(a.id, epic_id=uuid4())


async def test_a_gap_that_is_used_up_is_made_anew(async_database: AsyncDatabase, owner: UUID) -> None:
    """Halving a gap a hundred times runs out of numbers; the order is right nevertheless."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Gap")
        first, left, right = [await tx.tasks.create(project_id=project.id, title=title) for title in "abc"]
        for _ in range(50):
            await tx.tasks.move(right.id, epic_id=None, after=first.id)
            assert await _titles(tx, project.id) == ["a", "c", "b"]
            await tx.tasks.move(left.id, epic_id=None, after=first.id)
            assert await _titles(tx, project.id) == ["a", "b", "c"]


async def test_an_epic_of_another_project_is_refused(async_database: AsyncDatabase, owner: UUID) -> None:
    """By the repository, and by the foreign key for everybody else."""
    async with async_database.begin(Actor.user(owner)) as tx:
        here = await tx.projects.create(name="Here")
        foreign = await tx.session.run_sync(EpicFactory.insert, user_id=owner)
        with pytest.raises(NotFound):
            await tx.tasks.create(project_id=here.id, title="t", epic_id=foreign.id)
        with pytest.raises(ForeignKeyViolation):
            async with tx.savepoint():
                row = {"user_id": owner, "project_id": here.id, "epic_id": foreign.id, "title": "t"}
                await tx.session.execute(insert(Task).values(**row))


async def test_assign(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """To somebody, to nobody, and not to a user who does not exist."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Assigned")
        task = await tx.tasks.create(project_id=project.id, title="t")
        assert (await tx.tasks.assign(task.id, stranger)).assignee_id == stranger
        assert (await tx.tasks.assign(task.id, None)).assignee_id is None
        with pytest.raises(ForeignKeyViolation):
            async with tx.savepoint():
                await tx.tasks.assign(task.id, uuid4())


async def test_an_epic_hides_its_tasks_and_brings_them_back(
    async_database: AsyncDatabase, owner: UUID
) -> None:
    """S3: exactly those that went with it; a purged epic leaves its tasks in the project."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Epics")
        epic = await tx.epics.create(project_id=project.id, title="E")
        kept = await tx.tasks.create(project_id=project.id, title="kept", epic_id=epic.id)
        gone = await tx.tasks.create(project_id=project.id, title="gone", epic_id=epic.id)
        await tx.tasks.soft_delete(gone.id)
        await tx.epics.soft_delete(epic.id)
        assert await _titles(tx, project.id) == []
        with pytest.raises(NotFound):
            await tx.tasks.get(kept.id)
        with pytest.raises(NotFound):
            await tx.tasks.create(project_id=project.id, title="late", epic_id=epic.id)
        await tx.epics.restore(epic.id)
        assert await _titles(tx, project.id, epic.id) == ["kept"]
        await tx.tasks.restore(gone.id)
        assert await _titles(tx, project.id, epic.id) == ["kept", "gone"]


async def test_epics_are_updated_and_reordered(
    async_database: AsyncDatabase, owner: UUID, stranger: UUID
) -> None:
    """Reordering names every epic once, or changes nothing."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Order")
        a, b, c = [await tx.epics.create(project_id=project.id, title=title) for title in "abc"]
        await tx.epics.update(a.id, status=EpicStatus.ACTIVE)
        assert [epic.id for epic in (await tx.epics.list(project.id, status=EpicStatus.ACTIVE)).items] == [
            a.id
        ]
        await tx.epics.reorder(project.id, [c.id, a.id, b.id])
        wrong: list[list[UUID]] = [[a.id, b.id], [a.id, b.id, b.id], [a.id, b.id, uuid4()], []]
        for ids in wrong:
            with pytest.raises(InvalidValue, match="epic_ids"):
                await tx.epics.reorder(project.id, ids)
        assert [epic.title for epic in (await tx.epics.list(project.id)).items] == ["c", "a", "b"]
        newest = (await tx.activity.timeline(project_id=project.id)).items[0]
        assert (newest.action, newest.details) == (ActivityAction.REORDERED, {"epics": 3})
    async with async_database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            await tx.epics.get(a.id)
        with pytest.raises(NotFound):
            await tx.epics.reorder(project.id, [a.id, b.id, c.id])
        assert (await tx.epics.list(project.id)).items == []


async def test_a_position_is_a_number(async_database: AsyncDatabase, owner: UUID) -> None:
    """Trap 18: NaN and infinity would break the order, so the table refuses them."""
    async with async_database.begin(Actor.user(owner)) as tx:
        epic = await tx.session.run_sync(EpicFactory.insert, user_id=owner)
        for position in (float("nan"), float("inf"), float("-inf")):
            with pytest.raises(CheckViolation):
                async with tx.savepoint():
                    await tx.session.execute(update(Epic).where(Epic.id == epic.id).values(position=position))


async def test_tasks_of_a_team(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """F8: tasks of all members in projects that the asking user owns or works in, and no others."""
    async with async_database.begin(Actor.user(owner)) as tx:
        team = await tx.session.run_sync(TeamFactory.insert, user_id=owner)
        for member in (owner, stranger):
            await tx.session.run_sync(TeamMemberFactory.insert, team=team, member_id=member)
        project = await tx.projects.create(name="Team")
        mine = await tx.tasks.create(project_id=project.id, title="mine", assignee_id=owner)
        theirs = await tx.tasks.create(project_id=project.id, title="theirs", assignee_id=stranger)
        await tx.tasks.create(project_id=project.id, title="nobody's")
        await tx.tasks.complete(mine.id)
        found = (await tx.tasks.assigned_to_team(team.id)).items
        assert [task.id for task in found] == [theirs.id, mine.id]
        done = (await tx.tasks.assigned_to_team(team.id, status=TaskStatus.DONE)).items
        assert [task.id for task in done] == [mine.id]
    async with async_database.begin(Actor.user(stranger)) as tx:
        assert (await tx.tasks.assigned_to_team(team.id)).items == []
    async with async_database.begin(Actor.user(owner)) as tx:
        await tx.collaborators.add(project.id, stranger)
    async with async_database.begin(Actor.user(stranger)) as tx:
        assert len((await tx.tasks.assigned_to_team(team.id)).items) == 2
    async with async_database.begin(Actor.user(uuid4())) as tx:
        assert (await tx.tasks.assigned_to_team(team.id)).items == []

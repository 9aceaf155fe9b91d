# Generated from test_tasks_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Tasks and epics: places, status, assignment (requirements F4, F8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import CheckViolation, ForeignKeyViolation, InvalidValue, NotFound
from devmentor_models.projects.enums import ActivityAction, EpicStatus, TaskKind, TaskStatus
from devmentor_models.projects.models import Epic, Task
from devmentor_models.testing.factories.auth import TeamFactory, TeamMemberFactory
from devmentor_models.testing.factories.projects import EpicFactory, TaskFactory

pytestmark = pytest.mark.anyio


def _titles(tx: Transaction, project_id: UUID, epic_id: UUID | None = None) -> list[str]:
    """Return a list's titles in order."""
    return [task.title for task in (tx.tasks.list(project_id, epic_id=epic_id)).items]


def test_tasks_line_up_in_the_order_of_creation(database: Database, owner: UUID) -> None:
    """Each new task stands behind the others, and the history has it."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Line")
        made = [tx.tasks.create(project_id=project.id, title=title) for title in "abc"]
        assert _titles(tx, project.id) == ["a", "b", "c"]
        assert [task.position for task in made] == [1, 2, 3]
        newest = (tx.activity.timeline(project_id=project.id)).items[0]
        assert (newest.entity_table, newest.entity_id) == ("projects.tasks", made[2].id)


def test_list_filters_and_pages(database: Database, owner: UUID) -> None:
    """By status, kind, assignee, epic and label; a cursor goes on behind the last position."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Filtered")
        epic = tx.epics.create(project_id=project.id, title="E")
        task = tx.tasks.create(
            project_id=project.id,
            title="match",
            epic_id=epic.id,
            kind=TaskKind.BUG,
            labels=["db"],
            assignee_id=owner,
        )
        for number in range(3):
            tx.tasks.create(project_id=project.id, title=f"other {number}")
        filters: list[dict[str, Any]] = [
            {"kind": TaskKind.BUG},
            {"label": "db"},
            {"assignee_id": owner},
            {"epic_id": epic.id},
        ]
        for wanted in filters:
            assert [found.id for found in (tx.tasks.list(project.id, **wanted)).items] == [task.id]
        page = tx.tasks.list(project.id, limit=3)
        rest = tx.tasks.list(project.id, limit=3, cursor=page.next_cursor)
        assert (len(page.items), len(rest.items), rest.next_cursor) == (3, 1, None)


def test_completing_sets_the_time_and_reopening_clears_it(database: Database, owner: UUID) -> None:
    """Twice is once, and update with a status keeps the two columns together as well."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Done")
        task = tx.tasks.create(project_id=project.id, title="t")
        tx.tasks.complete(task.id)
        finished = task.completed_at
        assert (task.status, finished is None) == (TaskStatus.DONE, False)
        tx.tasks.complete(task.id)
        assert task.completed_at == finished
        tx.tasks.reopen(task.id)
        assert (task.status, task.completed_at) == (TaskStatus.TODO, None)
        tx.tasks.reopen(task.id)
        done = tx.tasks.update(task.id, status=TaskStatus.DONE, title="u")
        assert done.completed_at is not None
        reviewed = (tx.tasks.update(task.id, status=TaskStatus.REVIEW)).completed_at
        assert reviewed is None
        actions = [entry.action for entry in (tx.activity.timeline(project_id=project.id)).items]
        assert actions.count(ActivityAction.COMPLETED) == actions.count(ActivityAction.REOPENED) == 2


def test_the_database_ties_status_and_time(database: Database, owner: UUID) -> None:
    """A statement past the repositories cannot leave a finished task without its time."""
    with database.begin(Actor.user(owner)) as tx:
        task = TaskFactory.insert(tx.session, user_id=owner)
        with pytest.raises(CheckViolation):
            with tx.savepoint():
                done = update(Task).where(Task.id == task.id).values(status=TaskStatus.DONE)
                tx.session.execute(done)


def test_move_to_the_front_behind_and_to_another_epic(database: Database, owner: UUID) -> None:
    """A move touches only the task that moves."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Moves")
        epic = tx.epics.create(project_id=project.id, title="E")
        a, b, c = [tx.tasks.create(project_id=project.id, title=title) for title in "abc"]
        tx.tasks.move(c.id, epic_id=None)
        assert _titles(tx, project.id) == ["c", "a", "b"]
        tx.tasks.move(c.id, epic_id=None, after=a.id)
        assert _titles(tx, project.id) == ["a", "c", "b"]
        tx.tasks.move(a.id, epic_id=None, after=b.id)
        assert _titles(tx, project.id) == ["c", "b", "a"]
        tx.tasks.move(b.id, epic_id=epic.id)
        assert _titles(tx, project.id, epic.id) == ["b"]
        assert (c.version, a.version, b.version) == (3, 2, 2)
        with pytest.raises(NotFound):
            tx.tasks.move(a.id, epic_id=epic.id, after=c.id)
        with pytest.raises(InvalidValue):
            tx.tasks.move(a.id, epic_id=None, after=a.id)
        with pytest.raises(NotFound):
            tx.tasks.move(a.id, epic_id=uuid4())


def test_a_gap_that_is_used_up_is_made_anew(database: Database, owner: UUID) -> None:
    """Halving a gap a hundred times runs out of numbers; the order is right nevertheless."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Gap")
        first, left, right = [tx.tasks.create(project_id=project.id, title=title) for title in "abc"]
        for _ in range(50):
            tx.tasks.move(right.id, epic_id=None, after=first.id)
            assert _titles(tx, project.id) == ["a", "c", "b"]
            tx.tasks.move(left.id, epic_id=None, after=first.id)
            assert _titles(tx, project.id) == ["a", "b", "c"]


def test_an_epic_of_another_project_is_refused(database: Database, owner: UUID) -> None:
    """By the repository, and by the foreign key for everybody else."""
    with database.begin(Actor.user(owner)) as tx:
        here = tx.projects.create(name="Here")
        foreign = EpicFactory.insert(tx.session, user_id=owner)
        with pytest.raises(NotFound):
            tx.tasks.create(project_id=here.id, title="t", epic_id=foreign.id)
        with pytest.raises(ForeignKeyViolation):
            with tx.savepoint():
                row = {"user_id": owner, "project_id": here.id, "epic_id": foreign.id, "title": "t"}
                tx.session.execute(insert(Task).values(**row))


def test_assign(database: Database, owner: UUID, stranger: UUID) -> None:
    """To somebody, to nobody, and not to a user who does not exist."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Assigned")
        task = tx.tasks.create(project_id=project.id, title="t")
        assert (tx.tasks.assign(task.id, stranger)).assignee_id == stranger
        assert (tx.tasks.assign(task.id, None)).assignee_id is None
        with pytest.raises(ForeignKeyViolation):
            with tx.savepoint():
                tx.tasks.assign(task.id, uuid4())


def test_an_epic_hides_its_tasks_and_brings_them_back(database: Database, owner: UUID) -> None:
    """S3: exactly those that went with it; a purged epic leaves its tasks in the project."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Epics")
        epic = tx.epics.create(project_id=project.id, title="E")
        kept = tx.tasks.create(project_id=project.id, title="kept", epic_id=epic.id)
        gone = tx.tasks.create(project_id=project.id, title="gone", epic_id=epic.id)
        tx.tasks.soft_delete(gone.id)
        tx.epics.soft_delete(epic.id)
        assert _titles(tx, project.id) == []
        with pytest.raises(NotFound):
            tx.tasks.get(kept.id)
        with pytest.raises(NotFound):
            tx.tasks.create(project_id=project.id, title="late", epic_id=epic.id)
        tx.epics.restore(epic.id)
        assert _titles(tx, project.id, epic.id) == ["kept"]
        tx.tasks.restore(gone.id)
        assert _titles(tx, project.id, epic.id) == ["kept", "gone"]


def test_epics_are_updated_and_reordered(database: Database, owner: UUID, stranger: UUID) -> None:
    """Reordering names every epic once, or changes nothing."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Order")
        a, b, c = [tx.epics.create(project_id=project.id, title=title) for title in "abc"]
        tx.epics.update(a.id, status=EpicStatus.ACTIVE)
        assert [epic.id for epic in (tx.epics.list(project.id, status=EpicStatus.ACTIVE)).items] == [a.id]
        tx.epics.reorder(project.id, [c.id, a.id, b.id])
        wrong: list[list[UUID]] = [[a.id, b.id], [a.id, b.id, b.id], [a.id, b.id, uuid4()], []]
        for ids in wrong:
            with pytest.raises(InvalidValue, match="epic_ids"):
                tx.epics.reorder(project.id, ids)
        assert [epic.title for epic in (tx.epics.list(project.id)).items] == ["c", "a", "b"]
        newest = (tx.activity.timeline(project_id=project.id)).items[0]
        assert (newest.action, newest.details) == (ActivityAction.REORDERED, {"epics": 3})
    with database.begin(Actor.user(stranger)) as tx:
        with pytest.raises(NotFound):
            tx.epics.get(a.id)
        with pytest.raises(NotFound):
            tx.epics.reorder(project.id, [a.id, b.id, c.id])
        assert (tx.epics.list(project.id)).items == []


def test_a_position_is_a_number(database: Database, owner: UUID) -> None:
    """Trap 18: NaN and infinity would break the order, so the table refuses them."""
    with database.begin(Actor.user(owner)) as tx:
        epic = EpicFactory.insert(tx.session, user_id=owner)
        for position in (float("nan"), float("inf"), float("-inf")):
            with pytest.raises(CheckViolation):
                with tx.savepoint():
                    tx.session.execute(update(Epic).where(Epic.id == epic.id).values(position=position))


def test_tasks_of_a_team(database: Database, owner: UUID, stranger: UUID) -> None:
    """F8: tasks of all members in projects that the asking user owns or works in, and no others."""
    with database.begin(Actor.user(owner)) as tx:
        team = TeamFactory.insert(tx.session, user_id=owner)
        for member in (owner, stranger):
            TeamMemberFactory.insert(tx.session, team=team, member_id=member)
        project = tx.projects.create(name="Team")
        mine = tx.tasks.create(project_id=project.id, title="mine", assignee_id=owner)
        theirs = tx.tasks.create(project_id=project.id, title="theirs", assignee_id=stranger)
        tx.tasks.create(project_id=project.id, title="nobody's")
        tx.tasks.complete(mine.id)
        found = (tx.tasks.assigned_to_team(team.id)).items
        assert [task.id for task in found] == [theirs.id, mine.id]
        done = (tx.tasks.assigned_to_team(team.id, status=TaskStatus.DONE)).items
        assert [task.id for task in done] == [mine.id]
    with database.begin(Actor.user(stranger)) as tx:
        assert (tx.tasks.assigned_to_team(team.id)).items == []
    with database.begin(Actor.user(owner)) as tx:
        tx.collaborators.add(project.id, stranger)
    with database.begin(Actor.user(stranger)) as tx:
        assert len((tx.tasks.assigned_to_team(team.id)).items) == 2
    with database.begin(Actor.user(uuid4())) as tx:
        assert (tx.tasks.assigned_to_team(team.id)).items == []

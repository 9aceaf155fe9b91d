"""The history of projects is written by the database, whoever changes them (S3, F4, Z4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.projects.enums import ActivityAction, TaskStatus
from devmentor_models.projects.models import Task
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.projects import (
    EpicFactory,
    ProjectCollaboratorFactory,
    ProjectFactory,
    ProjectFileVersionFactory,
    TaskFactory,
)

LINES = """
    SELECT action::text, entity_table, entity_id, actor_id, details, mentions
    FROM projects.activity WHERE project_id = %s ORDER BY created_at, id
"""


@pytest.fixture
def connection(devmentor_engine: Engine) -> Any:
    """Yield a connection past the repositories, whose every statement commits."""
    url = conninfo(devmentor_engine.url.render_as_string(hide_password=False))
    with psycopg.connect(url, autocommit=True, row_factory=namedtuple_row) as made:
        yield made


@pytest.fixture
def project(devmentor_engine: Engine, owner: UUID) -> UUID:
    """Return the id of the owner's project."""
    with Session(devmentor_engine) as session, session.begin():
        return ProjectFactory.insert(session, user_id=owner).id


def history(connection: Any, project: UUID) -> list[Any]:
    """Return the lines of a project, the oldest first."""
    found: list[Any] = connection.execute(LINES, [project]).fetchall()
    return found


def told(connection: Any, project: UUID) -> list[tuple[str, dict[str, Any]]]:
    """Return what happened after the project was made, and the details."""
    first, *others = history(connection, project)
    assert (first.action, first.entity_id, first.details) == ("created", project, {})
    return [(line.action, line.details) for line in others]


def tasks_of(engine: Engine, owner: UUID, project: UUID, number: int) -> list[UUID]:
    """Return the ids of new tasks."""
    with Session(engine) as session, session.begin():
        keys = {"user_id": owner, "project_id": project}
        return [TaskFactory.insert(session, **keys, position=n).id for n in range(number)]


@pytest.fixture
def task(devmentor_engine: Engine, owner: UUID, project: UUID) -> tuple[UUID, UUID]:
    """Return the ids of the project and of a task in it."""
    return project, tasks_of(devmentor_engine, owner, project, 1)[0]


@pytest.mark.parametrize(
    ("change", "action", "details"),
    [
        ("name = 'n', tags = '{a}'", "updated", {"fields": ["name", "tags"]}),
        ("status = 'archived'", "archived", {"fields": ["status"]}),
        ("deleted_at = now()", "deleted", {"fields": ["deleted_at"]}),
        ("credits = 5", "credits_granted", {"amount": 5, "balance": 5}),
        (
            "credits = 5, name = 'n'",
            "credits_granted",
            {"amount": 5, "balance": 5, "fields": ["credits", "name"]},
        ),
    ],
)
def test_a_project_changed_by_hand(
    connection: Any, project: UUID, change: str, action: str, details: dict[str, Any]
) -> None:
    """The action is told from what changed."""
    connection.execute(f"UPDATE projects.projects SET {change} WHERE id = %s", [project])
    assert told(connection, project) == [(action, details)]


@pytest.mark.parametrize(
    ("change", "action", "details"),
    [
        ("title = 't'", "updated", {"fields": ["title"]}),
        ("status = 'review'", "updated", {"fields": ["status"]}),
        ("status = 'done', completed_at = now()", "completed", {"fields": ["completed_at", "status"]}),
        ("position = 9", "moved", {"epic_id": None}),
        ("position = 9, title = 't'", "moved", {"epic_id": None, "fields": ["position", "title"]}),
        ("deleted_at = now()", "deleted", {"fields": ["deleted_at"]}),
    ],
)
def test_a_task_changed_by_hand(
    connection: Any, task: tuple[UUID, UUID], change: str, action: str, details: dict[str, Any]
) -> None:
    """As for projects; and a change of nothing has no line."""
    project, task_id = task
    connection.execute(f"UPDATE projects.tasks SET {change} WHERE id = %s", [task_id])
    connection.execute("UPDATE projects.tasks SET title = title WHERE id = %s", [task_id])
    assert told(connection, project) == [("created", {}), (action, details)]


def test_an_assignment_mentions_the_person(
    connection: Any, devmentor_engine: Engine, owner: UUID, stranger: UUID, project: UUID
) -> None:
    """So that an erasure finds the line."""
    (task,) = tasks_of(devmentor_engine, owner, project, 1)
    connection.execute("UPDATE projects.tasks SET assignee_id = %s WHERE id = %s", [stranger, task])
    line = history(connection, project)[-1]
    assert (line.action, line.details, line.mentions) == (
        "assigned",
        {"assignee_id": str(stranger)},
        [stranger],
    )


def test_bulk_sql_is_recorded_per_row_and_a_new_order_once(
    connection: Any, devmentor_engine: Engine, owner: UUID, project: UUID
) -> None:
    """Twenty tasks closed are twenty lines; twenty tasks moved by one statement are one."""
    tasks = tasks_of(devmentor_engine, owner, project, 20)
    with devmentor_engine.begin() as made:
        closed = {"status": TaskStatus.DONE, "completed_at": datetime.now(UTC)}
        made.execute(update(Task).where(Task.project_id == project).values(closed))
        made.execute(update(Task).where(Task.project_id == project).values(position=Task.position + 1))
    lines = history(connection, project)[1 + len(tasks) :]
    assert [line.action for line in lines] == ["completed"] * 20 + ["reordered"]
    assert {line.entity_id for line in lines[:20]} == set(tasks)
    assert (lines[-1].entity_id, lines[-1].details) == (tasks[0], {"tasks": 20})


def test_a_plan_is_recorded_item_by_item(database: Database, owner: UUID) -> None:
    """Whoever made a project from a plan finds its parts in the history."""
    plan = Plan(epics=[EpicPlan(title="E", tasks=[TaskPlan(title="1"), TaskPlan(title="2")])])
    with database.begin(Actor.user(owner)) as tx:
        made = tx.projects.create_with_plan(name="Planned", plan=plan)
        lines = tx.activity.timeline(project_id=made.project.id).items
    assert [line.entity_table for line in lines[::-1]] == [
        "projects.projects",
        "projects.epics",
        "projects.tasks",
        "projects.tasks",
    ]
    assert {(line.action, line.actor_id) for line in lines} == {(ActivityAction.CREATED, owner)}


def test_collaborators_by_hand(connection: Any, owner: UUID, stranger: UUID, project: UUID) -> None:
    """An upsert that finds a member changes the role, or nothing."""
    upsert = (
        "INSERT INTO projects.project_collaborators (user_id, project_id, member_id) VALUES (%s, %s, %s)"
        " ON CONFLICT (user_id, project_id, member_id) DO UPDATE SET role = 'editor'"
    )
    for _ in range(3):
        connection.execute(upsert, [owner, project, stranger])
    connection.execute("DELETE FROM projects.project_collaborators WHERE project_id = %s", [project])
    person = str(stranger)
    assert told(connection, project) == [
        ("collaborator_added", {"member_id": person, "role": "viewer"}),
        ("role_changed", {"member_id": person, "role": "editor"}),
        ("collaborator_removed", {"member_id": person, "role": "editor"}),
    ]
    assert {tuple(line.mentions) for line in history(connection, project)[1:]} == {(stranger,)}


def test_a_version_has_one_line(
    connection: Any, devmentor_engine: Engine, owner: UUID, project: UUID
) -> None:
    """The file's counters are part of it; another version in force is a change of its own."""
    with Session(devmentor_engine) as session, session.begin():
        version = ProjectFileVersionFactory.insert(session, user_id=owner, project_id=project)
        file = version.file_id
    counters = "UPDATE projects.project_files SET latest_version = %s, current_version = %s WHERE id = %s"
    connection.execute(counters, [2, 2, file])
    connection.execute(counters, [2, 1, file])
    connection.execute("DELETE FROM projects.project_files WHERE id = %s", [file])
    created, added, switched, purged = told(connection, project)
    assert (created, added) == (("created", {}), ("version_added", {"number": 1, "size_bytes": 1024}))
    assert switched == ("updated", {"fields": ["current_version"]})
    assert purged[0] == "purged"
    assert list(purged[1]) == ["path"]


def test_a_purged_project_leaves_one_line(
    connection: Any, devmentor_engine: Engine, owner: UUID, stranger: UUID, project: UUID
) -> None:
    """What went with it needs none of its own."""
    with Session(devmentor_engine) as session, session.begin():
        keys = {"user_id": owner, "project_id": project}
        epic = EpicFactory.insert(session, **keys).id
        TaskFactory.insert(session, **keys, epic_id=epic)
        ProjectCollaboratorFactory.insert(session, **keys, member_id=stranger)
    before = len(history(connection, project))
    connection.execute("DELETE FROM projects.projects WHERE id = %s", [project])
    (line,) = history(connection, project)[before:]
    assert (line.action, list(line.details)) == ("purged", ["name"])


def test_a_purged_epic_moves_its_tasks(
    connection: Any, devmentor_engine: Engine, owner: UUID, project: UUID
) -> None:
    """The tasks remain, and their history says that they stand elsewhere now."""
    with Session(devmentor_engine) as session, session.begin():
        keys = {"user_id": owner, "project_id": project}
        epic = EpicFactory.insert(session, **keys, title="gone").id
        TaskFactory.insert(session, **keys, epic_id=epic)
    connection.execute("DELETE FROM projects.epics WHERE id = %s", [epic])
    purged, moved = told(connection, project)[-2:]
    assert (purged, moved) == (("purged", {"title": "gone"}), ("moved", {"epic_id": None}))


@pytest.mark.parametrize("known", [True, False])
def test_the_actor_is_a_user_who_exists(connection: Any, owner: UUID, project: UUID, *, known: bool) -> None:
    """Somebody who is not there cannot be referred to, and does not stop the change."""
    actor = owner if known else uuid4()
    with connection.transaction():
        connection.execute("SELECT set_config('devmentor.user_id', %s, true)", [str(actor)])
        connection.execute("UPDATE projects.projects SET name = 'n' WHERE id = %s", [project])
    assert history(connection, project)[-1].actor_id == (owner if known else None)


def test_an_erased_owner_leaves_nothing(connection: Any, owner: UUID, project: UUID) -> None:
    """The cascade writes no line for a user who is gone."""
    connection.execute("DELETE FROM auth.users WHERE id = %s", [owner])
    assert history(connection, project) == []

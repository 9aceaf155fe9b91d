"""Statements of the ``projects`` schema: values without a session, testable by compiling.

A row is live when neither it nor a parent of it is soft-deleted. Nothing is copied to the children when a
project or an epic is deleted, so that restoring it brings back exactly what went with it, and a task that is
written at the same moment is hidden too.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Double,
    Integer,
    Interval,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import ExecutableReturnsRows, TypedReturnsRows

from devmentor_models.kit.base import Base, table_named
from devmentor_models.projects.models import (
    Activity,
    CreditEntry,
    Epic,
    Project,
    ProjectCollaborator,
    ProjectFile,
    ProjectFileVersion,
    ProjectTemplate,
    StorageOrphan,
    Task,
)

_USER: BindParameter[Any] = bindparam("user_id")
_ID: BindParameter[Any] = bindparam("id")


def _shared_with_me() -> ColumnElement[Any]:
    return any_(func.devmentor.shared_projects(type_=ARRAY(Uuid())))


def visible(owner: SQLColumnExpression[Any], project: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Return the condition on rows of the acting user, and of projects that others share with them."""
    return or_(owner == _USER, project == _shared_with_me())


# Built once: constructing a statement costs more than PostgreSQL takes to answer it.

#: Whether the acting user may write in somebody else's project.
MAY_EDIT = select(
    bindparam("project_id", type_=Uuid()) == any_(func.devmentor.edited_projects(type_=ARRAY(Uuid())))
)

_VISIBLE_PROJECT = visible(Project.user_id, Project.id)

PROJECT_BY_ID = select(Project).where(_VISIBLE_PROJECT, Project.id == _ID, Project.deleted_at.is_(None))
PROJECT_BY_SLUG = select(Project).where(
    Project.user_id == _USER, Project.slug == bindparam("slug"), Project.deleted_at.is_(None)
)
DELETED_PROJECT_BY_ID = select(Project).where(
    _VISIBLE_PROJECT, Project.id == _ID, Project.deleted_at.is_not(None)
)
PROJECT_OWNER = select(Project.user_id).where(
    _VISIBLE_PROJECT, Project.id == _ID, Project.deleted_at.is_(None)
)
PROJECT_LOCK = PROJECT_OWNER.with_for_update(key_share=True)
#: The owner of the project that ``:project_id`` names, within another statement: an index condition there.
OWNER_OF_PROJECT = (
    select(Project.user_id).where(_VISIBLE_PROJECT, Project.id == bindparam("project_id")).scalar_subquery()
)


def _of_live_project(model: type[Epic | Task | ProjectFile]) -> ColumnElement[bool]:
    return exists().where(
        Project.user_id == model.user_id, Project.id == model.project_id, Project.deleted_at.is_(None)
    )


_DELETED_EPIC = aliased(Epic)
EPIC_IN_LIVE_PROJECT = _of_live_project(Epic)
FILE_IN_LIVE_PROJECT = _of_live_project(ProjectFile)
TASK_IN_LIVE_PLAN = and_(
    _of_live_project(Task),
    ~exists().where(
        _DELETED_EPIC.user_id == Task.user_id,
        _DELETED_EPIC.id == Task.epic_id,
        _DELETED_EPIC.deleted_at.is_not(None),
    ),
)

EPIC_BY_ID = select(Epic).where(
    visible(Epic.user_id, Epic.project_id), Epic.id == _ID, Epic.deleted_at.is_(None), EPIC_IN_LIVE_PROJECT
)
DELETED_EPIC_BY_ID = select(Epic).where(
    visible(Epic.user_id, Epic.project_id), Epic.id == _ID, Epic.deleted_at.is_not(None), EPIC_IN_LIVE_PROJECT
)
EPICS_OF_PROJECT = select(Epic).where(
    Epic.user_id == OWNER_OF_PROJECT,
    Epic.project_id == bindparam("project_id"),
    Epic.deleted_at.is_(None),
    EPIC_IN_LIVE_PROJECT,
)
TASK_BY_ID = select(Task).where(
    visible(Task.user_id, Task.project_id), Task.id == _ID, Task.deleted_at.is_(None), TASK_IN_LIVE_PLAN
)
DELETED_TASK_BY_ID = select(Task).where(
    visible(Task.user_id, Task.project_id), Task.id == _ID, Task.deleted_at.is_not(None), TASK_IN_LIVE_PLAN
)
TASKS_OF_PROJECT = select(Task).where(
    Task.user_id == OWNER_OF_PROJECT,
    Task.project_id == bindparam("project_id"),
    Task.deleted_at.is_(None),
    TASK_IN_LIVE_PLAN,
)
FILE_BY_ID = select(ProjectFile).where(
    visible(ProjectFile.user_id, ProjectFile.project_id),
    ProjectFile.id == _ID,
    ProjectFile.deleted_at.is_(None),
    FILE_IN_LIVE_PROJECT,
)
# populate_existing: a file that was read before the lock was had would give out a stale version number.
FILE_LOCKED = FILE_BY_ID.with_for_update(key_share=True).execution_options(populate_existing=True)
DELETED_FILE_BY_ID = select(ProjectFile).where(
    visible(ProjectFile.user_id, ProjectFile.project_id),
    ProjectFile.id == _ID,
    ProjectFile.deleted_at.is_not(None),
    FILE_IN_LIVE_PROJECT,
)
ANY_FILE_BY_ID = select(ProjectFile).where(
    visible(ProjectFile.user_id, ProjectFile.project_id), ProjectFile.id == _ID
)
FILES_OF_PROJECT = select(ProjectFile).where(
    ProjectFile.user_id == OWNER_OF_PROJECT,
    ProjectFile.project_id == bindparam("project_id"),
    ProjectFile.deleted_at.is_(None),
    FILE_IN_LIVE_PROJECT,
)
VERSION_BY_HASH = select(ProjectFileVersion).where(
    ProjectFileVersion.user_id == _USER,
    ProjectFileVersion.project_id == bindparam("project_id"),
    ProjectFileVersion.file_id == bindparam("file_id"),
    ProjectFileVersion.sha256 == bindparam("sha256"),
)
VERSION_BY_NUMBER = select(ProjectFileVersion).where(
    ProjectFileVersion.user_id == _USER,
    ProjectFileVersion.project_id == bindparam("project_id"),
    ProjectFileVersion.file_id == bindparam("file_id"),
    ProjectFileVersion.number == bindparam("number"),
)
# The catalogue's templates have no owner and are everybody's.
TEMPLATE_VISIBLE = or_(ProjectTemplate.user_id == _USER, ProjectTemplate.user_id.is_(None))
TEMPLATE_BY_ID = select(ProjectTemplate).where(TEMPLATE_VISIBLE, ProjectTemplate.id == _ID)
OWN_TEMPLATE_BY_ID = select(ProjectTemplate).where(
    ProjectTemplate.user_id == _USER, ProjectTemplate.id == _ID
)
COLLABORATOR = select(ProjectCollaborator).where(
    ProjectCollaborator.user_id == _USER,
    ProjectCollaborator.project_id == bindparam("project_id"),
    ProjectCollaborator.member_id == bindparam("member_id"),
)
COLLABORATORS_OF_PROJECT = select(ProjectCollaborator).where(
    ProjectCollaborator.user_id == OWNER_OF_PROJECT,
    ProjectCollaborator.project_id == bindparam("project_id"),
)
LEAVE_PROJECT = (
    delete(ProjectCollaborator)
    .where(
        ProjectCollaborator.project_id == bindparam("project"),
        ProjectCollaborator.member_id == bindparam("me"),
    )
    .returning(ProjectCollaborator.id)
)
# One owner is an index condition that leaves the rows in order. A purged project is in no table: what
# happened there is its owner's to see.
ACTIVITY_OF_PROJECT = select(Activity).where(
    # In a query of its own, for COALESCE is leaky to the planner.
    Activity.user_id == select(func.coalesce(OWNER_OF_PROJECT, _USER)).scalar_subquery(),
    Activity.project_id == bindparam("project_id"),
)
CREDITS_OF_PROJECT = select(CreditEntry).where(
    CreditEntry.user_id == OWNER_OF_PROJECT, CreditEntry.project_id == bindparam("project_id")
)
ENTRY_BY_KEY = select(CreditEntry).where(
    CreditEntry.user_id == _USER,
    CreditEntry.project_id == bindparam("project_id"),
    CreditEntry.idempotency_key == bindparam("key"),
)


@cache
def place(model: type[Epic | Task]) -> TypedReturnsRows[Any]:
    """Return one statement that gives rows new positions, unless they have another version by now."""
    given = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid())),
            bindparam("positions", type_=ARRAY(Double())),
            bindparam("versions", type_=ARRAY(Integer())),
        )
        .table_valued("id", "position", "version", name="given")
        .render_derived()
    )
    return (
        update(model)
        .where(
            model.user_id == bindparam("tenant"),
            model.id == given.c.id,
            model.version == given.c.version,
        )
        .values(position=given.c.position)
        .returning(model)
        .execution_options(populate_existing=True, synchronize_session=False)
    )


def _credit_change() -> ExecutableReturnsRows:
    """Return one statement that changes the balance and writes the ledger.

    The condition stands in the UPDATE: PostgreSQL checks it again on the row that a concurrent spend left
    behind, so credits cannot be spent twice (trap 14).
    """
    # Tables rather than classes: the ORM takes the parameters of its own INSERT for rows.
    tables = Base.metadata.tables
    projects, ledger = tables["projects.projects"], tables["projects.credit_entries"]
    # No parameter is named like a column: SQLAlchemy would assign it in the UPDATE.
    change = bindparam("change", type_=Integer)
    changed = (
        update(projects)
        .where(
            projects.c.user_id == bindparam("tenant"),
            projects.c.id == bindparam("project"),
            projects.c.deleted_at.is_(None),
            projects.c.credits >= -change,
        )
        .values(credits=projects.c.credits + change)
        .returning(projects.c.user_id, projects.c.id, projects.c.credits)
        .cte("changed")
    )
    entry = {
        "id": bindparam("entry", type_=ledger.c.id.type),
        "user_id": changed.c.user_id,
        "project_id": changed.c.id,
        "amount": change,
        "balance_after": changed.c.credits,
        "reason": bindparam("for_what", type_=ledger.c.reason.type),
        "idempotency_key": bindparam("key", type_=ledger.c.idempotency_key.type),
    }
    written = ledger.insert().from_select([*entry], select(*entry.values()), include_defaults=False)
    return select(CreditEntry).from_statement(written.add_cte(changed).returning(*ledger.c))


CHANGE_CREDITS = _credit_change()

ORPHANED_KEYS = (
    select(StorageOrphan)
    .where(
        # A key that a live version uses again is no orphan.
        ~exists().where(
            ProjectFileVersion.storage_bucket == StorageOrphan.storage_bucket,
            ProjectFileVersion.storage_key == StorageOrphan.storage_key,
        )
    )
    .order_by(StorageOrphan.id)
    .limit(bindparam("limit"))
)


@cache
def ranked_by_activity() -> Select[Project, Any, Any]:
    """Return the seed's query: projects with many recent documents, nearest to a vector first (F8)."""
    documents = table_named("memory.documents")
    vectors = table_named("ai.project_embeddings")
    recent = (
        select(documents.c.project_id, func.count().label("documents"))
        .where(
            documents.c.user_id == _USER,
            documents.c.project_id.is_not(None),
            documents.c.deleted_at.is_(None),
            documents.c.created_at > func.now() - cast(bindparam("age"), Interval),
        )
        .group_by(documents.c.project_id)
        .having(func.count() > bindparam("more_than"))
        .cte("recent")
    )
    distance = vectors.c.embedding.cosine_distance(bindparam("embedding", type_=vectors.c.embedding.type))
    return (
        select(Project, recent.c.documents, distance.label("distance"))
        .join(recent, recent.c.project_id == Project.id)
        .join(
            vectors,
            and_(
                vectors.c.user_id == Project.user_id,
                vectors.c.project_id == Project.id,
                vectors.c.model_id == bindparam("model_id"),
            ),
        )
        .where(Project.user_id == _USER, Project.deleted_at.is_(None))
        .order_by(distance, Project.id)
        .limit(bindparam("limit"))
    )


@cache
def assigned_to_team() -> Select[Task]:
    """Return the seed's query: tasks assigned to the members of a team (F8).

    Only of a team that the actor owns or belongs to, and of projects that the actor owns or works in.
    """
    members = table_named("auth.team_members")
    me = members.alias("me")
    team = (
        select(members.c.member_id)
        .where(
            members.c.team_id == bindparam("team_id"),
            or_(
                members.c.user_id == _USER,
                exists().where(me.c.team_id == members.c.team_id, me.c.member_id == _USER),
            ),
        )
        .cte("team")
        # First the few members, then each one's tasks of the owners who share something, by index.
        .prefix_with("MATERIALIZED")
    )
    return (
        select(Task)
        .join(team, team.c.member_id == Task.assignee_id)
        .where(visible(Task.user_id, Task.project_id), Task.deleted_at.is_(None), TASK_IN_LIVE_PLAN)
    )

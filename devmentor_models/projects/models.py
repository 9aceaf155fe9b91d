"""Tables of the ``projects`` schema (requirements S3 and S8).

Children of a project have no foreign key to ``auth.users``: the composite key to the project ties them to
its owner already, and their rows go with it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from devmentor_models.kit.base import (
    LIVE,
    Base,
    MutableRecord,
    PartitionedRecord,
    Record,
    SoftDeletable,
    pg_enum,
    tenant_fk,
)
from devmentor_models.kit.objects import declare, trigger
from devmentor_models.kit.types import (
    CalendarDate,
    Json,
    LongText,
    NormalizedVarchar,
    Sha256,
    TextList,
    Timestamp,
    UuidList,
    Varchar,
)
from devmentor_models.projects.enums import (
    ActivityAction,
    CollaboratorRole,
    EpicStatus,
    ProjectStatus,
    TaskKind,
    TaskPriority,
    TaskStatus,
)
from devmentor_models.projects.keys import child_fk
from devmentor_models.security import (
    EXPORT,
    Chore,
    Grant,
    Security,
    Writers,
    owned_by,
    service_only,
    shared_by,
)
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service
from devmentor_models.security.ownership import anothers, keep

SCHEMA = "projects"
_READ = ("SELECT",)
_IN_ORDER = ("user_id", "project_id", "position", "id")  # as a project's rows are listed


class Project(SoftDeletable, MutableRecord):
    """What a user works on. The root of the plan, the files and the credits."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("user_id", "id"),
        Index("uq_projects_user_id_slug", "user_id", "slug", unique=True, postgresql_where=LIVE),
        CheckConstraint("slug <> '' AND slug !~ '[[:space:]/]'", name="slug_form"),
        CheckConstraint("credits >= 0", name="credits_not_negative"),
        CheckConstraint("end_date >= start_date", name="ends_after_start"),
        CheckConstraint("isfinite(start_date) AND isfinite(end_date)", name="dates_finite"),
        ExcludeConstraint(
            ("user_id", "="),
            (text("daterange(start_date, end_date, '[]')"), "&&"),
            using="gist",
            where=text("start_date IS NOT NULL AND end_date IS NOT NULL AND deleted_at IS NULL"),
            name="ex_projects_dates",
        ),
        {"schema": SCHEMA, "comment": "What users work on; credits are spent per project"},
    )
    __security__: ClassVar = Security(
        shared_by(project="id", writers=Writers.EDITORS_UPDATE),
        grants=(
            Grant(Service.PROJECTS),
            # Registration makes the first project, in the same transaction as the user (F1).
            Grant(Service.AUTH, ("SELECT", "INSERT")),
            *(Grant(service, _READ) for service in (Service.MEMORY, Service.LEARNING, Service.AI)),
        ),
        definer=("SELECT",),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Who owns the project"
    )
    name: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Name, in Unicode NFC")
    slug: Mapped[str] = mapped_column(
        NormalizedVarchar(100), comment="Name for URLs, unique among the owner's live projects"
    )
    description: Mapped[str | None] = mapped_column(LongText(), comment="What the project is about")
    status: Mapped[ProjectStatus] = mapped_column(
        pg_enum(ProjectStatus, SCHEMA),
        default=ProjectStatus.ACTIVE,
        server_default=ProjectStatus.ACTIVE,
        comment="Whether the project is worked on",
    )
    credits: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="Balance of the credit ledger; never negative"
    )
    start_date: Mapped[date | None] = mapped_column(CalendarDate(), comment="First day of the schedule")
    end_date: Mapped[date | None] = mapped_column(
        CalendarDate(), comment="Last day of the schedule; an owner's schedules do not overlap"
    )
    tags: Mapped[list[str]] = mapped_column(
        TextList(), default=list, server_default=text("'{}'::text[]"), comment="Free words to filter by"
    )
    settings: Mapped[dict[str, Any]] = mapped_column(
        Json(), default=dict, server_default=text("'{}'::jsonb"), comment="Preferences of the project"
    )
    # No foreign key: a template may be the catalogue's or the owner's, and the project outlives it.
    template_id: Mapped[UUID | None] = mapped_column(
        comment="The template that the project was made from; it may be gone"
    )


class Epic(SoftDeletable, MutableRecord):
    """A part of a project's plan that groups tasks."""

    __tablename__ = "epics"
    __table_args__ = (
        tenant_fk("project_id", "projects.projects"),
        UniqueConstraint("user_id", "id"),
        UniqueConstraint("user_id", "project_id", "id"),
        Index("ix_epics_position", *_IN_ORDER, postgresql_where=LIVE),
        CheckConstraint("position > '-infinity' AND position < 'infinity'", name="position_finite"),
        {"schema": SCHEMA, "comment": "Groups of tasks in a project's plan"},
    )
    __security__: ClassVar = Security(
        shared_by(project="project_id"),
        grants=(Grant(Service.PROJECTS), Grant(Service.LEARNING, _READ), EXPORT),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(comment="Who owns the project")
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    title: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Title, in Unicode NFC")
    description: Mapped[str | None] = mapped_column(LongText(), comment="What the epic achieves")
    status: Mapped[EpicStatus] = mapped_column(
        pg_enum(EpicStatus, SCHEMA),
        default=EpicStatus.PLANNED,
        server_default=EpicStatus.PLANNED,
        comment="How far the epic is",
    )
    position: Mapped[float] = mapped_column(
        default=0.0,
        server_default=text("0"),
        comment="Order within the project, smallest first; a fraction squeezes in between two others",
    )


class Task(SoftDeletable, MutableRecord):
    """A piece of work in a project, with or without an epic."""

    __tablename__ = "tasks"
    __table_args__ = (
        tenant_fk("project_id", "projects.projects"),
        # With project_id, so that a task cannot belong to an epic of another project.
        # SET NULL: purging an epic leaves the work that it grouped.
        child_fk("epic_id", "projects.epics", ondelete="SET NULL (epic_id)"),
        UniqueConstraint("user_id", "id"),
        Index("ix_tasks_plan", "user_id", "project_id", "epic_id", "position"),
        Index("ix_tasks_position", *_IN_ORDER, postgresql_where=LIVE),
        Index("ix_tasks_assignee_id_user_id", "assignee_id", "user_id"),  # the owner too, for F8's team
        Index(
            "ix_tasks_due",
            "user_id",
            "due_date",
            postgresql_where=text("due_date IS NOT NULL AND completed_at IS NULL AND deleted_at IS NULL"),
        ),
        CheckConstraint("(status = 'done') = (completed_at IS NOT NULL)", name="completed_when_done"),
        CheckConstraint("isfinite(due_date)", name="due_date_finite"),
        CheckConstraint("position > '-infinity' AND position < 'infinity'", name="position_finite"),
        {"schema": SCHEMA, "comment": "Pieces of work in projects"},
    )
    __security__: ClassVar = Security(
        shared_by(project="project_id"),
        grants=(Grant(Service.PROJECTS), Grant(Service.LEARNING, _READ), EXPORT),
        definer=("SELECT",),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(comment="Who owns the project")
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    epic_id: Mapped[UUID | None] = mapped_column(comment="The epic of the same project, if any")
    title: Mapped[str] = mapped_column(NormalizedVarchar(300), comment="Title, in Unicode NFC")
    description: Mapped[str | None] = mapped_column(LongText(), comment="What is to be done")
    kind: Mapped[TaskKind] = mapped_column(
        pg_enum(TaskKind, SCHEMA),
        default=TaskKind.FEATURE,
        server_default=TaskKind.FEATURE,
        comment="What sort of work it is",
    )
    status: Mapped[TaskStatus] = mapped_column(
        pg_enum(TaskStatus, SCHEMA),
        default=TaskStatus.TODO,
        server_default=TaskStatus.TODO,
        comment="How far the task is",
    )
    priority: Mapped[TaskPriority] = mapped_column(
        pg_enum(TaskPriority, SCHEMA),
        default=TaskPriority.MEDIUM,
        server_default=TaskPriority.MEDIUM,
        comment="How urgent the task is",
    )
    assignee_id: Mapped[UUID | None] = mapped_column(
        # SET NULL: the work remains when the person leaves.
        ForeignKey("auth.users.id", ondelete="SET NULL"),
        comment="Who is to do it",
    )
    labels: Mapped[list[str]] = mapped_column(
        TextList(), default=list, server_default=text("'{}'::text[]"), comment="Free words to filter by"
    )
    due_date: Mapped[date | None] = mapped_column(CalendarDate(), comment="Day by which it is to be done")
    position: Mapped[float] = mapped_column(
        default=0.0,
        server_default=text("0"),
        comment="Order within the epic, smallest first; a fraction squeezes in between two others",
    )
    completed_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When it was done; set exactly while the status is done"
    )


class ProjectTemplate(MutableRecord):
    """A plan to start projects from: the catalogue's (no owner) or a user's own."""

    __tablename__ = "project_templates"
    __table_args__ = (
        UniqueConstraint("user_id", "id"),
        UniqueConstraint("user_id", "slug", postgresql_nulls_not_distinct=True),
        CheckConstraint("slug <> '' AND slug !~ '[[:space:]/]'", name="slug_form"),
        {"schema": SCHEMA, "comment": "Plans to start projects from, of the catalogue or of a user"},
    )
    __security__: ClassVar = Security(
        owned_by(or_catalogue=True),
        grants=(Grant(Service.PROJECTS), EXPORT),
        chores=(Chore(("INSERT", "UPDATE", "DELETE"), "user_id IS NULL"),),
        audited=True,
    )

    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"),
        comment="Who owns the template; NULL for the catalogue, which everybody reads",
    )
    name: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Name, in Unicode NFC")
    slug: Mapped[str] = mapped_column(
        NormalizedVarchar(100), comment="Name for URLs, unique in the catalogue or for the owner"
    )
    description: Mapped[str | None] = mapped_column(LongText(), comment="What the template is good for")
    plan: Mapped[dict[str, Any]] = mapped_column(
        Json(), comment="Epics and tasks as projects.plans.Plan writes them"
    )


class ProjectCollaborator(MutableRecord):
    """A user's access to somebody else's project."""

    __tablename__ = "project_collaborators"
    __table_args__ = (
        tenant_fk("project_id", "projects.projects"),
        UniqueConstraint("user_id", "project_id", "member_id"),
        Index("ix_project_collaborators_member_id", "member_id", "project_id"),
        CheckConstraint("member_id <> user_id", name="not_the_owner"),
        {"schema": SCHEMA, "comment": "Who may see or edit whose project"},
    )
    __security__: ClassVar = Security(
        shared_by(project="project_id", member="member_id", writers=Writers.OWNER),
        grants=(
            Grant(Service.PROJECTS),
            *(Grant(service, _READ) for service in Service if service is not Service.PROJECTS),
        ),
        definer=("SELECT",),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(comment="Who owns the project")
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    member_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The user who may enter it"
    )
    role: Mapped[CollaboratorRole] = mapped_column(
        pg_enum(CollaboratorRole, SCHEMA),
        default=CollaboratorRole.VIEWER,
        server_default=CollaboratorRole.VIEWER,
        comment="What the member may do there",
    )


class Activity(PartitionedRecord):
    """One thing that happened in a project. Append-only."""

    __tablename__ = "activity"
    __table_args__ = (
        Index("ix_activity_user_id", "user_id", "created_at", "id"),
        Index("ix_activity_project_id", "user_id", "project_id", "created_at", "id"),
        Index("ix_activity_actor_id", "actor_id", "created_at", "id"),
        Index(
            "ix_activity_mentions",
            "mentions",
            postgresql_using="gin",
            postgresql_where=text("mentions IS NOT NULL"),
        ),
        {
            "schema": SCHEMA,
            "comment": "What happened in projects, append-only, partitioned by month",
            "postgresql_partition_by": "RANGE (created_at)",
        },
    )
    __security__: ClassVar = Security(
        shared_by(project="project_id"),
        grants=(
            *(Grant(service, ("SELECT", "INSERT")) for service in (Service.PROJECTS, Service.AUTH)),
            *(Grant(service, ("INSERT",)) for service in (Service.MEMORY, Service.LEARNING, Service.AI)),
        ),
        definer=("SELECT", "INSERT", "UPDATE"),
        append_only=True,
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Who owns the project"
    )
    # No foreign key: the history of a purged project stays until its owner is erased.
    project_id: Mapped[UUID] = mapped_column(comment="The project; it may be gone")
    actor_id: Mapped[UUID | None] = mapped_column(
        # SET NULL: the owner keeps the history when a collaborator is erased.
        ForeignKey("auth.users.id", ondelete="SET NULL"),
        comment="The user who acted; NULL for a service alone, or once erased",
    )
    action: Mapped[ActivityAction] = mapped_column(pg_enum(ActivityAction, SCHEMA), comment="What was done")
    entity_table: Mapped[str] = mapped_column(Varchar(127), comment="schema.table of what it was done to")
    entity_id: Mapped[UUID] = mapped_column(comment="Key of the row that it was done to; it may be gone")
    details: Mapped[dict[str, Any]] = mapped_column(
        Json(), default=dict, server_default=text("'{}'::jsonb"), comment="What else is worth knowing"
    )
    mentions: Mapped[list[UUID] | None] = mapped_column(
        UuidList(), comment="Users whose ids the details hold; NULL: none"
    )


class CreditEntry(Record):
    """One change of a project's credits. Append-only; the sum of the amounts is the balance."""

    __tablename__ = "credit_entries"
    __table_args__ = (
        tenant_fk("project_id", "projects.projects"),
        UniqueConstraint("user_id", "project_id", "idempotency_key"),
        Index("ix_credit_entries_history", "user_id", "project_id", "id"),
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        CheckConstraint("balance_after >= 0", name="balance_not_negative"),
        {"schema": SCHEMA, "comment": "Ledger of every change of a project's credits"},
    )
    __security__: ClassVar = Security(
        # The credits are the owner's: editors see what became of them.
        shared_by(project="project_id", writers=Writers.OWNER),
        grants=(Grant(Service.PROJECTS, ("SELECT", "INSERT")), EXPORT),
        append_only=True,
    )

    user_id: Mapped[UUID] = mapped_column(comment="Who owns the project")
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    amount: Mapped[int] = mapped_column(comment="Credits granted (positive) or spent (negative)")
    balance_after: Mapped[int] = mapped_column(comment="The project's credits after this change")
    reason: Mapped[str] = mapped_column(Varchar(200), comment="What the credits were granted or spent for")
    idempotency_key: Mapped[str | None] = mapped_column(
        Varchar(200), comment="The caller's key: the same change asked for twice happens once"
    )


class ProjectFile(SoftDeletable, MutableRecord):
    """A file of a project; its contents are versions in object storage."""

    __tablename__ = "project_files"
    __table_args__ = (
        tenant_fk("project_id", "projects.projects"),
        UniqueConstraint("user_id", "id"),
        UniqueConstraint("user_id", "project_id", "id"),
        Index("uq_project_files_path", "user_id", "project_id", "path", unique=True, postgresql_where=LIVE),
        CheckConstraint("latest_version >= 0", name="latest_version_not_negative"),
        CheckConstraint("current_version BETWEEN 1 AND latest_version", name="current_version_known"),
        {"schema": SCHEMA, "comment": "Files of projects, by path; contents are versions"},
    )
    __security__: ClassVar = Security(
        shared_by(project="project_id"),
        grants=(Grant(Service.PROJECTS), Grant(Service.MEMORY, _READ), EXPORT),
        definer=("SELECT",),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(comment="Who owns the project")
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    path: Mapped[str] = mapped_column(
        NormalizedVarchar(500), comment="Path within the project, unique among its live files"
    )
    media_type: Mapped[str | None] = mapped_column(Varchar(127), comment="MIME type of the contents")
    latest_version: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="Highest version number given out; 0 before the first"
    )
    current_version: Mapped[int | None] = mapped_column(
        comment="Number of the version in force; an older one after its contents were uploaded again"
    )


class ProjectFileVersion(Record):
    """One content of a file, in object storage. Never changes."""

    __tablename__ = "project_file_versions"
    __table_args__ = (
        child_fk("file_id", "projects.project_files"),
        UniqueConstraint("user_id", "project_id", "file_id", "number"),
        UniqueConstraint("user_id", "project_id", "file_id", "sha256"),
        Index("ix_project_file_versions_storage", "storage_bucket", "storage_key"),
        CheckConstraint("number >= 1", name="number_positive"),
        CheckConstraint("size_bytes >= 0", name="size_not_negative"),
        {"schema": SCHEMA, "comment": "Contents of files, in object storage"},
    )
    __security__: ClassVar = Security(
        shared_by(project="project_id"),
        grants=(Grant(Service.PROJECTS), Grant(Service.MEMORY, _READ), EXPORT),
        # An object may be deleted from storage only while no version of anybody lies there.
        chores=(Chore(("SELECT",)),),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(comment="Who owns the project")
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    file_id: Mapped[UUID] = mapped_column(comment="The file")
    number: Mapped[int] = mapped_column(comment="1 for the first version, without gaps")
    storage_bucket: Mapped[str] = mapped_column(Varchar(63), comment="Bucket of MinIO or S3")
    storage_key: Mapped[str] = mapped_column(Varchar(1024), comment="Key in the bucket")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Size of the content in bytes")
    sha256: Mapped[bytes] = mapped_column(Sha256(), comment="SHA-256 of the content")


class StorageOrphan(Record):
    """A key in object storage whose row is gone, until the object is deleted too (S3).

    Filled by a trigger on ``project_file_versions``, so that cascades and erasure are covered. It has no
    user: it must outlive the user whose objects are to be deleted.
    """

    __tablename__ = "storage_orphans"
    __table_args__ = (
        UniqueConstraint("storage_bucket", "storage_key"),
        {"schema": SCHEMA, "comment": "Objects to delete from storage: their rows are gone"},
    )
    __security__: ClassVar = Security(
        # A user's upload may turn out to be one: the object that nothing refers to.
        service_only(users_add=True),
        grants=(Grant(Service.PROJECTS),),
        definer=("SELECT", "INSERT"),
    )

    storage_bucket: Mapped[str] = mapped_column(Varchar(63), comment="Bucket of MinIO or S3")
    storage_key: Mapped[str] = mapped_column(Varchar(1024), comment="Key in the bucket")


# Editors work in a project; its credits, and whether it is there at all, are the owner's.
keep("projects.projects", "owners_alone", ("credits", "deleted_at"), when=anothers("projects.projects"))

# Storage keys outlive their rows. SECURITY DEFINER: whoever erases a user may not write to this table.
declare(
    Base.metadata,
    *definer_function(
        f"""
CREATE FUNCTION projects.remember_storage_key() RETURNS trigger
LANGUAGE plpgsql {DEFINER} AS $$
BEGIN
    INSERT INTO projects.storage_orphans (storage_bucket, storage_key)
    VALUES (OLD.storage_bucket, OLD.storage_key)
    ON CONFLICT (storage_bucket, storage_key) DO NOTHING;
    RETURN NULL;
END $$
""",
        comment="Remembers where the object of a deleted file version lies, so that it can be deleted, too",
        why="a trigger, which nobody can call: it writes down a key that the deleted row held",
    ),
    trigger(
        "remember_storage_key",
        "projects.project_file_versions",
        "AFTER DELETE",
        "projects.remember_storage_key()",
    ),
)

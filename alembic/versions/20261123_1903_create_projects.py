"""Create the projects schema: projects, plans, files, templates, collaborators, activity, credits.

Revision: 0d1c5a6e0003
Revises: 0d1c5a6e0002
Created: 2026-11-23 20:15:54.836382+00:00

Downgrade loses: all rows of the schema projects.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0d1c5a6e0003"
down_revision: str | None = "0d1c5a6e0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Rows that change: a trigger keeps updated_at and version, whoever writes.
MUTABLE = (
    "projects.epics",
    "projects.project_collaborators",
    "projects.project_files",
    "projects.project_templates",
    "projects.projects",
    "projects.tasks",
)
PARTITIONED = ("projects.activity",)
# DROP TABLE leaves the types of its columns behind.
ENUMS = (
    "projects.activity_action",
    "projects.collaborator_role",
    "projects.epic_status",
    "projects.project_status",
    "projects.task_kind",
    "projects.task_priority",
    "projects.task_status",
)

# Storage keys outlive their rows. SECURITY DEFINER: whoever erases a user may not write to this table.
REMEMBER_STORAGE_KEY = """
CREATE FUNCTION projects.remember_storage_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO projects.storage_orphans (storage_bucket, storage_key)
    VALUES (OLD.storage_bucket, OLD.storage_key)
    ON CONFLICT (storage_bucket, storage_key) DO NOTHING;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Create the schema with its types, tables, indexes, triggers and first partitions."""
    op.execute("CREATE SCHEMA projects")
    op.create_table(
        "storage_orphans",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("storage_bucket", sa.String(length=63), nullable=False, comment="Bucket of MinIO or S3"),
        sa.Column("storage_key", sa.String(length=1024), nullable=False, comment="Key in the bucket"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_orphans")),
        sa.UniqueConstraint(
            "storage_bucket", "storage_key", name=op.f("uq_storage_orphans_storage_bucket_storage_key")
        ),
        schema="projects",
        comment="Objects to delete from storage: their rows are gone",
    )
    op.create_table(
        "activity",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it happened; decides the partition",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project; it may be gone"),
        sa.Column(
            "actor_id",
            sa.Uuid(),
            nullable=True,
            comment="The user who acted; NULL for a service alone, or once erased",
        ),
        sa.Column(
            "action",
            sa.Enum(
                "created",
                "updated",
                "archived",
                "unarchived",
                "deleted",
                "restored",
                "purged",
                "moved",
                "reordered",
                "assigned",
                "completed",
                "reopened",
                "version_added",
                "collaborator_added",
                "collaborator_removed",
                "role_changed",
                "credits_granted",
                "credits_spent",
                "commented",
                name="activity_action",
                schema="projects",
            ),
            nullable=False,
            comment="What was done",
        ),
        sa.Column(
            "entity_table",
            sa.String(length=127),
            nullable=False,
            comment="schema.table of what it was done to",
        ),
        sa.Column(
            "entity_id",
            sa.Uuid(),
            nullable=False,
            comment="Key of the row that it was done to; it may be gone",
        ),
        sa.Column(
            "details",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="What else is worth knowing",
        ),
        sa.Column(
            "mentions",
            postgresql.ARRAY(sa.Uuid()),
            nullable=True,
            comment="Users whose ids the details hold; NULL: none",
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["auth.users.id"], name=op.f("fk_activity_actor_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_activity_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", "created_at", name=op.f("pk_activity")),
        schema="projects",
        comment="What happened in projects, append-only, partitioned by month",
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "ix_activity_actor_id", "activity", ["actor_id", "created_at", "id"], unique=False, schema="projects"
    )
    op.create_index(
        "ix_activity_mentions",
        "activity",
        ["mentions"],
        unique=False,
        schema="projects",
        postgresql_using="gin",
        postgresql_where=sa.text("mentions IS NOT NULL"),
    )
    op.create_index(
        "ix_activity_project_id",
        "activity",
        ["user_id", "project_id", "created_at", "id"],
        unique=False,
        schema="projects",
    )
    op.create_index(
        "ix_activity_user_id", "activity", ["user_id", "created_at", "id"], unique=False, schema="projects"
    )
    op.create_table(
        "project_templates",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "user_id",
            sa.Uuid(),
            nullable=True,
            comment="Who owns the template; NULL for the catalogue, which everybody reads",
        ),
        sa.Column("name", sa.String(length=200), nullable=False, comment="Name, in Unicode NFC"),
        sa.Column(
            "slug",
            sa.String(length=100),
            nullable=False,
            comment="Name for URLs, unique in the catalogue or for the owner",
        ),
        sa.Column("description", sa.Text(), nullable=True, comment="What the template is good for"),
        sa.Column(
            "plan",
            postgresql.JSONB(),
            nullable=False,
            comment="Epics and tasks as projects.plans.Plan writes them",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint(
            "slug <> '' AND slug !~ '[[:space:]/]'", name=op.f("ck_project_templates_slug_form")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_project_templates_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_templates")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_project_templates_user_id_id")),
        sa.UniqueConstraint(
            "user_id",
            "slug",
            name=op.f("uq_project_templates_user_id_slug"),
            postgresql_nulls_not_distinct=True,
        ),
        schema="projects",
        comment="Plans to start projects from, of the catalogue or of a user",
    )
    op.create_table(
        "projects",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("name", sa.String(length=200), nullable=False, comment="Name, in Unicode NFC"),
        sa.Column(
            "slug",
            sa.String(length=100),
            nullable=False,
            comment="Name for URLs, unique among the owner's live projects",
        ),
        sa.Column("description", sa.Text(), nullable=True, comment="What the project is about"),
        sa.Column(
            "status",
            sa.Enum("active", "archived", name="project_status", schema="projects"),
            server_default="active",
            nullable=False,
            comment="Whether the project is worked on",
        ),
        sa.Column(
            "credits",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Balance of the credit ledger; never negative",
        ),
        sa.Column("start_date", sa.Date(), nullable=True, comment="First day of the schedule"),
        sa.Column(
            "end_date",
            sa.Date(),
            nullable=True,
            comment="Last day of the schedule; an owner's schedules do not overlap",
        ),
        sa.Column(
            "tags",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
            comment="Free words to filter by",
        ),
        sa.Column(
            "settings",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="Preferences of the project",
        ),
        sa.Column(
            "template_id",
            sa.Uuid(),
            nullable=True,
            comment="The template that the project was made from; it may be gone",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the row was soft-deleted; NULL while it is live",
        ),
        postgresql.ExcludeConstraint(
            (sa.column("user_id"), "="),
            (sa.text("daterange(start_date, end_date, '[]')"), "&&"),
            where=sa.text("start_date IS NOT NULL AND end_date IS NOT NULL AND deleted_at IS NULL"),
            using="gist",
            name="ex_projects_dates",
        ),
        sa.CheckConstraint("slug <> '' AND slug !~ '[[:space:]/]'", name=op.f("ck_projects_slug_form")),
        sa.CheckConstraint("credits >= 0", name=op.f("ck_projects_credits_not_negative")),
        sa.CheckConstraint("end_date >= start_date", name=op.f("ck_projects_ends_after_start")),
        sa.CheckConstraint(
            "isfinite(start_date) AND isfinite(end_date)", name=op.f("ck_projects_dates_finite")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_projects_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_projects_user_id_id")),
        schema="projects",
        comment="What users work on; credits are spent per project",
    )
    op.create_index(
        "uq_projects_user_id_slug",
        "projects",
        ["user_id", "slug"],
        unique=True,
        schema="projects",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "credit_entries",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column(
            "amount", sa.Integer(), nullable=False, comment="Credits granted (positive) or spent (negative)"
        ),
        sa.Column(
            "balance_after", sa.Integer(), nullable=False, comment="The project's credits after this change"
        ),
        sa.Column(
            "reason",
            sa.String(length=200),
            nullable=False,
            comment="What the credits were granted or spent for",
        ),
        sa.Column(
            "idempotency_key",
            sa.String(length=200),
            nullable=True,
            comment="The caller's key: the same change asked for twice happens once",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_credit_entries_amount_not_zero")),
        sa.CheckConstraint("balance_after >= 0", name=op.f("ck_credit_entries_balance_not_negative")),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_credit_entries_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_entries")),
        sa.UniqueConstraint(
            "user_id",
            "project_id",
            "idempotency_key",
            name=op.f("uq_credit_entries_user_id_project_id_idempotency_key"),
        ),
        schema="projects",
        comment="Ledger of every change of a project's credits",
    )
    op.create_index(
        "ix_credit_entries_history",
        "credit_entries",
        ["user_id", "project_id", "id"],
        unique=False,
        schema="projects",
    )
    op.create_table(
        "epics",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column("title", sa.String(length=200), nullable=False, comment="Title, in Unicode NFC"),
        sa.Column("description", sa.Text(), nullable=True, comment="What the epic achieves"),
        sa.Column(
            "status",
            sa.Enum("planned", "active", "done", name="epic_status", schema="projects"),
            server_default="planned",
            nullable=False,
            comment="How far the epic is",
        ),
        sa.Column(
            "position",
            sa.Double(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Order within the project, smallest first; a fraction squeezes in between two others",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the row was soft-deleted; NULL while it is live",
        ),
        sa.CheckConstraint(
            "position > '-infinity' AND position < 'infinity'", name=op.f("ck_epics_position_finite")
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_epics_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_epics")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_epics_user_id_id")),
        sa.UniqueConstraint("user_id", "project_id", "id", name=op.f("uq_epics_user_id_project_id_id")),
        schema="projects",
        comment="Groups of tasks in a project's plan",
    )
    op.create_table(
        "project_collaborators",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column("member_id", sa.Uuid(), nullable=False, comment="The user who may enter it"),
        sa.Column(
            "role",
            sa.Enum("viewer", "editor", name="collaborator_role", schema="projects"),
            server_default="viewer",
            nullable=False,
            comment="What the member may do there",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint("member_id <> user_id", name=op.f("ck_project_collaborators_not_the_owner")),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["auth.users.id"],
            name=op.f("fk_project_collaborators_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_project_collaborators_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_collaborators")),
        sa.UniqueConstraint(
            "user_id",
            "project_id",
            "member_id",
            name=op.f("uq_project_collaborators_user_id_project_id_member_id"),
        ),
        schema="projects",
        comment="Who may see or edit whose project",
    )
    op.create_index(
        "ix_project_collaborators_member_id",
        "project_collaborators",
        ["member_id", "project_id"],
        unique=False,
        schema="projects",
    )
    op.create_table(
        "project_files",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column(
            "path",
            sa.String(length=500),
            nullable=False,
            comment="Path within the project, unique among its live files",
        ),
        sa.Column("media_type", sa.String(length=127), nullable=True, comment="MIME type of the contents"),
        sa.Column(
            "latest_version",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Highest version number given out; 0 before the first",
        ),
        sa.Column(
            "current_version",
            sa.Integer(),
            nullable=True,
            comment="Number of the version in force; an older one after its contents were uploaded again",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the row was soft-deleted; NULL while it is live",
        ),
        sa.CheckConstraint(
            "current_version BETWEEN 1 AND latest_version",
            name=op.f("ck_project_files_current_version_known"),
        ),
        sa.CheckConstraint("latest_version >= 0", name=op.f("ck_project_files_latest_version_not_negative")),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_project_files_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_files")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_project_files_user_id_id")),
        sa.UniqueConstraint(
            "user_id", "project_id", "id", name=op.f("uq_project_files_user_id_project_id_id")
        ),
        schema="projects",
        comment="Files of projects, by path; contents are versions",
    )
    op.create_index(
        "uq_project_files_path",
        "project_files",
        ["user_id", "project_id", "path"],
        unique=True,
        schema="projects",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "project_file_versions",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column("file_id", sa.Uuid(), nullable=False, comment="The file"),
        sa.Column("number", sa.Integer(), nullable=False, comment="1 for the first version, without gaps"),
        sa.Column("storage_bucket", sa.String(length=63), nullable=False, comment="Bucket of MinIO or S3"),
        sa.Column("storage_key", sa.String(length=1024), nullable=False, comment="Key in the bucket"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size of the content in bytes"),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="SHA-256 of the content"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_project_file_versions_number_positive")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_project_file_versions_size_not_negative")),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id", "file_id"],
            [
                "projects.project_files.user_id",
                "projects.project_files.project_id",
                "projects.project_files.id",
            ],
            name=op.f("fk_project_file_versions_user_id_project_id_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_file_versions")),
        sa.UniqueConstraint(
            "user_id",
            "project_id",
            "file_id",
            "number",
            name=op.f("uq_project_file_versions_user_id_project_id_file_id_number"),
        ),
        sa.UniqueConstraint(
            "user_id",
            "project_id",
            "file_id",
            "sha256",
            name=op.f("uq_project_file_versions_user_id_project_id_file_id_sha256"),
        ),
        schema="projects",
        comment="Contents of files, in object storage",
    )
    op.create_index(
        "ix_project_file_versions_storage",
        "project_file_versions",
        ["storage_bucket", "storage_key"],
        unique=False,
        schema="projects",
    )
    op.create_table(
        "tasks",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column("epic_id", sa.Uuid(), nullable=True, comment="The epic of the same project, if any"),
        sa.Column("title", sa.String(length=300), nullable=False, comment="Title, in Unicode NFC"),
        sa.Column("description", sa.Text(), nullable=True, comment="What is to be done"),
        sa.Column(
            "kind",
            sa.Enum(
                "feature",
                "bug",
                "chore",
                "tech_debt",
                "research",
                "learning",
                name="task_kind",
                schema="projects",
            ),
            server_default="feature",
            nullable=False,
            comment="What sort of work it is",
        ),
        sa.Column(
            "status",
            sa.Enum(
                "todo", "in_progress", "blocked", "review", "done", name="task_status", schema="projects"
            ),
            server_default="todo",
            nullable=False,
            comment="How far the task is",
        ),
        sa.Column(
            "priority",
            sa.Enum("low", "medium", "high", "urgent", name="task_priority", schema="projects"),
            server_default="medium",
            nullable=False,
            comment="How urgent the task is",
        ),
        sa.Column("assignee_id", sa.Uuid(), nullable=True, comment="Who is to do it"),
        sa.Column(
            "labels",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
            comment="Free words to filter by",
        ),
        sa.Column("due_date", sa.Date(), nullable=True, comment="Day by which it is to be done"),
        sa.Column(
            "position",
            sa.Double(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Order within the epic, smallest first; a fraction squeezes in between two others",
        ),
        sa.Column(
            "completed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was done; set exactly while the status is done",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the row was soft-deleted; NULL while it is live",
        ),
        sa.CheckConstraint(
            "(status = 'done') = (completed_at IS NOT NULL)", name=op.f("ck_tasks_completed_when_done")
        ),
        sa.CheckConstraint(
            "position > '-infinity' AND position < 'infinity'", name=op.f("ck_tasks_position_finite")
        ),
        sa.CheckConstraint("isfinite(due_date)", name=op.f("ck_tasks_due_date_finite")),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["auth.users.id"], name=op.f("fk_tasks_assignee_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id", "epic_id"],
            ["projects.epics.user_id", "projects.epics.project_id", "projects.epics.id"],
            name=op.f("fk_tasks_user_id_project_id_epic_id"),
            ondelete="SET NULL (epic_id)",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_tasks_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_tasks_user_id_id")),
        schema="projects",
        comment="Pieces of work in projects",
    )
    op.create_index(
        "ix_tasks_assignee_id_user_id", "tasks", ["assignee_id", "user_id"], unique=False, schema="projects"
    )
    op.create_index(
        "ix_tasks_due",
        "tasks",
        ["user_id", "due_date"],
        unique=False,
        schema="projects",
        postgresql_where=sa.text("due_date IS NOT NULL AND completed_at IS NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_tasks_plan",
        "tasks",
        ["user_id", "project_id", "epic_id", "position"],
        unique=False,
        schema="projects",
    )
    for table in MUTABLE:
        op.execute(
            f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION devmentor.touch()"
        )
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute("SELECT devmentor.ensure_partitions()")
    op.execute(REMEMBER_STORAGE_KEY)
    op.execute("REVOKE EXECUTE ON FUNCTION projects.remember_storage_key() FROM PUBLIC")
    op.execute(
        "COMMENT ON FUNCTION projects.remember_storage_key()"
        " IS 'Remembers where the object of a deleted file version lies, so that it can be deleted, too'"
    )
    op.execute(
        "CREATE TRIGGER remember_storage_key AFTER DELETE ON projects.project_file_versions"
        " FOR EACH ROW EXECUTE FUNCTION projects.remember_storage_key()"
    )


def downgrade() -> None:
    """Drop everything in the schema, and the schema."""
    op.drop_index("ix_tasks_plan", table_name="tasks", schema="projects")
    op.drop_index(
        "ix_tasks_due",
        table_name="tasks",
        schema="projects",
        postgresql_where=sa.text("due_date IS NOT NULL AND completed_at IS NULL AND deleted_at IS NULL"),
    )
    op.drop_index("ix_tasks_assignee_id_user_id", table_name="tasks", schema="projects")
    op.drop_table("tasks", schema="projects")
    op.drop_index("ix_project_file_versions_storage", table_name="project_file_versions", schema="projects")
    op.drop_table("project_file_versions", schema="projects")
    op.drop_index(
        "uq_project_files_path",
        table_name="project_files",
        schema="projects",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_table("project_files", schema="projects")
    op.drop_index("ix_project_collaborators_member_id", table_name="project_collaborators", schema="projects")
    op.drop_table("project_collaborators", schema="projects")
    op.drop_table("epics", schema="projects")
    op.drop_index("ix_credit_entries_history", table_name="credit_entries", schema="projects")
    op.drop_table("credit_entries", schema="projects")
    op.drop_index(
        "uq_projects_user_id_slug",
        table_name="projects",
        schema="projects",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_table("projects", schema="projects")
    op.drop_table("project_templates", schema="projects")
    op.drop_index("ix_activity_user_id", table_name="activity", schema="projects")
    op.drop_index("ix_activity_project_id", table_name="activity", schema="projects")
    op.drop_index("ix_activity_mentions", table_name="activity", schema="projects")
    op.drop_index("ix_activity_actor_id", table_name="activity", schema="projects")
    op.drop_table("activity", schema="projects")
    op.drop_table("storage_orphans", schema="projects")
    for enum in ENUMS:
        op.execute(f"DROP TYPE {enum}")
    op.execute("DROP FUNCTION projects.remember_storage_key()")
    op.execute("DROP SCHEMA projects")

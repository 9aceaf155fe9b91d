"""Create the learning schema: roadmaps, progress, assessments, recommendations.

Revision: 0d1c5a6e0006
Revises: 0d1c5a6e0005
Created: 2026-11-23 20:16:13.531623+00:00

Downgrade loses: all rows of the schema learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0d1c5a6e0006"
down_revision: str | None = "0d1c5a6e0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Rows that change: a trigger keeps updated_at and version, whoever writes.
MUTABLE = (
    "learning.assessments",
    "learning.progress",
    "learning.recommendations",
    "learning.roadmap_steps",
    "learning.roadmaps",
)
# DROP TABLE leaves the types of its columns behind.
ENUMS = (
    "learning.assessment_kind",
    "learning.progress_status",
    "learning.recommendation_kind",
    "learning.recommendation_status",
    "learning.roadmap_status",
    "learning.skill_level",
    "learning.step_kind",
)


def upgrade() -> None:
    """Create the schema with its types, tables, indexes, triggers and first partitions."""
    op.execute("CREATE SCHEMA learning")
    op.create_table(
        "recommendations",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="The learner"),
        sa.Column(
            "kind",
            sa.Enum(
                "roadmap",
                "step",
                "resource",
                "practice",
                "review",
                "project",
                name="recommendation_kind",
                schema="learning",
            ),
            nullable=False,
            comment="What is recommended",
        ),
        sa.Column(
            "target",
            sa.String(length=500),
            nullable=False,
            comment="Address or key of what is recommended; unique for the learner and the kind",
        ),
        sa.Column("title", sa.String(length=200), nullable=False, comment="Title"),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why it is recommended"),
        sa.Column(
            "score", sa.Double(), nullable=False, comment="How well it fits, 0 to 1; the best come first"
        ),
        sa.Column(
            "status",
            sa.Enum("new", "accepted", "dismissed", name="recommendation_status", schema="learning"),
            server_default="new",
            nullable=False,
            comment="What the learner made of it",
        ),
        sa.Column(
            "decided_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was accepted or dismissed",
        ),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="From when it is not shown; NULL for no end",
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
            "(status = 'new') = (decided_at IS NULL)", name=op.f("ck_recommendations_decided")
        ),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_recommendations_score")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_recommendations_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendations")),
        sa.UniqueConstraint("user_id", "kind", "target", name=op.f("uq_recommendations_user_id_kind_target")),
        schema="learning",
        comment="What the mentor suggests to learners",
    )
    op.create_index(
        "ix_recommendations_expires_at",
        "recommendations",
        ["expires_at"],
        unique=False,
        schema="learning",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_recommendations_new",
        "recommendations",
        ["user_id", "score", "id"],
        unique=False,
        schema="learning",
        postgresql_where=sa.text("status = 'new'"),
    )
    op.create_table(
        "roadmaps",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="The learner"),
        sa.Column(
            "project_id", sa.Uuid(), nullable=True, comment="The project that it is learnt for, if any"
        ),
        sa.Column("title", sa.String(length=200), nullable=False, comment="Title"),
        sa.Column("goal", sa.Text(), nullable=True, comment="What the learner wants to be able to do"),
        sa.Column(
            "topics",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Subjects that the roadmap is about",
        ),
        sa.Column(
            "level",
            sa.Enum("beginner", "intermediate", "advanced", "expert", name="skill_level", schema="learning"),
            server_default="beginner",
            nullable=False,
            comment="How much it expects of the learner",
        ),
        sa.Column(
            "status",
            sa.Enum("active", "completed", "archived", name="roadmap_status", schema="learning"),
            server_default="active",
            nullable=False,
            comment="Whether it is being followed",
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True, comment="When it was completed"),
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
            "status <> 'completed' OR completed_at IS NOT NULL", name=op.f("ck_roadmaps_completed")
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_roadmaps_user_id_project_id"),
            ondelete="SET NULL (project_id)",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_roadmaps_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roadmaps")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_roadmaps_user_id_id")),
        schema="learning",
        comment="Learning paths, one learner's each",
    )
    op.create_index(
        "ix_roadmaps_user_id_project_id",
        "roadmaps",
        ["user_id", "project_id"],
        unique=False,
        schema="learning",
    )
    op.create_table(
        "roadmap_steps",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="The learner"),
        sa.Column("roadmap_id", sa.Uuid(), nullable=False, comment="The roadmap"),
        sa.Column("position", sa.Integer(), nullable=False, comment="Place in the roadmap, from 1"),
        sa.Column(
            "kind",
            sa.Enum(
                "lesson",
                "reading",
                "exercise",
                "project",
                "quiz",
                "remedial",
                name="step_kind",
                schema="learning",
            ),
            server_default="lesson",
            nullable=False,
            comment="What it asks of the learner",
        ),
        sa.Column("title", sa.String(length=200), nullable=False, comment="Title"),
        sa.Column("content", sa.Text(), nullable=True, comment="Text of the step, in Markdown"),
        sa.Column(
            "resource_uri", sa.String(length=2048), nullable=True, comment="Where its material is found"
        ),
        sa.Column(
            "estimated_minutes", sa.Integer(), nullable=True, comment="How many minutes it should take"
        ),
        sa.Column(
            "remedial_for_id",
            sa.Uuid(),
            nullable=True,
            comment="The step whose gaps this one closes; NULL for a step of the original plan",
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
        sa.CheckConstraint("estimated_minutes > 0", name=op.f("ck_roadmap_steps_estimated_minutes")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_roadmap_steps_position")),
        sa.ForeignKeyConstraint(
            ["user_id", "remedial_for_id"],
            ["learning.roadmap_steps.user_id", "learning.roadmap_steps.id"],
            name=op.f("fk_roadmap_steps_user_id_remedial_for_id"),
            ondelete="SET NULL (remedial_for_id)",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "roadmap_id"],
            ["learning.roadmaps.user_id", "learning.roadmaps.id"],
            name=op.f("fk_roadmap_steps_user_id_roadmap_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_roadmap_steps_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roadmap_steps")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_roadmap_steps_user_id_id")),
        sa.UniqueConstraint(
            "user_id",
            "roadmap_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_roadmap_steps_user_id_roadmap_id_position"),
        ),
        schema="learning",
        comment="Steps of roadmaps, in order",
    )
    op.create_index(
        "ix_roadmap_steps_user_id_remedial_for_id",
        "roadmap_steps",
        ["user_id", "remedial_for_id"],
        unique=False,
        schema="learning",
    )
    op.create_table(
        "assessments",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="The learner"),
        sa.Column("roadmap_id", sa.Uuid(), nullable=True, comment="The roadmap that it belongs to, if any"),
        sa.Column("step_id", sa.Uuid(), nullable=True, comment="The step whose subject it assesses, if any"),
        sa.Column(
            "kind",
            sa.Enum(
                "placement",
                "quiz",
                "exercise",
                "code_review",
                "self",
                name="assessment_kind",
                schema="learning",
            ),
            server_default="quiz",
            nullable=False,
            comment="How knowledge is assessed",
        ),
        sa.Column("title", sa.String(length=200), nullable=False, comment="Title"),
        sa.Column("questions", postgresql.JSONB(), nullable=False, comment="The questions, in order"),
        sa.Column("answers", postgresql.JSONB(), nullable=True, comment="The learner's answers"),
        sa.Column(
            "score",
            sa.Numeric(precision=5, scale=2),
            nullable=True,
            comment="Result in percent; NULL until it is submitted",
        ),
        sa.Column(
            "passing_score",
            sa.Numeric(precision=5, scale=2),
            server_default=sa.text("70"),
            nullable=False,
            comment="Result that passes, in percent",
        ),
        sa.Column(
            "passed",
            sa.Boolean(),
            sa.Computed("score >= passing_score", persisted=True),
            nullable=True,
            comment="Whether the result passes; NULL until it is submitted",
        ),
        sa.Column(
            "submitted_at", sa.DateTime(timezone=True), nullable=True, comment="When it was submitted, once"
        ),
        sa.Column(
            "adapted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the roadmap was adapted to the result, once",
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
        sa.CheckConstraint("jsonb_typeof(questions) = 'array'", name=op.f("ck_assessments_questions")),
        sa.CheckConstraint(
            "passing_score BETWEEN 0 AND 100 AND passing_score <> 'NaN'",
            name=op.f("ck_assessments_passing_score"),
        ),
        sa.CheckConstraint("score BETWEEN 0 AND 100 AND score <> 'NaN'", name=op.f("ck_assessments_score")),
        sa.CheckConstraint(
            "(submitted_at IS NULL) = (score IS NULL) AND (submitted_at IS NOT NULL OR adapted_at IS NULL)",
            name=op.f("ck_assessments_submitted"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "roadmap_id"],
            ["learning.roadmaps.user_id", "learning.roadmaps.id"],
            name=op.f("fk_assessments_user_id_roadmap_id"),
            ondelete="SET NULL (roadmap_id)",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "step_id"],
            ["learning.roadmap_steps.user_id", "learning.roadmap_steps.id"],
            name=op.f("fk_assessments_user_id_step_id"),
            ondelete="SET NULL (step_id)",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_assessments_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        schema="learning",
        comment="Assessments of learners: questions, answers, results",
    )
    op.create_index(
        "ix_assessments_user_id_id", "assessments", ["user_id", "id"], unique=False, schema="learning"
    )
    op.create_index(
        "ix_assessments_user_id_roadmap_id",
        "assessments",
        ["user_id", "roadmap_id"],
        unique=False,
        schema="learning",
    )
    op.create_index(
        "ix_assessments_user_id_step_id",
        "assessments",
        ["user_id", "step_id"],
        unique=False,
        schema="learning",
    )
    op.create_table(
        "progress",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="The learner"),
        sa.Column("step_id", sa.Uuid(), nullable=False, comment="The step"),
        sa.Column(
            "status",
            sa.Enum(
                "not_started",
                "in_progress",
                "completed",
                "skipped",
                name="progress_status",
                schema="learning",
            ),
            server_default="not_started",
            nullable=False,
            comment="How far the learner is",
        ),
        sa.Column(
            "percent",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Share done, 0 to 100",
        ),
        sa.Column(
            "minutes_spent",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Minutes that the learner has spent on it",
        ),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), nullable=True, comment="When it was first worked on"
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True, comment="When it was completed"),
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
            "(status = 'completed') = (completed_at IS NOT NULL) AND (status <> 'completed' OR percent = 100)",
            name=op.f("ck_progress_completed"),
        ),
        sa.CheckConstraint("minutes_spent >= 0", name=op.f("ck_progress_minutes_spent")),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("ck_progress_percent")),
        sa.ForeignKeyConstraint(
            ["user_id", "step_id"],
            ["learning.roadmap_steps.user_id", "learning.roadmap_steps.id"],
            name=op.f("fk_progress_user_id_step_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_progress_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_progress")),
        sa.UniqueConstraint("user_id", "step_id", name=op.f("uq_progress_user_id_step_id")),
        schema="learning",
        comment="How far learners are with the steps of their roadmaps",
    )
    for table in MUTABLE:
        op.execute(
            f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION devmentor.touch()"
        )


def downgrade() -> None:
    """Drop everything in the schema, and the schema."""
    op.drop_table("progress", schema="learning")
    op.drop_index("ix_assessments_user_id_step_id", table_name="assessments", schema="learning")
    op.drop_index("ix_assessments_user_id_roadmap_id", table_name="assessments", schema="learning")
    op.drop_index("ix_assessments_user_id_id", table_name="assessments", schema="learning")
    op.drop_table("assessments", schema="learning")
    op.drop_index("ix_roadmap_steps_user_id_remedial_for_id", table_name="roadmap_steps", schema="learning")
    op.drop_table("roadmap_steps", schema="learning")
    op.drop_index("ix_roadmaps_user_id_project_id", table_name="roadmaps", schema="learning")
    op.drop_table("roadmaps", schema="learning")
    op.drop_index(
        "ix_recommendations_new",
        table_name="recommendations",
        schema="learning",
        postgresql_where=sa.text("status = 'new'"),
    )
    op.drop_index(
        "ix_recommendations_expires_at",
        table_name="recommendations",
        schema="learning",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.drop_table("recommendations", schema="learning")
    for enum in ENUMS:
        op.execute(f"DROP TYPE {enum}")
    op.execute("DROP SCHEMA learning")

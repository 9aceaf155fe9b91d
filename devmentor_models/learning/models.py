"""Tables of the ``learning`` schema (requirements S5, F6)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Computed, Double, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from devmentor_models.kit.base import MutableRecord, pg_enum, tenant_fk
from devmentor_models.kit.types import Json, LongText, NormalizedVarchar, TextList, Timestamp, Varchar
from devmentor_models.learning.enums import (
    AssessmentKind,
    ProgressStatus,
    RecommendationKind,
    RecommendationStatus,
    RoadmapStatus,
    SkillLevel,
    StepKind,
)
from devmentor_models.learning.types import Percentage
from devmentor_models.security import EXPORT, PURGE, Chore, Grant, Security, owned_by
from devmentor_models.security.declarations import Service

SCHEMA = "learning"
_GRANTS = (Grant(Service.LEARNING), EXPORT)


class Roadmap(MutableRecord):
    """A learner's way to a goal, in ordered steps."""

    __tablename__ = "roadmaps"
    __table_args__ = (
        # SET NULL: what somebody learns outlives the project that it was learnt for.
        tenant_fk("project_id", "projects.projects", ondelete="SET NULL (project_id)"),
        UniqueConstraint("user_id", "id"),
        # One way only: an archived roadmap keeps when it was completed.
        CheckConstraint("status <> 'completed' OR completed_at IS NOT NULL", name="completed"),
        Index("ix_roadmaps_user_id_project_id", "user_id", "project_id"),
        {"schema": SCHEMA, "comment": "Learning paths, one learner's each"},
    )
    __security__: ClassVar = Security(owned_by(), grants=_GRANTS, audited=True)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The learner"
    )
    project_id: Mapped[UUID | None] = mapped_column(comment="The project that it is learnt for, if any")
    title: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Title")
    goal: Mapped[str | None] = mapped_column(LongText(), comment="What the learner wants to be able to do")
    topics: Mapped[list[str]] = mapped_column(
        TextList(), default=list, server_default=text("'{}'"), comment="Subjects that the roadmap is about"
    )
    level: Mapped[SkillLevel] = mapped_column(
        pg_enum(SkillLevel, SCHEMA),
        default=SkillLevel.BEGINNER,
        server_default=SkillLevel.BEGINNER,
        comment="How much it expects of the learner",
    )
    status: Mapped[RoadmapStatus] = mapped_column(
        pg_enum(RoadmapStatus, SCHEMA),
        default=RoadmapStatus.ACTIVE,
        server_default=RoadmapStatus.ACTIVE,
        comment="Whether it is being followed",
    )
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When it was completed")

    steps: Mapped[list[RoadmapStep]] = relationship(
        lazy="raise",
        order_by="RoadmapStep.position",
        # The database's CASCADE removes them; loaded ones must not be detached before.
        passive_deletes="all",
        foreign_keys="[RoadmapStep.user_id, RoadmapStep.roadmap_id]",
    )


class RoadmapStep(MutableRecord):
    """One step of a roadmap. What the learner made of it stands in `Progress`."""

    __tablename__ = "roadmap_steps"
    __table_args__ = (
        tenant_fk("roadmap_id", "learning.roadmaps"),
        # SET NULL: a remedial step stays useful when the step that it repairs is removed.
        tenant_fk("remedial_for_id", "learning.roadmap_steps", ondelete="SET NULL (remedial_for_id)"),
        UniqueConstraint("user_id", "id"),
        # Checked at commit, because positions collide while steps change places.
        UniqueConstraint("user_id", "roadmap_id", "position", deferrable=True, initially="DEFERRED"),
        CheckConstraint("position >= 1", name="position"),
        CheckConstraint("estimated_minutes > 0", name="estimated_minutes"),
        Index(
            "ix_roadmap_steps_user_id_remedial_for_id",
            "user_id",
            "remedial_for_id",
        ),
        {"schema": SCHEMA, "comment": "Steps of roadmaps, in order"},
    )
    __security__: ClassVar = Security(owned_by(), grants=_GRANTS)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The learner"
    )
    roadmap_id: Mapped[UUID] = mapped_column(comment="The roadmap")
    position: Mapped[int] = mapped_column(comment="Place in the roadmap, from 1")
    kind: Mapped[StepKind] = mapped_column(
        pg_enum(StepKind, SCHEMA),
        default=StepKind.LESSON,
        server_default=StepKind.LESSON,
        comment="What it asks of the learner",
    )
    title: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Title")
    content: Mapped[str | None] = mapped_column(LongText(), comment="Text of the step, in Markdown")
    resource_uri: Mapped[str | None] = mapped_column(Varchar(2048), comment="Where its material is found")
    estimated_minutes: Mapped[int | None] = mapped_column(comment="How many minutes it should take")
    remedial_for_id: Mapped[UUID | None] = mapped_column(
        comment="The step whose gaps this one closes; NULL for a step of the original plan"
    )


class Progress(MutableRecord):
    """How far the learner is with one step. No row means not started."""

    __tablename__ = "progress"
    __table_args__ = (
        tenant_fk("step_id", "learning.roadmap_steps"),
        UniqueConstraint("user_id", "step_id"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        CheckConstraint("minutes_spent >= 0", name="minutes_spent"),
        CheckConstraint(
            "(status = 'completed') = (completed_at IS NOT NULL)"
            " AND (status <> 'completed' OR percent = 100)",
            name="completed",
        ),
        {"schema": SCHEMA, "comment": "How far learners are with the steps of their roadmaps"},
    )
    __security__: ClassVar = Security(owned_by(), grants=_GRANTS)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The learner"
    )
    step_id: Mapped[UUID] = mapped_column(comment="The step")
    status: Mapped[ProgressStatus] = mapped_column(
        pg_enum(ProgressStatus, SCHEMA),
        default=ProgressStatus.NOT_STARTED,
        server_default=ProgressStatus.NOT_STARTED,
        comment="How far the learner is",
    )
    percent: Mapped[int] = mapped_column(default=0, server_default=text("0"), comment="Share done, 0 to 100")
    minutes_spent: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="Minutes that the learner has spent on it"
    )
    started_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When it was first worked on")
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When it was completed")


class Assessment(MutableRecord):
    """Questions put to the learner, and what came of them. Submitted once."""

    __tablename__ = "assessments"
    __table_args__ = (
        # SET NULL, twice: a result stays proof of a skill when the roadmap or the step is gone.
        tenant_fk("roadmap_id", "learning.roadmaps", ondelete="SET NULL (roadmap_id)"),
        tenant_fk("step_id", "learning.roadmap_steps", ondelete="SET NULL (step_id)"),
        CheckConstraint("score BETWEEN 0 AND 100 AND score <> 'NaN'", name="score"),
        CheckConstraint("passing_score BETWEEN 0 AND 100 AND passing_score <> 'NaN'", name="passing_score"),
        CheckConstraint(
            "(submitted_at IS NULL) = (score IS NULL) AND (submitted_at IS NOT NULL OR adapted_at IS NULL)",
            name="submitted",
        ),
        CheckConstraint("jsonb_typeof(questions) = 'array'", name="questions"),
        Index("ix_assessments_user_id_id", "user_id", "id"),
        Index("ix_assessments_user_id_roadmap_id", "user_id", "roadmap_id"),
        Index("ix_assessments_user_id_step_id", "user_id", "step_id"),
        {"schema": SCHEMA, "comment": "Assessments of learners: questions, answers, results"},
    )
    __security__: ClassVar = Security(owned_by(), grants=_GRANTS, audited=True)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The learner"
    )
    roadmap_id: Mapped[UUID | None] = mapped_column(comment="The roadmap that it belongs to, if any")
    step_id: Mapped[UUID | None] = mapped_column(comment="The step whose subject it assesses, if any")
    kind: Mapped[AssessmentKind] = mapped_column(
        pg_enum(AssessmentKind, SCHEMA),
        default=AssessmentKind.QUIZ,
        server_default=AssessmentKind.QUIZ,
        comment="How knowledge is assessed",
    )
    title: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Title")
    questions: Mapped[list[Any]] = mapped_column(Json(), comment="The questions, in order")
    answers: Mapped[Any | None] = mapped_column(Json(), comment="The learner's answers")
    score: Mapped[Decimal | None] = mapped_column(
        Percentage(), comment="Result in percent; NULL until it is submitted"
    )
    passing_score: Mapped[Decimal] = mapped_column(
        Percentage(), default=Decimal(70), server_default=text("70"), comment="Result that passes, in percent"
    )
    passed: Mapped[bool | None] = mapped_column(
        Boolean,
        Computed("score >= passing_score", persisted=True),
        comment="Whether the result passes; NULL until it is submitted",
    )
    submitted_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When it was submitted, once")
    adapted_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When the roadmap was adapted to the result, once"
    )


class Recommendation(MutableRecord):
    """Something that the mentor suggests to the learner."""

    __tablename__ = "recommendations"
    __table_args__ = (
        UniqueConstraint("user_id", "kind", "target"),
        # float's NaN sorts above all numbers, so that this refuses it too.
        CheckConstraint("score BETWEEN 0 AND 1", name="score"),
        CheckConstraint("(status = 'new') = (decided_at IS NULL)", name="decided"),
        Index("ix_recommendations_new", "user_id", "score", "id", postgresql_where=text("status = 'new'")),
        Index("ix_recommendations_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        {"schema": SCHEMA, "comment": "What the mentor suggests to learners"},
    )
    __security__: ClassVar = Security(
        owned_by(), grants=_GRANTS, chores=(Chore(PURGE, "expires_at <= now()"),)
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The learner"
    )
    kind: Mapped[RecommendationKind] = mapped_column(
        pg_enum(RecommendationKind, SCHEMA), comment="What is recommended"
    )
    # At most 2,000 bytes, since the unique index cannot hold more than 2,704.
    target: Mapped[str] = mapped_column(
        Varchar(500), comment="Address or key of what is recommended; unique for the learner and the kind"
    )
    title: Mapped[str] = mapped_column(NormalizedVarchar(200), comment="Title")
    reason: Mapped[str | None] = mapped_column(LongText(), comment="Why it is recommended")
    score: Mapped[float] = mapped_column(Double(), comment="How well it fits, 0 to 1; the best come first")
    status: Mapped[RecommendationStatus] = mapped_column(
        pg_enum(RecommendationStatus, SCHEMA),
        default=RecommendationStatus.NEW,
        server_default=RecommendationStatus.NEW,
        comment="What the learner made of it",
    )
    decided_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When it was accepted or dismissed"
    )
    expires_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="From when it is not shown; NULL for no end"
    )

"""Statements of the ``learning`` schema: values without a session, testable by compiling."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, insert
from sqlalchemy.orm import selectinload

from devmentor_models.kit.batches import delete_batch
from devmentor_models.learning.enums import (
    AssessmentKind,
    ProgressStatus,
    RecommendationKind,
    RecommendationStatus,
    RoadmapStatus,
)
from devmentor_models.learning.models import Assessment, Progress, Recommendation, Roadmap, RoadmapStep

# What RETURNING delivers replaces what the session remembers of a row.
_FRESH = {"populate_existing": True, "synchronize_session": False}
# Unlike now(), it moves on within a transaction.
_NOW = func.statement_timestamp()
# Not "user_id": in an UPDATE, a parameter named like a column would be taken for a value to set.
_USER: BindParameter[Any] = bindparam("tenant", type_=Uuid())
_IDS: BindParameter[Any] = bindparam("ids", type_=ARRAY(Uuid()))

# -- Roadmaps and their steps ------------------------------------------------------------------------------

ROADMAP_WITH_STEPS = (
    select(Roadmap)
    .where(Roadmap.user_id == _USER, Roadmap.id == bindparam("roadmap"))
    .options(selectinload(Roadmap.steps))
    .execution_options(populate_existing=True)
)
ROADMAP_ID = select(Roadmap.id).where(Roadmap.user_id == _USER, Roadmap.id == bindparam("roadmap"))
# Whoever changes the steps locks their roadmap first: positions are read and written by one at a time.
# NO KEY: rows that refer to the roadmap can still be written meanwhile.
LOCK_ROADMAP = ROADMAP_ID.with_for_update(key_share=True)
_CHANGE_ROADMAP = (
    update(Roadmap)
    .where(Roadmap.user_id == _USER, Roadmap.id == bindparam("roadmap"))
    .returning(Roadmap)
    .execution_options(**_FRESH)
)
COMPLETE_ROADMAP = _CHANGE_ROADMAP.values(
    status=RoadmapStatus.COMPLETED, completed_at=func.coalesce(Roadmap.completed_at, _NOW)
)
ARCHIVE_ROADMAP = _CHANGE_ROADMAP.values(status=RoadmapStatus.ARCHIVED)
REOPEN_ROADMAP = _CHANGE_ROADMAP.values(status=RoadmapStatus.ACTIVE, completed_at=None)

_STEPS_OF = (RoadmapStep.user_id == _USER, RoadmapStep.roadmap_id == bindparam("roadmap"))
STEP_BY_ID = select(RoadmapStep).where(RoadmapStep.user_id == _USER, RoadmapStep.id == bindparam("step"))
STEP_IDS = select(RoadmapStep.id).where(*_STEPS_OF)
LAST_POSITION = select(func.coalesce(func.max(RoadmapStep.position), 0)).where(*_STEPS_OF)
STEP_POSITION = select(RoadmapStep.position).where(*_STEPS_OF, RoadmapStep.id == bindparam("step"))
LAST_FINISHED_POSITION = (
    select(func.coalesce(func.max(RoadmapStep.position), 0))
    .join(Progress, and_(Progress.user_id == RoadmapStep.user_id, Progress.step_id == RoadmapStep.id))
    .where(*_STEPS_OF, Progress.status.in_([ProgressStatus.COMPLETED, ProgressStatus.SKIPPED]))
)
SHIFT_STEPS = (
    update(RoadmapStep)
    .where(*_STEPS_OF, RoadmapStep.position > bindparam("after"))
    .values(position=RoadmapStep.position + bindparam("shift", type_=Integer()))
    .returning(RoadmapStep)
    .execution_options(**_FRESH)
)
REORDER_STEPS = (
    update(RoadmapStep)
    .where(*_STEPS_OF)
    .values(position=func.array_position(_IDS, RoadmapStep.id))
    .returning(RoadmapStep)
    .execution_options(**_FRESH)
)


def roadmaps(user_id: UUID, status: RoadmapStatus | None, project_id: UUID | None) -> Select[Roadmap]:
    """Return the statement that lists a learner's roadmaps."""
    statement = select(Roadmap).where(Roadmap.user_id == user_id)
    if status is not None:
        statement = statement.where(Roadmap.status == status)
    if project_id is not None:
        statement = statement.where(Roadmap.project_id == project_id)
    return statement


# -- Progress ----------------------------------------------------------------------------------------------

_PERCENT: BindParameter[int] = bindparam("done", type_=Integer())
_STATUS = Progress.__table__.c.status.type
# With parameters, an INSERT of an entity is taken for a bulk insert of values, which has no SELECT.
_FROM_SELECT = {"populate_existing": True, "dml_strategy": "orm"}
PROGRESS_OF_STEP = select(Progress).where(Progress.user_id == _USER, Progress.step_id == bindparam("step"))

# From the step rather than from values: a step of somebody else gives no row instead of an error.
_record = insert(Progress).from_select(
    ["user_id", "step_id", "status", "percent", "minutes_spent", "started_at", "completed_at"],
    select(
        RoadmapStep.user_id,
        RoadmapStep.id,
        case(
            (_PERCENT == 100, cast(ProgressStatus.COMPLETED, _STATUS)),  # noqa: PLR2004 - percent
            else_=cast(ProgressStatus.IN_PROGRESS, _STATUS),
        ),
        _PERCENT,
        bindparam("minutes", type_=Integer()),
        _NOW,
        case((_PERCENT == 100, _NOW)),  # noqa: PLR2004 - percent
    ).where(RoadmapStep.user_id == _USER, RoadmapStep.id == bindparam("step")),
    include_defaults=False,
)
RECORD_PROGRESS = (
    _record.on_conflict_do_update(
        index_elements=[Progress.user_id, Progress.step_id],
        set_={
            # Never backwards: reports of several devices may arrive in any order.
            "percent": func.greatest(Progress.percent, _record.excluded.percent),
            "status": case(
                (Progress.status == ProgressStatus.COMPLETED, Progress.status),
                else_=_record.excluded.status,
            ),
            "minutes_spent": Progress.minutes_spent + _record.excluded.minutes_spent,
            "started_at": func.coalesce(Progress.started_at, _record.excluded.started_at),
            "completed_at": func.coalesce(Progress.completed_at, _record.excluded.completed_at),
        },
    )
    .returning(Progress)
    .execution_options(**_FROM_SELECT)
)

_skip = insert(Progress).from_select(
    ["user_id", "step_id", "status"],
    select(RoadmapStep.user_id, RoadmapStep.id, cast(ProgressStatus.SKIPPED, _STATUS)).where(
        RoadmapStep.user_id == _USER, RoadmapStep.id == func.any(_IDS)
    ),
    include_defaults=False,
)
SKIP_STEPS = (
    _skip.on_conflict_do_update(
        index_elements=[Progress.user_id, Progress.step_id],
        set_={"status": _skip.excluded.status},
        where=Progress.status.notin_([ProgressStatus.COMPLETED, ProgressStatus.SKIPPED]),
    )
    .returning(Progress)
    .execution_options(**_FROM_SELECT)
)
RESET_PROGRESS = (
    update(Progress)
    .where(Progress.user_id == _USER, Progress.step_id == bindparam("step"))
    .values(status=ProgressStatus.NOT_STARTED, percent=0, started_at=None, completed_at=None)
    .returning(Progress)
    .execution_options(**_FRESH)
)

_DONE = func.coalesce(Progress.percent, 0)
_OPEN = and_(
    RoadmapStep.id.is_not(None),
    or_(
        Progress.status.is_(None), Progress.status.notin_([ProgressStatus.COMPLETED, ProgressStatus.SKIPPED])
    ),
)


def _counted(status: ProgressStatus) -> ColumnElement[int]:
    return func.count().filter(Progress.status == status).label(status.value)


ROADMAP_SUMMARY = (
    select(
        Roadmap.id.label("roadmap_id"),
        func.count(RoadmapStep.id).label("steps"),
        _counted(ProgressStatus.COMPLETED),
        _counted(ProgressStatus.IN_PROGRESS),
        _counted(ProgressStatus.SKIPPED),
        # Rounded down, so that 100 means all; skipped steps count neither way.
        cast(
            func.floor(
                func.coalesce(
                    func.avg(_DONE).filter(
                        RoadmapStep.id.is_not(None),
                        Progress.status.is_distinct_from(ProgressStatus.SKIPPED),
                    ),
                    case((func.count(RoadmapStep.id) > 0, 100), else_=0),
                )
            ),
            Integer,
        ).label("percent"),
        func.coalesce(func.sum(Progress.minutes_spent), 0).label("minutes_spent"),
        cast(
            func.coalesce(
                func.ceil(func.sum(RoadmapStep.estimated_minutes * (100 - _DONE) / 100.0).filter(_OPEN)), 0
            ),
            Integer,
        ).label("minutes_left"),
        func.array_agg(aggregate_order_by(RoadmapStep.id, RoadmapStep.position), type_=ARRAY(Uuid()))
        .filter(_OPEN)[1]
        .label("next_step_id"),
    )
    .select_from(Roadmap)
    .outerjoin(
        RoadmapStep, and_(RoadmapStep.user_id == Roadmap.user_id, RoadmapStep.roadmap_id == Roadmap.id)
    )
    .outerjoin(Progress, and_(Progress.user_id == RoadmapStep.user_id, Progress.step_id == RoadmapStep.id))
    .where(Roadmap.user_id == _USER, Roadmap.id == bindparam("roadmap"))
    .group_by(Roadmap.id)
)

# -- Assessments -------------------------------------------------------------------------------------------

_ASSESSMENT = (Assessment.user_id == _USER, Assessment.id == bindparam("assessment"))
ASSESSMENT_BY_ID = select(Assessment).where(*_ASSESSMENT)
SUBMIT_ASSESSMENT = (
    update(Assessment)
    .where(*_ASSESSMENT, Assessment.submitted_at.is_(None))
    .values(
        answers=bindparam("given_answers", type_=Assessment.__table__.c.answers.type),
        score=bindparam("result", type_=Assessment.__table__.c.score.type),
        submitted_at=_NOW,
    )
    .returning(Assessment)
    .execution_options(**_FRESH)
)
MARK_ADAPTED = (
    update(Assessment)
    .where(*_ASSESSMENT, Assessment.submitted_at.is_not(None), Assessment.adapted_at.is_(None))
    .values(adapted_at=_NOW)
    .returning(Assessment)
    .execution_options(**_FRESH)
)


def assessments(
    user_id: UUID, *, roadmap_id: UUID | None, step_id: UUID | None, submitted: bool | None
) -> Select[Assessment]:
    """Return the statement that lists a learner's assessments."""
    statement = select(Assessment).where(Assessment.user_id == user_id)
    if roadmap_id is not None:
        statement = statement.where(Assessment.roadmap_id == roadmap_id)
    if step_id is not None:
        statement = statement.where(Assessment.step_id == step_id)
    if submitted is not None:
        filled = Assessment.submitted_at.is_not(None)
        statement = statement.where(filled if submitted else Assessment.submitted_at.is_(None))
    return statement


def average_score(
    user_id: UUID, *, roadmap_id: UUID | None, kind: AssessmentKind | None, since: datetime | None
) -> Select[Any]:
    """Return the statement that averages a learner's results."""
    statement = select(func.round(func.avg(Assessment.score), 2)).where(
        Assessment.user_id == user_id, Assessment.submitted_at.is_not(None)
    )
    if roadmap_id is not None:
        statement = statement.where(Assessment.roadmap_id == roadmap_id)
    if kind is not None:
        statement = statement.where(Assessment.kind == kind)
    if since is not None:
        statement = statement.where(Assessment.submitted_at >= since)
    return statement


# -- Recommendations ---------------------------------------------------------------------------------------

_RECOMMENDATION = (Recommendation.user_id == _USER, Recommendation.id == bindparam("recommendation"))
RECOMMENDATION_BY_ID = select(Recommendation).where(*_RECOMMENDATION)
_put = insert(Recommendation)
PUT_RECOMMENDATION = (
    _put.on_conflict_do_update(
        index_elements=[Recommendation.user_id, Recommendation.kind, Recommendation.target],
        # Not the status: what the learner has dismissed does not come back.
        set_={name: _put.excluded[name] for name in ("title", "reason", "score", "expires_at")},
    )
    .returning(Recommendation)
    .execution_options(populate_existing=True)
)
DECIDE_RECOMMENDATION = (
    update(Recommendation)
    .where(*_RECOMMENDATION, Recommendation.status == RecommendationStatus.NEW)
    .values(status=bindparam("decision", type_=Recommendation.__table__.c.status.type), decided_at=_NOW)
    .returning(Recommendation)
    .execution_options(**_FRESH)
)


def open_recommendations(user_id: UUID, kind: RecommendationKind | None) -> Select[Recommendation]:
    """Return the statement that lists what the learner has not decided about and has not expired."""
    statement = select(Recommendation).where(
        Recommendation.user_id == user_id,
        # A literal: a generic plan cannot match a parameter with the condition of the partial index.
        Recommendation.status == literal_column(f"'{RecommendationStatus.NEW}'"),
        or_(Recommendation.expires_at.is_(None), Recommendation.expires_at > _NOW),
    )
    return statement if kind is None else statement.where(Recommendation.kind == kind)


_EXPIRED = (Recommendation.expires_at <= _NOW, Recommendation.status != RecommendationStatus.ACCEPTED)
PURGE_RECOMMENDATIONS = delete_batch(Recommendation, *_EXPIRED, oldest_by=Recommendation.expires_at)
PURGE_RECOMMENDATIONS_OF_USER = delete_batch(
    Recommendation, *_EXPIRED, Recommendation.user_id == _USER, oldest_by=Recommendation.expires_at
)

"""Closed sets of the ``learning`` schema."""

from __future__ import annotations

from enum import StrEnum


class SkillLevel(StrEnum):
    """How much a roadmap expects of the learner."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    EXPERT = "expert"


class RoadmapStatus(StrEnum):
    """Whether a roadmap is being followed."""

    ACTIVE = "active"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class StepKind(StrEnum):
    """What a step asks of the learner."""

    LESSON = "lesson"
    READING = "reading"
    EXERCISE = "exercise"
    PROJECT = "project"
    QUIZ = "quiz"
    REMEDIAL = "remedial"


class ProgressStatus(StrEnum):
    """How far the learner is with a step."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    SKIPPED = "skipped"


class AssessmentKind(StrEnum):
    """How knowledge was assessed."""

    PLACEMENT = "placement"
    QUIZ = "quiz"
    EXERCISE = "exercise"
    CODE_REVIEW = "code_review"
    SELF = "self"


class RecommendationKind(StrEnum):
    """What is recommended."""

    ROADMAP = "roadmap"
    STEP = "step"
    RESOURCE = "resource"
    PRACTICE = "practice"
    REVIEW = "review"
    PROJECT = "project"


class RecommendationStatus(StrEnum):
    """What the learner made of a recommendation."""

    NEW = "new"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"

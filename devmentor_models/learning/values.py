"""What repositories of the ``learning`` schema take and return, the same for either flavour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from devmentor_models.learning.enums import StepKind
from devmentor_models.learning.models import Progress, RoadmapStep


@dataclass(frozen=True, slots=True)
class RoadmapSummary:
    """How far the learner is with a roadmap.

    Attributes:
        roadmap_id: The roadmap.
        steps: Number of its steps.
        completed: Steps that are completed.
        in_progress: Steps that are begun.
        skipped: Steps that need not be done.
        percent: Mean over the steps that are not skipped, rounded down.
        minutes_spent: Minutes that the learner has spent.
        minutes_left: Estimate for what is left, of the steps that have one.
        next_step_id: The first step that is neither completed nor skipped; None when there is none.
    """

    roadmap_id: UUID
    steps: int
    completed: int
    in_progress: int
    skipped: int
    percent: int
    minutes_spent: int
    minutes_left: int
    next_step_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step that is to be added to a roadmap.

    Attributes:
        title: ≤ 200 characters.
        kind: What it asks of the learner.
        content: Text of the step, in Markdown.
        resource_uri: Where its material is found, ≤ 2,048 characters.
        estimated_minutes: How many minutes it should take, at least 1.
    """

    title: str
    kind: StepKind = StepKind.LESSON
    content: str | None = None
    resource_uri: str | None = None
    estimated_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What adapting a roadmap to a result has changed.

    Attributes:
        inserted: Remedial steps that were added.
        skipped: Progress of the steps that need not be done any more.
    """

    inserted: Sequence[RoadmapStep]
    skipped: Sequence[Progress]

# Generated from assessments_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repository of assessments (requirement F6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from devmentor_models.errors import InvalidValue, NotFound, VersionConflict
from devmentor_models.kit.arguments import moment
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.repository import Repository
from devmentor_models.learning import queries
from devmentor_models.learning.enums import AssessmentKind
from devmentor_models.learning.models import Assessment


class AssessmentRepository(Repository):
    """Questions put to the learner, and what came of them (F6)."""

    def create(
        self,
        *,
        title: str,
        questions: Sequence[Any],
        kind: AssessmentKind = AssessmentKind.QUIZ,
        roadmap_id: UUID | None = None,
        step_id: UUID | None = None,
        passing_score: Decimal | int = 70,
    ) -> Assessment:
        """Create an assessment, to be submitted later.

        Args:
            title: ≤ 200 characters.
            questions: JSON values, in order.
            kind: How knowledge is assessed.
            roadmap_id: The roadmap that it belongs to; taken from the step when only that is given.
            step_id: The step whose subject it assesses.
            passing_score: Result that passes, 0 to 100 percent.

        Raises:
            NotFound: The user has no such roadmap or step.
            InvalidValue: The step belongs to another roadmap, or a value does not fit its column.
        """
        if not isinstance(questions, list | tuple):
            raise InvalidValue("questions", "expects a list")
        assessment = Assessment(
            user_id=self.user_id,
            title=title,
            questions=[*questions],
            kind=kind,
            passing_score=passing_score,
            step_id=step_id,
            roadmap_id=self._roadmap_of(step_id, roadmap_id),
        )
        return self._add(assessment)

    def submit(self, assessment_id: UUID, *, answers: Any, score: Decimal | int) -> Assessment:
        """Hand an assessment in, once; ``passed`` of the result says whether that was enough.

        Args:
            assessment_id: The assessment.
            answers: The learner's answers, as JSON.
            score: Result, 0 to 100 percent.

        Raises:
            NotFound: The user has no such assessment.
            VersionConflict: It was submitted already; the first result stays.
            InvalidValue: A value does not fit its column.
        """
        key = {"tenant": self.user_id, "assessment": assessment_id}
        submitted = self._find(queries.SUBMIT_ASSESSMENT, {**key, "given_answers": answers, "result": score})
        if submitted is None:
            self.get(assessment_id)
            raise VersionConflict("The assessment was submitted already; the first result stays.")
        return submitted

    def get(self, assessment_id: UUID) -> Assessment:
        """Return an assessment.

        Raises:
            NotFound: The user has no such assessment.
        """
        return self._get(
            queries.ASSESSMENT_BY_ID,
            {"tenant": self.user_id, "assessment": assessment_id},
            entity="assessment",
            key=assessment_id,
        )

    def list(
        self,
        *,
        roadmap_id: UUID | None = None,
        step_id: UUID | None = None,
        submitted: bool | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Assessment]:
        """Return one page of the user's assessments, newest first.

        Args:
            roadmap_id: Only those of this roadmap.
            step_id: Only those of this step.
            submitted: Only those that have, or have not, been submitted.
            cursor: `Page.next_cursor` of the page before.
            limit: 1 to 500.
        """
        statement = queries.assessments(
            self.user_id, roadmap_id=roadmap_id, step_id=step_id, submitted=submitted
        )
        return self._page(statement, [Assessment.id], cursor=cursor, limit=limit)

    def average(
        self,
        *,
        roadmap_id: UUID | None = None,
        kind: AssessmentKind | None = None,
        since: datetime | None = None,
    ) -> Decimal | None:
        """Return the mean result in percent, with 2 digits after the point; None without any result.

        Args:
            roadmap_id: Only assessments of this roadmap.
            kind: Only assessments of this kind.
            since: Only what was submitted from then on.
        """
        if since is not None:
            moment("since", since)
        result = self._execute(
            queries.average_score(self.user_id, roadmap_id=roadmap_id, kind=kind, since=since)
        )
        average: Decimal | None = result.scalar_one()
        return average

    def _roadmap_of(self, step_id: UUID | None, roadmap_id: UUID | None) -> UUID | None:
        if step_id is not None:
            step = self._get(
                queries.STEP_BY_ID,
                {"tenant": self.user_id, "step": step_id},
                entity="roadmap step",
                key=step_id,
            )
            if roadmap_id not in (None, step.roadmap_id):
                raise InvalidValue("step_id", "belongs to another roadmap")
            return step.roadmap_id
        if roadmap_id is not None:
            key = {"tenant": self.user_id, "roadmap": roadmap_id}
            if (self._execute(queries.ROADMAP_ID, key)).scalar_one_or_none() is None:
                raise NotFound("roadmap", roadmap_id)
        return roadmap_id

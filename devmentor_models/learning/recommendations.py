# Generated from recommendations_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repository of recommendations (requirement F6)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from devmentor_models.errors import InvalidValue, VersionConflict
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.repository import Repository
from devmentor_models.learning import queries
from devmentor_models.learning.enums import RecommendationKind, RecommendationStatus
from devmentor_models.learning.models import Recommendation


class RecommendationRepository(Repository):
    """What the mentor suggests to the learner (F6)."""

    def add(
        self,
        *,
        kind: RecommendationKind,
        target: str,
        title: str,
        score: float,
        reason: str | None = None,
        expires_at: datetime | None = None,
    ) -> Recommendation:
        """Recommend something, or renew the recommendation of the same kind and target.

        What the learner has decided stays: a dismissed recommendation does not come back.

        Args:
            kind: What is recommended.
            target: Its address or key, ≤ 500 characters.
            title: ≤ 200 characters.
            score: How well it fits, 0 to 1.
            reason: Why it is recommended.
            expires_at: From when it is not shown.

        Raises:
            InvalidValue: A value does not fit its column.
        """
        if not 0 <= score <= 1:
            raise InvalidValue("score", "must be a number from 0 to 1")
        values = {
            "user_id": self.user_id,
            "kind": kind,
            "target": target,
            "title": title,
            "score": float(score),
            "reason": reason,
            "expires_at": expires_at,
        }
        return self._get(queries.PUT_RECOMMENDATION, values, entity="recommendation")

    def get(self, recommendation_id: UUID) -> Recommendation:
        """Return a recommendation.

        Raises:
            NotFound: The user has no such recommendation.
        """
        return self._get(
            queries.RECOMMENDATION_BY_ID,
            {"tenant": self.user_id, "recommendation": recommendation_id},
            entity="recommendation",
            key=recommendation_id,
        )

    def list_open(
        self,
        *,
        kind: RecommendationKind | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Recommendation]:
        """Return one page of what is undecided and has not expired, best first."""
        return self._page(
            queries.open_recommendations(self.user_id, kind),
            [Recommendation.score, Recommendation.id],
            cursor=cursor,
            limit=limit,
        )

    def accept(self, recommendation_id: UUID) -> Recommendation:
        """Take a recommendation; taking it again changes nothing.

        Raises:
            NotFound: The user has no such recommendation.
            VersionConflict: It was dismissed before.
        """
        return self._decide(recommendation_id, RecommendationStatus.ACCEPTED)

    def dismiss(self, recommendation_id: UUID) -> Recommendation:
        """Decline a recommendation; declining it again changes nothing.

        Raises:
            NotFound: The user has no such recommendation.
            VersionConflict: It was accepted before.
        """
        return self._decide(recommendation_id, RecommendationStatus.DISMISSED)

    def purge_expired(self, *, limit: int = 1000) -> int:
        """Delete up to ``limit`` expired recommendations that were not accepted, oldest first.

        A service that acts for no user purges everybody's, any other actor the user's own. Call it until it
        returns less than ``limit``.

        Args:
            limit: 1 to 10,000.

        Returns:
            How many were deleted.
        """
        return self._delete_batch(queries.PURGE_RECOMMENDATIONS, queries.PURGE_RECOMMENDATIONS_OF_USER, limit)

    def _decide(self, recommendation_id: UUID, decision: RecommendationStatus) -> Recommendation:
        decided = self._find(
            queries.DECIDE_RECOMMENDATION,
            {"tenant": self.user_id, "recommendation": recommendation_id, "decision": decision},
        )
        if decided is not None:
            return decided
        before = self.get(recommendation_id)
        if before.status is not decision:
            raise VersionConflict(f"The recommendation was {before.status} before.")
        return before

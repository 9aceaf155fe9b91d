"""Repository of the progress with the steps of roadmaps (requirement F6)."""

from __future__ import annotations

from uuid import UUID

from devmentor_models.errors import NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.learning import queries
from devmentor_models.learning.models import Progress
from devmentor_models.learning.values import RoadmapSummary

#: Minutes that one report can add: a week.
MAX_MINUTES = 7 * 24 * 60
DONE = 100


class AsyncProgressRepository(AsyncRepository):
    """How far the learner is with steps. It never moves backwards, except by `reset` (F6)."""

    async def start(self, step_id: UUID) -> Progress:
        """Begin a step; one that is begun or completed stays as it is.

        Raises:
            NotFound: The user has no such step.
        """
        return await self.record(step_id, percent=0)

    async def record(self, step_id: UUID, *, percent: int, minutes: int = 0) -> Progress:
        """Report how much of a step is done. One statement; reports may arrive in any order.

        Args:
            step_id: The step.
            percent: Share done, 0 to 100; less than what was reported before changes nothing, 100 completes.
            minutes: Minutes spent since the last report; they add up.

        Raises:
            NotFound: The user has no such step.
            InvalidValue: A number is out of its range.
        """
        return await self._get(
            queries.RECORD_PROGRESS,
            {
                "tenant": self.user_id,
                "step": step_id,
                "done": whole_number("percent", percent, at_most=DONE),
                "minutes": whole_number("minutes", minutes, at_most=MAX_MINUTES),
            },
            entity="roadmap step",
            key=step_id,
        )

    async def complete(self, step_id: UUID, *, minutes: int = 0) -> Progress:
        """Complete a step; when it was first completed stays.

        Raises:
            NotFound: The user has no such step.
        """
        return await self.record(step_id, percent=DONE, minutes=minutes)

    async def skip(self, step_id: UUID) -> Progress:
        """Leave a step out; one that is completed stays so.

        Raises:
            NotFound: The user has no such step.
        """
        key = {"tenant": self.user_id, "step": step_id}
        skipped = await self._find(queries.SKIP_STEPS, {"tenant": self.user_id, "ids": [step_id]})
        return skipped or await self._get(queries.PROGRESS_OF_STEP, key, entity="roadmap step", key=step_id)

    async def reset(self, step_id: UUID) -> Progress:
        """Begin a step anew, from 0 percent; the minutes that were spent stay.

        Raises:
            NotFound: There is no progress with such a step.
        """
        return await self._get(
            queries.RESET_PROGRESS,
            {"tenant": self.user_id, "step": step_id},
            entity="progress with step",
            key=step_id,
        )

    async def find(self, step_id: UUID) -> Progress | None:
        """Return the progress with a step; None when it was not begun."""
        return await self._find(queries.PROGRESS_OF_STEP, {"tenant": self.user_id, "step": step_id})

    async def summary(self, roadmap_id: UUID) -> RoadmapSummary:
        """Return how far the learner is with a roadmap. One statement.

        Raises:
            NotFound: The user has no such roadmap.
        """
        result = await self._execute(queries.ROADMAP_SUMMARY, {"tenant": self.user_id, "roadmap": roadmap_id})
        row = result.mappings().one_or_none()
        if row is None:
            raise NotFound("roadmap", roadmap_id)
        return RoadmapSummary(**row)

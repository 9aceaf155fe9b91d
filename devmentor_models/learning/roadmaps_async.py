"""Repository of roadmaps and their steps (requirement F6)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.sql.selectable import TypedReturnsRows

from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.learning import queries
from devmentor_models.learning.enums import RoadmapStatus, SkillLevel
from devmentor_models.learning.models import Assessment, Roadmap, RoadmapStep
from devmentor_models.learning.values import Adaptation, NewStep

#: Steps that can be given in one call.
MAX_STEPS = 500


class AsyncRoadmapRepository(AsyncRepository):
    """A learner's ways to goals, in ordered steps (F6)."""

    async def create(
        self,
        *,
        title: str,
        goal: str | None = None,
        topics: Sequence[str] = (),
        level: SkillLevel = SkillLevel.BEGINNER,
        project_id: UUID | None = None,
        steps: Sequence[NewStep] = (),
    ) -> Roadmap:
        """Create a roadmap with its steps, all or nothing; ``steps`` of the result are loaded.

        Args:
            title: ≤ 200 characters.
            goal: What the learner wants to be able to do.
            topics: Subjects, at most 100 of ≤ 100 characters.
            level: How much it expects of the learner.
            project_id: The user's project that it is learnt for.
            steps: At most 500, in order.

        Raises:
            InvalidValue: A value does not fit its column; nothing is written.
            ForeignKeyViolation: The user has no such project.
        """
        roadmap = Roadmap(
            user_id=self.user_id,
            title=title,
            goal=goal,
            topics=topics,
            level=level,
            project_id=project_id,
        )
        roadmap.steps = [*self._build(steps, after=0)]
        return await self._add(roadmap)

    async def get(self, roadmap_id: UUID) -> Roadmap:
        """Return a roadmap with its steps, in order.

        Raises:
            NotFound: The user has no such roadmap.
        """
        return await self._one(queries.ROADMAP_WITH_STEPS, roadmap_id)

    async def list(
        self,
        *,
        status: RoadmapStatus | None = None,
        project_id: UUID | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Roadmap]:
        """Return one page of the user's roadmaps without their steps, newest first."""
        return await self._page(
            queries.roadmaps(self.user_id, status, project_id), [Roadmap.id], cursor=cursor, limit=limit
        )

    async def add_step(
        self, roadmap_id: UUID, step: NewStep, *, after_step_id: UUID | None = None
    ) -> RoadmapStep:
        """Add a step at the end, or behind another one.

        Raises:
            NotFound: The user has no such roadmap, or it has no step ``after_step_id``.
            InvalidValue: A value does not fit its column.
        """
        await self._lock(roadmap_id)
        if after_step_id is None:
            after = await self._position(queries.LAST_POSITION, roadmap_id)
        else:
            after = await self._position(queries.STEP_POSITION, roadmap_id, after_step_id)
        return (await self._insert(roadmap_id, [step], after=after))[0]

    async def reorder_steps(self, roadmap_id: UUID, order: Sequence[UUID]) -> Sequence[RoadmapStep]:
        """Put the steps into another order.

        Args:
            roadmap_id: The roadmap.
            order: The ids of all of its steps, each once.

        Returns:
            The steps in their new order.

        Raises:
            NotFound: The user has no such roadmap.
            InvalidValue: ``order`` misses a step, repeats one or names another roadmap's.
        """
        await self._lock(roadmap_id)
        key = {"tenant": self.user_id, "roadmap": roadmap_id}
        present = (await self._execute(queries.STEP_IDS, key)).scalars().all()
        if len(order) != len(present) or set(order) != set(present):
            raise InvalidValue("order", "must name every step of the roadmap once")
        steps = await self._all(queries.REORDER_STEPS, {**key, "ids": [*order]})
        return sorted(steps, key=lambda step: step.position)

    async def adapt(
        self, assessment_id: UUID, *, remedial: Sequence[NewStep] = (), mastered: Sequence[UUID] = ()
    ) -> Adaptation:
        """Adapt the roadmap to the result of an assessment, once; later calls change nothing.

        A result that does not pass adds the ``remedial`` steps behind the assessment's step, or, when it has
        none, before what the learner has still to do. A result that passes skips the ``mastered`` steps that
        are not completed yet.

        Args:
            assessment_id: A submitted assessment of a roadmap.
            remedial: Steps that close the gap.
            mastered: Steps of the roadmap that the result makes superfluous.

        Raises:
            NotFound: The user has no such assessment, or the roadmap has no such step.
            InvalidValue: The assessment has not been submitted or belongs to no roadmap, or a value does not
                fit its column; nothing is written.
        """
        key = {"tenant": self.user_id, "assessment": assessment_id}
        assessment = await self._get(queries.ASSESSMENT_BY_ID, key, entity="assessment", key=assessment_id)
        if assessment.submitted_at is None:
            raise InvalidValue("assessment_id", "has not been submitted")
        roadmap_id = assessment.roadmap_id
        if roadmap_id is None:
            raise InvalidValue("assessment_id", "belongs to no roadmap")
        self._build(remedial, after=0)  # refuses bad values while nothing is written
        await self._lock(roadmap_id)
        if assessment.passed:
            await self._check_steps(roadmap_id, mastered)
        if await self._find(queries.MARK_ADAPTED, key) is None:
            return Adaptation((), ())
        if assessment.passed:
            skipped = await self._all(queries.SKIP_STEPS, {"tenant": self.user_id, "ids": [*mastered]})
            return Adaptation((), skipped)
        return Adaptation(await self._remedy(roadmap_id, assessment, remedial), ())

    async def complete(self, roadmap_id: UUID) -> Roadmap:
        """Mark a roadmap as completed; when it was first completed stays.

        Raises:
            NotFound: The user has no such roadmap.
        """
        return await self._one(queries.COMPLETE_ROADMAP, roadmap_id)

    async def archive(self, roadmap_id: UUID) -> Roadmap:
        """Put a roadmap aside.

        Raises:
            NotFound: The user has no such roadmap.
        """
        return await self._one(queries.ARCHIVE_ROADMAP, roadmap_id)

    async def reopen(self, roadmap_id: UUID) -> Roadmap:
        """Follow an archived or completed roadmap again.

        Raises:
            NotFound: The user has no such roadmap.
        """
        return await self._one(queries.REOPEN_ROADMAP, roadmap_id)

    async def _one(self, statement: TypedReturnsRows[Roadmap], roadmap_id: UUID) -> Roadmap:
        return await self._get(
            statement, {"tenant": self.user_id, "roadmap": roadmap_id}, entity="roadmap", key=roadmap_id
        )

    async def _lock(self, roadmap_id: UUID) -> None:
        found = await self._execute(queries.LOCK_ROADMAP, {"tenant": self.user_id, "roadmap": roadmap_id})
        if found.scalar_one_or_none() is None:
            raise NotFound("roadmap", roadmap_id)

    async def _position(
        self, statement: TypedReturnsRows[int], roadmap_id: UUID, step_id: UUID | None = None
    ) -> int:
        found = await self._execute(
            statement, {"tenant": self.user_id, "roadmap": roadmap_id, "step": step_id}
        )
        position: int | None = found.scalar_one_or_none()
        if position is None:
            raise NotFound("roadmap step", step_id)
        return position

    async def _check_steps(self, roadmap_id: UUID, step_ids: Sequence[UUID]) -> None:
        found = await self._execute(queries.STEP_IDS, {"tenant": self.user_id, "roadmap": roadmap_id})
        for missing in set(step_ids) - set(found.scalars()):
            raise NotFound("roadmap step", missing)

    async def _remedy(
        self, roadmap_id: UUID, assessment: Assessment, remedial: Sequence[NewStep]
    ) -> Sequence[RoadmapStep]:
        if not remedial:
            return ()
        if assessment.step_id is None:
            after = await self._position(queries.LAST_FINISHED_POSITION, roadmap_id)
        else:
            after = await self._position(queries.STEP_POSITION, roadmap_id, assessment.step_id)
        return await self._insert(roadmap_id, remedial, after=after, remedial_for_id=assessment.step_id)

    async def _insert(
        self,
        roadmap_id: UUID,
        steps: Sequence[NewStep],
        *,
        after: int,
        remedial_for_id: UUID | None = None,
    ) -> Sequence[RoadmapStep]:
        """Insert steps behind a position; the caller holds the roadmap's lock."""
        built = self._build(steps, after=after)
        for step in built:
            step.roadmap_id = roadmap_id
            step.remedial_for_id = remedial_for_id
        await self._execute(
            queries.SHIFT_STEPS,
            {"tenant": self.user_id, "roadmap": roadmap_id, "after": after, "shift": len(built)},
        )
        return await self._add_all(built)

    def _build(self, steps: Sequence[NewStep], *, after: int) -> Sequence[RoadmapStep]:
        if len(steps) > MAX_STEPS:
            raise InvalidValue("steps", f"has {len(steps)} items; at most {MAX_STEPS} can be given at once")
        return [
            RoadmapStep(
                user_id=self.user_id,
                position=position,
                kind=step.kind,
                title=step.title,
                content=step.content,
                resource_uri=step.resource_uri,
                estimated_minutes=None
                if step.estimated_minutes is None
                else whole_number("estimated_minutes", step.estimated_minutes, at_least=1),
            )
            for position, step in enumerate(steps, start=after + 1)
        ]

"""Factories of the ``learning`` schema."""

# factory-boy reads a nested Meta per class, which a type checker takes for an override of the base's.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence

from devmentor_models.kit.ids import uuid7
from devmentor_models.learning.enums import ProgressStatus, RecommendationKind
from devmentor_models.learning.models import Assessment, Progress, Recommendation, Roadmap, RoadmapStep
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.base import KeyOf, ModelFactory


class RoadmapFactory(ModelFactory[Roadmap]):
    """An active roadmap without steps; give ``user`` or ``user_id`` to choose whose."""

    class Meta:
        model = Roadmap

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    title = Sequence(lambda number: f"Roadmap {number}")


class RoadmapStepFactory(ModelFactory[RoadmapStep]):
    """A lesson; give ``roadmap`` to choose where, and its ``position`` when there are several."""

    class Meta:
        model = RoadmapStep

    class Params:
        user = None
        roadmap = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("roadmap.user_id", "user.id", make=UserFactory)
    roadmap_id = KeyOf("roadmap.id", make=RoadmapFactory, user_id=SelfAttribute("..user_id"))
    position = Sequence(lambda number: number + 1)
    title = Sequence(lambda number: f"Step {number}")


class ProgressFactory(ModelFactory[Progress]):
    """A step that is half done; give ``step`` to choose which."""

    class Meta:
        model = Progress

    class Params:
        user = None
        step = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("step.user_id", "user.id", make=UserFactory)
    step_id = KeyOf("step.id", make=RoadmapStepFactory, user_id=SelfAttribute("..user_id"))
    status = ProgressStatus.IN_PROGRESS
    percent = 50


class AssessmentFactory(ModelFactory[Assessment]):
    """A quiz that is still to be submitted and belongs to no roadmap."""

    class Meta:
        model = Assessment

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    title = Sequence(lambda number: f"Quiz {number}")
    questions = LazyFunction(lambda: [{"question": "What is a B-tree?"}])


class RecommendationFactory(ModelFactory[Recommendation]):
    """Something new that the learner has not decided about."""

    class Meta:
        model = Recommendation

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    kind = RecommendationKind.RESOURCE
    target = LazyAttribute(lambda recommendation: f"https://example.com/{recommendation.id}")
    title = Sequence(lambda number: f"Resource {number}")
    score = 0.5

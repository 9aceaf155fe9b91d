"""Repositories of the ``learning`` schema."""

from __future__ import annotations

from devmentor_models.learning.assessments_async import AsyncAssessmentRepository
from devmentor_models.learning.progress_async import AsyncProgressRepository
from devmentor_models.learning.recommendations_async import AsyncRecommendationRepository
from devmentor_models.learning.roadmaps_async import AsyncRoadmapRepository
from devmentor_models.learning.values import Adaptation, NewStep, RoadmapSummary

__all__ = [
    "Adaptation",
    "AsyncAssessmentRepository",
    "AsyncProgressRepository",
    "AsyncRecommendationRepository",
    "AsyncRoadmapRepository",
    "NewStep",
    "RoadmapSummary",
]

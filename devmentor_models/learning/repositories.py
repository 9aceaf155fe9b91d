# Generated from repositories_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repositories of the ``learning`` schema."""

from __future__ import annotations

from devmentor_models.learning.assessments import AssessmentRepository
from devmentor_models.learning.progress import ProgressRepository
from devmentor_models.learning.recommendations import RecommendationRepository
from devmentor_models.learning.roadmaps import RoadmapRepository
from devmentor_models.learning.values import Adaptation, NewStep, RoadmapSummary

__all__ = [
    "Adaptation",
    "AssessmentRepository",
    "NewStep",
    "ProgressRepository",
    "RecommendationRepository",
    "RoadmapRepository",
    "RoadmapSummary",
]

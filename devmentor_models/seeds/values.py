"""Seeds as typed values: a wrong one is refused where it is written down, by the name of its field.

What is too long for its column is refused by the column when the seed is applied.
"""

from __future__ import annotations

from datetime import date

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.learning.enums import SkillLevel
from devmentor_models.learning.values import NewStep
from devmentor_models.projects.plans import Plan

# Always: plans and steps are plain dataclasses, which do not look at their values themselves.
_CHECKED = ConfigDict(strict=True, extra="forbid", revalidate_instances="always")


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class TemplateSeed:
    """A template of the catalogue; its slug is its key."""

    slug: str
    name: str
    description: str
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class ModelSeed:
    """An embedding model; its name is its key."""

    name: str
    dimensions: int
    metric: DistanceMetric


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class UserSeed:
    """A user; the address is the key."""

    email: str
    username: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class ProjectSeed:
    """A project with its plan; its slug is its key."""

    slug: str
    name: str
    description: str
    start_date: date
    end_date: date
    tags: tuple[str, ...]
    credits: int
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class TeamSeed:
    """A team; its name is its key."""

    name: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class RoadmapSeed:
    """A roadmap; its title is its key."""

    title: str
    goal: str
    topics: tuple[str, ...]
    level: SkillLevel
    steps: tuple[NewStep, ...]

"""What repositories of the ``projects`` schema return, the same for either flavour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devmentor_models.projects.enums import CollaboratorRole
from devmentor_models.projects.models import (
    Epic,
    Project,
    Task,
)


@dataclass(frozen=True, slots=True)
class SharedProject:
    """A project of somebody else, and what the acting user may do in it."""

    project: Project
    role: CollaboratorRole


@dataclass(frozen=True, slots=True)
class StorageKey:
    """Where an object is in MinIO or S3."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class PlannedProject:
    """A project with the plan that was made for it, in the plan's order."""

    project: Project
    epics: Sequence[Epic]
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class RankedProject:
    """A project with recent activity.

    Attributes:
        project: The project.
        documents: Documents stored in it within the time asked for.
        distance: Cosine distance of the project's vector to the one asked for; 0 is the same direction.
    """

    project: Project
    documents: int
    distance: float

"""Named arguments that several methods share.

In an ``update`` a field that is left out stays, and ``None`` empties it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypedDict

from devmentor_models.projects.enums import EpicStatus, TaskKind, TaskPriority, TaskStatus


class ProjectOptions(TypedDict, total=False):
    """What a new project may have beside its name; see `ProjectRepository.create`."""

    slug: str | None
    description: str | None
    start_date: date | None
    end_date: date | None
    tags: Sequence[str]
    settings: dict[str, Any]
    credits: int


class ProjectChanges(TypedDict, total=False):
    """Fields of a project that its owner may change; credits and status have methods of their own."""

    name: str
    slug: str
    description: str | None
    start_date: date | None
    end_date: date | None
    tags: Sequence[str]
    settings: dict[str, Any]


class EpicChanges(TypedDict, total=False):
    """Fields of an epic that may change; its place has a method of its own."""

    title: str
    description: str | None
    status: EpicStatus


class TaskChanges(TypedDict, total=False):
    """Fields of a task that may change; its place and its assignee have methods of their own."""

    title: str
    description: str | None
    kind: TaskKind
    status: TaskStatus
    priority: TaskPriority
    labels: Sequence[str]
    due_date: date | None

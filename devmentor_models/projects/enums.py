"""Closed sets of the ``projects`` schema."""

from __future__ import annotations

from enum import StrEnum


class ProjectStatus(StrEnum):
    """Whether a project is worked on."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class EpicStatus(StrEnum):
    """How far an epic is."""

    PLANNED = "planned"
    ACTIVE = "active"
    DONE = "done"


class TaskKind(StrEnum):
    """What sort of work a task is."""

    FEATURE = "feature"
    BUG = "bug"
    CHORE = "chore"
    TECH_DEBT = "tech_debt"
    RESEARCH = "research"
    LEARNING = "learning"


class TaskStatus(StrEnum):
    """How far a task is."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    REVIEW = "review"
    DONE = "done"


class TaskPriority(StrEnum):
    """How urgent a task is; PostgreSQL sorts in this order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class CollaboratorRole(StrEnum):
    """What a collaborator may do in somebody else's project."""

    VIEWER = "viewer"
    EDITOR = "editor"


class ActivityAction(StrEnum):
    """What was done to a project or to something in it."""

    CREATED = "created"
    UPDATED = "updated"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"
    DELETED = "deleted"
    RESTORED = "restored"
    PURGED = "purged"
    MOVED = "moved"
    REORDERED = "reordered"
    ASSIGNED = "assigned"
    COMPLETED = "completed"
    REOPENED = "reopened"
    VERSION_ADDED = "version_added"
    COLLABORATOR_ADDED = "collaborator_added"
    COLLABORATOR_REMOVED = "collaborator_removed"
    ROLE_CHANGED = "role_changed"
    CREDITS_GRANTED = "credits_granted"
    CREDITS_SPENT = "credits_spent"
    COMMENTED = "commented"

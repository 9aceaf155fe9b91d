"""A plan: epics and tasks as values, to make a project from or to keep in a template (F4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from devmentor_models.errors import InvalidValue
from devmentor_models.projects.enums import TaskKind, TaskPriority

PLAN_FIELD = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """A task to be made.

    Attributes:
        title: Title of the task.
        description: What is to be done.
        kind: What sort of work it is.
        priority: How urgent it is.
        labels: Free words to filter by.
        due_date: Day by which it is to be done; a template does not keep it.
    """

    title: str
    description: str | None = None
    kind: TaskKind = TaskKind.FEATURE
    priority: TaskPriority = TaskPriority.MEDIUM
    labels: Sequence[str] = ()
    due_date: date | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the form that a template stores."""
        return {
            "title": self.title,
            "description": self.description,
            "kind": TaskKind(self.kind).value,
            "priority": TaskPriority(self.priority).value,
            "labels": list(self.labels),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TaskPlan:
        """Read what `to_json` wrote; what is left out gets its default."""
        return cls(
            title=data["title"],
            description=data.get("description"),
            kind=TaskKind(data.get("kind", TaskKind.FEATURE)),
            priority=TaskPriority(data.get("priority", TaskPriority.MEDIUM)),
            labels=list(data.get("labels", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpicPlan:
    """An epic to be made, with its tasks in order."""

    title: str
    description: str | None = None
    tasks: Sequence[TaskPlan] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the form that a template stores."""
        return {
            "title": self.title,
            "description": self.description,
            "tasks": [task.to_json() for task in self.tasks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EpicPlan:
        """Read what `to_json` wrote."""
        return cls(
            title=data["title"],
            description=data.get("description"),
            tasks=[TaskPlan.from_json(task) for task in data.get("tasks", ())],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The epics of a project, and the tasks that belong to none, each in order."""

    epics: Sequence[EpicPlan] = ()
    tasks: Sequence[TaskPlan] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the form that a template stores."""
        return {
            "epics": [epic.to_json() for epic in self.epics],
            "tasks": [task.to_json() for task in self.tasks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read what `to_json` wrote.

        Raises:
            InvalidValue: The data has another form.
        """
        try:
            return cls(
                epics=[EpicPlan.from_json(epic) for epic in data.get("epics", ())],
                tasks=[TaskPlan.from_json(task) for task in data.get("tasks", ())],
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InvalidValue(PLAN_FIELD, "is not a plan of epics and tasks") from None

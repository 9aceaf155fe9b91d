"""Factories of the ``projects`` schema."""

# factory-boy reads a nested Meta per class, which a type checker takes for an override of the base's.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence

from devmentor_models.kit.ids import uuid7
from devmentor_models.projects.enums import ActivityAction
from devmentor_models.projects.models import (
    Activity,
    CreditEntry,
    Epic,
    Project,
    ProjectCollaborator,
    ProjectFile,
    ProjectFileVersion,
    ProjectTemplate,
    StorageOrphan,
    Task,
)
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.base import KeyOf, ModelFactory


class ProjectFactory(ModelFactory[Project]):
    """An active project; give ``user`` or ``user_id`` to choose its owner."""

    class Meta:
        model = Project

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    name = Sequence(lambda number: f"Project {number}")
    slug = LazyAttribute(lambda project: f"project-{project.id.hex}")


class EpicFactory(ModelFactory[Epic]):
    """An epic; give ``project`` to choose where."""

    class Meta:
        model = Epic

    class Params:
        user = None
        project = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    title = Sequence(lambda number: f"Epic {number}")
    position = Sequence(float)


class TaskFactory(ModelFactory[Task]):
    """A task to do; give ``project`` or ``epic`` to choose where."""

    class Meta:
        model = Task

    class Params:
        user = None
        project = None
        epic = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("epic.user_id", "project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf(
        "epic.project_id", "project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id")
    )
    epic_id = LazyAttribute(lambda task: task.epic.id if task.epic else None)
    title = Sequence(lambda number: f"Task {number}")
    position = Sequence(float)


class ProjectTemplateFactory(ModelFactory[ProjectTemplate]):
    """A user's template with an empty plan; ``user_id=None`` puts it in the catalogue."""

    class Meta:
        model = ProjectTemplate

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    name = Sequence(lambda number: f"Template {number}")
    slug = LazyAttribute(lambda template: f"template-{template.id.hex}")
    plan = LazyFunction(lambda: {"epics": [], "tasks": []})


class ProjectCollaboratorFactory(ModelFactory[ProjectCollaborator]):
    """A viewer; give ``project`` and ``member`` to choose both ends."""

    class Meta:
        model = ProjectCollaborator

    class Params:
        user = None
        project = None
        member = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    member_id = KeyOf("member.id", make=UserFactory)


class ActivityFactory(ModelFactory[Activity]):
    """A line of history that says that the owner made the project."""

    class Meta:
        model = Activity

    class Params:
        user = None
        project = None

    id = LazyFunction(uuid7)
    created_at = LazyFunction(lambda: datetime.now(UTC))
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    actor_id = SelfAttribute("user_id")
    action = ActivityAction.CREATED
    entity_table = "projects.projects"
    entity_id = SelfAttribute("project_id")


class CreditEntryFactory(ModelFactory[CreditEntry]):
    """A grant of ten credits in the ledger; the project's balance is the caller's to set."""

    class Meta:
        model = CreditEntry

    class Params:
        user = None
        project = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    amount = 10
    balance_after = 10
    reason = "grant"


class ProjectFileFactory(ModelFactory[ProjectFile]):
    """A file without contents; give ``project`` to choose where."""

    class Meta:
        model = ProjectFile

    class Params:
        user = None
        project = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    path = LazyAttribute(lambda file: f"src/{file.id.hex}.py")


class ProjectFileVersionFactory(ModelFactory[ProjectFileVersion]):
    """A first version; give ``file`` to choose of what (its counters are the caller's to set)."""

    class Meta:
        model = ProjectFileVersion

    class Params:
        user = None
        file = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("file.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("file.project_id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    file_id = KeyOf(
        "file.id",
        make=ProjectFileFactory,
        user_id=SelfAttribute("..user_id"),
        project_id=SelfAttribute("..project_id"),
    )
    number = 1
    storage_bucket = "devmentor"
    storage_key = LazyAttribute(lambda version: f"files/{version.id.hex}")
    size_bytes = 1024
    sha256 = LazyFunction(lambda: hashlib.sha256(os.urandom(32)).digest())


class StorageOrphanFactory(ModelFactory[StorageOrphan]):
    """A key whose row is gone."""

    class Meta:
        model = StorageOrphan

    id = LazyFunction(uuid7)
    storage_bucket = "devmentor"
    storage_key = LazyAttribute(lambda orphan: f"files/{orphan.id.hex}")

"""Repositories of the ``projects`` schema."""

from __future__ import annotations

from devmentor_models.projects.activity_async import AsyncActivityRepository
from devmentor_models.projects.collaborators_async import AsyncCollaboratorRepository
from devmentor_models.projects.epics_async import AsyncEpicRepository
from devmentor_models.projects.files_async import AsyncFileRepository
from devmentor_models.projects.projects_async import AsyncProjectRepository
from devmentor_models.projects.tasks_async import AsyncTaskRepository
from devmentor_models.projects.templates_async import AsyncTemplateRepository

__all__ = [
    "AsyncActivityRepository",
    "AsyncCollaboratorRepository",
    "AsyncEpicRepository",
    "AsyncFileRepository",
    "AsyncProjectRepository",
    "AsyncTaskRepository",
    "AsyncTemplateRepository",
]

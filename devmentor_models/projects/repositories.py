# Generated from repositories_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repositories of the ``projects`` schema."""

from __future__ import annotations

from devmentor_models.projects.activity import ActivityRepository
from devmentor_models.projects.collaborators import CollaboratorRepository
from devmentor_models.projects.epics import EpicRepository
from devmentor_models.projects.files import FileRepository
from devmentor_models.projects.projects import ProjectRepository
from devmentor_models.projects.tasks import TaskRepository
from devmentor_models.projects.templates import TemplateRepository

__all__ = [
    "ActivityRepository",
    "CollaboratorRepository",
    "EpicRepository",
    "FileRepository",
    "ProjectRepository",
    "TaskRepository",
    "TemplateRepository",
]

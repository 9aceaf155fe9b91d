"""The one module that imports every domain, so that the metadata is whole."""

from __future__ import annotations

from devmentor_models.ai import models as ai
from devmentor_models.auth import models as auth
from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base
from devmentor_models.learning import models as learning
from devmentor_models.projects import models as projects

#: The PostgreSQL schemas of the domains, in the order in which they depend on each other.
SCHEMAS = ("auth", "projects", "memory", "learning", "ai")

target_metadata = Base.metadata

__all__ = ["SCHEMAS", "TECHNICAL_SCHEMA", "ai", "auth", "learning", "projects", "target_metadata"]

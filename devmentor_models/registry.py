"""The one module that imports every domain, so that the metadata is whole."""

from __future__ import annotations

from devmentor_models.ai import models as ai
from devmentor_models.auth import models as auth
from devmentor_models.auth.erasure import declare_erasure
from devmentor_models.auth.functions import declare_auth_functions
from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base
from devmentor_models.kit.functions import declare_functions, declare_touch_triggers
from devmentor_models.learning import models as learning
from devmentor_models.memory import models as memory
from devmentor_models.memory.functions import declare_memory_functions
from devmentor_models.memory.outbox_functions import declare_outbox_functions
from devmentor_models.memory.outbox_triggers import declare_outbox_triggers
from devmentor_models.projects import models as projects
from devmentor_models.projects.history import declare_history
from devmentor_models.security.append_only import declare_append_only
from devmentor_models.security.audit import declare_audit
from devmentor_models.security.barriers import declare_barriers
from devmentor_models.security.context import declare_context
from devmentor_models.security.ownership import declare_ownership
from devmentor_models.security.policies import declare_policies

#: The PostgreSQL schemas of the domains, in the order in which their tables refer to each other.
SCHEMAS = ("auth", "projects", "ai", "memory", "learning")

target_metadata = Base.metadata

declare_functions()
declare_touch_triggers()
declare_context()
declare_barriers()
declare_auth_functions()
declare_memory_functions()
declare_outbox_triggers()
declare_outbox_functions()
declare_policies()
declare_ownership()
declare_audit()
declare_append_only()
declare_history()
declare_erasure()

__all__ = ["SCHEMAS", "TECHNICAL_SCHEMA", "ai", "auth", "learning", "memory", "projects", "target_metadata"]

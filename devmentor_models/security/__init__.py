"""Who acts, and what protects a table: actors and the ``__security__`` values."""

from devmentor_models.security.actor import Actor, ActorKind
from devmentor_models.security.declarations import (
    Grant,
    Policy,
    Security,
    catalog,
    owned_by,
    service_only,
    shared_by,
)

__all__ = [
    "Actor",
    "ActorKind",
    "Grant",
    "Policy",
    "Security",
    "catalog",
    "owned_by",
    "service_only",
    "shared_by",
]

"""Who acts, and what protects a table: actors and the ``__security__`` values."""

from devmentor_models.security.actor import Actor, ActorKind
from devmentor_models.security.declarations import (
    EXPORT,
    PURGE,
    Chore,
    Grant,
    Policy,
    Security,
    Writers,
    catalog,
    owned_by,
    service_only,
    shared_by,
    shared_in_team,
    trail,
)

__all__ = [
    "EXPORT",
    "PURGE",
    "Actor",
    "ActorKind",
    "Chore",
    "Grant",
    "Policy",
    "Security",
    "Writers",
    "catalog",
    "owned_by",
    "service_only",
    "shared_by",
    "shared_in_team",
    "trail",
]

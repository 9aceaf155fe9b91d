"""The DevMentor database as a library: import one package, open one transaction as one actor.

>>> from devmentor_models import Actor, Database

The names below are loaded when they are first used: SQLAlchemy and psycopg take a moment, and a command
line or a test collector that never opens a database should not wait for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devmentor_models.database import Database
    from devmentor_models.database_async import AsyncDatabase
    from devmentor_models.errors import DevMentorError
    from devmentor_models.handshake import SchemaState
    from devmentor_models.kit.pagination import Page
    from devmentor_models.kit.session import bind_actor
    from devmentor_models.pool_stats import PoolStats
    from devmentor_models.security.actor import Actor
    from devmentor_models.settings import DatabaseSettings
    from devmentor_models.transaction import Transaction
    from devmentor_models.transaction_async import AsyncTransaction

__version__ = "0.1.0"

_HOMES = {
    "Actor": "security.actor",
    "AsyncDatabase": "database_async",
    "AsyncTransaction": "transaction_async",
    "Database": "database",
    "DatabaseSettings": "settings",
    "DevMentorError": "errors",
    "Page": "kit.pagination",
    "PoolStats": "pool_stats",
    "SchemaState": "handshake",
    "Transaction": "transaction",
    "bind_actor": "kit.session",
}

__all__ = [
    "Actor",
    "AsyncDatabase",
    "AsyncTransaction",
    "Database",
    "DatabaseSettings",
    "DevMentorError",
    "Page",
    "PoolStats",
    "SchemaState",
    "Transaction",
    "bind_actor",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

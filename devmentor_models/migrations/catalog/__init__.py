"""What a database holds, as PostgreSQL itself describes it."""

from devmentor_models.migrations.catalog.item import Item, Key, Snapshot
from devmentor_models.migrations.catalog.read import Scope, read

__all__ = ["Item", "Key", "Scope", "Snapshot", "read"]

"""Write column types into revisions as what the database has: a revision must not change with the library."""

from __future__ import annotations

from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from devmentor_models.kit.types import CheckedType


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Render a checked type as its plain implementation; leave everything else to Alembic."""
    if kind == "type" and isinstance(item, CheckedType):
        return _plain(item.impl_instance, autogen)
    return False


def _plain(item: TypeEngine[Any], autogen: AutogenContext) -> str:
    if isinstance(item, JSONB):
        return "postgresql.JSONB()"
    if isinstance(item, ARRAY):
        return f"postgresql.ARRAY({_plain(item.item_type, autogen)})"
    module = type(item).__module__
    if module.startswith("pgvector."):
        autogen.imports.add("import pgvector.sqlalchemy")
        return f"pgvector.sqlalchemy.{item!r}"
    prefix = "postgresql" if ".postgresql" in module else "sa"
    return f"{prefix}.{item!r}"

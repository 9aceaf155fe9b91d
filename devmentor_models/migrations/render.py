"""Write types and expressions into revisions as the database has them, whatever the library says later."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.elements import ColumnClause, TextClause
from sqlalchemy.types import JSON, TypeEngine

from devmentor_models.kit.types import CheckedType
from devmentor_models.migrations.compare.column_types import NamedType


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Render types and server defaults; leave everything else to Alembic."""
    if kind == "type":
        return _type(item, autogen)
    if kind == "server_default":
        return _default(item)
    return False


def _type(item: TypeEngine[Any], autogen: AutogenContext) -> str | Literal[False]:
    if isinstance(item, CheckedType):
        return _plain(item.impl_instance, autogen)
    ours = isinstance(item, JSON | ARRAY | NamedType) or type(item).__module__.startswith("pgvector.")
    return _plain(item, autogen) if ours else False


def _plain(item: TypeEngine[Any], autogen: AutogenContext) -> str:
    if isinstance(item, NamedType):
        return f"{autogen.opts['alembic_module_prefix']}named_type({item.name!r})"
    if isinstance(item, JSONB):
        return "postgresql.JSONB()"
    if isinstance(item, JSON):
        return "postgresql.JSON()"
    if isinstance(item, ARRAY):
        return f"postgresql.ARRAY({_plain(item.item_type, autogen)})"
    module = type(item).__module__
    if module.startswith("pgvector."):
        autogen.imports.add("import pgvector.sqlalchemy")
        return f"pgvector.sqlalchemy.{item!r}"
    prefix = "postgresql" if ".postgresql" in module else "sa"
    return f"{prefix}.{item!r}"


def _default(item: Any) -> str | Literal[False]:
    """Render an expression in PostgreSQL's words: Alembic would double its percent signs."""
    if isinstance(item, sa.Computed):
        plain = isinstance(item.sqltext, TextClause)
        sql = repr(item.sqltext.text) if plain else _expression(item.sqltext)
        return f"sa.Computed({sql}, persisted={item.persisted})"
    clause = item.arg if isinstance(item, sa.DefaultClause) else item
    return _expression(clause) if isinstance(clause, TextClause | ColumnClause) else False


def _expression(clause: Any) -> str:
    if isinstance(clause, TextClause):
        return f"sa.text({clause.text!r})"
    return f"sa.literal_column({clause.name!r})"

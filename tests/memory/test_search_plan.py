"""Which indexes a search uses, by EXPLAIN on real rows (P5)."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from devmentor_models import Database
from devmentor_models.memory.enums import DocumentSource, SearchMode
from devmentor_models.memory.search import Shape, search
from devmentor_models.memory.values import NewChunk
from tests.memory.conftest import Tenant

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")
#: Chunks of a usual size: in a handful of pages no index would pay.
FILLER = "the quick brown fox jumps over the lazy dog " * 20


def _fill(database: Database, tenant: Tenant) -> None:
    chunks = [NewChunk(f"{WORDS[place % 5]} {place} {FILLER}") for place in range(5000)]
    chunks.append(NewChunk("the rare word quokka"))
    with database.begin(tenant.actor) as tx:
        tx.documents.store(title="Many", content="many", source=DocumentSource.NOTE, chunks=chunks)


def _explain(engine: Engine, mode: SearchMode, parameters: dict[str, Any]) -> str:
    shape = Shape(mode, None, False, False, False, False, False, False)
    compiled = search(shape).compile(engine)
    with Session(engine) as session:
        session.execute(text("ANALYZE memory.chunks, memory.documents"))
        rows = session.connection().exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}", compiled.construct_params(parameters)
        )
        return json.dumps(rows.scalar_one())


def test_text_search_uses_the_word_index(
    devmentor_engine: Engine, database: Database, tenant: Tenant
) -> None:
    """A rare word is looked up, not searched for in every chunk of the tenant."""
    _fill(database, tenant)
    parameters = {"tenant_id": tenant.user_id, "query": "quokka", "language": "english"}
    plan = _explain(devmentor_engine, SearchMode.TEXT, parameters | {"depth": 10, "limit": 10})
    assert "ix_chunks_fts" in plan
    assert "uq_chunks_user_id_id" in plan


def test_the_vector_index_is_declared_for_autogenerate(devmentor_engine: Engine) -> None:
    """Its operator class stands apart from its expression, as the catalog shows it (trap 25)."""
    with devmentor_engine.connect() as connection:
        definition = connection.exec_driver_sql(
            "SELECT pg_get_indexdef('memory.ix_embeddings_meta_hnsw_256'::regclass)"
        ).scalar_one()
    assert "hnsw (((embedding)::halfvec(256)) halfvec_cosine_ops) WHERE (dimensions = 256)" in definition

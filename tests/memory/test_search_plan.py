"""Which indexes a search uses, by EXPLAIN on real rows (P5)."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.memory.enums import DocumentSource, SearchMode
from devmentor_models.memory.search import Shape, search
from devmentor_models.memory.values import NewChunk
from devmentor_models.testing.factories.auth import UserFactory

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")
#: Chunks of a usual size: in a handful of pages no index would pay.
FILLER = "the quick brown fox jumps over the lazy dog " * 20


def _filled(engine: Engine, url: str) -> UUID:
    """Give a user 5,000 chunks, one of them with a rare word; return the user's key."""
    with Session(engine) as session:
        user_id = UserFactory.insert(session).id
        session.commit()
    chunks = [NewChunk(f"{WORDS[place % 5]} {place} {FILLER}") for place in range(5000)]
    chunks.append(NewChunk("the rare word quokka"))
    with Database.from_url(url, pool_min=0) as database, database.begin(Actor.user(user_id)) as tx:
        tx.documents.store(title="Many", content="many", source=DocumentSource.NOTE, chunks=chunks)
    # As autovacuum does in time: without it the planner knows no rows, and a long list to merge.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE memory.chunks, memory.documents, auth.users")
    return user_id


def test_text_search_uses_the_word_index(devmentor_database_url: str) -> None:
    """A rare word is looked up, not searched for in every chunk of the tenant."""
    engine = create_engine(devmentor_database_url)
    user_id = _filled(engine, devmentor_database_url)
    shape = Shape(SearchMode.TEXT, None, False, False, False, False, False, False)
    compiled = search(shape).compile(engine)
    parameters = {"tenant_id": user_id, "query": "quokka", "language": "english", "depth": 10, "limit": 10}
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}", compiled.construct_params(parameters)
        ).scalar_one()
    engine.dispose()
    assert plan[0]["Plan"]["Actual Rows"] == 1
    assert "ix_chunks_fts" in json.dumps(plan)

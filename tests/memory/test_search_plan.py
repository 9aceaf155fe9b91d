"""Which plan a search takes under row security, by the plans that PostgreSQL ran (P4, P5, F5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from devmentor_models import Actor, Database
from devmentor_models.memory.enums import DocumentSource, SearchPlan
from devmentor_models.memory.matching import RANKED_AT_MOST
from devmentor_models.memory.values import SearchResult
from devmentor_models.security.signing import context_sql
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer

pytestmark = pytest.mark.long
NOTE, INDEX, EXACT = DocumentSource.NOTE, SearchPlan.INDEX, SearchPlan.EXACT
LARGE = UUID("01900000-0000-7000-8000-000000000001")
SMALL = UUID("01900000-0000-7000-8000-000000000002")
MODEL = UUID("01900000-0000-7000-8000-000000000003")
PROJECT = UUID("01900000-0000-7000-8000-000000000004")
VECTOR = [1.0, 0.5, 1.5, 1.0, 0.2, 1.0, 1.7, 0.4]

_FILL = f"""
INSERT INTO auth.users (id, email, username, password_hash)
SELECT id, n || '@plan.example', 'plan' || n, '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA'
  FROM (VALUES (1, '{LARGE}'::uuid), (2, '{SMALL}'::uuid)) AS u (n, id);
INSERT INTO ai.embedding_models (id, name, dimensions) VALUES ('{MODEL}', 'plan-8', 8);
INSERT INTO memory.documents (user_id, title, content, source, source_uri, content_hash)
SELECT u.id, 'Document ' || n, repeat('text ', 300),
       CASE WHEN n > 2 THEN 'code' ELSE 'upload' END::memory.document_source, 'src/app/module' || n || '.py',
       sha256(n::text::bytea)
  FROM (VALUES ('{LARGE}'::uuid, %(documents)s), ('{SMALL}'::uuid, 20)) AS u (id, documents),
       generate_series(1, u.documents) AS n;
INSERT INTO memory.chunks (user_id, document_id, ordinal, content, content_hash)
SELECT d.user_id, d.id, n, 'chunk of ' || d.title || ' calls load_page' || n || repeat(' %(filler)s', 40),
       sha256(n::text::bytea)
  FROM memory.documents d, generate_series(0, 9) AS n;
INSERT INTO memory.embeddings_meta
       (user_id, document_id, chunk_id, model_id, dimensions, content_hash, status, embedding)
SELECT c.user_id, c.document_id, c.id, '{MODEL}', 8, c.content_hash, 'indexed',
       (SELECT array_agg(1 + sin(hashtext(c.id::text || k)))::real[]::halfvec(8)
          FROM generate_series(1, 8) AS k)
  FROM memory.chunks c;
CREATE INDEX ix_embeddings_meta_hnsw_{MODEL.hex} ON memory.embeddings_meta
 USING hnsw ((embedding::halfvec(8)) halfvec_cosine_ops)
 WHERE model_id = '{MODEL}'::uuid;
"""


@dataclass(frozen=True)
class Site:
    """A database with many chunks of one user and 200 of another."""

    admin: str
    service: str

    @staticmethod
    def fill(admin: str, service: str, *, documents: int, filler: str) -> Site:
        """Give the large user ten chunks in each of so many documents."""
        with psycopg.connect(conninfo(admin), autocommit=True) as connection:
            connection.execute((_FILL % {"documents": documents, "filler": filler}).encode())
            connection.execute("VACUUM ANALYZE memory.documents, memory.chunks, memory.embeddings_meta")
        return Site(admin, service)

    def search(self, user: UUID, query: str | None = None, **options: Any) -> SearchResult:
        """Search as the memory service does."""
        embedding, model = (None, None) if query else (VECTOR, "plan-8")
        options = {"related": 0} | options
        with Database.from_url(self.service, pool_min=0) as database, database.begin(Actor.user(user)) as tx:
            return tx.memory.search(query, embedding, model=model, **options)

    def plans(self, user: UUID, call: str) -> str:
        """Return the plans of what a function runs, called with the memory service's rights."""
        plans: list[str] = []
        with psycopg.connect(conninfo(self.admin)) as connection:
            connection.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
            connection.execute(
                "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;"
                "SET auto_explain.log_nested_statements = on; SET client_min_messages = log"
            )
            connection.execute(f"SET ROLE devmentor_memory; {context_sql(Actor.user(user))}".encode())
            connection.execute(f"SELECT * FROM memory.{call}".encode())
        return "\n".join(plan for plan in plans if "memory.chunks" in plan or "embeddings_meta" in plan)


def _distances(result: SearchResult) -> Sequence[float]:
    return [round(hit.distance, 3) for hit in result if hit.distance is not None]


def test_vectors_are_searched_by_the_cheaper_plan(
    devmentor_database_url: str, devmentor_server: DatabaseServer
) -> None:
    """Few exactly, many through the model's index; either way all rows that were asked for (traps 10, 27)."""
    with devmentor_server.login(devmentor_database_url, "devmentor_memory") as service:
        site = Site.fill(devmentor_database_url, service, documents=1600, filler="")
        large, small = site.search(LARGE), site.search(SMALL)
        assert (large.plan, small.plan) == (INDEX, EXACT)
        assert (len(large), len(small), large.truncated, small.truncated) == (10, 10, False, False)
        exact = site.search(LARGE, plan=EXACT)
        assert _distances(large)[:5] == _distances(exact)[:5]
        # Through the index alone, the few vectors of the small user are found only if the scan gets that far.
        forced = site.search(SMALL, plan=INDEX)
        assert (len(forced) < 10) == forced.truncated == (forced.reason is not None)
        # A filter that hides next to nothing, one that hides all, and one that leaves few.
        lately, nowhere = site.search(LARGE, since=timedelta(days=1)), site.search(LARGE, source=NOTE)
        assert (len(lately), lately.plan, len(nowhere), nowhere.plan) == (10, INDEX, 0, EXACT)
        few = site.search(LARGE, source=DocumentSource.UPLOAD)
        assert (len(few), few.plan, few.truncated) == (10, EXACT, False)
        (hit, *_) = site.search(LARGE, related=3)
        assert len(hit.related) == 3
        vector = f"'{VECTOR}'::halfvec"
        call = f"nearest_chunks('{MODEL}', 'cosine', {vector}, NULL, NULL, NULL, NULL, 10, NULL)"
        plan = site.plans(LARGE, call)
        assert f"using ix_embeddings_meta_hnsw_{MODEL.hex}" in plan
        assert "Sort Key: embeddings_meta" not in plan
        plan = site.plans(SMALL, call)
        assert "ix_embeddings_meta_model_id" in plan or "uq_embeddings_meta" in plan
        assert "using ix_embeddings_meta_hnsw" not in plan
        assert "Seq Scan on embeddings_meta" not in plan
        call = "matching_chunks('src/app/module7.py', NULL, NULL, NULL, NULL, 10)"
        assert "Bitmap Index Scan on ix_documents_names" in site.plans(LARGE, call)


def test_words_and_symbols_are_found_by_index(
    devmentor_database_url: str, devmentor_server: DatabaseServer
) -> None:
    """Under row security, which would keep @@ and LIKE from every index (DESIGN §4)."""
    filler = "the quick brown fox jumps over the lazy dog"
    with devmentor_server.login(devmentor_database_url, "devmentor_memory") as service:
        site = Site.fill(devmentor_database_url, service, documents=200, filler=filler)
        for query in ("load_page7", "module 17", "fox -dog"):
            call = f"matching_chunks('{query}', NULL, NULL, NULL, NULL, 10)"
            plan = site.plans(LARGE, call)
            assert "Bitmap Index Scan on ix_chunks_words" in plan, plan
            assert "Seq Scan on chunks" not in plan
        assert len(site.search(SMALL, "load_page7")) == 10
        assert site.search(SMALL, "src/app/module7.py")[0].source_uri == "src/app/module7.py"


_NAMED = f"""
INSERT INTO auth.users (id, email, username, password_hash)
VALUES ('{LARGE}', 'named@plan.example', 'named', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA');
INSERT INTO projects.projects (id, user_id, name, slug) VALUES ('{PROJECT}', '{LARGE}', 'p', 'p');
INSERT INTO memory.documents (user_id, project_id, title, content, source, content_hash)
SELECT '{LARGE}', CASE WHEN n > {RANKED_AT_MOST} THEN '{PROJECT}'::uuid END, 'Manual ' || n, 'x', 'note',
       sha256(n::text::bytea)
  FROM generate_series(1, {RANKED_AT_MOST} + 3) AS n;
INSERT INTO memory.chunks (user_id, document_id, ordinal, content, content_hash)
SELECT user_id, id, 0, 'x', content_hash FROM memory.documents;
"""


def test_a_name_that_ever_so_many_documents_have(
    devmentor_database_url: str, devmentor_server: DatabaseServer
) -> None:
    """A filter finds all of its own among them; without one, more match than are ranked, and that is said."""
    with devmentor_server.login(devmentor_database_url, "devmentor_memory") as service:
        with psycopg.connect(conninfo(devmentor_database_url)) as connection:
            connection.execute(_NAMED.encode())
        site = Site(devmentor_database_url, service)
        few, many = site.search(LARGE, "manual", project_id=PROJECT), site.search(LARGE, "manual")
        assert (len(few), few.truncated, few.reason) == (3, False, None)
        assert (len(many), many.truncated) == (10, True)
        assert str(RANKED_AT_MOST) in str(many.reason)

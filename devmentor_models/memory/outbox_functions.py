"""What the worker of the vector mirror may know: the memory service, acting for nobody (S4, Z1).

A point's *state* is what the mirror is to have of it: vector and payload, or nothing. The payload names the
embedding and its version, so that two states with the same payload are the same.
"""

from __future__ import annotations

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service


def _only_for_the_worker(name: str) -> str:
    """Return the statement that refuses everybody but the memory service on its own account."""
    return f"""IF devmentor.service() IS DISTINCT FROM 'memory' OR devmentor.user_id() IS NOT NULL THEN
        RAISE insufficient_privilege USING
            MESSAGE = '{name} is for the memory service, acting for nobody';
    END IF;"""


_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"

# From a chunk `c` and a model `m` to the embedding `e` of its point, if the mirror is to have it.
#
# OFFSET 0: looked up chunk by chunk. As a plain join, PostgreSQL may read all vectors of a document for each
# of its chunks.
_WANTED = """CROSS JOIN LATERAL (
            SELECT * FROM memory.embeddings_meta v
             WHERE v.user_id = c.user_id AND v.document_id = c.document_id AND v.chunk_id = c.id
               AND v.model_id = m.id AND v.status = 'indexed' OFFSET 0
          ) e
          JOIN memory.documents d ON d.user_id = c.user_id AND d.id = c.document_id
               AND d.deleted_at IS NULL"""

# Times in the one form that neither the session's time zone nor its DateStyle changes.
_PAYLOAD = """jsonb_build_object(
                   'user_id', e.user_id, 'document_id', d.id, 'chunk_id', c.id, 'project_id', d.project_id,
                   'source', d.source,
                   'created_at', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'embedding_id', e.id, 'version', e.version)"""

_STATES = f"""
CREATE FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)
RETURNS TABLE (entry_id uuid, payload jsonb, embedding real[]) LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    {_only_for_the_worker("memory.outbox_states")}
    RETURN QUERY
        SELECT o.id, s.payload, s.embedding
          FROM memory.vector_outbox o
          LEFT JOIN LATERAL (
            SELECT {_PAYLOAD} AS payload,
                   CASE WHEN p_vectors THEN e.embedding::real[] END AS embedding
              FROM ai.embedding_models m
              JOIN memory.chunks c ON c.id = o.point_id
              {_WANTED}
             WHERE m.qdrant_collection = o.collection
          ) s ON true
         WHERE o.id = ANY (p_entries);
END
$fn$
"""

_POINTS = f"""
CREATE FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)
RETURNS TABLE (point_id uuid, payload jsonb) LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    {_only_for_the_worker("memory.mirrored_points")}
    RETURN QUERY
        SELECT c.id, {_PAYLOAD}
          FROM ai.embedding_models m
         CROSS JOIN memory.chunks c
          {_WANTED}
         WHERE m.qdrant_collection = p_collection AND c.id > p_after
         ORDER BY c.id LIMIT p_limit;
END
$fn$
"""

# Whatever is found to differ goes the way of every change, through the queue: the state that counts is the
# one that a worker reads when it delivers.
_QUEUE_POINTS = f"""
CREATE FUNCTION memory.queue_points(p_collection text, p_points uuid[]) RETURNS void
LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    {_only_for_the_worker("memory.queue_points")}
    INSERT INTO memory.vector_outbox (user_id, embedding_id, operation, collection, point_id)
    SELECT coalesce(c.user_id, {_NOBODY}), coalesce(e.id, {_NOBODY}),
           CASE WHEN e.id IS NULL THEN 'delete' ELSE 'upsert' END::memory.outbox_operation, p_collection, p.id
      FROM unnest(p_points) AS p (id)
      LEFT JOIN memory.chunks c ON c.id = p.id
      LEFT JOIN ai.embedding_models m ON m.qdrant_collection = p_collection
      LEFT JOIN memory.embeddings_meta e ON e.user_id = c.user_id AND e.document_id = c.document_id
           AND e.chunk_id = c.id AND e.model_id = m.id AND e.status = 'indexed';
END
$fn$
"""


def declare_outbox_functions() -> None:
    """Declare the functions, and that only the memory service may call them."""
    for sql, arguments, comment, why in (
        (
            _STATES,
            "uuid[], boolean",
            "What the vector mirror is to have of the points of entries of the queue; no payload: no point",
            "refuses whoever acts for a user; shows vectors and keys of queued points, no text",
        ),
        (
            _POINTS,
            "text, uuid, integer",
            "What the vector mirror is to have in a collection, without vectors, page by page",
            "refuses whoever acts for a user; shows keys, times and closed sets, no text",
        ),
        (
            _QUEUE_POINTS,
            "text, uuid[]",
            "Queues points that were found to differ",
            "refuses whoever acts for a user, and returns nothing",
        ),
    ):
        declare(
            Base.metadata,
            *definer_function(sql, arguments=arguments, to=(Service.MEMORY.role,), comment=comment, why=why),
        )

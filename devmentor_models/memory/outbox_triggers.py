"""Triggers that queue work for the vector mirror, whoever changes what (S4).

They run once per statement, over its transition tables: for repositories, COPY, psql and cascades alike.
TRUNCATE has no such tables and queues nothing; after it, as after a restore, the worker reconciles.

The context of the caller plays no part: what changed is queued, for the user whose row it is.
"""

from __future__ import annotations

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare, trigger
from devmentor_models.security.context import DEFINER, definer_function

# Most databases mirror nothing: then one look at a small table is all.
_NOTHING_MIRRORED = """IF NOT EXISTS (
        SELECT FROM ai.embedding_models WHERE qdrant_collection IS NOT NULL
    ) THEN
        RETURN NULL;
    END IF;"""

_COLUMNS = "(user_id, embedding_id, operation, collection, point_id)"

# An update may take a row from one point to another, so both are queued; a point only once.
_QUEUE_EMBEDDINGS = f"""
CREATE FUNCTION memory.queue_embeddings() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    {_NOTHING_MIRRORED}
    IF TG_OP = 'INSERT' THEN
        INSERT INTO memory.vector_outbox {_COLUMNS}
        SELECT e.user_id, e.id, 'upsert', m.qdrant_collection, e.chunk_id
          FROM new_rows e JOIN ai.embedding_models m ON m.id = e.model_id
         WHERE m.qdrant_collection IS NOT NULL AND e.status = 'indexed';
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO memory.vector_outbox {_COLUMNS}
        SELECT e.user_id, e.id, 'delete', m.qdrant_collection, e.chunk_id
          FROM old_rows e JOIN ai.embedding_models m ON m.id = e.model_id
         WHERE m.qdrant_collection IS NOT NULL AND e.status = 'indexed';
    ELSE
        INSERT INTO memory.vector_outbox {_COLUMNS}
        SELECT e.user_id, e.id,
               CASE WHEN bool_or(e.kept) THEN 'upsert' ELSE 'delete' END::memory.outbox_operation,
               m.qdrant_collection, e.chunk_id
          FROM (SELECT o.user_id, o.id, o.model_id, o.chunk_id, false AS kept
                  FROM old_rows o WHERE o.status = 'indexed'
                UNION ALL
                SELECT n.user_id, n.id, n.model_id, n.chunk_id, true
                  FROM new_rows n WHERE n.status = 'indexed') e
          JOIN ai.embedding_models m ON m.id = e.model_id
         WHERE m.qdrant_collection IS NOT NULL
         GROUP BY e.user_id, e.id, m.qdrant_collection, e.chunk_id;
    END IF;
    RETURN NULL;
END
$fn$
"""

# Of a document the points carry the project and the source, and they are there while it is not deleted.
_QUEUE_DOCUMENTS = f"""
CREATE FUNCTION memory.queue_documents() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    {_NOTHING_MIRRORED}
    INSERT INTO memory.vector_outbox {_COLUMNS}
    SELECT e.user_id, e.id,
           CASE WHEN n.deleted_at IS NULL THEN 'upsert' ELSE 'delete' END::memory.outbox_operation,
           m.qdrant_collection, e.chunk_id
      FROM old_rows o
      JOIN new_rows n ON n.id = o.id
      JOIN memory.embeddings_meta e ON e.user_id = n.user_id AND e.document_id = n.id
      JOIN ai.embedding_models m ON m.id = e.model_id
     WHERE m.qdrant_collection IS NOT NULL AND e.status = 'indexed'
       AND (o.deleted_at IS NULL, o.project_id, o.source, o.created_at)
           IS DISTINCT FROM (n.deleted_at IS NULL, n.project_id, n.source, n.created_at);
    RETURN NULL;
END
$fn$
"""

_WHY = "a trigger, which nobody can call: it queues the keys of the changed rows"
_NEW, _OLD = "NEW TABLE AS new_rows", "OLD TABLE AS old_rows"


def declare_outbox_triggers() -> None:
    """Declare the functions and their triggers; each event has its own, since transition tables demand it."""
    declare(
        Base.metadata,
        *definer_function(
            _QUEUE_EMBEDDINGS, comment="Queues changed vectors for the vector mirror", why=_WHY
        ),
        *definer_function(
            _QUEUE_DOCUMENTS, comment="Queues the vectors of changed documents for the mirror", why=_WHY
        ),
        *(
            trigger(
                f"queue_{event}",
                f"memory.{table}",
                f"AFTER {event.upper()}",
                f"memory.{function}()",
                each="STATEMENT",
                referencing=rows,
            )
            for event, table, function, rows in (
                ("insert", "embeddings_meta", "queue_embeddings", _NEW),
                ("update", "embeddings_meta", "queue_embeddings", f"{_OLD} {_NEW}"),
                ("delete", "embeddings_meta", "queue_embeddings", _OLD),
                ("update", "documents", "queue_documents", f"{_OLD} {_NEW}"),
            )
        ),
    )

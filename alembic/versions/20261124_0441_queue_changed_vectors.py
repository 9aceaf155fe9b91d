"""Queue changed vectors for the vector mirror, and let its worker know what the mirror is to have.

Revision: 0d1c5a6e0102
Revises: 0d1c5a6e0104
Created: 2026-11-24 04:41:32.550844+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0102"
down_revision: str | None = "0d1c5a6e0104"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the triggers and the functions, and what these may do."""
    op.create_function("""
    CREATE FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)
     RETURNS TABLE(point_id uuid, payload jsonb)
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'memory' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'memory.mirrored_points is for the memory service, acting for nobody';
        END IF;
        RETURN QUERY
            SELECT c.id, jsonb_build_object(
                       'user_id', e.user_id, 'document_id', d.id, 'chunk_id', c.id, 'project_id', d.project_id,
                       'source', d.source,
                       'created_at', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                       'embedding_id', e.id, 'version', e.version)
              FROM ai.embedding_models m
             CROSS JOIN memory.chunks c
              CROSS JOIN LATERAL (
                SELECT * FROM memory.embeddings_meta v
                 WHERE v.user_id = c.user_id AND v.document_id = c.document_id AND v.chunk_id = c.id
                   AND v.model_id = m.id AND v.status = 'indexed' OFFSET 0
              ) e
              JOIN memory.documents d ON d.user_id = c.user_id AND d.id = c.document_id
                   AND d.deleted_at IS NULL
             WHERE m.qdrant_collection = p_collection AND c.id > p_after
             ORDER BY c.id LIMIT p_limit;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)
     RETURNS TABLE(entry_id uuid, payload jsonb, embedding real[])
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'memory' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'memory.outbox_states is for the memory service, acting for nobody';
        END IF;
        RETURN QUERY
            SELECT o.id, s.payload, s.embedding
              FROM memory.vector_outbox o
              LEFT JOIN LATERAL (
                SELECT jsonb_build_object(
                       'user_id', e.user_id, 'document_id', d.id, 'chunk_id', c.id, 'project_id', d.project_id,
                       'source', d.source,
                       'created_at', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                       'embedding_id', e.id, 'version', e.version) AS payload,
                       CASE WHEN p_vectors THEN e.embedding::real[] END AS embedding
                  FROM ai.embedding_models m
                  JOIN memory.chunks c ON c.id = o.point_id
                  CROSS JOIN LATERAL (
                SELECT * FROM memory.embeddings_meta v
                 WHERE v.user_id = c.user_id AND v.document_id = c.document_id AND v.chunk_id = c.id
                   AND v.model_id = m.id AND v.status = 'indexed' OFFSET 0
              ) e
              JOIN memory.documents d ON d.user_id = c.user_id AND d.id = c.document_id
                   AND d.deleted_at IS NULL
                 WHERE m.qdrant_collection = o.collection
              ) s ON true
             WHERE o.id = ANY (p_entries);
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.queue_documents()
     RETURNS trigger
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF NOT EXISTS (
            SELECT FROM ai.embedding_models WHERE qdrant_collection IS NOT NULL
        ) THEN
            RETURN NULL;
        END IF;
        INSERT INTO memory.vector_outbox (user_id, embedding_id, operation, collection, point_id)
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
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.queue_embeddings()
     RETURNS trigger
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF NOT EXISTS (
            SELECT FROM ai.embedding_models WHERE qdrant_collection IS NOT NULL
        ) THEN
            RETURN NULL;
        END IF;
        IF TG_OP = 'INSERT' THEN
            INSERT INTO memory.vector_outbox (user_id, embedding_id, operation, collection, point_id)
            SELECT e.user_id, e.id, 'upsert', m.qdrant_collection, e.chunk_id
              FROM new_rows e JOIN ai.embedding_models m ON m.id = e.model_id
             WHERE m.qdrant_collection IS NOT NULL AND e.status = 'indexed';
        ELSIF TG_OP = 'DELETE' THEN
            INSERT INTO memory.vector_outbox (user_id, embedding_id, operation, collection, point_id)
            SELECT e.user_id, e.id, 'delete', m.qdrant_collection, e.chunk_id
              FROM old_rows e JOIN ai.embedding_models m ON m.id = e.model_id
             WHERE m.qdrant_collection IS NOT NULL AND e.status = 'indexed';
        ELSE
            INSERT INTO memory.vector_outbox (user_id, embedding_id, operation, collection, point_id)
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
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.queue_points(p_collection text, p_points uuid[])
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'memory' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'memory.queue_points is for the memory service, acting for nobody';
        END IF;
        INSERT INTO memory.vector_outbox (user_id, embedding_id, operation, collection, point_id)
        SELECT coalesce(c.user_id, '00000000-0000-0000-0000-000000000000'::uuid), coalesce(e.id, '00000000-0000-0000-0000-000000000000'::uuid),
               CASE WHEN e.id IS NULL THEN 'delete' ELSE 'upsert' END::memory.outbox_operation, p_collection, p.id
          FROM unnest(p_points) AS p (id)
          LEFT JOIN memory.chunks c ON c.id = p.id
          LEFT JOIN ai.embedding_models m ON m.qdrant_collection = p_collection
          LEFT JOIN memory.embeddings_meta e ON e.user_id = c.user_id AND e.document_id = c.document_id
               AND e.chunk_id = c.id AND e.model_id = m.id AND e.status = 'indexed';
    END
    $function$
    """)
    op.create_trigger(
        "CREATE TRIGGER queue_update AFTER UPDATE ON memory.documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memory.queue_documents()"
    )
    op.create_trigger(
        "CREATE TRIGGER queue_delete AFTER DELETE ON memory.embeddings_meta REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memory.queue_embeddings()"
    )
    op.create_trigger(
        "CREATE TRIGGER queue_insert AFTER INSERT ON memory.embeddings_meta REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memory.queue_embeddings()"
    )
    op.create_trigger(
        "CREATE TRIGGER queue_update AFTER UPDATE ON memory.embeddings_meta REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memory.queue_embeddings()"
    )
    op.create_policy(
        "definer_delete", "memory.vector_outbox", command="DELETE", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "definer_insert", "memory.vector_outbox", command="INSERT", to=["devmentor_owner"], check="true"
    )
    op.create_policy(
        "definer_select", "memory.vector_outbox", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)",
        "devmentor_memory",
    )
    op.revoke(["EXECUTE"], "FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)", "PUBLIC")
    op.grant(
        ["EXECUTE"], "FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)", "devmentor_memory"
    )
    op.revoke(["EXECUTE"], "FUNCTION memory.queue_documents()", "PUBLIC")
    op.revoke(["EXECUTE"], "FUNCTION memory.queue_embeddings()", "PUBLIC")
    op.revoke(["EXECUTE"], "FUNCTION memory.queue_points(p_collection text, p_points uuid[])", "PUBLIC")
    op.grant(
        ["EXECUTE"], "FUNCTION memory.queue_points(p_collection text, p_points uuid[])", "devmentor_memory"
    )
    op.comment_on(
        "FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)",
        "What the vector mirror is to have in a collection, without vectors, page by page",
    )
    op.comment_on(
        "FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)",
        "What the vector mirror is to have of the points of entries of the queue; no payload: no point",
    )
    op.comment_on(
        "FUNCTION memory.queue_documents()", "Queues the vectors of changed documents for the mirror"
    )
    op.comment_on("FUNCTION memory.queue_embeddings()", "Queues changed vectors for the vector mirror")
    op.comment_on(
        "FUNCTION memory.queue_points(p_collection text, p_points uuid[])",
        "Queues points that were found to differ",
    )


def downgrade() -> None:
    """Drop them."""
    op.comment_on("FUNCTION memory.queue_points(p_collection text, p_points uuid[])", None)
    op.comment_on("FUNCTION memory.queue_embeddings()", None)
    op.comment_on("FUNCTION memory.queue_documents()", None)
    op.comment_on("FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)", None)
    op.comment_on("FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)", None)
    op.revoke(
        ["EXECUTE"], "FUNCTION memory.queue_points(p_collection text, p_points uuid[])", "devmentor_memory"
    )
    op.grant(["EXECUTE"], "FUNCTION memory.queue_points(p_collection text, p_points uuid[])", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION memory.queue_embeddings()", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION memory.queue_documents()", "PUBLIC")
    op.revoke(
        ["EXECUTE"], "FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)", "devmentor_memory"
    )
    op.grant(["EXECUTE"], "FUNCTION memory.outbox_states(p_entries uuid[], p_vectors boolean)", "PUBLIC")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)",
        "devmentor_memory",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)",
        "PUBLIC",
    )
    op.drop_policy("definer_select", "memory.vector_outbox")
    op.drop_policy("definer_insert", "memory.vector_outbox")
    op.drop_policy("definer_delete", "memory.vector_outbox")
    op.drop_trigger("queue_update", "memory.embeddings_meta")
    op.drop_trigger("queue_insert", "memory.embeddings_meta")
    op.drop_trigger("queue_delete", "memory.embeddings_meta")
    op.drop_trigger("queue_update", "memory.documents")
    op.drop_function("memory.queue_points(p_collection text, p_points uuid[])")
    op.drop_function("memory.queue_embeddings()")
    op.drop_function("memory.queue_documents()")
    op.drop_function("memory.outbox_states(p_entries uuid[], p_vectors boolean)")
    op.drop_function("memory.mirrored_points(p_collection text, p_after uuid, p_limit integer)")

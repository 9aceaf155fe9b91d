"""Search by words, symbols and vectors with the plan that fits.

Revision: 0d1c5a6e0106
Revises: 0d1c5a6e0100
Created: 2026-11-24 04:33:40.931822+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0106"
down_revision: str | None = "0d1c5a6e0100"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the functions that search, and what they need."""
    op.create_function("""
    CREATE FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)
     RETURNS double precision
     LANGUAGE plpgsql
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
    DECLARE
        explain CONSTANT text := format('EXPLAIN (FORMAT JSON) SELECT FROM memory.%%s WHERE user_id = %L',
                                        devmentor.user_id());
        plan json;
        vectors double precision;
        documents double precision;
    BEGIN
        EXECUTE format(explain || ' AND model_id = %L AND dimensions = %s',
                       'embeddings_meta', p_model, p_dimensions) INTO plan;
        vectors := plan -> 0 -> 'Plan' ->> 'Plan Rows';
        IF p_documents IS NOT NULL THEN
            EXECUTE format(explain, 'documents') INTO plan;
            documents := plan -> 0 -> 'Plan' ->> 'Plan Rows';
            vectors := vectors * least(1, p_documents / greatest(1, documents));
        END IF;
        RETURN greatest(1, vectors);
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.indexed_vectors(p_model uuid)
     RETURNS double precision
     LANGUAGE sql
     STABLE
     SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT c.reltuples FROM (pg_index i JOIN pg_class c ON ((c.oid = i.indexrelid))) WHERE (i.indisvalid AND (c.oid = (to_regclass(('memory.ix_embeddings_meta_hnsw_'::text || replace((indexed_vectors.p_model)::text, '-'::text, ''::text))))::oid)))
    """)
    op.create_function(r"""
    CREATE FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)
     RETURNS record
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        said CONSTANT text := regexp_replace(p_query, '-([^[:alnum:]"]*-)+', ' ', 'g');
        symbol text;
        spoken memory.text_language;
        all_words tsquery;
        any_words tsquery;
        complete text := 'false';
        partial text := 'false';
        rank text := '';
        symbolic text := 'false';
        named text := 'false';
        score text := '0';
        symbols integer := 0;
        words text;
        considered bigint;

        me CONSTANT uuid := devmentor.user_id();
        documents uuid[];
        visible text;
        wanted integer;

    BEGIN

        IF p_project IS NULL AND p_since IS NULL AND p_source IS NULL THEN
            visible := 'document_id <> ALL ($2)';
            documents := ARRAY(
                SELECT d.id FROM memory.documents d WHERE d.user_id = me AND d.deleted_at IS NOT NULL
                UNION ALL
                SELECT d.id FROM projects.projects p
                  JOIN memory.documents d ON d.user_id = me AND d.project_id = p.id
                 WHERE p.user_id = me AND (p.status <> 'active' OR p.deleted_at IS NOT NULL));
        ELSE
            visible := 'document_id = ANY ($2)';
            EXECUTE $sql$
                SELECT ARRAY(
                    SELECT d.id FROM memory.documents d
                      LEFT JOIN projects.projects p ON p.user_id = $1 AND p.id = d.project_id
                     WHERE d.user_id = $1 AND d.deleted_at IS NULL
                       AND (d.project_id IS NULL OR p.status = 'active' AND p.deleted_at IS NULL)
                       AND ($2 IS NULL OR d.project_id = $2)
                       AND ($3 IS NULL OR d.created_at >= $3)
                       AND ($4 IS NULL OR d.source = $4))
            $sql$ INTO documents USING me, p_project, p_since, p_source;
            wanted := cardinality(documents);
        END IF;

        FOR symbol IN
            SELECT '%' || replace(replace(replace(s, '\', '\\'), '_', '\_'), '%', '\%') || '%'
              FROM unnest(string_to_array(memory.symbols(p_query), ' ')) AS s
             WHERE length(s) >= 3 LIMIT 8
        LOOP
            symbols := symbols + 1;
            symbolic := symbolic || format(' OR symbols LIKE %L', symbol);
            named := named || format(' OR title ILIKE %1$L OR source_uri ILIKE %1$L', symbol);
            score := score || format(' + (haystack LIKE %L)::int', symbol);
        END LOOP;
        FOR spoken IN
            WITH RECURSIVE languages AS (
                (SELECT language FROM memory.documents WHERE user_id = me ORDER BY language LIMIT 1)
                UNION ALL
                SELECT (SELECT d.language FROM memory.documents d WHERE d.user_id = me AND d.language > l.language
                         ORDER BY d.language LIMIT 1)
                  FROM languages l WHERE l.language IS NOT NULL)
            SELECT language FROM languages
             WHERE language IS NOT NULL AND (p_language IS NULL OR language = p_language)
        LOOP
            all_words := websearch_to_tsquery(spoken::text::regconfig, said);
            CONTINUE WHEN numnode(all_words) = 0;
            any_words := CASE WHEN all_words::text LIKE '%!%' THEN all_words
                           ELSE replace(all_words::text, ' & ', ' | ')::tsquery END;
            complete := complete || format(' OR language = %L AND fts @@ %L::tsquery', spoken, all_words);
            partial := partial || format(' OR language = %L AND fts @@ %L::tsquery', spoken, any_words);
            rank := rank || format(' WHEN language = %L THEN ts_rank(fts, %L::tsquery)', spoken, any_words);
        END LOOP;
        FOREACH words IN ARRAY ARRAY[complete, partial] LOOP
            EXECUTE format($sql$
                WITH named AS MATERIALIZED (
                    SELECT id, concat_ws(' ', lower(title), lower(source_uri)) AS name, %2$s AS titled
                      FROM memory.documents WHERE user_id = $1 AND (%1$s OR %2$s) AND %9$s
                     LIMIT 10000 + 1
                ), ranked AS MATERIALIZED (
                    SELECT chunks.id,
                           (%2$s OR ordinal = 0 AND coalesce(titled, false))::int
                               + (%6$s)::float8 / %7$s AS grade,
                           (CASE WHEN false THEN 0 %8$s ELSE 0 END)::float8 AS rank
                      FROM (
                        SELECT id, document_id, ordinal, language, fts, symbols
                          FROM memory.chunks WHERE user_id = $1 AND (%3$s OR %4$s)
                        UNION ALL
                        SELECT c.id, document_id, ordinal, language, fts, symbols
                          FROM named n JOIN memory.chunks c ON c.document_id = n.id
                         WHERE c.user_id = $1 AND ordinal = 0 AND NOT (%3$s OR %4$s)
                      ) chunks
                      LEFT JOIN named n ON n.id = document_id,
                      LATERAL (SELECT concat_ws(' ', symbols, name) AS haystack) h
                     WHERE %5$s LIMIT 10000 + 1
                )
                SELECT array_agg(id ORDER BY grade DESC, rank DESC, id),
                       array_agg(rank ORDER BY grade DESC, rank DESC, id),
                       (SELECT count(*) FROM ranked)
                  FROM (SELECT * FROM ranked ORDER BY grade DESC, rank DESC, id LIMIT $3) best$sql$,
                named, complete, words, symbolic, visible, score, greatest(symbols, 1), rank,
                replace(visible, 'document_id', 'id'))
            INTO ids, ranks, considered USING me, documents, p_limit;
            truncated := considered > 10000;
            EXIT WHEN considered >= p_limit OR complete = partial;
        END LOOP;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)
     RETURNS record
     LANGUAGE plpgsql
     SET enable_sort TO 'on'
    AS $function$
    DECLARE
        length CONSTANT integer := vector_dims(p_vector);
        cosine CONSTANT boolean := p_metric = 'cosine';
        l2 CONSTANT boolean := p_metric = 'l2';
        operator CONSTANT text := CASE p_metric WHEN 'cosine' THEN '<=>' WHEN 'l2' THEN '<->' ELSE '<#>' END;
        indexed CONSTANT double precision := memory.indexed_vectors(p_model);
        own double precision;
        considered bigint;

        me CONSTANT uuid := devmentor.user_id();
        documents uuid[];
        visible text;
        wanted integer;

    BEGIN

        IF p_project IS NULL AND p_since IS NULL AND p_source IS NULL THEN
            visible := 'document_id <> ALL ($2)';
            documents := ARRAY(
                SELECT d.id FROM memory.documents d WHERE d.user_id = me AND d.deleted_at IS NOT NULL
                UNION ALL
                SELECT d.id FROM projects.projects p
                  JOIN memory.documents d ON d.user_id = me AND d.project_id = p.id
                 WHERE p.user_id = me AND (p.status <> 'active' OR p.deleted_at IS NOT NULL));
        ELSE
            visible := 'document_id = ANY ($2)';
            EXECUTE $sql$
                SELECT ARRAY(
                    SELECT d.id FROM memory.documents d
                      LEFT JOIN projects.projects p ON p.user_id = $1 AND p.id = d.project_id
                     WHERE d.user_id = $1 AND d.deleted_at IS NULL
                       AND (d.project_id IS NULL OR p.status = 'active' AND p.deleted_at IS NULL)
                       AND ($2 IS NULL OR d.project_id = $2)
                       AND ($3 IS NULL OR d.created_at >= $3)
                       AND ($4 IS NULL OR d.source = $4))
            $sql$ INTO documents USING me, p_project, p_since, p_source;
            wanted := cardinality(documents);
        END IF;

        plan := 'exact';
        truncated := false;
        IF indexed >= 2000 AND p_plan IS DISTINCT FROM 'exact' THEN
            SELECT greatest(1, count(*)) INTO own FROM (
                SELECT FROM memory.embeddings_meta
                 WHERE user_id = me AND model_id = p_model AND dimensions = length LIMIT 1000 + 1) few;
            IF own > 1000 THEN
                own := memory.estimated_vectors(p_model, length, wanted);
            END IF;
            IF p_plan = 'index' OR own * 0.2
                > 400 + 8 * greatest(300, p_limit * indexed / own) THEN
                plan := 'index';
            END IF;
        END IF;
        IF plan = 'index' THEN
            PERFORM set_config('enable_sort', 'off', true),
                    set_config('hnsw.iterative_scan', 'relaxed_order', true),
                    set_config('hnsw.ef_search', '300', true),
                    set_config('hnsw.max_scan_tuples', '20000', true);

            EXECUTE format($sql$
                WITH best AS MATERIALIZED (
                    SELECT chunk_id, embedding::halfvec(%1$s) %2$s $4::halfvec(%1$s) AS distance
                      FROM memory.embeddings_meta
                     WHERE user_id = $1 AND model_id = %3$L AND %4$s
                     ORDER BY embedding::halfvec(%1$s) %2$s $4::halfvec(%1$s) LIMIT $5)
                $sql$, length, operator, p_model, visible) || $sql$
                SELECT array_agg(chunk_id ORDER BY distance, chunk_id) FILTER (WHERE $6 IS NULL OR distance <= $6),
                       array_agg(distance ORDER BY distance, chunk_id) FILTER (WHERE $6 IS NULL OR distance <= $6), count(*)
                  FROM best$sql$
            INTO ids, distances, considered USING me, documents, p_model, p_vector, p_limit, p_max_distance;
            PERFORM set_config('enable_sort', 'on', true);
            truncated := considered < p_limit;
            IF NOT truncated OR p_plan = 'index' OR own > 200000 THEN
                RETURN;
            END IF;
        END IF;
        plan := 'exact';
        truncated := false;
        IF wanted IS NULL AND cardinality(documents) = 0 THEN
            WITH candidates AS MATERIALIZED (
                SELECT chunk_id, CASE WHEN cosine THEN embedding <=> p_vector
                           WHEN l2 THEN embedding <-> p_vector ELSE embedding <#> p_vector END AS distance
                  FROM memory.embeddings_meta
                 WHERE user_id = me AND model_id = p_model AND dimensions = length AND embedding IS NOT NULL
            ), best AS (SELECT * FROM candidates ORDER BY distance, chunk_id LIMIT p_limit)
            SELECT array_agg(chunk_id ORDER BY distance, chunk_id) FILTER (WHERE p_max_distance IS NULL OR distance <= p_max_distance),
                   array_agg(distance ORDER BY distance, chunk_id) FILTER (WHERE p_max_distance IS NULL OR distance <= p_max_distance)
              INTO ids, distances FROM best;
            RETURN;
        END IF;
        EXECUTE format($sql$
            WITH candidates AS MATERIALIZED (
                SELECT chunk_id, embedding %s $4 AS distance
                  FROM memory.embeddings_meta
                 WHERE user_id = $1 AND model_id = $3 AND dimensions = %s AND embedding IS NOT NULL AND %s
            ), best AS (SELECT * FROM candidates ORDER BY distance, chunk_id LIMIT $5)
            $sql$, operator, length, visible) || $sql$
                SELECT array_agg(chunk_id ORDER BY distance, chunk_id) FILTER (WHERE $6 IS NULL OR distance <= $6),
                       array_agg(distance ORDER BY distance, chunk_id) FILTER (WHERE $6 IS NULL OR distance <= $6), count(*)
                  FROM best$sql$
        INTO ids, distances, considered USING me, documents, p_model, p_vector, p_limit, p_max_distance;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)
     RETURNS TABLE(hit uuid, chunk_id uuid, distance double precision)
     LANGUAGE plpgsql
     ROWS 30
     SET enable_sort TO 'on'
    AS $function$
    DECLARE
        me CONSTANT uuid := devmentor.user_id();
        operator CONSTANT text := CASE p_metric WHEN 'cosine' THEN '<=>' WHEN 'l2' THEN '<->' ELSE '<#>' END;
        indexed CONSTANT double precision := memory.indexed_vectors(p_model);
        origin record;
        documents integer;
        own double precision;
        large boolean;
    BEGIN
        FOR origin IN
            SELECT d.project_id, e.dimensions, array_agg(e.chunk_id) AS ids, array_agg(e.embedding) AS vectors
              FROM memory.chunks c
              JOIN memory.embeddings_meta e
                ON e.user_id = me AND e.document_id = c.document_id AND e.chunk_id = c.id AND e.model_id = p_model
              JOIN memory.documents d ON d.user_id = me AND d.id = c.document_id
             WHERE c.user_id = me AND c.id = ANY (p_hits) AND e.embedding IS NOT NULL
             GROUP BY d.project_id, e.dimensions
        LOOP
            large := false;
            IF indexed >= 2000 THEN
                SELECT count(*) INTO documents FROM (
                    SELECT FROM memory.documents d
                     WHERE d.user_id = me AND (d.project_id = origin.project_id
                        OR origin.project_id IS NULL AND d.project_id IS NULL)
                     LIMIT 2000) counted;
                IF documents > 50 THEN
                    own := memory.estimated_vectors(p_model, origin.dimensions, documents);
                    large := own * 0.2
                > 400 + 8 * greatest(60, p_limit * indexed / own);
                END IF;
            END IF;
            PERFORM set_config('enable_sort', 'on', true);
            IF large THEN
            PERFORM set_config('enable_sort', 'off', true),
                    set_config('hnsw.iterative_scan', 'relaxed_order', true),
                    set_config('hnsw.ef_search', '60', true),
                    set_config('hnsw.max_scan_tuples', '4000', true);

            END IF;
            RETURN QUERY EXECUTE format(
                CASE WHEN large THEN $sql$
                    SELECT h.id, n.chunk_id, n.distance FROM unnest($4, $5) AS h (id, vector),
                    LATERAL (
                        SELECT e.chunk_id, e.embedding::halfvec(%1$s) %2$s h.vector::halfvec(%1$s) AS distance
                          FROM memory.embeddings_meta e
                         WHERE e.user_id = $1 AND e.model_id = %3$L AND e.chunk_id <> h.id
                           AND (SELECT d.deleted_at IS NULL AND d.project_id IS NOT DISTINCT FROM $3
                                  FROM memory.documents d WHERE d.user_id = $1 AND d.id = e.document_id)
                         ORDER BY e.embedding::halfvec(%1$s) %2$s h.vector::halfvec(%1$s) LIMIT $6) n
                $sql$ ELSE $sql$
                    WITH pool AS MATERIALIZED (
                        SELECT e.chunk_id, e.embedding FROM memory.documents d
                          JOIN memory.embeddings_meta e ON e.user_id = $1 AND e.document_id = d.id
                         WHERE d.user_id = $1 AND (d.project_id = $3 OR $3 IS NULL AND d.project_id IS NULL)
                           AND d.deleted_at IS NULL AND e.model_id = $2 AND e.dimensions = %1$s
                           AND e.embedding IS NOT NULL)
                    SELECT h.id, n.chunk_id, n.distance FROM unnest($4, $5) AS h (id, vector),
                    LATERAL (
                        SELECT p.chunk_id, p.embedding %2$s h.vector AS distance FROM pool p
                         WHERE p.chunk_id <> h.id ORDER BY 2, 1 LIMIT $6) n
                $sql$ END, origin.dimensions, operator, p_model)
            USING me, p_model, origin.project_id, origin.ids, origin.vectors, p_limit;
        END LOOP;
    END
    $function$
    """)
    op.create_policy(
        "definer_select", "memory.chunks", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)",
        "devmentor_memory",
    )
    op.revoke(["EXECUTE"], "FUNCTION memory.indexed_vectors(p_model uuid)", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION memory.indexed_vectors(p_model uuid)", "devmentor_memory")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)",
        "devmentor_memory",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)",
        "devmentor_memory",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)",
        "devmentor_memory",
    )
    op.comment_on(
        "FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)",
        "How many vectors a search would compare exactly",
    )
    op.comment_on(
        "FUNCTION memory.indexed_vectors(p_model uuid)",
        "How many vectors a model's index holds; NULL without one",
    )
    op.comment_on(
        "FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)",
        "The acting user's chunks that match words and symbols best",
    )
    op.comment_on(
        "FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)",
        "The acting user's chunks nearest to a vector, by the cheaper plan",
    )
    op.comment_on(
        "FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)",
        "The memories nearest to each of some chunks",
    )
    op.comment_on(
        "FUNCTION memory.symbols(content text)",
        "The identifiers, paths and codes in a text, in lower case, each once",
    )


def downgrade() -> None:
    """Drop them."""
    op.comment_on("FUNCTION memory.symbols(content text)", None)
    op.comment_on(
        "FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)", None
    )
    op.comment_on(
        "FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)",
        None,
    )
    op.comment_on(
        "FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)",
        None,
    )
    op.comment_on("FUNCTION memory.indexed_vectors(p_model uuid)", None)
    op.comment_on(
        "FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)",
        None,
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)",
        "devmentor_memory",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)",
        "PUBLIC",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)",
        "devmentor_memory",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)",
        "PUBLIC",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)",
        "devmentor_memory",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)",
        "PUBLIC",
    )
    op.revoke(["EXECUTE"], "FUNCTION memory.indexed_vectors(p_model uuid)", "devmentor_memory")
    op.grant(["EXECUTE"], "FUNCTION memory.indexed_vectors(p_model uuid)", "PUBLIC")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)",
        "devmentor_memory",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)",
        "PUBLIC",
    )
    op.drop_policy("definer_select", "memory.chunks")
    op.drop_function("memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)")
    op.drop_function(
        "memory.nearest_chunks(p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text, OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean)"
    )
    op.drop_function(
        "memory.matching_chunks(p_query text, p_language memory.text_language, p_project uuid, p_since timestamp with time zone, p_source memory.document_source, p_limit integer, OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean)"
    )
    op.drop_function("memory.indexed_vectors(p_model uuid)")
    op.drop_function("memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)")

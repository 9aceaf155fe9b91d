"""The nearest vectors, exactly or by a model's index: functions that choose the plan (F5, P6).

PostgreSQL's planner chooses wrongly here: it does not know that an index scan has to pass over every other
tenant's vectors. Measured on 100,000 vectors of 256 numbers, a tenant with 1 % of them is searched exactly in
0.4 ms and through the index in 9 ms; one with half of them in 20 ms and in 1 ms. So the functions estimate
both and take the cheaper plan. What an index scan leaves short is searched again exactly: a caller gets as
many rows as match, or is told that the scan was cut short.

They run with the rights and the search path of whoever calls them, under row security: a vector's distance is
an order, not a condition, so the index is used all the same.
"""

from __future__ import annotations

from typing import Final

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import Statement, declare, function, statement
from devmentor_models.memory.visible import CHOOSE, DECLARE
from devmentor_models.security.declarations import Service

#: Candidates that an index scan holds at least. More find more, and take longer: 300 find 0.985 of the ten
#: nearest.
EF_SEARCH: Final = 300
#: Vectors that an index scan looks at, at most.
MAX_SCAN: Final = 20_000
#: Up to so many vectors an index scan that fell short is followed by an exact search: a tenth of a second.
EXACT_AT_MOST: Final = 200_000
#: Below, no index is worth its detour.
INDEX_AT_LEAST: Final = 2_000
#: So many of a tenant's vectors are counted, sooner than estimated: most tenants have no more.
COUNTED: Final = 1_000

#: Up to so many documents of a project, what is related to a hit is found exactly, without an estimate.
RELATED_EXACT_DOCUMENTS: Final = 50
#: Documents that are counted for the estimate.
RELATED_COUNTED: Final = 2_000

#: Beyond, the index need not find the very nearest.
RELATED_EF_SEARCH: Final = 60
RELATED_MAX_SCAN: Final = 4_000

#: Microseconds, measured with vectors of 256 numbers; only their proportions count.
EXACT_PER_VECTOR: Final = 0.2
INDEX_START: Final = 400
INDEX_PER_VECTOR: Final = 8


def _by_index(candidates: int, at_most: int) -> str:
    """Return the settings for an index scan: of all plans it is the one that needs no sorting.

    Only a superuser may fix pgvector's settings to a function. Set for the transaction, they bother nobody:
    all they change is that other scans of such an index find as many rows as they are asked for.
    """
    return f"""
        PERFORM set_config('enable_sort', 'off', true),
                set_config('hnsw.iterative_scan', 'relaxed_order', true),
                set_config('hnsw.ef_search', '{candidates}', true),
                set_config('hnsw.max_scan_tuples', '{at_most}', true);
"""


def _index_pays(candidates: int) -> str:
    """Return the condition that an index scan is the cheaper one, for `own` of `indexed` vectors."""
    return f"""own * {EXACT_PER_VECTOR}
            > {INDEX_START} + {INDEX_PER_VECTOR} * greatest({candidates}, p_limit * indexed / own)"""


_OPERATOR = "CASE p_metric WHEN 'cosine' THEN '<=>' WHEN 'l2' THEN '<->' ELSE '<#>' END"
# Of truth values: to compare texts for each vector would take a tenth of the time.
_DISTANCE = """CASE WHEN cosine THEN embedding <=> p_vector
                       WHEN l2 THEN embedding <-> p_vector ELSE embedding <#> p_vector END"""

# A model's vectors in its index, if it has one that can be used: its name is the model's key.
_INDEXED = """
CREATE FUNCTION memory.indexed_vectors(p_model uuid) RETURNS double precision LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT c.reltuples FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indisvalid
       AND c.oid = to_regclass('memory.ix_embeddings_meta_hnsw_' || replace(p_model::text, '-', ''))
)
"""

# How many vectors the planner believes the user to have: from statistics, for a tenth of what counting takes.
# With filters, as many of them as there are wanted documents among all.
_ESTIMATE = """
CREATE FUNCTION memory.estimated_vectors(p_model uuid, p_dimensions integer, p_documents integer)
RETURNS double precision LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $fn$
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
$fn$
"""


# Ties are broken by key. (Which of several equal ones an index scan returns as its last is up to the index.)
_IDS, _DISTANCES = (f"array_agg({name} ORDER BY distance, chunk_id)" for name in ("chunk_id", "distance"))
_CLOSE = "FILTER (WHERE {0} IS NULL OR distance <= {0})"
_RESULT = f"""
            SELECT {_IDS} {_CLOSE.format("$6")},
                   {_DISTANCES} {_CLOSE.format("$6")}, count(*)
              FROM best"""


# By the index: the cast, the operator and the constant in the condition are its own; anything else would
# not match it. Exactly: the distances are materialized, or else the planner sorts whole vectors, on disk.
# With nothing hidden or filtered, as in most searches, the plan of an exact search is kept: planning takes as
# long as comparing a hundred vectors.
_NEAREST = f"""
CREATE FUNCTION memory.nearest_chunks(
    p_model uuid, p_metric text, p_vector halfvec, p_project uuid, p_since timestamptz,
    p_source memory.document_source, p_max_distance double precision, p_limit integer, p_plan text,
    OUT ids uuid[], OUT distances double precision[], OUT plan text, OUT truncated boolean
) LANGUAGE plpgsql SET enable_sort = on AS $fn$
DECLARE
    length CONSTANT integer := vector_dims(p_vector);
    cosine CONSTANT boolean := p_metric = 'cosine';
    l2 CONSTANT boolean := p_metric = 'l2';
    operator CONSTANT text := {_OPERATOR};
    indexed CONSTANT double precision := memory.indexed_vectors(p_model);
    own double precision;
    considered bigint;
{DECLARE}
BEGIN
{CHOOSE}
    plan := 'exact';
    truncated := false;
    IF indexed >= {INDEX_AT_LEAST} AND p_plan IS DISTINCT FROM 'exact' THEN
        SELECT greatest(1, count(*)) INTO own FROM (
            SELECT FROM memory.embeddings_meta
             WHERE user_id = me AND model_id = p_model AND dimensions = length LIMIT {COUNTED} + 1) few;
        IF own > {COUNTED} THEN
            own := memory.estimated_vectors(p_model, length, wanted);
        END IF;
        IF p_plan = 'index' OR {_index_pays(EF_SEARCH)} THEN
            plan := 'index';
        END IF;
    END IF;
    IF plan = 'index' THEN{_by_index(EF_SEARCH, MAX_SCAN)}
        EXECUTE format($sql$
            WITH best AS MATERIALIZED (
                SELECT chunk_id, embedding::halfvec(%1$s) %2$s $4::halfvec(%1$s) AS distance
                  FROM memory.embeddings_meta
                 WHERE user_id = $1 AND model_id = %3$L AND %4$s
                 ORDER BY embedding::halfvec(%1$s) %2$s $4::halfvec(%1$s) LIMIT $5)
            $sql$, length, operator, p_model, visible) || $sql${_RESULT}$sql$
        INTO ids, distances, considered USING me, documents, p_model, p_vector, p_limit, p_max_distance;
        PERFORM set_config('enable_sort', 'on', true);
        truncated := considered < p_limit;
        IF NOT truncated OR p_plan = 'index' OR own > {EXACT_AT_MOST} THEN
            RETURN;
        END IF;
    END IF;
    plan := 'exact';
    truncated := false;
    IF wanted IS NULL AND cardinality(documents) = 0 THEN
        WITH candidates AS MATERIALIZED (
            SELECT chunk_id, {_DISTANCE} AS distance
              FROM memory.embeddings_meta
             WHERE user_id = me AND model_id = p_model AND dimensions = length AND embedding IS NOT NULL
        ), best AS (SELECT * FROM candidates ORDER BY distance, chunk_id LIMIT p_limit)
        SELECT {_IDS} {_CLOSE.format("p_max_distance")},
               {_DISTANCES} {_CLOSE.format("p_max_distance")}
          INTO ids, distances FROM best;
        RETURN;
    END IF;
    EXECUTE format($sql$
        WITH candidates AS MATERIALIZED (
            SELECT chunk_id, embedding %s $4 AS distance
              FROM memory.embeddings_meta
             WHERE user_id = $1 AND model_id = $3 AND dimensions = %s AND embedding IS NOT NULL AND %s
        ), best AS (SELECT * FROM candidates ORDER BY distance, chunk_id LIMIT $5)
        $sql$, operator, length, visible) || $sql${_RESULT}$sql$
    INTO ids, distances, considered USING me, documents, p_model, p_vector, p_limit, p_max_distance;
END
$fn$
"""

# The memories nearest to each hit, of the hit's project, or of none where it is of none: exactly, or through
# the index, hit by hit, whichever is cheaper.
_RELATED = f"""
CREATE FUNCTION memory.related_chunks(p_model uuid, p_metric text, p_hits uuid[], p_limit integer)
RETURNS TABLE (hit uuid, chunk_id uuid, distance double precision) LANGUAGE plpgsql ROWS 30
SET enable_sort = on AS $fn$
DECLARE
    me CONSTANT uuid := devmentor.user_id();
    operator CONSTANT text := {_OPERATOR};
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
        IF indexed >= {INDEX_AT_LEAST} THEN
            SELECT count(*) INTO documents FROM (
                SELECT FROM memory.documents d
                 WHERE d.user_id = me AND (d.project_id = origin.project_id
                    OR origin.project_id IS NULL AND d.project_id IS NULL)
                 LIMIT {RELATED_COUNTED}) counted;
            IF documents > {RELATED_EXACT_DOCUMENTS} THEN
                own := memory.estimated_vectors(p_model, origin.dimensions, documents);
                large := {_index_pays(RELATED_EF_SEARCH)};
            END IF;
        END IF;
        PERFORM set_config('enable_sort', 'on', true);
        IF large THEN{_by_index(RELATED_EF_SEARCH, RELATED_MAX_SCAN)}
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
$fn$
"""


def declare_nearest() -> None:
    """Declare the functions, and that the memory service may call them."""
    shared = "uuid, timestamptz, memory.document_source"
    declare(
        Base.metadata,
        *_callable(_INDEXED, "uuid", "How many vectors a model's index holds; NULL without one"),
        *_callable(_ESTIMATE, "uuid, integer, integer", "How many vectors a search would compare exactly"),
        *_callable(
            _NEAREST,
            f"uuid, text, halfvec, {shared}, double precision, integer, text",
            "The acting user's chunks nearest to a vector, by the cheaper plan",
        ),
        *_callable(_RELATED, "uuid, text, uuid[], integer", "The memories nearest to each of some chunks"),
    )


def _callable(sql: str, arguments: str, comment: str) -> list[Statement]:
    made = function(sql, arguments=arguments, comment=comment, needs_tables=True)
    return [
        made,
        statement(f"REVOKE EXECUTE ON {made.target} FROM PUBLIC"),
        statement(f"GRANT EXECUTE ON {made.target} TO {Service.MEMORY.role}"),
    ]

"""What is stored of documents that are to be stored: looked up in a way that needs no statistics (F5).

While a tenant's first documents are stored the planner knows nothing of that tenant. It then takes any
index that begins with the tenant for as good as the one that finds the document (measured: 1.3 s instead of
10 ms to look for 500 among 12,000). So each is asked for as the first one from there on in the order of the
unique index, and without sorting only that index can answer.
"""

from __future__ import annotations

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare, function
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service

# Documents of a project and of none apart: `IS NOT DISTINCT FROM` would not use the index.
_STORED_VERSIONS = """
CREATE FUNCTION memory.stored_versions(p_user uuid, p_projects uuid[], p_hashes bytea[], p_uris text[])
RETURNS TABLE (place bigint, same uuid, old uuid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET enable_incremental_sort = off AS $fn$
    SELECT i.place,
        CASE WHEN i.project_id IS NULL
             THEN (SELECT CASE WHEN f.content_hash = i.content_hash THEN f.id END FROM (
                SELECT d.id, d.content_hash FROM memory.documents d
                 WHERE d.user_id = p_user AND d.deleted_at IS NULL
                   AND d.project_id IS NULL AND d.content_hash >= i.content_hash
                 ORDER BY d.project_id, d.content_hash LIMIT 1) f)
             ELSE (SELECT CASE WHEN f.content_hash = i.content_hash THEN f.id END FROM (
                SELECT d.id, d.content_hash FROM memory.documents d
                 WHERE d.user_id = p_user AND d.deleted_at IS NULL
                   AND d.project_id = i.project_id AND d.content_hash >= i.content_hash
                 ORDER BY d.project_id, d.content_hash LIMIT 1) f)
        END,
        CASE WHEN i.project_id IS NULL
             THEN (SELECT CASE WHEN f.source_uri = i.uri AND f.content_hash <> i.content_hash THEN f.id END
               FROM (
                SELECT d.id, d.content_hash, d.source_uri FROM memory.documents d
                 WHERE d.user_id = p_user AND d.deleted_at IS NULL
                   AND d.project_id IS NULL AND d.source_uri >= i.uri
                 ORDER BY d.project_id, d.source_uri LIMIT 1) f)
             ELSE (SELECT CASE WHEN f.source_uri = i.uri AND f.content_hash <> i.content_hash THEN f.id END
               FROM (
                SELECT d.id, d.content_hash, d.source_uri FROM memory.documents d
                 WHERE d.user_id = p_user AND d.deleted_at IS NULL
                   AND d.project_id = i.project_id AND d.source_uri >= i.uri
                 ORDER BY d.project_id, d.source_uri LIMIT 1) f)
        END
    FROM unnest(p_projects, p_hashes, p_uris) WITH ORDINALITY AS i (project_id, content_hash, uri, place)
$fn$
"""

_RENEW_STATISTICS = f"""
CREATE FUNCTION memory.renew_statistics() RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    ANALYZE memory.documents, memory.chunks, memory.embeddings_meta;
END
$fn$
"""


def declare_stored() -> None:
    """Declare the functions; the first one runs with the caller's rights, under row security."""
    declare(
        Base.metadata,
        function(
            _STORED_VERSIONS,
            arguments="uuid, uuid[], bytea[], text[]",
            comment="The documents with certain contents, and those of other content at certain addresses",
        ),
        *definer_function(
            _RENEW_STATISTICS,
            to=(Service.MEMORY.role,),
            why="takes no argument and returns nothing: it has the statistics of the tables renewed",
            comment="Tells the planner what a large ingest brought; only the owner of the tables could",
        ),
    )

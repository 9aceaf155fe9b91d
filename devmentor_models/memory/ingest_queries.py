"""Statements that write documents: rows arrive by COPY in temporary tables and go on from there.

COPY cannot write to a table with row security; a temporary table has none. It lives as long as the
transaction, so a pooler that hands connections out by the transaction is no obstacle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
    Executable,
    Integer,
    LargeBinary,
    String,
    Text,
    Uuid,
    bindparam,
)

from devmentor_models.kit.provenance import constant
from devmentor_models.kit.types import Json


@dataclass(frozen=True, slots=True)
class Staged:
    """A temporary table.

    Attributes:
        create: Makes it, or empties the one that an earlier batch of the transaction made.
        copy: Fills it.
        types: The types of its columns, as psycopg knows them; bytes go as they are, for any type.
    """

    create: str
    copy: str
    types: Sequence[str]


def _staged(name: str, source: str, types: Sequence[str]) -> Staged:
    return Staged(
        f"CREATE TEMP TABLE IF NOT EXISTS {name} ON COMMIT DROP AS {source} WITH NO DATA;"
        f" TRUNCATE pg_temp.{name}",
        f"COPY pg_temp.{name} FROM STDIN (FORMAT BINARY)",
        types,
    )


_DOCUMENT = "id, project_id, title, content, source, source_uri, content_hash, language, metadata"
_CHUNK = "document_id, ordinal, content, content_hash, language, token_count, start_offset, end_offset"

#: Enums are sent as text; ``metadata`` and vectors as they are.
STAGED_DOCUMENTS = _staged(
    "devmentor_new_documents",
    f"SELECT {_DOCUMENT} FROM memory.documents",
    ["uuid", "uuid", "text", "text", "text", "text", "bytea", "text", "bytea"],
)
STAGED_CHUNKS = _staged(
    "devmentor_new_chunks",
    "SELECT c.id, c.document_id, c.ordinal, c.content, c.content_hash, c.language, c.token_count,"
    " c.start_offset, c.end_offset, e.embedding FROM memory.chunks c, memory.embeddings_meta e",
    ["uuid", "uuid", "int4", "text", "bytea", "text", "int4", "int4", "int4", "bytea"],
)

_USER = bindparam("tenant_id", type_=Uuid())
_IDS = bindparam("ids", type_=ARRAY(Uuid()))

#: For each draft: the document with its content, and the one at its address with other content.
PROBE: Executable = constant(
    "SELECT same, old FROM memory.stored_versions(:tenant_id, :projects, :hashes, :uris) ORDER BY place"
).bindparams(
    _USER,
    bindparam("projects", type_=ARRAY(Uuid())),
    bindparam("hashes", type_=ARRAY(LargeBinary())),
    bindparam("uris", type_=ARRAY(Text())),
)

#: In one order everywhere: writers wait for each other, not in a circle.
LOCK: Executable = constant(
    "SELECT id, project_id, content_hash, source_uri FROM memory.documents"
    " WHERE user_id = :tenant_id AND id = ANY (:ids) AND deleted_at IS NULL ORDER BY id FOR UPDATE"
).bindparams(_USER, _IDS)

PURGE: Executable = constant(
    "DELETE FROM memory.documents WHERE user_id = :tenant_id AND id = ANY (:ids)"
).bindparams(_USER, _IDS)

#: What another transaction has stored meanwhile is left alone, and looked at again.
INSERT_DOCUMENTS: Executable = constant(
    f"INSERT INTO memory.documents (user_id, {_DOCUMENT})"
    f" SELECT :tenant_id, {_DOCUMENT} FROM pg_temp.devmentor_new_documents"
    " ON CONFLICT DO NOTHING RETURNING id"
).bindparams(_USER)

UPDATE_DOCUMENT: Executable = constant(
    "UPDATE memory.documents SET title = :title, content = :content, content_hash = :content_hash,"
    " source = CAST(:source AS memory.document_source), language = CAST(:language AS memory.text_language),"
    " metadata = :metadata WHERE user_id = :tenant_id AND id = :document_id"
).bindparams(
    _USER,
    bindparam("document_id", type_=Uuid()),
    bindparam("content_hash", type_=LargeBinary()),
    bindparam("metadata", type_=Json()),
)

#: The chunks of documents that are replaced, and how far their vectors of ``:model_id`` are.
STORED_CHUNKS: Executable = constant(
    "SELECT c.document_id, c.id, c.content_hash, c.ordinal, c.token_count, c.start_offset, c.end_offset,"
    " CAST(c.language AS text), CAST(e.status AS text)"
    " FROM memory.chunks c LEFT JOIN memory.embeddings_meta e"
    "   ON e.user_id = c.user_id AND e.document_id = c.document_id AND e.chunk_id = c.id"
    # No condition of the index that begins with the model, which may seem as good.
    "  AND e.model_id IS NOT DISTINCT FROM :model_id"
    " WHERE c.user_id = :tenant_id AND c.document_id = ANY (:ids) ORDER BY c.document_id, c.ordinal"
).bindparams(_USER, _IDS, bindparam("model_id", type_=Uuid()))

DELETE_CHUNKS: Executable = constant(
    "DELETE FROM memory.chunks WHERE user_id = :tenant_id AND id = ANY (:ids)"
).bindparams(_USER, _IDS)

MOVE_CHUNKS: Executable = constant(
    "UPDATE memory.chunks c SET ordinal = k.ordinal, token_count = k.token_count,"
    " start_offset = k.start_offset, end_offset = k.end_offset,"
    " language = CAST(k.language AS memory.text_language)"
    " FROM unnest(:ids, :ordinals, :tokens, :starts, :ends, :languages)"
    "   AS k (id, ordinal, token_count, start_offset, end_offset, language)"
    # Both: the rows are few, whatever the planner thinks of the join.
    " WHERE c.user_id = :tenant_id AND c.id = k.id AND c.id = ANY (:ids)"
).bindparams(
    _USER,
    _IDS,
    *(bindparam(name, type_=ARRAY(Integer())) for name in ("ordinals", "tokens", "starts", "ends")),
    bindparam("languages", type_=ARRAY(Text())),
)

INSERT_CHUNKS: Executable = constant(
    f"INSERT INTO memory.chunks (user_id, id, {_CHUNK})"
    f" SELECT :tenant_id, id, {_CHUNK} FROM pg_temp.devmentor_new_chunks"
).bindparams(_USER)

#: A chunk without a vector waits for one.
INSERT_EMBEDDINGS: Executable = constant(
    "INSERT INTO memory.embeddings_meta"
    " (user_id, document_id, chunk_id, model_id, dimensions, qdrant_collection, content_hash, status,"
    " embedding) SELECT :tenant_id, document_id, id, :model_id, :dimensions, :collection, content_hash,"
    " CAST(CASE WHEN embedding IS NULL THEN 'pending' ELSE 'indexed' END AS memory.embedding_status),"
    " embedding FROM pg_temp.devmentor_new_chunks"
).bindparams(
    _USER,
    bindparam("model_id", type_=Uuid()),
    bindparam("dimensions", type_=Integer()),
    bindparam("collection", type_=String()),
)

RENEW_STATISTICS: Executable = constant("SELECT memory.renew_statistics()")

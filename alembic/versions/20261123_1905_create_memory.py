"""Create the memory schema: documents, chunks, embeddings, search history, vector outbox.

Revision: 0d1c5a6e0005
Revises: 0d1c5a6e0004
Created: 2026-11-23 20:16:08.121266+00:00

Downgrade loses: all rows of the schema memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0d1c5a6e0005"
down_revision: str | None = "0d1c5a6e0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Rows that change: a trigger keeps updated_at and version, whoever writes.
MUTABLE = (
    "memory.documents",
    "memory.embeddings_meta",
)
PARTITIONED = ("memory.search_history",)
# DROP TABLE leaves the types of its columns behind.
ENUMS = (
    "memory.document_source",
    "memory.embedding_status",
    "memory.outbox_operation",
    "memory.search_mode",
    "memory.text_language",
)

# Languages with a text search configuration of their own; every other text is "simple".
STEMMED = (
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "italian",
    "norwegian",
    "portuguese",
    "russian",
    "spanish",
    "swedish",
    "turkish",
)
CONFIGURATION = (
    "CASE language "
    + " ".join(f"WHEN '{item}'::memory.text_language THEN '{item}'::regconfig" for item in STEMMED)
    + " ELSE 'simple'::regconfig END"
)
DOCUMENT_FTS = f"to_tsvector({CONFIGURATION}, (title)::text)"
CHUNK_FTS = f"to_tsvector({CONFIGURATION}, (content)::text)"

SYMBOLS = r"""
CREATE FUNCTION memory.symbols(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT coalesce(string_agg(DISTINCT rtrim(lower(found[1]), '.:/-'), ' '), '')
      FROM regexp_matches(content, '[A-Za-z0-9]*(?:[_./:\\@#$]+[A-Za-z0-9_]|--[A-Za-z0-9]|[a-z][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z])[A-Za-z0-9_./:\\@#$-]*', 'g') AS found
)
"""

STORED_VERSIONS = """
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


def upgrade() -> None:
    """Create the schema with its types, tables, indexes, triggers and first partitions."""
    op.execute("CREATE SCHEMA memory")
    op.create_function(SYMBOLS)
    op.create_table(
        "vector_outbox",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "user_id",
            sa.Uuid(),
            nullable=False,
            comment="Whose embedding it is; zeros for a point that was found in the mirror alone",
        ),
        sa.Column(
            "embedding_id",
            sa.Uuid(),
            nullable=False,
            comment="The embedding; zeros where there was none by then",
        ),
        sa.Column(
            "operation",
            sa.Enum("upsert", "delete", name="outbox_operation", schema="memory"),
            nullable=False,
            comment="What the change asked for; the worker does what the newest state asks for",
        ),
        sa.Column("collection", sa.String(length=255), nullable=False, comment="Collection of the mirror"),
        sa.Column("point_id", sa.Uuid(), nullable=False, comment="Point of the mirror"),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="How often it was claimed",
        ),
        sa.Column(
            "available_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="From when it may be claimed (again)",
        ),
        sa.Column(
            "claimed_at", sa.DateTime(timezone=True), nullable=True, comment="When it was last claimed"
        ),
        sa.Column("last_error", sa.Text(), nullable=True, comment="Why the last attempt failed"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_vector_outbox_attempts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vector_outbox")),
        schema="memory",
        comment="Transactional queue towards the vector mirror",
    )
    op.create_index(
        "ix_vector_outbox_available_at",
        "vector_outbox",
        ["available_at", "id"],
        unique=False,
        schema="memory",
    )
    op.create_index(
        "ix_vector_outbox_user_id", "vector_outbox", ["user_id", "id"], unique=False, schema="memory"
    )
    op.create_table(
        "search_history",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it happened; decides the partition",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who searched"),
        sa.Column("project_id", sa.Uuid(), nullable=True, comment="The project that was searched; NULL: all"),
        sa.Column(
            "model_id", sa.Uuid(), nullable=True, comment="The embedding model, where vectors were compared"
        ),
        sa.Column(
            "query", sa.String(length=2000), nullable=True, comment="The words; NULL for a vector alone"
        ),
        sa.Column(
            "mode",
            sa.Enum("text", "vector", "hybrid", name="search_mode", schema="memory"),
            nullable=False,
            comment="What was compared",
        ),
        sa.Column(
            "filters",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="Further conditions, by name",
        ),
        sa.Column("hit_count", sa.Integer(), nullable=False, comment="How many hits were returned"),
        sa.CheckConstraint(
            "query IS NOT NULL OR mode = 'vector'", name=op.f("ck_search_history_query_or_vector")
        ),
        sa.CheckConstraint("hit_count >= 0", name=op.f("ck_search_history_hit_count")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_search_history_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", "created_at", name=op.f("pk_search_history")),
        schema="memory",
        comment="Searches, append-only, partitioned by month",
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "ix_search_history_user_id", "search_history", ["user_id", "id"], unique=False, schema="memory"
    )
    op.create_table(
        "documents",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose document this is"),
        sa.Column(
            "project_id",
            sa.Uuid(),
            nullable=True,
            comment="The project it belongs to; NULL: to none in particular",
        ),
        sa.Column("title", sa.String(length=500), nullable=False, comment="Title or file name"),
        sa.Column("content", sa.Text(), nullable=False, comment="The whole text"),
        sa.Column(
            "source",
            sa.Enum(
                "upload", "scrape", "conversation", "code", "note", name="document_source", schema="memory"
            ),
            nullable=False,
            comment="Where the document came from",
        ),
        sa.Column(
            "source_uri",
            sa.String(length=2000),
            nullable=True,
            comment="Address or path of the original; one document of a project has it",
        ),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the content in UTF-8; the same content is stored once per project",
        ),
        sa.Column(
            "language",
            sa.Enum(
                "simple",
                "arabic",
                "danish",
                "dutch",
                "english",
                "finnish",
                "french",
                "german",
                "italian",
                "norwegian",
                "portuguese",
                "russian",
                "spanish",
                "swedish",
                "turkish",
                name="text_language",
                schema="memory",
            ),
            server_default="english",
            nullable=False,
            comment="Text search configuration of the content",
        ),
        sa.Column(
            "metadata",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="Additional data without a column of its own",
        ),
        sa.Column(
            "fts",
            postgresql.TSVECTOR(),
            sa.Computed(
                DOCUMENT_FTS,
                persisted=True,
            ),
            nullable=False,
            comment="Words of the title; those of the content are in the chunks",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the row was soft-deleted; NULL while it is live",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_documents_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_documents_user_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("octet_length(source_uri) <= 2000", name=op.f("ck_documents_source_uri")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_documents_user_id_id")),
        schema="memory",
        comment="What is remembered, whole; chunks hold it in searchable pieces",
    )
    op.create_index(
        "ix_documents_deleted",
        "documents",
        ["user_id"],
        unique=False,
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_documents_language", "documents", ["user_id", "language"], unique=False, schema="memory"
    )
    op.create_index(
        "ix_documents_metadata",
        "documents",
        ["metadata"],
        unique=False,
        schema="memory",
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
    )
    op.create_index(
        "ix_documents_recent",
        "documents",
        ["user_id", "created_at", "project_id"],
        unique=False,
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_documents_names",
        "documents",
        ["user_id", "fts", "title", "source_uri"],
        unique=False,
        schema="memory",
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops", "source_uri": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_documents_user_id_project_id",
        "documents",
        ["user_id", "project_id", "id"],
        unique=False,
        schema="memory",
    )
    op.create_index(
        "uq_documents_user_id_project_id_content_hash",
        "documents",
        ["user_id", "project_id", "content_hash"],
        unique=True,
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "uq_documents_user_id_project_id_source_uri",
        "documents",
        ["user_id", "project_id", "source_uri"],
        unique=True,
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL AND source_uri IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_function(STORED_VERSIONS)
    op.comment_on(
        "FUNCTION memory.stored_versions(uuid, uuid[], bytea[], text[])",
        "The documents with certain contents, and those of other content at certain addresses",
    )
    op.create_table(
        "chunks",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose chunk this is"),
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="The document that it is a piece of"),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="Place in the document, from 0"),
        sa.Column("content", sa.String(length=50000), nullable=False, comment="The text"),
        sa.Column(
            "token_count", sa.Integer(), nullable=True, comment="Tokens, as the embedding model counts them"
        ),
        sa.Column(
            "start_offset", sa.Integer(), nullable=True, comment="First character in the document, from 0"
        ),
        sa.Column(
            "end_offset", sa.Integer(), nullable=True, comment="Character after the last one in the document"
        ),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the text in UTF-8"),
        sa.Column(
            "language",
            sa.Enum(
                "simple",
                "arabic",
                "danish",
                "dutch",
                "english",
                "finnish",
                "french",
                "german",
                "italian",
                "norwegian",
                "portuguese",
                "russian",
                "spanish",
                "swedish",
                "turkish",
                name="text_language",
                schema="memory",
            ),
            server_default="english",
            nullable=False,
            comment="Text search configuration, the document's",
        ),
        sa.Column(
            "fts",
            postgresql.TSVECTOR(),
            sa.Computed(
                CHUNK_FTS,
                persisted=True,
            ),
            nullable=False,
            comment="Words of the text",
        ),
        sa.Column(
            "symbols",
            sa.Text(),
            sa.Computed("memory.symbols((content)::text)", persisted=True),
            nullable=False,
            comment="Identifiers, paths and codes in the text, in lower case",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("ordinal >= 0", name=op.f("ck_chunks_ordinal")),
        sa.CheckConstraint(
            "start_offset >= 0 AND end_offset >= start_offset", name=op.f("ck_chunks_offsets")
        ),
        sa.CheckConstraint("token_count >= 0", name=op.f("ck_chunks_token_count")),
        sa.ForeignKeyConstraint(
            ["user_id", "document_id"],
            ["memory.documents.user_id", "memory.documents.id"],
            name=op.f("fk_chunks_user_id_document_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_chunks_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint(
            "user_id",
            "document_id",
            "ordinal",
            name=op.f("uq_chunks_user_id_document_id_ordinal"),
            deferrable=True,
        ),
        sa.UniqueConstraint("user_id", "document_id", "id", name=op.f("uq_chunks_user_id_document_id_id")),
        schema="memory",
        comment="Pieces of documents, which are what a search finds",
    )
    op.create_index(
        "ix_chunks_words",
        "chunks",
        ["user_id", "fts", "symbols"],
        unique=False,
        schema="memory",
        postgresql_using="gin",
        postgresql_ops={"symbols": "gin_trgm_ops"},
    )
    op.create_table(
        "embeddings_meta",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose vector this is"),
        sa.Column(
            "document_id", sa.Uuid(), nullable=False, comment="The document that the chunk is a piece of"
        ),
        sa.Column("chunk_id", sa.Uuid(), nullable=False, comment="The chunk"),
        sa.Column(
            "model_id",
            sa.Uuid(),
            nullable=False,
            comment="The model that made the vector; in use it cannot be deleted",
        ),
        sa.Column("dimensions", sa.Integer(), nullable=False, comment="Length of the vector, the model's"),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the text that was embedded; differs from the chunk's when stale",
        ),
        sa.Column(
            "status",
            sa.Enum("pending", "indexed", "stale", "failed", name="embedding_status", schema="memory"),
            server_default="pending",
            nullable=False,
            comment="How far the embedding is",
        ),
        sa.Column(
            "embedding",
            pgvector.sqlalchemy.HALFVEC(),
            nullable=True,
            comment="The vector in half precision; NULL until it was computed",
        ),
        sa.Column(
            "qdrant_collection",
            sa.String(length=255),
            nullable=True,
            comment="Collection that the model was mirrored to when the row was written",
        ),
        sa.Column(
            "qdrant_point_id",
            sa.Uuid(),
            sa.Computed("chunk_id", persisted=True),
            nullable=False,
            comment="Point of the vector mirror: the chunk's id, so that delivering twice makes one point",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint(
            "status <> 'indexed' OR embedding IS NOT NULL",
            name=op.f("ck_embeddings_meta_indexed_has_embedding"),
        ),
        sa.CheckConstraint("l2_norm(embedding) > 0", name=op.f("ck_embeddings_meta_embedding_direction")),
        sa.CheckConstraint(
            "vector_dims(embedding) = dimensions", name=op.f("ck_embeddings_meta_embedding_dimensions")
        ),
        sa.ForeignKeyConstraint(
            ["model_id", "dimensions"],
            ["ai.embedding_models.id", "ai.embedding_models.dimensions"],
            name=op.f("fk_embeddings_meta_model_id_dimensions"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "document_id", "chunk_id"],
            ["memory.chunks.user_id", "memory.chunks.document_id", "memory.chunks.id"],
            name=op.f("fk_embeddings_meta_user_id_document_id_chunk_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_embeddings_meta_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embeddings_meta")),
        sa.UniqueConstraint(
            "user_id",
            "document_id",
            "chunk_id",
            "model_id",
            name=op.f("uq_embeddings_meta_user_id_document_id_chunk_id_model_id"),
        ),
        schema="memory",
        comment="Vectors of chunks, one for each embedding model",
    )
    op.create_index(
        "ix_embeddings_meta_model_id",
        "embeddings_meta",
        ["model_id", "dimensions", "user_id"],
        unique=False,
        schema="memory",
    )
    op.create_index(
        "ix_embeddings_meta_unfinished",
        "embeddings_meta",
        ["user_id", "model_id", "id"],
        unique=False,
        schema="memory",
        postgresql_where=sa.text("status <> 'indexed'"),
    )
    for table in MUTABLE:
        op.execute(
            f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION devmentor.touch()"
        )
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute("SELECT devmentor.ensure_partitions()")


def downgrade() -> None:
    """Drop everything in the schema, and the schema."""
    op.drop_index(
        "ix_embeddings_meta_unfinished",
        table_name="embeddings_meta",
        schema="memory",
        postgresql_where=sa.text("status <> 'indexed'"),
    )
    op.drop_index("ix_embeddings_meta_model_id", table_name="embeddings_meta", schema="memory")
    op.drop_table("embeddings_meta", schema="memory")
    op.drop_index(
        "ix_chunks_words",
        table_name="chunks",
        schema="memory",
        postgresql_using="gin",
        postgresql_ops={"symbols": "gin_trgm_ops"},
    )
    op.drop_table("chunks", schema="memory")
    op.drop_index(
        "uq_documents_user_id_project_id_source_uri",
        table_name="documents",
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL AND source_uri IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index(
        "uq_documents_user_id_project_id_content_hash",
        table_name="documents",
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index("ix_documents_user_id_project_id", table_name="documents", schema="memory")
    op.drop_index(
        "ix_documents_names",
        table_name="documents",
        schema="memory",
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops", "source_uri": "gin_trgm_ops"},
    )
    op.drop_index(
        "ix_documents_recent",
        table_name="documents",
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_documents_metadata",
        table_name="documents",
        schema="memory",
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
    )
    op.drop_index("ix_documents_language", table_name="documents", schema="memory")
    op.drop_index(
        "ix_documents_deleted",
        table_name="documents",
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.drop_table("documents", schema="memory")
    op.drop_index("ix_search_history_user_id", table_name="search_history", schema="memory")
    op.drop_table("search_history", schema="memory")
    op.drop_index("ix_vector_outbox_user_id", table_name="vector_outbox", schema="memory")
    op.drop_index("ix_vector_outbox_available_at", table_name="vector_outbox", schema="memory")
    op.drop_table("vector_outbox", schema="memory")
    op.drop_function("memory.stored_versions(uuid, uuid[], bytea[], text[])")
    op.drop_function("memory.symbols(text)")
    for enum in ENUMS:
        op.execute(f"DROP TYPE {enum}")
    op.execute("DROP SCHEMA memory")

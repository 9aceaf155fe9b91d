"""Tables of the ``memory`` schema (requirements S4, F5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from devmentor_models.kit.base import (
    LIVE,
    MutableRecord,
    PartitionedRecord,
    Record,
    SoftDeletable,
    pg_enum,
    tenant_fk,
)
from devmentor_models.kit.types import Address, Json, LongText, Sha256, Timestamp, Varchar
from devmentor_models.kit.types import Embedding as Halfvec
from devmentor_models.memory.enums import (
    DocumentSource,
    EmbeddingStatus,
    OutboxOperation,
    SearchMode,
    TextLanguage,
)
from devmentor_models.security import EXPORT, Chore, Grant, Security, owned_by
from devmentor_models.security.declarations import Service

SCHEMA = "memory"

#: A tsvector holds at most 1 MiB. So much text always fits, whatever its words are.
MAX_CHUNK_CHARACTERS = 50_000

# PostgreSQL's own rendering, so that Alembic finds no difference. A CASE over constants rather than a column
# of type regconfig, which would keep pg_upgrade from running, or a cast from text, which is not immutable.
_CONFIGURATION = (
    "CASE language "
    + " ".join(
        f"WHEN '{item}'::memory.text_language THEN '{item}'::regconfig"
        for item in TextLanguage
        if item is not TextLanguage.SIMPLE
    )
    + " ELSE 'simple'::regconfig END"
)
_DOCUMENT_FTS = f"to_tsvector({_CONFIGURATION}, (title)::text)"
_CHUNK_FTS = f"to_tsvector({_CONFIGURATION}, (content)::text)"


class Document(SoftDeletable, MutableRecord):
    """Something to remember: an upload, a page, a conversation, a piece of code, a note."""

    __tablename__ = "documents"
    __table_args__ = (
        # Deleting a project deletes what was remembered for it (S3).
        tenant_fk("project_id", "projects.projects"),
        UniqueConstraint("user_id", "id"),
        Index("ix_documents_user_id_project_id", "user_id", "project_id", "id"),
        Index(
            "uq_documents_user_id_project_id_content_hash",
            "user_id",
            "project_id",
            "content_hash",
            unique=True,
            postgresql_where=LIVE,
            postgresql_nulls_not_distinct=True,
        ),
        # What is stored again from the same address is another version of the same document.
        Index(
            "uq_documents_user_id_project_id_source_uri",
            "user_id",
            "project_id",
            "source_uri",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND source_uri IS NOT NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("octet_length(source_uri) <= 2000", name="source_uri"),
        # A search asks in which languages the documents are.
        Index("ix_documents_language", "user_id", "language"),
        Index("ix_documents_deleted", "user_id", postgresql_where=text("deleted_at IS NOT NULL")),
        # Answers by itself who stored how much lately, and where (F8): the rows lie all over the table.
        Index("ix_documents_recent", "user_id", "created_at", "project_id", postgresql_where=LIVE),
        Index(
            "ix_documents_names",
            "user_id",
            "fts",
            "title",
            "source_uri",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops", "source_uri": "gin_trgm_ops"},
        ),
        Index(
            "ix_documents_metadata",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
        ),
        {"schema": SCHEMA, "comment": "What is remembered, whole; chunks hold it in searchable pieces"},
    )
    __security__: ClassVar = Security(
        owned_by(),
        # Projects are ranked by what was remembered for them lately (F8).
        grants=(Grant(Service.MEMORY), Grant(Service.PROJECTS, ("SELECT",)), EXPORT),
        definer=("SELECT",),
        audited=True,
        redacted=("content", "fts"),
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose document this is"
    )
    project_id: Mapped[UUID | None] = mapped_column(
        comment="The project it belongs to; NULL: to none in particular"
    )
    title: Mapped[str] = mapped_column(Varchar(500), comment="Title or file name")
    content: Mapped[str] = mapped_column(LongText(), comment="The whole text")
    source: Mapped[DocumentSource] = mapped_column(
        pg_enum(DocumentSource, SCHEMA), comment="Where the document came from"
    )
    source_uri: Mapped[str | None] = mapped_column(
        Address(2000), comment="Address or path of the original; one document of a project has it"
    )
    content_hash: Mapped[bytes] = mapped_column(
        Sha256(), comment="SHA-256 of the content in UTF-8; the same content is stored once per project"
    )
    language: Mapped[TextLanguage] = mapped_column(
        pg_enum(TextLanguage, SCHEMA),
        default=TextLanguage.ENGLISH,
        server_default=TextLanguage.ENGLISH,
        comment="Text search configuration of the content",
    )
    extra: Mapped[dict[str, Any]] = mapped_column(
        "metadata",
        Json(),
        default=dict,
        server_default=text("'{}'::jsonb"),
        comment="Additional data without a column of its own",
    )
    fts: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed(_DOCUMENT_FTS, persisted=True),
        deferred=True,
        comment="Words of the title; those of the content are in the chunks",
    )

    chunks: Mapped[list[Chunk]] = relationship(
        back_populates="document", lazy="raise", order_by="Chunk.ordinal", viewonly=True
    )


class Chunk(Record):
    """A piece of a document, small enough to be embedded and to be a search hit."""

    __tablename__ = "chunks"
    __table_args__ = (
        tenant_fk("document_id", "memory.documents"),
        # What a vector refers to.
        UniqueConstraint("user_id", "document_id", "id"),
        # Deferrable: one UPDATE moves chunks past each other when some before them came or went.
        UniqueConstraint("user_id", "document_id", "ordinal", deferrable=True),
        CheckConstraint("ordinal >= 0", name="ordinal"),
        CheckConstraint("token_count >= 0", name="token_count"),
        CheckConstraint("start_offset >= 0 AND end_offset >= start_offset", name="offsets"),
        Index(
            "ix_chunks_words",
            "user_id",
            "fts",
            "symbols",
            postgresql_using="gin",
            postgresql_ops={"symbols": "gin_trgm_ops"},
        ),
        {"schema": SCHEMA, "comment": "Pieces of documents, which are what a search finds"},
    )
    # By the owner of the tables: `devmentor-db reembed` reads what another model is to make vectors of.
    __security__: ClassVar = Security(owned_by(), grants=(Grant(Service.MEMORY), EXPORT), definer=("SELECT",))

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose chunk this is"
    )
    document_id: Mapped[UUID] = mapped_column(comment="The document that it is a piece of")
    ordinal: Mapped[int] = mapped_column(comment="Place in the document, from 0")
    content: Mapped[str] = mapped_column(Varchar(MAX_CHUNK_CHARACTERS), comment="The text")
    token_count: Mapped[int | None] = mapped_column(comment="Tokens, as the embedding model counts them")
    start_offset: Mapped[int | None] = mapped_column(comment="First character in the document, from 0")
    end_offset: Mapped[int | None] = mapped_column(comment="Character after the last one in the document")
    content_hash: Mapped[bytes] = mapped_column(Sha256(), comment="SHA-256 of the text in UTF-8")
    language: Mapped[TextLanguage] = mapped_column(
        # Repeated from the document: a generated column sees its own row only.
        pg_enum(TextLanguage, SCHEMA),
        default=TextLanguage.ENGLISH,
        server_default=TextLanguage.ENGLISH,
        comment="Text search configuration, the document's",
    )
    fts: Mapped[str] = mapped_column(
        TSVECTOR, Computed(_CHUNK_FTS, persisted=True), deferred=True, comment="Words of the text"
    )
    symbols: Mapped[str] = mapped_column(
        LongText(),
        Computed("memory.symbols((content)::text)", persisted=True),
        deferred=True,
        comment="Identifiers, paths and codes in the text, in lower case",
    )

    document: Mapped[Document] = relationship(back_populates="chunks", lazy="raise", viewonly=True)


class Embedding(MutableRecord):
    """A chunk's vector by one model, and where its copy is in the vector mirror (S4)."""

    __tablename__ = "embeddings_meta"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "document_id", "chunk_id"],
            ["memory.chunks.user_id", "memory.chunks.document_id", "memory.chunks.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("user_id", "document_id", "chunk_id", "model_id"),
        CheckConstraint("vector_dims(embedding) = dimensions", name="embedding_dimensions"),
        # A zero vector has no direction: every cosine distance to it is NaN.
        CheckConstraint("l2_norm(embedding) > 0", name="embedding_direction"),
        CheckConstraint("status <> 'indexed' OR embedding IS NOT NULL", name="indexed_has_embedding"),
        # The pair, so that the database refuses a vector of a wrong length. RESTRICT: a model is retired by
        # deactivating it; vectors would be meaningless without it.
        ForeignKeyConstraint(
            ["model_id", "dimensions"],
            ["ai.embedding_models.id", "ai.embedding_models.dimensions"],
            ondelete="RESTRICT",
        ),
        # For the key above, and for an exact search: all of a tenant's vectors by one model.
        Index("ix_embeddings_meta_model_id", "model_id", "dimensions", "user_id"),
        Index(
            "ix_embeddings_meta_unfinished",
            "user_id",
            "model_id",
            "id",
            postgresql_where=text("status <> 'indexed'"),
        ),
        # No index on the vectors by default: a search compares all of a tenant's, exactly, and an approximate
        # index makes storing three times slower (measured: 1,500 to 500 chunks per second). A model whose
        # tenants are large gets one of its own from `devmentor-db models index`; see embeddings/indexes.py.
        {"schema": SCHEMA, "comment": "Vectors of chunks, one for each embedding model"},
    )
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.MEMORY), EXPORT),
        # By the owner of the tables: `devmentor-db reembed` writes another model's vectors beside the old
        # ones, and deletes those of a model that is given up.
        definer=("SELECT", "INSERT", "UPDATE", "DELETE"),
        redacted=("embedding",),
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose vector this is"
    )
    # Repeated from the chunk: a search filters by documents without reading the chunks' text.
    document_id: Mapped[UUID] = mapped_column(comment="The document that the chunk is a piece of")
    chunk_id: Mapped[UUID] = mapped_column(comment="The chunk")
    model_id: Mapped[UUID] = mapped_column(
        comment="The model that made the vector; in use it cannot be deleted"
    )
    dimensions: Mapped[int] = mapped_column(comment="Length of the vector, the model's")
    content_hash: Mapped[bytes] = mapped_column(
        Sha256(), comment="SHA-256 of the text that was embedded; differs from the chunk's when stale"
    )
    status: Mapped[EmbeddingStatus] = mapped_column(
        pg_enum(EmbeddingStatus, SCHEMA),
        default=EmbeddingStatus.PENDING,
        server_default=EmbeddingStatus.PENDING,
        comment="How far the embedding is",
    )
    embedding: Mapped[list[float] | None] = mapped_column(
        Halfvec(), comment="The vector in half precision; NULL until it was computed"
    )
    qdrant_collection: Mapped[str | None] = mapped_column(
        Varchar(255), comment="Collection that the model was mirrored to when the row was written"
    )
    qdrant_point_id: Mapped[UUID] = mapped_column(
        # The same point whoever embeds the chunk again; each model has a collection of its own.
        Computed("chunk_id", persisted=True),
        comment="Point of the vector mirror: the chunk's id, so that delivering twice makes one point",
    )


class SearchEntry(PartitionedRecord):
    """One search that somebody made. Never changed; users may clear their own."""

    __tablename__ = "search_history"
    __table_args__ = (
        CheckConstraint("hit_count >= 0", name="hit_count"),
        CheckConstraint("query IS NOT NULL OR mode = 'vector'", name="query_or_vector"),
        Index("ix_search_history_user_id", "user_id", "id"),
        {
            "schema": SCHEMA,
            "comment": "Searches, append-only, partitioned by month",
            "postgresql_partition_by": "RANGE (created_at)",
        },
    )
    __security__: ClassVar = Security(
        owned_by(), grants=(Grant(Service.MEMORY, ("SELECT", "INSERT", "DELETE")), EXPORT)
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Who searched"
    )
    # No foreign keys to project and model: the history outlives both.
    project_id: Mapped[UUID | None] = mapped_column(comment="The project that was searched; NULL: all")
    model_id: Mapped[UUID | None] = mapped_column(comment="The embedding model, where vectors were compared")
    query: Mapped[str | None] = mapped_column(Varchar(2000), comment="The words; NULL for a vector alone")
    mode: Mapped[SearchMode] = mapped_column(pg_enum(SearchMode, SCHEMA), comment="What was compared")
    filters: Mapped[dict[str, Any]] = mapped_column(
        Json(), default=dict, server_default=text("'{}'::jsonb"), comment="Further conditions, by name"
    )
    hit_count: Mapped[int] = mapped_column(comment="How many hits were returned")


class OutboxEntry(Record):
    """A point of the vector mirror that may differ from the database, queued by whatever changed it (S4).

    Triggers queue in the transaction of the change, be it by a repository, COPY, psql or a cascade. Entries
    leave by being acknowledged, in any order: workers take what is due, never ``id > last``, which would miss
    transactions that commit late.
    """

    __tablename__ = "vector_outbox"
    __table_args__ = (
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("ix_vector_outbox_available_at", "available_at", "id"),
        Index("ix_vector_outbox_user_id", "user_id", "id"),
        {"schema": SCHEMA, "comment": "Transactional queue towards the vector mirror"},
    )
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.MEMORY), EXPORT),
        # The worker of the mirror takes whatever is due.
        chores=(Chore(("SELECT", "UPDATE", "DELETE")),),
        # Triggers queue; whoever ends the mirroring of a model calls off what waits.
        definer=("SELECT", "INSERT", "DELETE"),
    )

    # No foreign keys: the order to delete a point must outlive the user and the embedding.
    user_id: Mapped[UUID] = mapped_column(
        comment="Whose embedding it is; zeros for a point that was found in the mirror alone"
    )
    embedding_id: Mapped[UUID] = mapped_column(comment="The embedding; zeros where there was none by then")
    operation: Mapped[OutboxOperation] = mapped_column(
        pg_enum(OutboxOperation, SCHEMA),
        comment="What the change asked for; the worker does what the newest state asks for",
    )
    collection: Mapped[str] = mapped_column(Varchar(255), comment="Collection of the mirror")
    point_id: Mapped[UUID] = mapped_column(comment="Point of the mirror")
    attempts: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="How often it was claimed"
    )
    available_at: Mapped[datetime] = mapped_column(
        Timestamp(), server_default=func.now(), comment="From when it may be claimed (again)"
    )
    claimed_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When it was last claimed")
    last_error: Mapped[str | None] = mapped_column(LongText(), comment="Why the last attempt failed")

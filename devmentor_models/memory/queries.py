"""Statements of the ``memory`` schema: values without a session, testable by compiling."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    String,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import defer, selectinload

from devmentor_models.kit.base import table_named
from devmentor_models.kit.types import Timestamp
from devmentor_models.memory.enums import DocumentSource, EmbeddingStatus
from devmentor_models.memory.models import Chunk, Document, Embedding, SearchEntry

# Naming a table imports every mapping, which loader options and foreign keys need to be there.
DOCUMENTS = table_named("memory.documents")
CHUNKS = table_named("memory.chunks")
EMBEDDINGS = table_named("memory.embeddings_meta")

_USER = bindparam("tenant_id", type_=Uuid())
_IDS = bindparam("ids", type_=ARRAY(Uuid()))

_OWN_DOCUMENTS = select(Document).where(Document.user_id == _USER)
_LIVE_DOCUMENTS = _OWN_DOCUMENTS.where(Document.deleted_at.is_(None))

DOCUMENT_BY_ID = _LIVE_DOCUMENTS.where(Document.id == bindparam("document_id"))
DOCUMENT_WITH_CHUNKS = DOCUMENT_BY_ID.options(selectinload(Document.chunks))
DOCUMENT_BY_HASH = _LIVE_DOCUMENTS.where(
    # `IS NOT DISTINCT FROM` would not use the index.
    or_(
        Document.project_id == bindparam("project_id", type_=Uuid()),
        Document.project_id.is_(None) & bindparam("project_id", type_=Uuid()).is_(None),
    ),
    Document.content_hash == bindparam("content_hash"),
)
DOCUMENT_KEYS_BY_HASH = select(Document.project_id, Document.content_hash, Document.id).where(
    Document.user_id == _USER,
    Document.deleted_at.is_(None),
    Document.content_hash == any_(bindparam("hashes", type_=ARRAY(DOCUMENTS.c.content_hash.type))),
)
# For a few rows; `ingest_queries` has those for many. What is there, by content or address, stays.
INSERT_DOCUMENTS: Executable = pg_insert(DOCUMENTS).on_conflict_do_nothing().returning(DOCUMENTS.c.id)
INSERT_CHUNKS: Executable = insert(CHUNKS)
INSERT_EMBEDDINGS: Executable = insert(EMBEDDINGS)

CHUNKS_OF = select(Chunk).where(Chunk.user_id == _USER, Chunk.document_id == bindparam("document_id"))

SOFT_DELETE: Executable = (
    update(Document)
    .where(Document.user_id == _USER, Document.id == bindparam("document_id"), Document.deleted_at.is_(None))
    .values(deleted_at=func.now())
    .returning(Document)
)
RESTORE: Executable = (
    update(Document)
    .where(
        Document.user_id == _USER, Document.id == bindparam("document_id"), Document.deleted_at.is_not(None)
    )
    .values(deleted_at=None)
    .returning(Document)
)
PURGE: Executable = (
    delete(Document)
    .where(Document.user_id == _USER, Document.id == bindparam("document_id"))
    .returning(Document.id)
)


def documents(
    *,
    project_id: UUID | None,
    source: DocumentSource | None,
    since: datetime | None,
    matching: str | None,
    metadata: dict[str, Any] | None,
) -> Select[Document]:
    """Return the live documents of ``:tenant_id`` that pass every filter given, without their content."""
    statement = _LIVE_DOCUMENTS.options(defer(Document.content, raiseload=True))
    if project_id is not None:
        statement = statement.where(Document.project_id == project_id)
    if source is not None:
        statement = statement.where(Document.source == source)
    if since is not None:
        statement = statement.where(Document.created_at >= since)
    if matching is not None:
        statement = statement.where(
            or_(
                Document.title.icontains(matching, autoescape=True),
                Document.source_uri.icontains(matching, autoescape=True),
            )
        )
    if metadata is not None:
        wanted = literal(metadata, DOCUMENTS.c.metadata.type)
        statement = statement.where(Document.extra.bool_op("@>")(wanted))
    return statement


PENDING_CHUNKS = (
    select(Chunk)
    .join(Embedding, (Embedding.user_id == Chunk.user_id) & (Embedding.chunk_id == Chunk.id))
    .join(Document, (Document.user_id == Chunk.user_id) & (Document.id == Chunk.document_id))
    .where(
        Embedding.user_id == _USER,
        Embedding.model_id == bindparam("model_id", type_=Uuid()),
        Embedding.status.in_([EmbeddingStatus.PENDING, EmbeddingStatus.STALE]),
        Document.deleted_at.is_(None),
    )
)
CHUNK_KEYS = select(Chunk.id, Chunk.user_id, Chunk.document_id, Chunk.content_hash).where(
    Chunk.user_id == _USER, Chunk.id == any_(_IDS)
)


def _put_embeddings() -> Executable:
    statement = pg_insert(EMBEDDINGS)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["user_id", "document_id", "chunk_id", "model_id"],
        set_={
            "embedding": new.embedding,
            "content_hash": new.content_hash,
            "status": new.status,
            "qdrant_collection": new.qdrant_collection,
        },
    ).returning(EMBEDDINGS.c.id)


PUT_EMBEDDINGS = _put_embeddings()


def is_model_named(name: BindParameter[str]) -> ColumnElement[bool]:
    """Return the condition on the active embedding model of a name; NULL stands for the default one."""
    models = table_named("ai.embedding_models")
    return models.c.active & or_(models.c.name == name, name.is_(None) & models.c.is_default)


@cache
def embedding_model() -> Executable:
    """Return the active embedding model called ``:name``; NULL stands for the default one."""
    models = table_named("ai.embedding_models")
    columns = ("id", "name", "dimensions", "metric", "qdrant_collection")
    named = is_model_named(bindparam("name", type_=String()))
    return select(*(models.c[column] for column in columns)).where(named)


@cache
def active_authors() -> Executable:
    """Return where a tenant stored more than ``:min_memories`` documents since ``:since``, most first."""
    users = table_named("auth.users")
    projects = table_named("projects.projects")
    # Counted first, joined afterwards: names are looked up for the few that remain.
    counted = (
        select(Document.user_id, Document.project_id, func.count().label("memories"))
        .where(
            Document.user_id == _USER,
            Document.created_at >= bindparam("since", type_=Timestamp()),
            Document.deleted_at.is_(None),
        )
        .group_by(Document.user_id, Document.project_id)
        .having(func.count() > bindparam("min_memories"))
    )
    busy = counted.subquery("busy")
    return (
        select(users.c.id, users.c.username, projects.c.name, busy.c.memories)
        .select_from(busy)
        .join(users, users.c.id == busy.c.user_id)
        .outerjoin(projects, (projects.c.user_id == busy.c.user_id) & (projects.c.id == busy.c.project_id))
        .where(or_(busy.c.project_id.is_(None), projects.c.deleted_at.is_(None)))
        .order_by(busy.c.memories.desc(), users.c.username, projects.c.name, busy.c.project_id)
        .limit(bindparam("limit"))
    )


#: The same of everybody, for the memory service alone; see `functions`.
ALL_ACTIVE_AUTHORS: Executable = select(
    literal_column("user_id", Uuid()),
    literal_column("username", String()),
    literal_column("project_name", String()),
    literal_column("memories", BigInteger()),
).select_from(
    func.memory.active_authors(
        bindparam("since", type_=Timestamp()),
        bindparam("min_memories", type_=BigInteger()),
        bindparam("limit", type_=BigInteger()),
    )
)

HISTORY = select(SearchEntry).where(SearchEntry.user_id == _USER)
TOP_QUERIES = (
    select(SearchEntry.query, func.count().label("count"), func.max(SearchEntry.created_at))
    .where(
        SearchEntry.user_id == _USER,
        SearchEntry.query.is_not(None),
        SearchEntry.created_at >= bindparam("since", type_=Timestamp()),
    )
    .group_by(SearchEntry.query)
    .order_by(func.count().desc(), SearchEntry.query)
    .limit(bindparam("limit"))
)
PURGE_HISTORY: Executable = (
    delete(SearchEntry)
    .where(SearchEntry.user_id == _USER, SearchEntry.created_at < bindparam("before", type_=Timestamp()))
    .returning(SearchEntry.id)
)

"""Factories of the ``memory`` schema."""

# factory-boy reads a nested Meta per class, which a type checker takes for an override of the base's.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence

from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import DocumentSource, EmbeddingStatus, OutboxOperation, SearchMode
from devmentor_models.memory.models import Chunk, Document, Embedding, OutboxEntry, SearchEntry
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.base import KeyOf, ModelFactory


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class DocumentFactory(ModelFactory[Document]):
    """A note of no project; give ``project``, ``user`` or ``user_id`` to choose whose."""

    class Meta:
        model = Document

    class Params:
        user = None
        project = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = LazyAttribute(lambda row: row.project.id if row.project else None)
    title = Sequence(lambda number: f"Document {number}")
    content = LazyAttribute(lambda row: f"{row.title}: what document {row.id} says.")
    source = DocumentSource.NOTE
    content_hash = LazyAttribute(lambda row: _digest(row.content))


class ChunkFactory(ModelFactory[Chunk]):
    """A chunk without a vector; give ``document`` to choose where."""

    class Meta:
        model = Chunk

    class Params:
        user = None
        document = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("document.user_id", "user.id", make=UserFactory)
    document_id = KeyOf("document.id", make=DocumentFactory, user_id=SelfAttribute("..user_id"))
    ordinal = Sequence(int)
    content = LazyAttribute(lambda row: f"What chunk {row.id} says.")
    content_hash = LazyAttribute(lambda row: _digest(row.content))


class EmbeddingFactory(ModelFactory[Embedding]):
    """A finished vector of 3 dimensions; give ``chunk`` and ``model`` to choose which."""

    class Meta:
        model = Embedding

    class Params:
        user = None
        chunk = None
        model = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("chunk.user_id", "user.id", make=UserFactory)
    document_id = KeyOf("chunk.document_id", make=DocumentFactory, user_id=SelfAttribute("..user_id"))
    chunk_id = KeyOf(
        "chunk.id",
        make=ChunkFactory,
        user_id=SelfAttribute("..user_id"),
        document_id=SelfAttribute("..document_id"),
    )
    model_id = KeyOf("model.id", make=EmbeddingModelFactory)
    dimensions = LazyAttribute(lambda row: row.model.dimensions if row.model else 3)
    content_hash = LazyAttribute(lambda row: row.chunk.content_hash if row.chunk else _digest(""))
    status = EmbeddingStatus.INDEXED
    embedding = LazyAttribute(lambda row: [1.0] + [0.0] * (row.dimensions - 1))


class SearchEntryFactory(ModelFactory[SearchEntry]):
    """A search for words that found nothing; give ``user`` or ``user_id`` to choose whose."""

    class Meta:
        model = SearchEntry

    class Params:
        user = None

    id = LazyFunction(uuid7)
    created_at = LazyFunction(lambda: datetime.now(UTC))
    user_id = KeyOf("user.id", make=UserFactory)
    query = "how do I index a uuid?"
    mode = SearchMode.TEXT
    hit_count = 0


class OutboxEntryFactory(ModelFactory[OutboxEntry]):
    """An upsert that is due; its user and its embedding need not exist."""

    class Meta:
        model = OutboxEntry

    id = LazyFunction(uuid7)
    user_id = LazyFunction(uuid7)
    embedding_id = LazyFunction(uuid7)
    operation = OutboxOperation.UPSERT
    collection = "devmentor"
    point_id = SelfAttribute("embedding_id")

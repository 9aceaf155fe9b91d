"""Turn documents into rows, checked in full before anything is written (F5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.types import CheckedType
from devmentor_models.memory.enums import EmbeddingStatus
from devmentor_models.memory.models import MAX_CHUNK_CHARACTERS, Document
from devmentor_models.memory.queries import CHUNKS, EMBEDDINGS
from devmentor_models.memory.values import ModelInfo, NewChunk, NewDocument

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """A document's rows, ready to be inserted."""

    document: Row
    chunks: Sequence[Row]
    embeddings: Sequence[Row]

    @property
    def id(self) -> UUID:
        """The key that the document gets when it is new."""
        key: UUID = self.document["id"]
        return key

    @property
    def identity(self) -> tuple[UUID | None, bytes]:
        """What makes a document the same as another one of its tenant: project and content."""
        return self.document["project_id"], self.document["content_hash"]


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).digest()


def rows_of(new: NewDocument, user_id: UUID, model: ModelInfo | None) -> Rows:
    """Return the rows of a document.

    Args:
        new: The document.
        user_id: Whose it is.
        model: The model of the chunks' vectors; None when no chunk is to have one.

    Raises:
        InvalidValue: Some value cannot be stored; the message names its column.
    """
    # The mapped class checks values as they are assigned.
    document = Document(
        id=uuid7(),
        user_id=user_id,
        project_id=new.project_id,
        title=new.title,
        content=new.content,
        source=new.source,
        source_uri=new.source_uri,
        language=new.language,
        extra=dict(new.metadata),
    )
    document.content_hash = digest(document.content)
    chunks = [
        _chunk_row(chunk, document, ordinal)
        for ordinal, chunk in enumerate(new.chunks if new.chunks is not None else _slices(document.content))
    ]
    embeddings = []
    if model is not None:
        vectors = [chunk.embedding for chunk in new.chunks or ()] or [None] * len(chunks)
        embeddings = [
            embedding_row(chunk, vector, model) for chunk, vector in zip(chunks, vectors, strict=True)
        ]
    names = ("id", "user_id", "project_id", "title", "content", "source", "source_uri", "content_hash")
    row = {name: getattr(document, name) for name in names}
    row |= {"language": document.language, "metadata": document.extra}
    return Rows(row, chunks, embeddings)


def embedding_row(chunk: Mapping[str, Any], vector: Sequence[float] | None, model: ModelInfo) -> Row:
    """Return the row of a chunk's vector; without one it waits to be computed.

    Args:
        chunk: The chunk's row, or at least its id, user_id, document_id and content_hash.
        vector: The vector.
        model: The model that made it, or is to make it.

    Raises:
        InvalidValue: The vector is not one of the model.
    """
    return {
        "id": uuid7(),
        "user_id": chunk["user_id"],
        "document_id": chunk["document_id"],
        "chunk_id": chunk["id"],
        "model_id": model.id,
        "dimensions": model.dimensions,
        "content_hash": chunk["content_hash"],
        "status": EmbeddingStatus.INDEXED if vector is not None else EmbeddingStatus.PENDING,
        "embedding": check_vector(vector, model) if vector is not None else None,
        "qdrant_collection": model.collection,
    }


def check_vector(
    vector: Sequence[float], model: ModelInfo, field: str = "memory.embeddings_meta.embedding"
) -> list[float]:
    """Return the vector as a list.

    Raises:
        InvalidValue: It is no vector, has another length than the model's, or contains what pgvector
            cannot compare (NaN, infinity, only zeros).
    """
    kind = EMBEDDINGS.c.embedding.type
    assert isinstance(kind, CheckedType)  # noqa: S101 - tells the type checkers what the model declares
    try:
        numbers: list[float] = kind.check(vector)
    except InvalidValue as error:
        raise InvalidValue(field, error.reason) from None
    if len(numbers) != model.dimensions:
        raise InvalidValue(
            field, f"has {len(numbers)} dimensions; the vectors of {model.name} have {model.dimensions}"
        )
    return numbers


def _chunk_row(chunk: NewChunk, document: Document, ordinal: int) -> Row:
    kind = CHUNKS.c.content.type
    assert isinstance(kind, CheckedType)  # noqa: S101 - as above
    content: str = kind.check(chunk.content)
    numbers = {
        "token_count": chunk.token_count,
        "start_offset": chunk.start_offset,
        "end_offset": chunk.end_offset,
    }
    for name, number in numbers.items():
        if number is not None:
            whole_number(f"memory.chunks.{name}", number)
    return {
        "id": uuid7(),
        "user_id": document.user_id,
        "document_id": document.id,
        "ordinal": ordinal,
        "content": content,
        "content_hash": digest(content),
        "language": document.language,
        **numbers,
    }


def _slices(content: str) -> Sequence[NewChunk]:
    """Cut a text into chunks of the greatest length."""
    size = MAX_CHUNK_CHARACTERS
    return [
        NewChunk(content[start : start + size], None, None, start, min(start + size, len(content)))
        for start in range(0, len(content), size)
    ]


def wants_model(documents: Sequence[NewDocument]) -> bool:
    """Return whether any chunk brings a vector."""
    return any(chunk.embedding is not None for new in documents for chunk in new.chunks or ())

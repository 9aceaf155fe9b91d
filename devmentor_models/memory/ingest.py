"""Turn documents into rows, checked before any of them is written (F5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from pgvector import HalfVector

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.plain import column_check
from devmentor_models.kit.types import CheckedType, Embedding
from devmentor_models.kit.vectors import PackedVector
from devmentor_models.memory.checks import check_length
from devmentor_models.memory.enums import EmbeddingStatus
from devmentor_models.memory.models import MAX_CHUNK_CHARACTERS
from devmentor_models.memory.queries import CHUNKS, DOCUMENTS, EMBEDDINGS
from devmentor_models.memory.values import ModelInfo, NewChunk, NewDocument

Row = dict[str, Any]


class Piece(NamedTuple):
    """A chunk that was checked; ``packed`` is its vector as PostgreSQL receives it."""

    content: str
    content_hash: bytes
    token_count: int | None
    start_offset: int | None
    end_offset: int | None
    packed: bytes | None


@dataclass(slots=True, eq=False)
class Draft:
    """A document that was checked, on its way into the database.

    Attributes:
        new: The document.
        values: Its columns.
        id: The key that it gets when it is new.
        pieces: Its chunks, once `prepare` has checked them.
    """

    new: NewDocument
    values: Row
    id: UUID = field(default_factory=uuid7)
    pieces: Sequence[Piece] | None = None

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of the content."""
        digest: bytes = self.values["content_hash"]
        return digest

    @property
    def identity(self) -> tuple[UUID | None, bytes]:
        """What makes it the same as another one of its tenant: project and content."""
        return self.values["project_id"], self.content_hash

    @property
    def address(self) -> tuple[UUID | None, str] | None:
        """What makes it another version of a document: project and address, if it has one."""
        uri = self.values["source_uri"]
        return None if uri is None else (self.values["project_id"], uri)

    @property
    def order(self) -> tuple[str, str, bytes]:
        """Where it stands among others: one order everywhere keeps writers from waiting in a circle."""
        return str(self.values["project_id"]), self.values["source_uri"] or "", self.content_hash

    def prepare(self, model: ModelInfo | None) -> Sequence[Piece]:
        """Check the chunks and their vectors, unless that was done, and return them.

        Raises:
            InvalidValue: A chunk cannot be stored, or a vector is not one of the model.
        """
        if self.pieces is None:
            given = self.new.chunks
            chunks = given if given is not None else _slices(self.values["content"])
            self.pieces = [_piece(chunk, model) for chunk in chunks]
        return self.pieces


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).digest()


def draft_of(new: NewDocument) -> Draft:
    """Return a document as a draft, its own values checked, its chunks not yet.

    Raises:
        InvalidValue: Some value cannot be stored; the message names its column.
    """
    values: Row = {
        "project_id": new.project_id,
        "title": new.title,
        "content": new.content,
        "source": new.source,
        "source_uri": new.source_uri,
        "language": new.language,
        "metadata": dict(new.metadata),
    }
    for name, check in _DOCUMENT_CHECKS:
        if values[name] is not None:
            values[name] = check(values[name])
    if values["content"] is None:
        raise InvalidValue("memory.documents.content", "is missing")
    values["content_hash"] = digest(values["content"])
    return Draft(new, values)


def document_rows(drafts: Sequence[Draft]) -> Iterator[Sequence[Any]]:
    """Yield the rows of drafts, in the columns of `ingest_queries.STAGED_DOCUMENTS`."""
    for draft in drafts:
        values = draft.values
        yield (
            draft.id,
            values["project_id"],
            values["title"],
            values["content"],
            values["source"],
            values["source_uri"],
            values["content_hash"],
            values["language"],
            # The binary form of jsonb: a version, then the text.
            b"\x01" + json.dumps(values["metadata"]).encode(),
        )


#: The columns of a chunk's row before its vector.
CHUNK_COLUMNS = (
    "id",
    "document_id",
    "ordinal",
    "content",
    "content_hash",
    "language",
    "token_count",
    "start_offset",
    "end_offset",
)


class Placed(NamedTuple):
    """A new chunk with the key of its document and its place there."""

    document_id: UUID
    ordinal: int
    piece: Piece
    language: str


def chunk_rows(chunks: Sequence[Placed]) -> Iterator[Sequence[Any]]:
    """Yield the rows of chunks, in `CHUNK_COLUMNS`, each with its packed vector."""
    for document_id, ordinal, piece, language in chunks:
        content, content_hash, tokens, start, end, packed = piece
        yield uuid7(), document_id, ordinal, content, content_hash, language, tokens, start, end, packed


def unpack(packed: bytes | None) -> list[float] | None:
    """Return a packed vector as a list."""
    return None if packed is None else HalfVector.from_binary(packed).to_list()


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
    try:
        numbers: list[float] = _VECTOR.check(vector)
    except InvalidValue as error:
        raise InvalidValue(field, error.reason) from None
    check_length(field, len(numbers), model.name, model.dimensions)
    return numbers


def pack_vector(vector: Sequence[float], field: str) -> PackedVector:
    """Return a vector of any model as PostgreSQL receives it.

    Raises:
        InvalidValue: It is no vector, or contains what pgvector cannot compare.
    """
    try:
        return _VECTOR.pack(vector)
    except InvalidValue as error:
        raise InvalidValue(field, error.reason) from None


def wants_model(documents: Sequence[NewDocument]) -> bool:
    """Return whether any chunk brings a vector."""
    return any(chunk.embedding is not None for new in documents for chunk in new.chunks or ())


def _piece(chunk: NewChunk, model: ModelInfo | None) -> Piece:
    content: str = _CHUNK_TEXT.check(chunk.content)
    if chunk.token_count is not None:
        whole_number("memory.chunks.token_count", chunk.token_count)
    if chunk.start_offset is not None:
        whole_number("memory.chunks.start_offset", chunk.start_offset)
    if chunk.end_offset is not None:
        whole_number("memory.chunks.end_offset", chunk.end_offset)
    packed = None
    if chunk.embedding is not None and model is not None:
        packed = _VECTOR.pack(chunk.embedding)
        check_length(_VECTOR.field, packed.dimensions, model.name, model.dimensions)
    return Piece(content, digest(content), chunk.token_count, chunk.start_offset, chunk.end_offset, packed)


def _slices(content: str) -> Sequence[NewChunk]:
    """Cut a text into chunks of the greatest length."""
    size = MAX_CHUNK_CHARACTERS
    return [
        NewChunk(content[start : start + size], None, None, start, min(start + size, len(content)))
        for start in range(0, len(content), size)
    ]


_DOCUMENT_CHECKS = [
    (name, check)
    for name in ("project_id", "title", "content", "source", "source_uri", "language", "metadata")
    if (check := column_check(DOCUMENTS.c[name]))
]
_CHUNK_TEXT: CheckedType[str] = CHUNKS.c.content.type  # type: ignore[assignment] # what the model declares
_VECTOR: Embedding = EMBEDDINGS.c.embedding.type  # type: ignore[assignment] # as above

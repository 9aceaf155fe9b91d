"""What the memory repositories take and return beside mapped entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, overload
from uuid import UUID

from devmentor_models.memory.enums import DocumentSource, SearchPlan, TextLanguage


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A piece of a document that is to be stored.

    Attributes:
        content: The text, at most 50,000 characters.
        embedding: Its vector, also as an array of NumPy; None leaves the chunk to be embedded later.
        token_count: Tokens, as the embedding model counts them.
        start_offset: First character in the document, from 0.
        end_offset: Character after the last one in the document.
    """

    content: str
    embedding: Sequence[float] | None = None
    token_count: int | None = None
    start_offset: int | None = None
    end_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document that is to be stored, with its chunks in their order.

    Attributes:
        title: Title or file name, at most 500 characters.
        content: The whole text.
        source: Where it comes from.
        chunks: Its pieces, in order. None cuts the content into as few chunks as possible; without chunks
            (an empty list) no search finds the document.
        project_id: The project it belongs to, if any.
        source_uri: Address or path of the original, at most 2,000 bytes. What is stored from the same address
            in the same project is another version of the same document.
        metadata: Additional data.
        language: How its words are stemmed.
    """

    title: str
    content: str
    source: DocumentSource
    chunks: Sequence[NewChunk] | None = None
    project_id: UUID | None = None
    source_uri: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    language: TextLanguage = TextLanguage.ENGLISH


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What storing documents did.

    Attributes:
        document_ids: Keys of the documents, in the order in which they came, whether new or there already.
        created: How many documents are new.
        chunks: How many chunks were written.
        replaced: How many documents are new versions of what was stored from the same address.
        kept_chunks: How many chunks of those stayed, with their vectors.
        removed_chunks: How many chunks of those are gone.
    """

    document_ids: Sequence[UUID]
    created: int = 0
    chunks: int = 0
    replaced: int = 0
    kept_chunks: int = 0
    removed_chunks: int = 0

    @property
    def unchanged(self) -> int:
        """How many documents were there already."""
        return len(self.document_ids) - self.created - self.replaced

    def __add__(self, other: StoreResult) -> StoreResult:
        """Return what both did."""
        return StoreResult(
            [*self.document_ids, *other.document_ids],
            self.created + other.created,
            self.chunks + other.chunks,
            self.replaced + other.replaced,
            self.kept_chunks + other.kept_chunks,
            self.removed_chunks + other.removed_chunks,
        )


@dataclass(slots=True)
class IngestResult:
    """What an ingest did, so far; of any number of documents it keeps only these numbers.

    Attributes:
        created: Documents that are new.
        replaced: Documents that are new versions of what was stored from the same address.
        unchanged: Documents that were there already.
        refused: Documents that could not be stored.
        chunks: Chunks that were written.
        kept_chunks: Chunks of replaced documents that stayed, with their vectors.
        removed_chunks: Chunks of replaced documents that are gone.
    """

    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    refused: int = 0
    chunks: int = 0
    kept_chunks: int = 0
    removed_chunks: int = 0

    def add(self, batch: StoreResult) -> None:
        """Count a batch."""
        self.created += batch.created
        self.replaced += batch.replaced
        self.unchanged += batch.unchanged
        self.chunks += batch.chunks
        self.kept_chunks += batch.kept_chunks
        self.removed_chunks += batch.removed_chunks


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """An embedding model, as a statement needs it. ``metric`` is cosine, l2 or inner_product.

    ``collection`` is that of the vector mirror, None where the model is not mirrored.
    """

    id: UUID
    name: str
    dimensions: int
    metric: str
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """A memory near a hit: another chunk of the same project."""

    document_id: UUID
    title: str
    chunk_id: UUID
    ordinal: int
    content: str
    distance: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search found, with what it belongs to (F5).

    Attributes:
        document_id: Its document.
        title: The document's title.
        source: Where the document came from.
        source_uri: Address or path of the original.
        created_at: When the document was stored.
        chunk_id: The chunk.
        ordinal: Place of the chunk in the document, from 0.
        content: The chunk's text.
        headline: The part of it where the words match, those in ``**`` asterisks; None where none do.
        distance: From the searched vector, by the model's metric; None without one on either side.
        text_rank: How well the words match, larger is better; None where they do not, or none were given.
        vector_place: Place among the nearest vectors, from 1; None where only the words matched.
        text_place: Place among the matches of the words, from 1; None where only the vector is near.
        score: Sum of 1 / (60 + place) over both places; larger is better.
        project_id: The document's project, if any.
        project_name: That project's name.
        author: Username of the document's owner.
        related: The nearest other memories of the same project, nearest first.
    """

    document_id: UUID
    title: str
    source: DocumentSource
    source_uri: str | None
    created_at: datetime
    chunk_id: UUID
    ordinal: int
    content: str
    headline: str | None
    distance: float | None
    text_rank: float | None
    vector_place: int | None
    text_place: int | None
    score: float
    project_id: UUID | None
    project_name: str | None
    author: str
    related: tuple[Related, ...]


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """What a search found, best first; a sequence of its hits.

    Attributes:
        hits: As many as match, but no more than were asked for; fewer only where ``truncated``.
        truncated: Something that matches may be missing, or a better hit.
        reason: Why; None unless ``truncated``.
        plan: How the nearest vectors were found; None for a search by words.
    """

    hits: Sequence[Hit]
    truncated: bool = False
    reason: str | None = None
    plan: SearchPlan | None = None

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Hit]: ...
    def __getitem__(self, place: int | slice) -> Hit | Sequence[Hit]:
        """Return the hit at a place, from 0, or those of a slice."""
        return self.hits[place]

    def __len__(self) -> int:
        """Return the number of hits."""
        return len(self.hits)


@dataclass(frozen=True, slots=True)
class AuthorActivity:
    """How much a user remembered in a project (F8); ``project_name`` is None outside any project."""

    user_id: UUID
    username: str
    project_name: str | None
    memories: int


@dataclass(frozen=True, slots=True)
class QueryCount:
    """How often a user searched for something, and when last."""

    query: str
    count: int
    last_at: datetime

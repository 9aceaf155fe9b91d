"""Closed sets of the ``memory`` schema."""

from __future__ import annotations

from enum import StrEnum


class DocumentSource(StrEnum):
    """Where a document came from."""

    UPLOAD = "upload"
    SCRAPE = "scrape"
    CONVERSATION = "conversation"
    CODE = "code"
    NOTE = "note"


class TextLanguage(StrEnum):
    """PostgreSQL's text search configurations; ``simple`` neither stems nor drops words."""

    SIMPLE = "simple"
    ARABIC = "arabic"
    DANISH = "danish"
    DUTCH = "dutch"
    ENGLISH = "english"
    FINNISH = "finnish"
    FRENCH = "french"
    GERMAN = "german"
    ITALIAN = "italian"
    NORWEGIAN = "norwegian"
    PORTUGUESE = "portuguese"
    RUSSIAN = "russian"
    SPANISH = "spanish"
    SWEDISH = "swedish"
    TURKISH = "turkish"


class EmbeddingStatus(StrEnum):
    """How far an embedding is."""

    PENDING = "pending"
    INDEXED = "indexed"
    STALE = "stale"
    FAILED = "failed"


class SearchMode(StrEnum):
    """What a search compared: words, vectors, or both."""

    TEXT = "text"
    VECTOR = "vector"
    HYBRID = "hybrid"


class SearchPlan(StrEnum):
    """How the nearest vectors are found: by comparing all of the tenant's, or through the model's index."""

    EXACT = "exact"
    INDEX = "index"


class OutboxOperation(StrEnum):
    """What is to be done in the vector mirror."""

    UPSERT = "upsert"
    DELETE = "delete"

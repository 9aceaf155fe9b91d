"""Closed sets of the ``ai`` schema."""

from __future__ import annotations

from enum import StrEnum


class Provider(StrEnum):
    """Who runs a model."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    AZURE = "azure"
    GOOGLE = "google"
    OTHER = "other"


class DistanceMetric(StrEnum):
    """How two vectors of a model are compared."""

    COSINE = "cosine"
    L2 = "l2"
    INNER_PRODUCT = "inner_product"


class Operation(StrEnum):
    """What a model was asked to do."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    MODERATION = "moderation"
    OTHER = "other"

"""Checks of a search's arguments, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.types import text_problem
from devmentor_models.memory.enums import SearchMode

MAX_QUERY_CHARACTERS = 2000
MAX_RELATED = 20


def optional_key(field: str, value: Any) -> UUID | None:
    """Return ``value``, or raise `InvalidValue` unless it is a UUID or None."""
    if value is not None and not isinstance(value, UUID):
        raise InvalidValue(field, f"expects a UUID, not {type(value).__name__}")
    return value


def mode_of(query: str | None, embedding: Sequence[float] | None) -> SearchMode:
    """Return what is to be compared, or raise `InvalidValue` when there is nothing."""
    if query is not None and embedding is not None:
        return SearchMode.HYBRID
    if query is not None:
        return SearchMode.TEXT
    if embedding is not None:
        return SearchMode.VECTOR
    raise InvalidValue("query", "is missing, and so is the embedding: a search needs one or both")


def check_search(
    query: str | None, embedding: Sequence[float] | None, max_distance: float | None, related: int
) -> None:
    """Raise `InvalidValue` for words, a threshold or a number of related memories that cannot be."""
    if query is not None:
        if not isinstance(query, str):
            raise InvalidValue("query", f"expects text, not {type(query).__name__}")
        if problem := text_problem(query):
            raise InvalidValue("query", problem)
        if len(query) > MAX_QUERY_CHARACTERS:
            raise InvalidValue("query", f"is longer than {MAX_QUERY_CHARACTERS} characters")
    if max_distance is not None:
        if embedding is None:
            raise InvalidValue("max_distance", "needs an embedding to measure from")
        if isinstance(max_distance, bool) or not isinstance(max_distance, int | float):
            raise InvalidValue("max_distance", f"expects a number, not {type(max_distance).__name__}")
        if not math.isfinite(max_distance):
            raise InvalidValue("max_distance", "is not a finite number")
    whole_number("related", related, at_most=MAX_RELATED)

"""Checks of a search's arguments, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.types import text_problem
from devmentor_models.kit.vectors import PackedVector
from devmentor_models.memory.enums import SearchMode

MAX_QUERY_CHARACTERS = 2000
MAX_NAME_CHARACTERS = 100
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


def optional_text(field: str, value: Any, at_most: int) -> str | None:
    """Return ``value``, or raise `InvalidValue` unless it is None or text of at most so many characters."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidValue(field, f"expects text, not {type(value).__name__}")
    if problem := text_problem(value):
        raise InvalidValue(field, problem)
    if len(value) > at_most:
        raise InvalidValue(field, f"is longer than {at_most} characters")
    return value


def check_search(embedding: Sequence[float] | None, max_distance: float | None, related: int) -> None:
    """Raise `InvalidValue` for a threshold or a number of related memories that cannot be."""
    if max_distance is not None:
        if embedding is None:
            raise InvalidValue("max_distance", "needs an embedding to measure from")
        if isinstance(max_distance, bool) or not isinstance(max_distance, int | float):
            raise InvalidValue("max_distance", f"expects a number, not {type(max_distance).__name__}")
        if not math.isfinite(max_distance):
            raise InvalidValue("max_distance", "is not a finite number")
    whole_number("related", related, at_most=MAX_RELATED)


def check_length(field: str, length: int, model: str, dimensions: int) -> None:
    """Raise `InvalidValue` for a vector of another length than a model's."""
    if length != dimensions:
        raise InvalidValue(field, f"has {length} dimensions; the vectors of {model} have {dimensions}")


def no_model(name: str | None) -> NotFound:
    """Make the error for an embedding model that is not there; None: the default one."""
    return NotFound("default embedding model" if name is None else "embedding model", name)


def check_model(row: Any, name: str | None, vector: PackedVector | None) -> None:
    """Check what a search has found of its embedding model.

    Args:
        row: Its columns ``model_id``, ``model_name`` and ``dimensions``.
        name: What was asked for; None: the default.
        vector: What was searched for.

    Raises:
        NotFound: There is no such model, and it was needed or named.
        InvalidValue: The vector has another length than the model's.
    """
    if row.model_id is None:
        if name is not None or vector is not None:
            raise no_model(name)
    elif vector is not None:
        check_length("embedding", vector.dimensions, row.model_name, row.dimensions)

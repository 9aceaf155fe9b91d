"""Checks of arguments that no column type can make, before anything is sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.types import moment_problem

E = TypeVar("E", bound=StrEnum)

#: The largest value of PostgreSQL's ``integer``.
MAX_INTEGER = 2**31 - 1


def whole_number(field: str, value: int, *, at_least: int = 0, at_most: int = MAX_INTEGER) -> int:
    """Return ``value``, or raise `InvalidValue` unless it is a whole number in the range."""
    if type(value) is not int or not at_least <= value <= at_most:
        raise InvalidValue(field, f"must be a whole number from {at_least} to {at_most}")
    return value


def member(field: str, kind: type[E], value: Any) -> E:
    """Return ``value`` as a member of a closed set, or raise `InvalidValue`."""
    try:
        return kind(value)
    except ValueError:
        raise InvalidValue(field, f"is none of: {', '.join(kind)}") from None


def moment(field: str, value: Any) -> datetime:
    """Return ``value``, or raise `InvalidValue` unless it is an aware datetime."""
    if problem := moment_problem(value):
        raise InvalidValue(field, problem)
    found: datetime = value
    return found

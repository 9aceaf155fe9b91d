"""The check of any column: its type's own, or for SQLAlchemy's plain types one that refuses by name too."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Enum, Float, Integer, SmallInteger, Uuid

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.types import CheckedType

Problem = str | None


def problem_finder(column: Column[Any]) -> Callable[[Any], Problem] | None:
    """Return a function that says what is wrong with a value for ``column``; None where all is allowed."""
    kind = column.type
    if isinstance(kind, Enum):
        return _enum(kind)
    if isinstance(kind, Integer):
        bits = 16 if isinstance(kind, SmallInteger) else 64 if isinstance(kind, BigInteger) else 32
        return _integer(bits)
    if isinstance(kind, Float):
        return _float
    if isinstance(kind, Boolean):
        return lambda value: None if isinstance(value, bool) else _expects("True or False", value)
    if isinstance(kind, Uuid):
        return lambda value: None if isinstance(value, UUID) else _expects("a UUID", value)
    return None


@cache
def column_check(column: Column[Any]) -> Callable[[Any], Any] | None:
    """Return the function that checks a value for ``column`` and returns what to keep; None: all is allowed.

    The function raises `InvalidValue` with the column's name. None, SQL's NULL, is not for it.
    """
    if isinstance(column.type, CheckedType):
        return column.type.check
    find_problem = problem_finder(column)
    if find_problem is None:
        return None
    # Enums are kept as members, whichever way they were written.
    convert = getattr(column.type, "enum_class", None) or (lambda value: value)

    def check(value: Any) -> Any:
        if problem := find_problem(value):
            raise InvalidValue(f"{column.table.fullname}.{column.name}", problem)
        return convert(value)

    return check


def _expects(what: str, value: Any) -> str:
    return f"expects {what}, not {type(value).__name__}"


def _integer(bits: int) -> Callable[[Any], Problem]:
    limit = 1 << (bits - 1)

    def check(value: Any) -> Problem:
        if isinstance(value, bool) or not isinstance(value, int):
            return _expects("a whole number", value)
        return None if -limit <= value < limit else f"does not fit into {bits} bits"

    return check


def _float(value: Any) -> Problem:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _expects("a number", value)
    return None if math.isfinite(value) else "is not a finite number"


def _enum(kind: Enum) -> Callable[[Any], Problem]:
    members = kind.enum_class
    names = ", ".join(kind.enums)

    def check(value: Any) -> Problem:
        if members is not None and isinstance(value, members):
            return None
        return None if isinstance(value, str) and value in kind.enums else f"is none of: {names}"

    return check

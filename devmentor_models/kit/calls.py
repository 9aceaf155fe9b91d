"""Checks of a call's arguments against the annotations of the method, before anything else happens.

Repositories are called with what came out of requests, by services that no type checker may have seen. What
is no value of the annotated type is refused by the argument's name; what a column allows beyond that, its
type knows (`kit.types`).
"""

from __future__ import annotations

import math
import typing
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.types import moment_problem

#: Says what is wrong with a value; None: nothing.
Find = Callable[[Any], str | None]

#: Longest span of time: so far back and ahead PostgreSQL and Python both have dates.
MAX_SPAN = timedelta(days=365_250)
_BITS = 64
_EXPECTS = "expects"


class Arguments:
    """The arguments of a method, as it annotates them.

    Args:
        method: The method.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Check what the method is called with, ``self`` left out.

        Raises:
            InvalidValue: An argument is no value of its type.
        """
        named, checks = self._checks
        for name, value in (*zip(named, args, strict=False), *kwargs.items()):
            find = checks.get(name)
            if find is not None and (problem := find(value)):
                raise InvalidValue(name, problem)

    @cached_property
    def _checks(self) -> tuple[Sequence[str], Mapping[str, Find]]:
        # Late: an annotation may name what is only defined after the class.
        hints = get_type_hints(self._method)
        hints.pop("return", None)
        for name, hint in [*hints.items()]:
            if get_origin(hint) is typing.Unpack:
                hints |= get_type_hints(get_args(hints.pop(name))[0])
        named = [*signature(self._method).parameters][1:]
        return named, {name: finder(hint) for name, hint in hints.items()}


def finder(hint: Any) -> Find:
    """Return the function that says what is wrong with a value for an annotation."""
    kind = get_origin(hint) or hint
    if kind in {Union, UnionType}:
        return _union([item for item in get_args(hint) if item is not NoneType], NoneType in get_args(hint))
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if hint is Any or not isinstance(kind, type):
        return lambda _: None
    return _member(kind) if issubclass(kind, StrEnum) else _of_class(kind, hint)


def _of_class(kind: type[Any], hint: Any) -> Find:
    if issubclass(kind, Mapping):
        return _items(kind, "a mapping", finder(get_args(hint)[0]))
    if issubclass(kind, Sequence) and get_args(hint):
        item = get_args(hint)[0]
        # Vectors are long, may be arrays of NumPy, and have checks of their own.
        return _vector if item is float else _items(kind, "a list", finder(item))
    if kind in {Iterable, AsyncIterable}:
        return _items(kind, "an iterable", lambda _: None)
    if is_dataclass(kind):
        return _fields(kind)
    return lambda value: None if isinstance(value, kind) else expects(f"a {kind.__name__}", value)


def expects(what: str, value: object) -> str:
    """Say that a value is of another type."""
    return f"{_EXPECTS} {what}, not {type(value).__name__}"


def _union(kinds: Sequence[Any], optional: bool) -> Find:
    finders = [finder(kind) for kind in kinds]

    def find(value: Any) -> str | None:
        if value is None and optional:
            return None
        problems = []
        for one in finders:
            problem = one(value)
            if problem is None:
                return None
            problems.append(problem)
        # Of the right type and wrong in another way tells more than of another type.
        telling = [problem for problem in problems if not problem.startswith(_EXPECTS)]
        return telling[0] if telling else "; or ".join(problems)

    return find


def _member(kind: type[StrEnum]) -> Find:
    values = {member.value for member in kind}
    names = ", ".join(kind)
    return lambda value: None if isinstance(value, str) and value in values else f"is none of: {names}"


def _items(kind: type[Any], what: str, find_in_item: Find) -> Find:
    """Return the check of a container and of what it holds; what is not sized may be read only once."""

    def find(value: Any) -> str | None:
        if isinstance(value, str | bytes) or not isinstance(value, kind):
            return expects(what, value)
        if isinstance(value, Sized) and isinstance(value, Iterable):
            for item in value:
                if problem := find_in_item(item):
                    return f"an item: {problem}"
        return None

    return find


def _fields(kind: type[Any]) -> Find:
    """Return the check of a dataclass; its plain values are for columns, which refuse them by name."""
    hints = get_type_hints(kind)
    finders = {name: finder(hint) for name, hint in hints.items() if not _is_plain(hint)}

    def find(value: Any) -> str | None:
        if not isinstance(value, kind):
            return expects(f"a {kind.__name__}", value)
        for name, find_in_field in finders.items():
            if problem := find_in_field(getattr(value, name)):
                return f"{name}: {problem}"
        return None

    return find


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in {Union, UnionType}:
        return all(map(_is_plain, get_args(hint)))
    return hint in _BY_TYPE or hint is NoneType or get_args(hint) == (float,)


def _vector(value: Any) -> str | None:
    """Tell what may be a vector, as a list or an array of some library, from what cannot be one."""
    may_be = any(hasattr(type(value), name) for name in ("__len__", "tolist", "to_list"))
    right = may_be and not isinstance(value, str | bytes | Mapping)
    return None if right else expects("a sequence of numbers", value)


def _uuid(value: Any) -> str | None:
    return None if isinstance(value, UUID) else expects("a UUID", value)


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else expects("text", value)


def _truth(value: Any) -> str | None:
    return None if isinstance(value, bool) else expects("True or False", value)


def _whole(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return expects("a whole number", value)
    return None if value.bit_length() < _BITS else f"does not fit into {_BITS} bits"


def _number(value: Any) -> str | None:
    if isinstance(value, int):
        return _whole(value)
    if not isinstance(value, float):
        return expects("a number", value)
    return None if math.isfinite(value) else "is not a finite number"


def _decimal(value: Any) -> str | None:
    if not isinstance(value, Decimal):
        return expects("a Decimal", value)
    return None if value.is_finite() else "is not a finite number"


def _moment(value: Any) -> str | None:
    return moment_problem(value)


def _day(value: Any) -> str | None:
    right = isinstance(value, date) and not isinstance(value, datetime)
    return None if right else expects("a date", value)


def _span(value: Any) -> str | None:
    if not isinstance(value, timedelta):
        return expects("a timedelta", value)
    return None if abs(value) <= MAX_SPAN else "is longer than a thousand years"


_BY_TYPE: Mapping[Any, Find] = {
    UUID: _uuid,
    str: _text,
    bool: _truth,
    int: _whole,
    float: _number,
    Decimal: _decimal,
    datetime: _moment,
    date: _day,
    timedelta: _span,
}

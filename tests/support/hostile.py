"""Hostile arguments for every method of the repositories, made from the annotations: none is forgotten."""

from __future__ import annotations

import inspect
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from random import Random
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

#: Stands in every value that a message could quote.
MARK = "q7xHOSTILEz"
_MARKED_NUMBER = 7_310_577_123_456_789

TEXTS = [
    MARK,
    f"{MARK}@example.com",
    f"{MARK}\x00",
    f"{MARK}\ud800",
    f"{MARK}\u2028{MARK}",
    MARK * 300,
    MARK * 100_000,
    "",
    " ",
    "a/b",
]
HUGE = [_MARKED_NUMBER, -_MARKED_NUMBER, 2**31, 2**63, -(2**63) - 1, _MARKED_NUMBER * 10**500, 10**5000]
NUMBERS = [0, 1, -1, 5, *HUGE]
DECIMALS = [
    *(Decimal(text) for text in ("0", "1.5", "70", "0.0000004", "1E+20", "1E-999999", "1E+999999")),
    *(Decimal(text) for text in ("NaN", "sNaN", "Infinity", "-Infinity", "-0.0")),
]
FLOATS = [0.0, 0.5, -0.0, 5e-324, 1e308, float("nan"), float("inf"), float("-inf")]
MOMENTS = [
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1),  # noqa: DTZ001 - the naive datetime is the point
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]
DAYS = [date(2026, 1, 1), date.min, date.max]
SPANS = [
    timedelta(days=1),
    timedelta(0),
    -timedelta(days=1),
    timedelta.max,
    timedelta.min,
    timedelta(days=999),
]
#: What fits nowhere.
STRANGE: list[Any] = [
    None,
    object(),
    True,
    b"\x00\xff" + MARK.encode(),
    {MARK: MARK},
    {1: 2},
    [MARK],
    (1, 2),
    {MARK},
    MARK,
    float("nan"),
    10**5000,
    str,
    len,
    _MARKED_NUMBER + 0j,
    Decimal("sNaN"),
    uuid4(),
    date.max,
    MOMENTS[1],
    timedelta.max,
]


def deep(depth: int) -> Any:
    """Return a list in a list, so often."""
    value: Any = MARK
    for _ in range(depth):
        value = [value]
    return value


LEAVES = [*TEXTS[:6], *NUMBERS, *FLOATS, None, True, 1e23, b"x", object(), Decimal(1), deep(99), deep(999)]
VECTORS: list[Any] = [
    [1.0, 0.0, 0.0],
    [0.0] * 3,
    [float("nan")] * 3,
    [1e300],
    [],
    [1.0] * 4001,
    [MARK],
    [10**5000],
    [None],
    MARK,
    7,
    {},
]


def repositories(transaction: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """Yield the repositories of a transaction by their names."""
    for name, item in vars(transaction).items():
        if isinstance(item, cached_property):
            yield name, get_type_hints(item.func)["return"]


def methods(repository: type[Any]) -> list[str]:
    """Name the public methods of a repository."""
    return [
        name for name, _ in inspect.getmembers(repository, inspect.isfunction) if not name.startswith("_")
    ]


def hints_of(function: Callable[..., Any]) -> dict[str, tuple[Any, bool]]:
    """Return the annotations of a method's arguments, and whether each must be given."""
    parameters = inspect.signature(function).parameters
    found: dict[str, tuple[Any, bool]] = {}
    for name, hint in get_type_hints(function).items():
        if name == "return":
            continue
        if get_origin(hint) is typing.Unpack:
            found |= {key: (one, False) for key, one in get_type_hints(get_args(hint)[0]).items()}
        else:
            found[name] = hint, parameters[name].default is inspect.Parameter.empty
    return found


def arguments(function: Callable[..., Any], keys: Mapping[str, UUID], random: Random) -> dict[str, Any]:
    """Make arguments for a method: most of the right type, every other time one of them of any.

    Args:
        function: The method.
        keys: Keys of rows that there are, by the names of the arguments that they fit.
        random: Decides.
    """
    hints = hints_of(function)
    required = [name for name, (_, must) in hints.items() if must]
    return _spoiled({name: hint for name, (hint, _) in hints.items()}, required, keys, random)


def _spoiled(
    hints: Mapping[str, Any], required: Sequence[str], keys: Mapping[str, UUID], random: Random
) -> dict[str, Any]:
    made = {
        name: _value(hint, name, keys, random)
        for name, hint in hints.items()
        if name in required or random.random() < 0.5
    }
    if hints and random.random() < 0.5:
        made[random.choice([*hints])] = random.choice(STRANGE)
    return made


def _value(hint: Any, name: str, keys: Mapping[str, UUID], random: Random) -> Any:  # noqa: PLR0911 - a table
    kind = get_origin(hint) or hint
    if kind in {Union, UnionType}:
        return _value(random.choice(get_args(hint)), name, keys, random)
    if hint is Any:
        return _json(random)
    if kind is UUID:
        known = keys.get(name.removesuffix("s") if name.endswith("_ids") else name)
        return uuid4() if known is None or random.random() < 0.2 else known
    if kind in TABLE:
        return random.choice(TABLE[kind])
    if issubclass(kind, StrEnum):
        return random.choice([*kind, next(iter(kind)).value, MARK])
    if is_dataclass(kind):
        must = [item.name for item in fields(kind) if MISSING is item.default is item.default_factory]
        build: Any = kind
        return build(**_spoiled(get_type_hints(kind), must, keys, random))
    times = range(random.randrange(3))
    if issubclass(kind, Mapping):
        key, value = get_args(hint)
        return {_value(key, name, keys, random): _value(value, name, keys, random) for _ in times}
    (item,) = get_args(hint)
    return random.choice(VECTORS) if item is float else [_value(item, name, keys, random) for _ in times]


def _json(random: Random, depth: int = 0) -> Any:
    children = range(random.randrange(4))
    match "leaf" if depth > 2 else random.choice(["leaf", "list", "dict", "tuple"]):
        case "list":
            return [_json(random, depth + 1) for _ in children]
        case "dict":
            return {random.choice([*TEXTS[:5], 1]): _json(random, depth + 1) for _ in children}
        case "tuple":
            return tuple(_json(random, depth + 1) for _ in children)
    return random.choice(LEAVES)


TABLE: Mapping[Any, Sequence[Any]] = {
    str: TEXTS,
    bool: [True, False],
    int: NUMBERS,
    float: FLOATS,
    bytes: [b"", b"x" * 32, MARK.encode(), b"\x00" * 1000],
    Decimal: DECIMALS,
    datetime: MOMENTS,
    date: DAYS,
    timedelta: SPANS,
    IPv4Address: [IPv4Address("192.0.2.1")],
    IPv6Address: [IPv6Address("2001:db8::1")],
    NoneType: [None],
}


def quoted(error: BaseException) -> str | None:
    """Return what is told of an error where it quotes a hostile value, with all its causes; else None."""
    told = "".join(traceback.TracebackException.from_exception(error).format(chain=True))
    shown = "\n".join(line for line in told.splitlines() if not line.startswith("  "))
    return shown if MARK in shown or str(_MARKED_NUMBER) in shown else None

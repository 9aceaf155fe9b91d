"""Keyset paging: pages that stay right while rows are inserted, and cost the same however deep (F4, P1)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.arguments import whole_number

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: The rows, in the list's order.
        next_cursor: Opaque text that continues the list; None on the last page.
    """

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, counted up to a limit.

    Attributes:
        value: Rows counted.
        capped: True when there are more rows than were counted.
    """

    value: int
    capped: bool


def check_limit(limit: int) -> int:
    """Return ``limit``, or raise `InvalidValue` unless it is 1 to 500."""
    return whole_number("limit", limit, at_least=1, at_most=MAX_LIMIT)


def after(
    statement: Select[T],
    keys: Sequence[InstrumentedAttribute[Any]],
    *,
    cursor: str | None,
    limit: int,
    descending: bool = True,
) -> Select[T]:
    """Return ``statement`` ordered by ``keys``, behind ``cursor``, with one row more than ``limit``.

    Args:
        statement: What to list.
        keys: Columns that order the rows; the last one is unique. None of them is nullable.
        cursor: `Page.next_cursor` of the page before, or None for the first page.
        limit: Rows on the page, 1 to 500. One more is fetched, to know whether another page follows.
        descending: Largest first; for UUIDv7 keys that is newest first.

    Raises:
        InvalidValue: ``limit`` or ``cursor`` is not valid; nothing is sent.
    """
    check_limit(limit)
    if cursor is not None:
        values = decode_cursor(cursor, keys)
        here: ColumnElement[Any] = tuple_(*keys)
        behind = tuple_(
            *(literal(value, key.expression.type) for key, value in zip(keys, values, strict=True))
        )
        statement = statement.where(here < behind if descending else here > behind)
    order = [key.desc() if descending else key.asc() for key in keys]
    return statement.order_by(*order).limit(limit + 1)


def page_of(rows: Sequence[T], keys: Sequence[InstrumentedAttribute[Any]], limit: int) -> Page[T]:
    """Cut the extra row off and make the cursor of the next page."""
    if len(rows) <= limit:
        return Page(rows, None)
    items = rows[:limit]
    return Page(items, encode_cursor([getattr(items[-1], key.key) for key in keys]))


def encode_cursor(values: Sequence[Any]) -> str:
    """Return the opaque text for the key values of a row."""
    texts = [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, keys: Sequence[InstrumentedAttribute[Any]]) -> list[Any]:
    """Read the key values back, each in its column's type.

    Raises:
        InvalidValue: The text is no cursor of this list.
    """
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        # strict=True raises ValueError for a cursor with another number of keys.
        return [
            _parse(str(text), key.expression.type.python_type) for key, text in zip(keys, texts, strict=True)
        ]
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise InvalidValue("cursor", "is not a cursor of this list") from None


def _parse(text: str, kind: type[Any]) -> Any:
    if kind is UUID:
        return UUID(text)
    if kind is datetime:
        moment = datetime.fromisoformat(text)
        if moment.utcoffset() is None:
            raise ValueError
        return moment
    return kind(text)

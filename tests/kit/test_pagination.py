"""Cursors are opaque, typed, and refused when they are not ours."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from devmentor_models.auth.models import User
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import after, decode_cursor, encode_cursor, page_of


def test_a_cursor_brings_its_values_back() -> None:
    """What was encoded is decoded with the column's type."""
    key, moment = uuid7(), datetime.now(UTC)
    assert decode_cursor(encode_cursor([moment, key]), [User.created_at, User.id]) == [moment, key]


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused(text: str) -> None:
    """Garbage raises InvalidValue for the field `cursor`, nothing else."""
    with pytest.raises(InvalidValue, match="cursor"):
        decode_cursor(text, [User.created_at, User.id])


def test_a_cursor_with_a_naive_time_is_refused() -> None:
    """A time without zone in a cursor would page from the wrong place."""
    forged = base64.urlsafe_b64encode(json.dumps(["2026-01-01T00:00:00", str(uuid7())]).encode()).decode()
    with pytest.raises(InvalidValue, match="cursor"):
        decode_cursor(forged, [User.created_at, User.id])


@pytest.mark.parametrize("limit", [0, -1, 501, True, 2.5, "10"])
def test_a_senseless_limit_is_refused(limit: Any) -> None:
    """Limits are whole numbers from 1 to 500."""
    with pytest.raises(InvalidValue, match="limit"):
        after(select(User), [User.id], cursor=None, limit=limit)


def test_a_page_never_uses_offset() -> None:
    """The statement compares keys; it does not count rows that it skips."""
    cursor = encode_cursor([uuid7()])
    text = str(after(select(User), [User.id], cursor=cursor, limit=10))
    assert "OFFSET" not in text
    assert "ORDER BY auth.users.id DESC" in text


def test_the_last_page_has_no_cursor() -> None:
    """A page that is not over-full ends the list."""
    users = [User(id=uuid7()) for _ in range(3)]
    assert page_of(users, [User.id], 3).next_cursor is None
    page = page_of(users, [User.id], 2)
    assert page.items == users[:2]
    assert page.next_cursor == encode_cursor([users[1].id])

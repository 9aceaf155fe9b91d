# Generated from test_dialect_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What the dialect changes in psycopg's cursors."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database

pytestmark = pytest.mark.anyio


def test_columns_are_described(database: Database) -> None:
    """Names and values of a statement that SQLAlchemy knows nothing about."""
    with database.begin(Actor.service("test")) as tx:
        row = (tx.session.execute(text("SELECT 1 AS a, 'x'::text AS \"größe\""))).mappings().one()
    assert dict(row) == {"a": 1, "größe": "x"}


def test_a_row_without_columns_is_a_row(database: Database) -> None:
    """``SELECT`` of nothing has no columns to describe, and yet a row."""
    with database.begin(Actor.service("test")) as tx:
        assert [tuple(row) for row in tx.session.execute(text("SELECT"))] == [()]

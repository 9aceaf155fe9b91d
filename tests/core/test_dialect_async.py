"""What the dialect changes in psycopg's cursors."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase

pytestmark = pytest.mark.anyio


async def test_columns_are_described(async_database: AsyncDatabase) -> None:
    """Names and values of a statement that SQLAlchemy knows nothing about."""
    async with async_database.begin(Actor.service("test")) as tx:
        row = (await tx.session.execute(text("SELECT 1 AS a, 'x'::text AS \"größe\""))).mappings().one()
    assert dict(row) == {"a": 1, "größe": "x"}


async def test_a_row_without_columns_is_a_row(async_database: AsyncDatabase) -> None:
    """``SELECT`` of nothing has no columns to describe, and yet a row."""
    async with async_database.begin(Actor.service("test")) as tx:
        assert [tuple(row) for row in await tx.session.execute(text("SELECT"))] == [()]

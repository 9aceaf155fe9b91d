"""What the dialect changes in psycopg's cursors."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import PermissionDenied
from tests.support.logins import ask, login, name_of

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


async def test_a_transaction_that_could_not_begin_begins_once_it_may(devmentor_url: str) -> None:
    """What begins it is prepared on the connection, and prepared anew after it has failed, however often."""
    with login(devmentor_url) as url:
        async with AsyncDatabase.from_url(url, pool_max=1) as database:

            async def begin() -> list[str]:
                async with database.begin(Actor.service("auth"), readonly=True) as tx:
                    names = await tx.session.scalars(text("SELECT name FROM pg_prepared_statements"))
                    return list(names)

            for _ in range(3):
                with pytest.raises(PermissionDenied):
                    await begin()
            ask(devmentor_url, f'GRANT devmentor_auth TO "{name_of(url)}"')
            for _ in range(3):
                assert len(await begin()) == 2  # BEGIN and the actor
            assert database.pool_stats().lost == 0

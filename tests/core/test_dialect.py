# Generated from test_dialect_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What the dialect changes in psycopg's cursors."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.errors import PermissionDenied
from tests.support.logins import ask, login, name_of

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


def test_a_transaction_that_could_not_begin_begins_once_it_may(devmentor_url: str) -> None:
    """What begins it is prepared on the connection, and prepared anew after it has failed, however often."""
    with login(devmentor_url) as url:
        with Database.from_url(url, pool_max=1) as database:

            def begin() -> list[str]:
                with database.begin(Actor.service("auth"), readonly=True) as tx:
                    names = tx.session.scalars(text("SELECT name FROM pg_prepared_statements"))
                    return list(names)

            for _ in range(3):
                with pytest.raises(PermissionDenied):
                    begin()
            ask(devmentor_url, f'GRANT devmentor_auth TO "{name_of(url)}"')
            for _ in range(3):
                assert len(begin()) == 2  # BEGIN and the actor
            assert database.pool_stats().lost == 0

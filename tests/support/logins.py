"""Login roles for tests, gone when the test is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from devmentor_models.settings import conninfo


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run a statement in a transaction of its own and return its rows."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def login(url: str, options: LiteralString = "", *, member_of: str | None = None) -> Iterator[str]:
    """Make a login role on the server of ``url`` and yield the same URL for it; then drop the role.

    Args:
        url: A database, as superuser.
        options: Options of CREATE ROLE.
        member_of: A role that it shall be a member of.
    """
    name, password = f"test_login_{uuid4().hex}", uuid4().hex
    role = sql.Identifier(name)
    maintenance = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(conninfo(maintenance), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}").format(
                role,
                sql.Literal(password),
                sql.SQL(options),
            )
        )
        if member_of:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(member_of), role))
    made = make_url(url).set(username=name, password=password)
    try:
        yield made.render_as_string(hide_password=False)
    finally:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def name_of(url: str) -> str:
    """Return the role of a URL."""
    return str(make_url(url).username)

"""SQLAlchemy dialects over psycopg_pool: BEGIN carries the actor's context in its own message.

Connections come from psycopg_pool in autocommit mode, and the dialect sends ``BEGIN`` itself, so that
``BEGIN; SET LOCAL …`` is one round trip instead of two or more (DESIGN §4). Whoever begins a transaction
without a message set gets a plain ``BEGIN``.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from psycopg import AsyncCursor, Cursor
from psycopg.pq.abc import PGresult
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

#: What the next transaction of this context begins with.
begin_message: ContextVar[str] = ContextVar("devmentor_begin_message", default="BEGIN")


class LeanCursor(Cursor[Any]):
    """A cursor that describes columns by plain tuples.

    SQLAlchemy asks for the description after every statement, and reads the names and types in it at most;
    psycopg's own objects, which also look up each type, took 5 % of a point read.
    """

    @property
    def description(self) -> Any:
        """The columns of the current result, as DB-API has them; None when it has no rows."""
        return _described(self.pgresult) or super().description


class AsyncLeanCursor(AsyncCursor[Any]):
    """The same for asyncio."""

    @property
    def description(self) -> Any:
        """The columns of the current result, as DB-API has them; None when it has no rows."""
        return _described(self.pgresult) or super().description


def _described(result: PGresult | None) -> list[tuple[Any, ...]]:
    if result is None:
        return []
    return [
        ((result.fname(column) or b"").decode(), result.ftype(column), None, None, None, None, None)
        for column in range(result.nfields)
    ]


class PooledDialect(PGDialect_psycopg):
    """psycopg, with connections that psycopg_pool owns."""

    supports_statement_cache = True

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # None is allowed
        """Do nothing per checkout: psycopg_pool configures a connection once, when it is made."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Send BEGIN together with the actor's context."""
        # Never prepared: a prepared statement cannot hold several commands.
        dbapi_connection.driver_connection.execute(begin_message.get(), prepare=False)

    @classmethod
    def get_async_dialect_cls(cls, url: Any) -> type[PGDialectAsync_psycopg]:
        """Return the async twin, for `create_async_engine`."""
        return AsyncPooledDialect


class AsyncPooledDialect(PGDialectAsync_psycopg):
    """The same for asyncio."""

    supports_statement_cache = True

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # None is allowed
        """Do nothing per checkout."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Send BEGIN together with the actor's context."""
        await_only(dbapi_connection.driver_connection.execute(begin_message.get(), prepare=False))


def begin_with(session: Session, message: str) -> None:
    """Begin the session's transaction with ``message``, and nothing but the session's."""
    reset = begin_message.set(message)
    try:
        session.begin()
        session.connection()
    finally:
        begin_message.reset(reset)


registry.register("postgresql.devmentor", __name__, "PooledDialect")

"""SQLAlchemy dialects over psycopg_pool: BEGIN carries the actor's context in its own message.

Connections come from psycopg_pool in autocommit mode, and the dialect sends ``BEGIN`` itself, so that
``BEGIN; SET LOCAL …`` is one round trip instead of two or more (DESIGN §4). Whoever begins a transaction
without a message set gets a plain ``BEGIN``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncCursor, Cursor
from psycopg.pq.abc import PGresult
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only


@dataclass(frozen=True, slots=True)
class Opening:
    """How a transaction begins.

    Attributes:
        message: BEGIN, and what goes with it.
        answer: Makes a second message of the row that the first one returned; None where one is enough.
    """

    message: str = "BEGIN"
    answer: Callable[[Sequence[str]], str] | None = None


#: What the next transaction of this context begins with.
begin_message: ContextVar[Opening] = ContextVar("devmentor_begin_message")
_PLAIN = Opening()


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
    packs_vectors = True  # for kit.vectors

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # None is allowed
        """Do nothing per checkout: psycopg_pool configures a connection once, when it is made."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Send BEGIN together with the actor's context."""
        # Never prepared: a prepared statement cannot hold several commands.
        opening, connection = begin_message.get(_PLAIN), dbapi_connection.driver_connection
        cursor = connection.execute(opening.message, prepare=False)
        if opening.answer:
            connection.execute(opening.answer(_last_row(cursor)), prepare=False)

    @classmethod
    def get_async_dialect_cls(cls, url: Any) -> type[PGDialectAsync_psycopg]:
        """Return the async twin, for `create_async_engine`."""
        return AsyncPooledDialect


class AsyncPooledDialect(PGDialectAsync_psycopg):
    """The same for asyncio."""

    supports_statement_cache = True
    packs_vectors = True

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # None is allowed
        """Do nothing per checkout."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Send BEGIN together with the actor's context."""
        opening, connection = begin_message.get(_PLAIN), dbapi_connection.driver_connection
        cursor = await_only(connection.execute(opening.message, prepare=False))
        if opening.answer:
            await_only(connection.execute(opening.answer(_last_row(cursor)), prepare=False))


def _last_row(cursor: Any) -> list[str]:
    """Return the row of the last of several statements, as text."""
    while cursor.nextset():
        pass
    result: PGresult = cursor.pgresult
    return [(result.get_value(0, column) or b"").decode() for column in range(result.nfields)]


def begin_with(session: Session, opening: Opening) -> None:
    """Begin the session's transaction as ``opening`` says, and nothing but the session's."""
    reset = begin_message.set(opening)
    try:
        session.begin()
        session.connection()
    finally:
        begin_message.reset(reset)


registry.register("postgresql.devmentor", __name__, "PooledDialect")

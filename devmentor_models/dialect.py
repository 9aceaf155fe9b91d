"""SQLAlchemy dialects over connections that begin late; see `opening`.

Connections come from psycopg_pool in autocommit mode, and `opening` sends ``BEGIN`` itself, together with the
actor's context and the first statement (DESIGN §4). Whoever begins a transaction without having said how gets
a plain ``BEGIN``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import AsyncCursor, AsyncServerCursor, Cursor, ServerCursor
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from devmentor_models.kit.provenance import is_ours
from devmentor_models.kit.translate import is_connection_loss
from devmentor_models.opening import Opening, OpeningCursor

#: How the next transaction of this context begins.
_next_opening: ContextVar[Opening | None] = ContextVar("devmentor_opening", default=None)


#: Where a session keeps the connection that its transaction began on, and which loan, in ``session.info``.
BORROWED_KEY = "devmentor.borrowed"


class LeanCursor(OpeningCursor, Cursor[Any]):
    """The cursor of the library's connections."""


class AsyncLeanCursor(OpeningCursor, AsyncCursor[Any]):
    """The same for asyncio."""


class LeanServerCursor(OpeningCursor, ServerCursor[Any]):
    """The one that streams rows."""


class AsyncLeanServerCursor(OpeningCursor, AsyncServerCursor[Any]):
    """The same for asyncio."""


class _Trusting:
    """Tells a cursor whether the statement that it is to execute was composed of our own words.

    And it believes nothing that a login's own settings say of the first connection: ours are pinned later.
    """

    def initialize(self, connection: Any) -> None:
        """Ask the server for its version; strings are read as the standard has them."""
        super().initialize(connection)  # type: ignore[misc] # the dialect's
        self._backslash_escapes = False

    def _get_default_schema_name(self, connection: Any) -> str:
        return "public"

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether the connection has ended, also where the server has said so and not closed it yet."""
        ended: bool = super().is_disconnect(e, connection, cursor)  # type: ignore[misc] # the dialect's
        return ended or (isinstance(e, psycopg.Error) and is_connection_loss(e))

    def do_execute(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        """Execute a statement."""
        _trust(cursor, context)
        super().do_execute(cursor, statement, parameters, context)  # type: ignore[misc] # the dialect's

    def do_executemany(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        """Execute a statement once for each set of parameters."""
        _trust(cursor, context)
        super().do_executemany(cursor, statement, parameters, context)  # type: ignore[misc] # the dialect's

    def do_execute_no_params(self, cursor: Any, statement: Any, context: Any = None) -> None:
        """Execute a statement without parameters."""
        _trust(cursor, context)
        super().do_execute_no_params(cursor, statement, context)  # type: ignore[misc] # the dialect's


def _trust(cursor: Any, context: Any) -> None:
    driver = getattr(cursor, "_cursor", cursor)  # SQLAlchemy wraps cursors of asyncio
    if isinstance(driver, OpeningCursor):
        driver.trusted = is_ours(context)


def _finish(connection: Any, loan: int | None = None) -> None:
    """End a connection that belongs to no pool."""
    connection.pgconn.finish()


class PooledDialect(_Trusting, PGDialect_psycopg):
    """psycopg, with connections that psycopg_pool owns."""

    supports_statement_cache = True
    packs_vectors = True  # for kit.vectors

    def __init__(self, give_back: Callable[..., None] = _finish, **options: Any) -> None:
        """Take the function that takes a connection back; the pool's connections know no way themselves."""
        super().__init__(**options)  # type: ignore[no-untyped-call] # SQLAlchemy's business
        self.give_back = give_back

    def do_close(self, dbapi_connection: Any) -> None:
        """Give the connection back, whatever became of it."""
        self.give_back(dbapi_connection)

    do_terminate = do_close

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # None is allowed
        """Do nothing per checkout: psycopg_pool configures a connection once, when it is made."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Say how the transaction begins."""
        connection, opening = dbapi_connection.driver_connection, _next_opening.get()
        if opening is None:
            connection.execute("BEGIN")
        elif (ahead := connection.open(opening)) is not None:
            connection.wait(ahead)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, which is the last thing before the connection goes back."""
        dbapi_connection.driver_connection.commit_last()

    @classmethod
    def get_async_dialect_cls(cls, url: Any) -> type[PGDialectAsync_psycopg]:
        """Return the async twin, for `create_async_engine`."""
        return AsyncPooledDialect


class AsyncPooledDialect(_Trusting, PGDialectAsync_psycopg):
    """The same for asyncio."""

    supports_statement_cache = True
    packs_vectors = True
    has_terminate = True  # so that a connection collected as garbage comes back as well

    def __init__(self, give_back: Callable[..., None] = _finish, **options: Any) -> None:
        """Take the function that takes a connection back; the pool's connections know no way themselves."""
        super().__init__(**options)  # type: ignore[no-untyped-call] # SQLAlchemy's business
        self.give_back = give_back

    def do_close(self, dbapi_connection: Any) -> None:
        """Give the connection back, whatever became of it. Waits for nothing."""
        self.give_back(dbapi_connection.driver_connection)

    do_terminate = do_close

    def on_connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # None is allowed
        """Do nothing per checkout."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Say how the transaction begins."""
        connection, opening = dbapi_connection.driver_connection, _next_opening.get()
        if opening is None:
            await_only(connection.execute("BEGIN"))
        elif (ahead := connection.open(opening)) is not None:
            await_only(connection.wait(ahead))

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, which is the last thing before the connection goes back."""
        await_only(dbapi_connection.driver_connection.commit_last())


def begin_with(session: Session, opening: Opening) -> None:
    """Begin the session's transaction as ``opening`` says, and nothing but the session's."""
    reset = _next_opening.set(opening)
    try:
        session.begin()
        borrowed: Any = session.connection().connection.driver_connection
        session.info[BORROWED_KEY] = (borrowed, borrowed.loan)
    finally:
        _next_opening.reset(reset)


def close(session: Session) -> None:
    """Close a session; its connection goes back whatever comes between, such as an error of a listener."""
    try:
        session.close()
    finally:
        borrowed = session.info.pop(BORROWED_KEY, None)
        if borrowed is not None:  # given back already as a rule, and perhaps lent to the next thread
            dialect: Any = session.get_bind().dialect
            dialect.give_back(*borrowed)


registry.register("postgresql.devmentor", __name__, "PooledDialect")

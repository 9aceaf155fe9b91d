# Generated from connecting_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The pool of connections: psycopg_pool's, beneath SQLAlchemy, with every way back to it guarded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Self, TypeVar
from weakref import ReferenceType, WeakSet, ref

from psycopg import Connection, OperationalError, waiting
from psycopg.abc import PQGen
from psycopg.errors import QueryCanceled, _WaitTimeout
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed
from psycopg_pool import PoolTimeout as PsycopgPoolTimeout
from psycopg_pool.pool import AddConnection, WaitingClient
from sqlalchemy import Engine, NullPool, create_engine

from devmentor_models.dialect import LeanCursor, LeanServerCursor
from devmentor_models.errors import (
    ConfigurationError,
    ConnectionLost,
    DatabaseClosed,
    DevMentorError,
    PermissionDenied,
    PoolTimeout,
    ServerUnreachable,
    TransactionInherited,
)
from devmentor_models.kit import translate
from devmentor_models.kit.homes import Home, survive_fork
from devmentor_models.opening import OpeningConnection
from devmentor_models.pinned import CLIENT_ENCODING
from devmentor_models.pool_stats import PoolStats
from devmentor_models.refusals import explain
from devmentor_models.settings import DatabaseSettings

T = TypeVar("T")

#: How many connections may turn out to be dead, and one that is not.
BEGIN_ATTEMPTS = 4
#: How long to wait between attempts to connect while somebody waits for a connection.
RETRY_SECONDS = 0.2
#: How long to wait in all for the server to give up a statement, and until it is asked once more.
CANCEL_SECONDS, CANCEL_AGAIN_SECONDS = 2.0, 0.2
#: How long to wait for the answer to a COMMIT that nobody has waited for.
SETTLE_SECONDS = 2.0
#: How often a thread that waits for the server looks whether it is interrupted.
WAIT_SECONDS = 0.1


class PooledConnection(OpeningConnection, Connection[Any]):
    """A connection whose making is noted.

    Attributes:
        home: Where the pool lives.
        owner: The pool, once the connection is made.
        loan: How often it was lent.
    """

    home: Home
    owner: Pool | None = None
    loan = 0

    def __del__(self, *arguments: Any) -> None:
        """Have the pool replace a connection that was lost on its way from hand to hand.

        Ctrl-C may come between any two lines, also of psycopg_pool and SQLAlchemy: whoever had the
        connection then could not note that it had.
        """
        if self.owner is None or not self.owner.replace_lost(self):
            super().__del__(*arguments)

    @classmethod
    def connect(cls, conninfo: str = "", *, pool: Pool, **kwargs: Any) -> Self:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride] # only our pool calls it
        """Connect, as psycopg does, and tell ``pool`` what became of it."""
        waiting = pool.waiting()
        try:
            made = super().connect(conninfo, **kwargs)
            try:
                made.wait(made.know_gen())
            except BaseException:
                made.pgconn.finish()
                raise
        except OperationalError as error:
            pool.note_failure(error, waiting)
            raise
        if made.identity is None and not pool.prepares:
            made.prepare_threshold = None
        made.server_cursor_factory = LeanServerCursor
        pool.note_success(made)
        return made

    def commit_last(self) -> None:
        """Commit what the connection was borrowed for; see `last_commit_gen`."""
        with self.lock:
            self.wait(self.last_commit_gen())

    def settle(self) -> None:
        """Read the answer to a COMMIT that nobody has waited for; end the connection where none comes."""
        if not self.unanswered:
            return
        settling, socket = self.settle_gen(), self.pgconn.socket
        try:  # given up without asking the server to give up as well: a COMMIT leaves nothing to cancel
            waiting.wait(settling, socket, interval=WAIT_SECONDS, timeout=SETTLE_SECONDS)
        except (OperationalError, _WaitTimeout):
            self.pgconn.finish()

    def wait(
        self,
        gen: PQGen[T],
        interval: float = WAIT_SECONDS,
        timeout: float | None = None,
    ) -> T:
        """Drive a generator, as psycopg does; when interrupted, have the server give the statement up."""
        try:
            return waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except Exception:
            raise
        except BaseException:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self._interrupt(gen)
            raise

    def _interrupt(self, gen: PQGen[Any]) -> None:
        """Have the server give up a statement, or else end the connection.

        Between two parts of a message, or before it has arrived, the server passes over a request to cancel;
        so it is asked again. Where it does not take the request, nothing is gained by waiting.
        """
        give_up = monotonic() + CANCEL_SECONDS
        try:
            while (left := give_up - monotonic()) > 0:
                self.cancel_safe(timeout=left)
                with suppress(_WaitTimeout):
                    waiting.wait(gen, self.pgconn.socket, timeout=CANCEL_AGAIN_SECONDS)
                    return
            self.pgconn.finish()
        except QueryCanceled:
            pass
        except BaseException as error:
            self.pgconn.finish()
            if not isinstance(error, Exception):
                raise

    def cancel_safe(self, *, timeout: float = CANCEL_SECONDS) -> None:
        """Ask the server to give up the running statement.

        psycopg does so when its caller is cancelled. A second cancellation must not keep the request from
        being sent, for the statement would run on in the server, with its locks.
        """
        super().cancel_safe(timeout=timeout)


class Connections(ConnectionPool[PooledConnection]):
    """psycopg_pool's, which also takes back a connection whose COMMIT is not answered yet."""

    def _reset_connection(self, conn: PooledConnection) -> None:
        if not conn.unanswered:
            super()._reset_connection(conn)


class Pool:
    """Connections to one database, and the SQLAlchemy engine that takes them.

    A connection comes back by `give_back` whatever became of it: psycopg_pool replaces what is broken. It is
    not left to ``close_returns``, which gives healthy connections back only.

    In a forked process the pool starts anew, with connections of its own. Those of the parent are left alone:
    neither used nor closed, for both processes write to the same sockets.

    Args:
        settings: Where the database is, and the limits of the pool.
    """

    engine: Engine

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self.prepares = settings.prepared_statements
        self._conninfo = settings.conninfo()
        self._closed = False
        self._ever_connected = False
        self._refusal: DevMentorError | None = None
        self._make()
        survive_fork(self)

    def _make(self) -> None:
        settings = self._settings
        self._home = Home()
        self._made: WeakSet[PooledConnection] = WeakSet()
        # With the number of the loan: a connection that came back may be lent to somebody else at once. And
        # weakly, so that one that nobody has any more is collected.
        self._lent: set[tuple[ReferenceType[PooledConnection], int]] = set()
        self._asking: WeakSet[_Request] = WeakSet()
        self._pool = Connections(
            self._conninfo,
            connection_class=PooledConnection,
            min_size=min(settings.pool_min, settings.pool_max),
            max_size=settings.pool_max,
            max_idle=settings.pool_idle_seconds,
            timeout=settings.pool_timeout_seconds,
            # psycopg_pool's own pauses between attempts grow to minutes: no request would wait so long.
            reconnect_timeout=0,
            reconnect_failed=self._try_again,
            open=False,
            # Autocommit: the dialect sends BEGIN itself, in one message with the actor's context.
            kwargs={
                "pool": self,
                "autocommit": True,
                "client_encoding": CLIENT_ENCODING,  # whatever the login's own settings say
                "prepare_threshold": None if settings.prepared_statements is False else 2,
                "cursor_factory": LeanCursor,
            },
        )
        self.engine = create_engine(
            "postgresql+devmentor://",
            poolclass=NullPool,
            pool_reset_on_return=None,  # what does not come back idle is closed
            creator=self.borrow,
            give_back=self.give_back,
            hide_parameters=True,
        )
        translate.install(self.engine)

    def ready(self) -> None:
        """Open the pool where that has not been done.

        Raises:
            DatabaseClosed: The pool was closed.
            WrongEventLoop: The pool is in use in another event loop.
        """
        if self._closed:
            raise DatabaseClosed
        if self._home.claim():
            self._abandon()
            self._make()
            self._home.claim()
        if self._pool.closed:
            self._pool.open()
            self._home.stay(self._farewell)

    def borrow(self) -> PooledConnection:
        """Return a connection, for which `give_back` must be called.

        Raises:
            PoolTimeout: None came free in time.
            ServerUnreachable: The server does not answer.
            AuthenticationFailed: The server does not let us in.
            DatabaseMissing: The server has no such database.
            InsecureConnection: The server could not be reached by TLS as the URL demands.
            DatabaseClosed: The pool was closed.
            WrongEventLoop: The pool is in use in another event loop.
        """
        self.ready()
        cancellations = self._home.cancellations()
        request = _Request()
        self._asking.add(request)
        try:
            while not self._is_ready(connection := self._pool.getconn()):
                self._discard(connection)
        except PsycopgPoolTimeout:
            raise self._refused() from None
        except PoolClosed:
            raise DatabaseClosed from None
        finally:
            self._asking.discard(request)
        connection.loan += 1
        self._lent.add((ref(connection), connection.loan))
        try:
            self._home.raise_cancellation(cancellations)
        except BaseException:
            self.give_back(connection)
            raise
        return connection

    def _is_ready(self, connection: PooledConnection) -> bool:
        """Read what a connection out of the pool was not waited for; tell whether it is of use."""
        try:
            connection.settle()
        except BaseException:
            self._discard(connection)
            raise
        return connection.is_alive()

    @contextmanager
    def connection(self) -> Iterator[PooledConnection]:
        """Lend a connection for a block. Raises what `borrow` raises."""
        connection = self.borrow()
        try:
            yield connection
        finally:
            self.give_back(connection)

    def give_back(self, connection: PooledConnection, loan: int | None = None) -> None:
        """Take a connection back, whatever became of it; a second time does nothing.

        It does not wait, so that no cancellation can come between, and may be called from anywhere, also
        while garbage is collected. A connection in a transaction or a statement is closed.

        Args:
            connection: The connection.
            loan: Which loan ends, for whoever cannot know whether it has ended; by default the present one.
        """
        loan = connection.loan if loan is None else loan
        if (ref(connection), loan) in self._lent and not self._home.call(self._take_back, connection, loan):
            connection.pgconn.finish()  # its event loop is closed, so nobody else will

    def _take_back(self, connection: PooledConnection, loan: int) -> None:
        try:
            self._lent.remove((ref(connection), loan))
        except KeyError:
            return
        state, pipeline = connection.pgconn.transaction_status, connection.pgconn.pipeline_status
        over = state == TransactionStatus.IDLE or connection.unanswered
        unchanged = connection.leave()
        if over and pipeline == PipelineStatus.OFF and unchanged:
            self._pool.putconn(connection)
        elif state == TransactionStatus.ACTIVE:
            self._stop(connection)
        else:
            self._discard(connection)

    def _stop(self, connection: PooledConnection) -> None:
        """Give up a statement, here and in the server, and its connection."""
        try:
            connection.cancel_safe(timeout=CANCEL_SECONDS)
        except Exception:  # noqa: BLE001, S110 - the server is out of reach, or has just ended the statement
            pass
        finally:
            self._discard(connection)

    def _discard(self, connection: PooledConnection) -> None:
        try:
            connection.close()
        finally:
            self._pool.putconn(connection)

    def past_dead_connections(self, begin: Callable[[], T]) -> T:
        """Do what begins on a connection that may have died idle, as all have when the server was restarted.

        While it restarts, even a new one may die. Whatever is done must be harmless to do again.
        """
        for _ in range(BEGIN_ATTEMPTS - 1):
            try:
                return begin()
            except ConnectionLost:
                self._pool.check()
        return begin()

    def close(self) -> None:
        """Close every connection; those that are in use when they come back. Always succeeds."""
        self._closed = True
        if not self._pool.closed and not self._home.leave(self._pool.close):
            self._abandon()

    def _farewell(self) -> None:
        """Close the pool as its event loop ends, which nobody may have done."""
        try:
            self._pool.close()
        finally:
            for connection in self._made - {lent() for lent, _ in self._lent}:
                connection.pgconn.finish()

    def stats(self) -> PoolStats:
        """Return the state of the pool and what it counted."""
        return PoolStats.of(self._pool.get_stats(), waiting=len(self._asking))

    def _abandon(self) -> None:
        """Close every connection, in use or not, without the event loop that they were made in."""
        for connection in list(self._made):
            connection.pgconn.finish()

    def start_anew(self) -> None:
        """Let go of what belongs to the parent process. Called in the child after a fork."""
        for connection in self._made:
            # psycopg sends the server a farewell when a connection is closed, but not when it is collected in
            # another process than its own.
            for name in ("wait", "close"):
                setattr(connection, name, _refuse)
        self._pool._closed = True  # noqa: SLF001 - or it would wait for threads that were not forked
        self._make()

    def note_success(self, connection: PooledConnection) -> None:
        """Take note of a new connection."""
        connection.home, connection.owner = self._home, self
        self._made.add(connection)
        self._ever_connected = True
        self._refusal = None

    def replace_lost(self, connection: PooledConnection) -> bool:
        """Have another one made for a connection that is being collected; tell whether it was lost."""
        if connection.home is not self._home or self._pool.closed:
            return False
        ours = connection, None  # weak references are dead by now where a cycle was collected
        lent = [loan for loan in self._lent.copy() if loan[0]() in ours and loan[1] == connection.loan]
        self._lent.difference_update(lent[:1])
        if connection.closed and not lent:
            return False  # psycopg_pool has closed it
        self._home.call(self._pool.run_task, AddConnection(self._pool))
        return True

    def waiting(self) -> list[WaitingClient[PooledConnection]]:
        """Return who waits for a connection."""
        return list(self._pool._waiting)  # noqa: SLF001 - psycopg_pool cannot fail requests and be kept

    def note_failure(self, failure: OperationalError, waiting: list[WaitingClient[PooledConnection]]) -> None:
        """Take note of a failed attempt to connect, and tell those who waited for it if waiting is of no use.

        Who came later waits for the next attempt: what was wrong may have been put right meanwhile.
        """
        self._refusal = self._home.in_thread(explain, failure, self._conninfo)
        final = isinstance(self._refusal, ConfigurationError | PermissionDenied) or (
            isinstance(self._refusal, ServerUnreachable) and not self._ever_connected
        )
        if final and not self._lent and not self._pool.get_stats()["pool_available"]:
            for client in waiting:
                client.fail(self._refused())

    def _refused(self) -> DevMentorError:
        """Return the error for somebody who got no connection."""
        refusal = self._refusal
        return PoolTimeout() if refusal is None else type(refusal)(str(refusal))

    def _try_again(self, pool: ConnectionPool[PooledConnection]) -> None:
        """Let psycopg_pool, which has just given up, connect again while somebody waits for a connection."""
        time.sleep(RETRY_SECONDS)
        if self._asking and not pool.closed:
            pool.check()


class _Request:
    """Somebody who waits for a connection."""


def _refuse(*arguments: object, **options: object) -> None:
    raise TransactionInherited

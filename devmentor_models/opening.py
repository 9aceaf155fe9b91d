"""How a transaction begins and ends on a connection: in as few messages as PostgreSQL allows (DESIGN §4).

``BEGIN``, the actor's context and the first statement travel together, in libpq's pipeline mode. Nothing is
sent before there is a statement; a block without one sends nothing at all.

A connection that nobody shares knows which server process it has (`SessionIdentity`). Behind a pooler in
transaction mode every transaction may meet another process, which other clients have used: there the process
is asked first, in a message with ``BEGIN``, where contexts are signed or statements are prepared.

psycopg's work is done by generators that both of its flavours drive; so are these, and they stand here once.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg._pipeline_base import BasePipeline
from psycopg._preparing import Prepare, PrepareManager
from psycopg.abc import PQGen
from psycopg.errors import Diagnostic
from psycopg.pq.abc import PGresult

from devmentor_models.errors import ActorMissing
from devmentor_models.pinned import CLIENT_ENCODING
from devmentor_models.security.actor import Actor
from devmentor_models.security.context import CONTEXT_EXPIRED, PINNED_SETTINGS
from devmentor_models.security.signing import IDENTITY, ContextKey, SessionIdentity, context_arguments

#: What psycopg looks at before it writes or reads a value, as the server reports it.
_FORMATS = (
    (b"client_encoding", CLIENT_ENCODING.encode()),
    *((name.encode(), PINNED_SETTINGS[name].encode()) for name in ("DateStyle", "IntervalStyle")),
)
_TEXT, _INTEGER, _BIGINT = 25, 23, 20

# An earlier client of the same process may have prepared statements of its own under the names that a driver
# or a pooler uses. Nothing can undo that; so the session ends, and the transaction begins on another one.
_UNTOUCHED = (
    "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())"
    " FROM pg_catalog.pg_prepared_statements WHERE from_sql LIMIT 1"
)

# A client's encoding, which no RESET takes from a connection of our own, is a mere SET of the pooler's to the
# process: ``begin_as()`` would reset it to what database or login say, and texts would be stored as others.
_ENCODED = f"SET LOCAL client_encoding = '{CLIENT_ENCODING}'"

# And its statement_timeout would count until ``begin_as()`` resets it, which might never get that far.
_UNHURRIED = "SET LOCAL statement_timeout = 0"


@dataclass(frozen=True, slots=True)
class Opening:
    """How a transaction begins.

    Attributes:
        actor: Who acts.
        key: What signs that; None where contexts are not signed.
        readonly: Refuse writes.
        isolation: The isolation level.
        single: One statement is all that there will be, and it reads. With what enters the context, in
            the same message, it is a transaction by itself, which takes neither BEGIN nor COMMIT.
    """

    actor: Actor
    key: ContextKey | None = None
    readonly: bool = False
    isolation: str | None = None
    single: bool = False

    def __post_init__(self) -> None:
        """Refuse to begin for nobody."""
        if not isinstance(self.actor, Actor):
            raise ActorMissing

    @property
    def begin(self) -> str:
        """The command. It says all, since defaults may be an earlier transaction's, or the role's."""
        access = "READ ONLY" if self.readonly else "READ WRITE"
        return f"BEGIN ISOLATION LEVEL {self.isolation or 'READ COMMITTED'}, {access}, NOT DEFERRABLE"

    def arguments(self, identity: SessionIdentity | None) -> list[bytes | None]:
        """Return the arguments of ``devmentor.begin_as()`` as libpq takes them."""
        values = context_arguments(self.actor, self.key, identity)
        return [None if value is None else str(value).encode() for value in values]


class _Command(NamedTuple):
    """A command, and the types of its arguments, as psycopg keeps them of what it prepares."""

    query: bytes
    types: tuple[int, ...] = ()


_BEGIN_AS = _Command(
    b"SELECT devmentor.begin_as($1, $2, $3, $4, $5, $6, $7, $8)",
    (*(_TEXT,) * 5, _INTEGER, _BIGINT, _TEXT),
)


class _Pipeline(BasePipeline):
    """psycopg's, in which somebody else than a cursor may take note of the results."""

    def _process_results(self, queued: Any, results: list[PGresult]) -> None:
        if callable(queued):
            queued(results)
            queued = None
        super()._process_results(queued, results)


class _OwnNames(PrepareManager):
    """psycopg's, with names that no other client of a pooler chooses.

    Under a name that is merely counted up, another client may have prepared something else in the process
    that both are given in turn: rows of that would come back, or that would be written.
    """

    def __init__(self) -> None:
        super().__init__()
        self._mark = token_hex(8)

    def get(self, query: Any, prepare: bool | None = None) -> tuple[Prepare, bytes]:
        how, name = super().get(query, prepare)
        return how, f"_{self._mark}{name.decode()}".encode() if how is Prepare.SHOULD else name


class OpeningConnection(BaseConnection[Any]):
    """What a connection of the library does beside psycopg's own: begin late, and leave nothing behind.

    Attributes:
        identity: The server process, where no other client has it; else None.
        unanswered: COMMIT was sent, and nobody has read the answer yet.
    """

    identity: SessionIdentity | None = None
    unanswered = False
    _opening: Opening | None = None
    _only_reads = False  # so that its COMMIT, which has nothing to say, need not be waited for
    _begun: SessionIdentity | None = None  # the process of a transaction whose BEGIN went ahead
    _tainted = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._prepared = _OwnNames()

    def know_gen(self) -> PQGen[None]:
        """Find out which server process this connection has, and whether it has it for itself."""
        found = yield from self._ask_gen([IDENTITY])
        # A pooler tells its clients a process id of its own making.
        self.identity = found if found.backend == self.pgconn.backend_pid else None

    def open(self, opening: Opening) -> PQGen[None] | None:
        """Have a transaction begin with the first statement; return what goes ahead, if anything does."""
        self._opening, self._begun = opening, None
        # SERIALIZABLE is found to conflict as late as by COMMIT.
        self._only_reads = opening.readonly and opening.isolation != "SERIALIZABLE"
        ahead = self.identity is None and (opening.key or self.prepare_threshold is not None)
        return self._ahead_gen(opening) if ahead else None

    def _ahead_gen(self, opening: Opening) -> PQGen[None]:
        """Begin, and ask for the process, which may be another one in each transaction."""
        untouched = [] if self.prepare_threshold is None else [_UNTOUCHED]
        self._begun = yield from self._ask_gen([*self._first(opening), *untouched, IDENTITY])

    def _first(self, opening: Opening) -> list[str]:
        """Return what goes ahead of everything else."""
        return [opening.begin] if self.identity else [opening.begin, _UNHURRIED, _ENCODED]

    @property
    def opening(self) -> bool:
        """Whether a transaction is to begin with the next statement."""
        return self._opening is not None

    def reads_alike(self) -> bool:
        """Tell whether values look, and texts are encoded, as they will once our settings are pinned.

        The server reports changed settings at the end of a message, after the rows that psycopg is to read.
        """
        return all(self.pgconn.parameter_status(name) == value for name, value in _FORMATS)

    def enqueue_opening(self, pipeline: BasePipeline, *, alone: bool = True) -> None:
        """Put what begins the transaction in front of the next statement, or into a message of its own."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        if self._begun is None and (alone or not opening.single or self.identity is None):
            for command in self._first(opening):
                self._enqueue(pipeline, _Command(command.encode()))
        self._enqueue(pipeline, _BEGIN_AS, opening.arguments(self._begun or self.identity))
        if self.identity is None:
            self._enqueue(pipeline, _Command(_ENCODED.encode()))

    def _enqueue(
        self, pipeline: BasePipeline, command: Any, arguments: Sequence[bytes | None] | None = None
    ) -> None:
        """Put a command into a pipeline; prepared, as psycopg does, in a session of our own."""
        queue, pgconn, prepared = pipeline.command_queue, self.pgconn, self._prepared
        prepare, name = prepared.get(command, self.identity is not None and isinstance(pipeline, _Pipeline))
        if prepare is Prepare.NO:
            queue.append(
                partial(pgconn.send_query_params, command.query, arguments, param_types=command.types)
            )
            pipeline.result_queue.append(None)
            return
        if prepare is Prepare.SHOULD:
            queue.append(partial(pgconn.send_prepare, name, command.query, command.types))
            pipeline.result_queue.append(None)
        queue.append(partial(pgconn.send_query_prepared, name, arguments))
        key = prepared.maybe_add_to_cache(command, prepare, name)
        note: Any = None if key is None else partial(prepared.validate, key, prepare, name)
        pipeline.result_queue.append(note)

    def is_alive(self) -> bool:
        """Tell whether the server has kept an idle connection, as far as this side knows; asks nothing.

        A server that ends a session says so and closes the connection, and it says nothing else to an idle
        one but that its configuration has changed: there is something to read. What the network has swallowed
        is only found out by the next statement.
        """
        if self.pgconn.status != pq.ConnStatus.OK:
            return False
        readable = select.poll()
        readable.register(self.pgconn.socket, select.POLLIN)
        return not readable.poll(0)

    def leave(self) -> bool:
        """Forget a transaction that never began; tell whether the session is as it was before it."""
        self._opening = None
        return not self._tainted or self.identity is None

    def taint(self) -> None:
        """Note that SQL which is not ours may have left something in the session."""
        self._tainted = True

    def piped_gen(self, work: PQGen[None], pipeline: BasePipeline) -> PQGen[None]:
        """Drive ``work``, which fills a pipeline, and read what it was answered."""
        self._pipeline = pipeline
        failure: BaseException | None = None
        try:
            yield from pipeline._enter_gen()  # noqa: SLF001 - psycopg's own pipeline() does the same
            try:
                yield from work
            except psycopg.Error:
                with suppress(psycopg.Error):  # the first error says more
                    yield from self._sync_gen(pipeline)
                raise
            yield from self._sync_gen(pipeline)
        except BaseException as error:
            failure = error
            if isinstance(error, psycopg.Error) and error.sqlstate == CONTEXT_EXPIRED:
                self.identity = None  # the clocks went apart: ask from now on
            raise
        finally:
            status = self.pgconn.transaction_status
            if isinstance(failure, psycopg.Error) and status == pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer never came, so that the pipeline cannot be left
            pipeline._exit(failure)  # noqa: SLF001 - as psycopg does
            self._pipeline = None
            if (
                isinstance(failure, psycopg.Error)
                and self.pgconn.transaction_status == pq.TransactionStatus.IDLE
            ):
                # There is no ROLLBACK, which does: psycopg takes what was passed over for prepared.
                self._prepared.clear()
                yield from self._prepared.maintain_gen(self)

    def _sync_gen(self, pipeline: BasePipeline) -> PQGen[None]:
        """Read every answer, also those behind an error: only then can the pipeline be left."""
        if self.pgconn.status == pq.ConnStatus.BAD:
            return
        pipeline._enqueue_sync()  # noqa: SLF001 - as psycopg does
        try:
            yield from pipeline._communicate_gen()  # noqa: SLF001 - as psycopg does
        except psycopg.Error:
            if self.pgconn.status != pq.ConnStatus.BAD:
                with suppress(psycopg.Error):
                    yield from self._finish_gen(pipeline)
            raise
        yield from self._finish_gen(pipeline)

    def _finish_gen(self, pipeline: BasePipeline) -> PQGen[None]:
        """Send what the network has not taken yet, which psycopg leaves with libpq, and read what remains."""
        yield from generators.send(self.pgconn)
        yield from pipeline._fetch_gen(flush=False)  # noqa: SLF001 - as psycopg does

    def settle_gen(self) -> PQGen[None]:
        """Read the answer to a COMMIT that nobody has waited for; end a connection that has none."""
        if not self.unanswered:
            return
        severities: list[str | None] = []

        def note(said: Diagnostic) -> None:  # which can be read for the moment only
            severities.append(said.severity_nonlocalized)

        self.add_notice_handler(note)
        try:
            answers = yield from generators.fetch_many(self.pgconn)
            # A server that ends the session says so, which may have been read along with the answer.
            self.pgconn.is_busy()
        finally:
            self.unanswered = False
            self.remove_notice_handler(note)
        ended = not {"FATAL", "PANIC"}.isdisjoint(severities)
        if ended or [answer.status for answer in answers] != [pq.ExecStatus.COMMAND_OK]:
            self.pgconn.finish()

    def _start_query(self) -> PQGen[None]:
        """Begin before anything else that psycopg sends: COPY, a cursor's rows, executemany()."""
        yield from self.settle_gen()
        if self._opening is not None:
            if self._pipeline is None:
                pipeline = _Pipeline(self)
                yield from self.piped_gen(_filling(partial(self.enqueue_opening, pipeline)), pipeline)
            else:
                self.enqueue_opening(self._pipeline)
        yield from super()._start_query()

    def _exec_command(self, command: Any, *args: Any, **options: Any) -> PQGen[PGresult | None]:
        try:
            return (yield from super()._exec_command(command, *args, **options))
        except psycopg.InternalError as error:
            if (
                error.sqlstate is None
            ):  # two answers: the server, and a pooler, say that the session has ended
                self.pgconn.finish()
                raise psycopg.OperationalError(
                    "the connection ended before the command was answered"
                ) from None
            raise

    def last_commit_gen(self) -> PQGen[None]:
        """Commit, and do not wait for the answer of a transaction that only read: nothing else follows."""
        reads = self._only_reads and self.pgconn.transaction_status == pq.TransactionStatus.INTRANS
        if reads and not self._tainted and self._pipeline is None:
            self.pgconn.send_query(b"COMMIT")
            yield from generators.send(self.pgconn)
            self.unanswered = True
        else:
            yield from self._commit_gen()

    def _commit_gen(self) -> PQGen[None]:
        if self._never_begun():
            return
        if self.pgconn.transaction_status == pq.TransactionStatus.INERROR:
            # The server would do so as well, and call that a success.
            yield from self._rollback_gen()
            raise psycopg.errors.InFailedSqlTransaction("a statement failed before COMMIT")
        yield from self._end_gen(b"COMMIT", super()._commit_gen)

    def _rollback_gen(self) -> PQGen[None]:
        if not self._never_begun():
            yield from self._end_gen(b"ROLLBACK", super()._rollback_gen)

    def _never_begun(self) -> bool:
        pending, self._opening = self._opening, None
        return pending is not None and self._begun is None

    def _end_gen(self, command: bytes, plainly: Any) -> PQGen[None]:
        """End the transaction, and in the same message what it may have left in a session of our own.

        What was committed is, whatever becomes of the rest: a session that is not cleared is thrown away.
        """
        if not self._tainted or self.identity is None or self._pipeline is not None:
            yield from plainly()
            return
        # The SQL that was run may have ended the transaction itself.
        ended = self.pgconn.transaction_status == pq.TransactionStatus.IDLE
        self.pgconn.enter_pipeline_mode()
        try:
            for each in (b"DISCARD ALL",) if ended else (command, b"DISCARD ALL"):
                self.pgconn.send_query_params(each, None)
                self.pgconn.pipeline_sync()
            yield from generators.send(self.pgconn)
            failure = None if ended else (yield from self._failure_gen())
            if (yield from self._failure_gen()) is None:
                self._prepared.clear()
                self._prepared._to_flush.clear()  # noqa: SLF001 - the server has forgotten them already
                self._tainted = False
        finally:
            with suppress(psycopg.Error):  # some answer is missing, so that the connection is broken
                self.pgconn.exit_pipeline_mode()
        if failure is not None:
            raise failure

    def _failure_gen(self) -> PQGen[psycopg.Error | None]:
        """Read what a command of a pipeline was answered; return the error if it failed."""
        try:
            results = yield from generators.fetch_many(self.pgconn)
        except psycopg.Error as error:
            return error
        with suppress(psycopg.Error):  # done is done, also where the connection ends behind the answer
            yield from generators.fetch_many(self.pgconn)
        if results and results[-1].status != pq.ExecStatus.FATAL_ERROR:
            return None
        return self._error_of(results)

    def _error_of(self, results: list[PGresult]) -> psycopg.Error:
        """Return the error that a command was answered with."""
        if not results:
            return psycopg.OperationalError("the connection ended before the command was answered")
        return psycopg.errors.error_from_result(results[-1], encoding=self.pgconn._encoding)  # noqa: SLF001 - as psycopg does

    def _ask_gen(self, commands: list[str]) -> PQGen[SessionIdentity]:
        """Send commands in one message, the last of which is `IDENTITY`."""
        self.pgconn.send_query("; ".join(commands).encode())
        results = yield from generators.execute(self.pgconn)
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise self._error_of([result])
        backend, seconds = (results[-1].get_value(0, column) or b"" for column in (0, 1))
        return SessionIdentity.answered(int(backend), float(seconds))


def _filling(fill: Any) -> PQGen[None]:
    """Return a generator that fills a pipeline and waits for nothing."""
    fill()
    yield from ()


class OpeningCursor(BaseCursor[Any, Any]):
    """A cursor whose first statement takes the beginning of its transaction along.

    It describes columns by plain tuples: SQLAlchemy asks for the description after every statement, and reads
    the names and types in it at most; psycopg's own objects, which also look up each type, took 5 % of a
    point read.

    Attributes:
        trusted: Whether the statement was composed of our own words, and leaves nothing in the session.
    """

    trusted = False

    @property
    def description(self) -> Any:
        """The columns of the current result, as DB-API has them; None when it has no rows."""
        return _described(self.pgresult) or super().description

    def _start_query(self, query: Any = None) -> PQGen[None]:
        if not self.trusted and isinstance(self._conn, OpeningConnection):
            self._conn.taint()
        yield from super()._start_query(query)

    def _execute_gen(self, query: Any, params: Any = None, **how: Any) -> PQGen[None]:
        connection = self._conn
        work = super()._execute_gen(query, params, **how)
        if not isinstance(connection, OpeningConnection) or not connection.opening or connection._pipeline:  # noqa: SLF001 - as psycopg does
            yield from work
        elif (not params and _has_several(query)) or not connection.reads_alike():
            yield from work  # what begins the transaction goes ahead in a message of its own
        else:
            pipeline = _Pipeline(connection)
            connection.enqueue_opening(pipeline, alone=False)
            yield from connection.piped_gen(work, pipeline)


def _has_several(query: Any) -> bool:
    """Tell whether a statement may be several commands, which the extended protocol refuses."""
    if isinstance(query, bytes):
        return b";" in query
    return not isinstance(query, str) or ";" in query


def _described(result: Any) -> list[tuple[Any, ...]]:
    if result is None:
        return []
    return [
        ((result.fname(column) or b"").decode(), result.ftype(column), None, None, None, None, None)
        for column in range(result.nfields)
    ]

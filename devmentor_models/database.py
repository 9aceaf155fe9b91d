# Generated from database_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The entry point of a service: a pool of connections that hands out transactions (DESIGN §4, P8)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import psycopg
from psycopg_pool import ConnectionPool
from psycopg_pool import PoolTimeout as PsycopgPoolTimeout
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from devmentor_models.connecting import Attempts, WatchedConnection, check_security
from devmentor_models.dialect import LeanCursor, begin_with
from devmentor_models.errors import (
    ActorMissing,
    ConnectionLost,
    DatabaseClosed,
    DevMentorError,
    PoolTimeout,
)
from devmentor_models.handshake import QUERY, SchemaState, explain, judge
from devmentor_models.kit import translate
from devmentor_models.kit.session import ACTOR_KEY, translated
from devmentor_models.opening import Opening
from devmentor_models.security.actor import Actor
from devmentor_models.settings import DatabaseSettings
from devmentor_models.transaction import Transaction

T = TypeVar("T")
Isolation = Literal["REPEATABLE READ", "SERIALIZABLE"]

FIRST_BACKOFF_SECONDS = 0.02
MAX_BACKOFF_SECONDS = 1.0


class Database:
    """A database and its pool of connections. One per process is enough; share it.

    Args:
        settings: Where the database is, and the limits of the pool.

    Example:
        ::

            db = Database.from_env()
            with db.begin(Actor.user(user_id)) as tx:
                project = tx.projects.create(name="My First Project")
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self._conninfo = settings.conninfo()
        self._key = settings.signing_key()
        self._attempts = Attempts()
        self._pool = ConnectionPool(
            self._conninfo,
            connection_class=WatchedConnection,
            min_size=min(settings.pool_min, settings.pool_max),
            max_size=settings.pool_max,
            max_idle=settings.pool_idle_seconds,
            timeout=settings.pool_timeout_seconds,
            open=False,
            close_returns=True,
            # Autocommit: the dialect sends BEGIN itself, in one message with the actor's context.
            kwargs={
                "attempts": self._attempts,
                "autocommit": True,
                "prepare_threshold": 2 if settings.prepared_statements else None,
                "cursor_factory": LeanCursor,
            },
        )
        self._engine = create_engine(
            "postgresql+devmentor://",
            poolclass=NullPool,
            creator=self._pool.getconn,
            hide_parameters=True,
        )
        translate.install(self._engine)
        self._closed = False

    @classmethod
    def from_url(cls, url: str, **settings: Any) -> Self:
        """Make a database from a URL; ``settings`` are those of `DatabaseSettings`.

        Raises:
            ConfigurationError: The URL or a setting is not valid.
        """
        return cls(DatabaseSettings.load(database_url=url, **settings))

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make a database from ``DEVMENTOR_DATABASE_URL`` and the other ``DEVMENTOR_*`` variables.

        Raises:
            ConfigurationError: A variable is missing or not valid.
        """
        return cls(DatabaseSettings.load(**settings))

    def begin(
        self, actor: Actor, *, readonly: bool = False, isolation: Isolation | None = None
    ) -> Transaction:
        """Return a context manager for one transaction of ``actor``.

        Args:
            actor: Who acts.
            readonly: Refuse writes; such a transaction may run on a replica.
            isolation: Stricter than PostgreSQL's READ COMMITTED; use `run` with it, since it can conflict.

        Raises:
            ActorMissing: ``actor`` is not an `Actor`.
            PoolTimeout: On entry, no connection came free in time.
            InsecureConnection: On entry, the server could not be reached by TLS as the URL demands.
            DatabaseClosed: On entry, the database was closed.
            CommitUnknown: On exit, the connection broke during COMMIT.
        """
        if not isinstance(actor, Actor):
            raise ActorMissing
        return Transaction(self, actor, readonly=readonly, isolation=isolation)

    def run(
        self,
        work: Callable[[Transaction], T],
        *,
        actor: Actor,
        readonly: bool = False,
        isolation: Isolation | None = None,
        attempts: int = 5,
    ) -> T:
        """Run ``work`` in a transaction, and the whole of it again when that can help.

        Repeated after a serialization failure, a deadlock, or a connection lost before COMMIT; never after
        `CommitUnknown`. ``work`` must have no effects outside the database.

        Args:
            work: Called with the transaction; its result is returned after COMMIT.
            actor: Who acts.
            readonly: As for `begin`.
            isolation: As for `begin`.
            attempts: How often to try in all.

        Raises:
            DevMentorError: Whatever ``work`` raised, or the last attempt's conflict.
        """
        for attempt in range(1, attempts):
            try:
                with self.begin(actor, readonly=readonly, isolation=isolation) as tx:
                    return work(tx)
            except DevMentorError as error:
                if not error.retryable:
                    raise
            # Full jitter: colliding transactions must not collide again.
            longest = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt)
            time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter is no secret
        with self.begin(actor, readonly=readonly, isolation=isolation) as tx:
            return work(tx)

    def verify_schema(self) -> SchemaState:
        """Say whether the schema is one that this code works with; a service asks once, when it starts.

        One round trip. Every role of ours may ask.

        Returns:
            The state of a database that can be used: current, or ahead but compatible.

        Raises:
            SchemaMismatch: The schema is empty, behind, incompatible or unknown; says what to run.
            PermissionDenied: The login is a member of none of our roles.
            PoolTimeout: No connection came free in time.
            InsecureConnection: As for `begin`.
        """
        self._ensure_open()
        try:
            with self._pool.connection() as connection:
                cursor = connection.execute(QUERY)
                rows = cursor.fetchall()
        except PsycopgPoolTimeout:
            raise self._attempts.timeout() from None
        except psycopg.Error as error:
            raise explain(error) from None
        return judge(rows)

    def close(self) -> None:
        """Close every connection. The database cannot be used afterwards."""
        self._closed = True
        self._engine.dispose()
        self._pool.close()

    def __enter__(self) -> Self:
        self._ensure_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ensure_open(self) -> None:
        if self._closed:
            raise DatabaseClosed
        if self._pool.closed:  # not opened yet: a pool cannot be opened where no event loop runs
            if "sslmode=" in self._conninfo:
                check_security(self._conninfo)
            self._pool.open()

    def _open(self, actor: Actor, *, readonly: bool, isolation: Isolation | None) -> Session:
        """Return a session whose transaction has begun as ``actor``."""
        self._ensure_open()
        opening = Opening(actor, self._key, readonly, isolation)
        try:
            return self._begin(actor, opening)
        except ConnectionLost:
            # BEGIN doubles as the ping of an idle connection: nothing is lost yet, and after a restart of
            # the server every idle connection is dead, so all of them are checked before the one retry.
            self._pool.check()
            return self._begin(actor, opening)

    def _begin(self, actor: Actor, opening: Opening) -> Session:
        session = Session(self._engine, autobegin=False, expire_on_commit=False, info={ACTOR_KEY: actor})
        try:
            with translated():
                begin_with(session, opening)
        except PoolTimeout:
            session.close()
            raise self._attempts.timeout() from None
        except BaseException:
            session.close()
            raise
        return session

"""The entry point of a service: a pool of connections that hands out transactions (DESIGN §4, P8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool
from psycopg_pool import PoolTimeout as PsycopgPoolTimeout
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from devmentor_models.connecting_async import AsyncAttempts, AsyncWatchedConnection, check_security
from devmentor_models.dialect import AsyncLeanCursor, begin_with
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
from devmentor_models.transaction_async import AsyncTransaction

T = TypeVar("T")
Isolation = Literal["REPEATABLE READ", "SERIALIZABLE"]

FIRST_BACKOFF_SECONDS = 0.02
MAX_BACKOFF_SECONDS = 1.0


class AsyncDatabase:
    """A database and its pool of connections. One per process is enough; share it.

    Args:
        settings: Where the database is, and the limits of the pool.

    Example:
        ::

            db = AsyncDatabase.from_env()
            async with db.begin(Actor.user(user_id)) as tx:
                project = await tx.projects.create(name="My First Project")
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self._conninfo = settings.conninfo()
        self._key = settings.signing_key()
        self._attempts = AsyncAttempts()
        self._pool = AsyncConnectionPool(
            self._conninfo,
            connection_class=AsyncWatchedConnection,
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
                "cursor_factory": AsyncLeanCursor,
            },
        )
        self._engine = create_async_engine(
            "postgresql+devmentor://",
            poolclass=NullPool,
            async_creator=self._pool.getconn,
            hide_parameters=True,
        )
        translate.install(self._engine.sync_engine)
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
    ) -> AsyncTransaction:
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
        return AsyncTransaction(self, actor, readonly=readonly, isolation=isolation)

    async def run(
        self,
        work: Callable[[AsyncTransaction], Awaitable[T]],
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
                async with self.begin(actor, readonly=readonly, isolation=isolation) as tx:
                    return await work(tx)
            except DevMentorError as error:
                if not error.retryable:
                    raise
            # Full jitter: colliding transactions must not collide again.
            longest = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt)
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter is no secret
        async with self.begin(actor, readonly=readonly, isolation=isolation) as tx:
            return await work(tx)

    async def verify_schema(self) -> SchemaState:
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
        await self._ensure_open()
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(QUERY)
                rows = await cursor.fetchall()
        except PsycopgPoolTimeout:
            raise self._attempts.timeout() from None
        except psycopg.Error as error:
            raise explain(error) from None
        return judge(rows)

    async def close(self) -> None:
        """Close every connection. The database cannot be used afterwards."""
        self._closed = True
        await self._engine.dispose()
        await self._pool.close()

    async def __aenter__(self) -> Self:
        await self._ensure_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ensure_open(self) -> None:
        if self._closed:
            raise DatabaseClosed
        if self._pool.closed:  # not opened yet: a pool cannot be opened where no event loop runs
            if "sslmode=" in self._conninfo:
                await check_security(self._conninfo)
            await self._pool.open()

    async def _open(self, actor: Actor, *, readonly: bool, isolation: Isolation | None) -> AsyncSession:
        """Return a session whose transaction has begun as ``actor``."""
        await self._ensure_open()
        opening = Opening(actor, self._key, readonly, isolation)
        try:
            return await self._begin(actor, opening)
        except ConnectionLost:
            # BEGIN doubles as the ping of an idle connection: nothing is lost yet, and after a restart of
            # the server every idle connection is dead, so all of them are checked before the one retry.
            await self._pool.check()
            return await self._begin(actor, opening)

    async def _begin(self, actor: Actor, opening: Opening) -> AsyncSession:
        session = AsyncSession(self._engine, autobegin=False, expire_on_commit=False, info={ACTOR_KEY: actor})
        try:
            with translated():
                await session.run_sync(begin_with, opening)
        except PoolTimeout:
            await session.close()
            raise self._attempts.timeout() from None
        except BaseException:
            await session.close()
            raise
        return session

"""The entry point of a service: a pool of connections that hands out transactions (DESIGN §4, P8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from devmentor_models.connecting_async import AsyncPool
from devmentor_models.dialect import begin_with, close
from devmentor_models.errors import (
    DevMentorError,
)
from devmentor_models.handshake import QUERY, SchemaState, explain, judge, warn_if_unbound
from devmentor_models.kit.session import ACTOR_KEY, translated
from devmentor_models.opening import Opening
from devmentor_models.pool_stats import PoolStats
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
        self._key = settings.signing_key()
        self._pool = AsyncPool(settings)

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
            readonly: Refuse writes; such a transaction may run on a replica. Its COMMIT is not waited for, so
                one that reads once takes one round trip.
            isolation: Stricter than PostgreSQL's READ COMMITTED; use `run` with it, since it can conflict.

        Raises:
            ActorMissing: ``actor`` is not an `Actor`.
            PoolTimeout: On entry, no connection came free in time.
            InsecureConnection: On entry, the server could not be reached by TLS as the URL demands.
            DatabaseClosed: On entry, the database was closed.
            CommitUnknown: On exit, the connection broke during COMMIT.
            TransactionAborted: On exit, a statement of the block had failed, and its error was passed over.
        """
        return AsyncTransaction(self, Opening(actor, self._key, readonly, isolation))

    async def _run_single(self, work: Callable[[AsyncTransaction], Awaitable[T]], *, actor: Actor) -> T:
        """Run a transaction of one statement, which reads: `Opening.single` says why there is no more."""
        return await self._repeat(work, Opening(actor, self._key, single=True))

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
        return await self._repeat(work, Opening(actor, self._key, readonly, isolation), attempts)

    async def _repeat(
        self, work: Callable[[AsyncTransaction], Awaitable[T]], opening: Opening, attempts: int = 5
    ) -> T:
        for attempt in range(1, attempts):
            try:
                async with AsyncTransaction(self, opening) as tx:
                    return await work(tx)
            except DevMentorError as error:
                if not error.retryable:
                    raise
            # Full jitter: colliding transactions must not collide again.
            longest = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt)
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter is no secret
        async with AsyncTransaction(self, opening) as tx:
            return await work(tx)

    async def verify_schema(self) -> SchemaState:
        """Say whether the schema is one that this code works with; a service asks once, when it starts.

        One round trip. Every role of ours may ask.

        Returns:
            The state of a database that can be used: current, or ahead but compatible.

        Raises:
            SchemaMismatch: The schema is empty, behind, incompatible or unknown; says what to run.
            ContextRefused: The database accepts signed contexts only, and this process has no key, or the
                database has none; says what to do.
            PermissionDenied: The login is a member of none of our roles.
            PoolTimeout: No connection came free in time.
            InsecureConnection: As for `begin`.
        """
        rows = await self._pool.past_dead_connections(self._revisions)
        return warn_if_unbound(judge(rows, signs=self._key is not None))

    async def _revisions(self) -> list[Any]:
        try:
            async with self._pool.connection() as connection:
                cursor: Any = connection.cursor()
                cursor.trusted = True
                await cursor.execute(QUERY)
                rows: list[Any] = await cursor.fetchall()
                return rows
        except psycopg.Error as error:
            raise explain(error) from None

    async def close(self) -> None:
        """Close every connection, at once or when its transaction ends. Nothing can begin afterwards.

        It always succeeds: also a second time, before the first use, and from another event loop than that of
        the pool, be it closed or not.
        """
        await self._pool.close()

    def pool_stats(self) -> PoolStats:
        """Return the state of the pool of connections, for a monitor. Asks the server nothing."""
        return self._pool.stats()

    async def __aenter__(self) -> Self:
        await self._pool.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self, opening: Opening) -> AsyncSession:
        """Return a session whose transaction begins so."""
        return await self._pool.past_dead_connections(partial(self._begin, opening))

    async def _begin(self, opening: Opening) -> AsyncSession:
        session = AsyncSession(
            self._pool.engine, autobegin=False, expire_on_commit=False, info={ACTOR_KEY: opening.actor}
        )
        try:
            with translated():
                await session.run_sync(begin_with, opening)
        except BaseException:
            with suppress(Exception):  # Ctrl-C may have left SQLAlchemy in the middle of something
                await session.run_sync(close)
            raise
        return session

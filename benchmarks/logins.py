"""The login flow from one asyncio process: find the user by address, open a session, log the event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter

from psycopg_pool import AsyncConnectionPool
from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from benchmarks import names
from benchmarks.measure import SEED, Series
from benchmarks.plain import SETTINGS, ActorSession, PlainEvent, PlainSession, PlainUser
from benchmarks.reads import SELECT_USER
from benchmarks.server import Target, email
from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.tokens import digest, new_token

POOL, IDLE = 20, 30.0  # as the library's pool
SERVICE, ADDRESS, AGENT = "auth", "203.0.113.7", "bench/1.0"
LIFETIME = timedelta(days=30)
CONTEXT = {
    "devmentor.service": SERVICE,
    "devmentor.ip_address": ADDRESS,
    "devmentor.user_agent": AGENT,
}
SET_CONTEXT = ("SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in CONTEXT)).encode()
FIND_USER = SELECT_USER.replace("id = %s", "email_key || '' = lower(normalize(%s, NFC))")
#: Of the expression that the index is of.
NOTHING: ColumnElement[str] = literal_column("''")
#: What `sessions.open` sends, by hand: the account is locked, the session inserted, the event logged.
OPEN_SESSION = """
    WITH account AS (SELECT id FROM auth.users WHERE id = %(user)s AND is_active FOR SHARE),
    opened AS (
        INSERT INTO auth.user_sessions
            (id, user_id, family_id, token_hash, expires_at, ip_address, user_agent)
        SELECT %(id)s, id, %(id)s, %(hash)s, now() + %(lifetime)s, %(address)s::inet, %(agent)s FROM account
        RETURNING id, user_id, family_id, expires_at),
    logged AS (
        INSERT INTO auth.audit_log (created_at, event, user_id, actor_name, ip_address, user_agent)
        SELECT now(), 'login', user_id, %(service)s, %(address)s::inet, %(agent)s FROM opened)
    SELECT * FROM opened"""

Login = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class LoginVariant:
    """One way of logging a user in by address."""

    name: str
    call: Login


async def measure_logins(
    target: Target, clients: Sequence[int], *, rounds: int, logins: int
) -> dict[int, dict[str, Series]]:
    """Measure every variant at every number of concurrent clients, in turns.

    Args:
        target: The database.
        clients: Numbers of concurrent clients.
        rounds: How many turns count; one more warms up.
        logins: Logins of each variant per turn.
    """
    random = Random(SEED)  # noqa: S311 - the same addresses in every run
    async with login_variants(target) as variants:
        found = {count: {variant.name: Series(variant.name) for variant in variants} for count in clients}
        for turn in range(rounds + 1):
            for count in clients:
                chosen = [email(random.randrange(len(target.users))) for _ in range(logins)]
                for variant in variants:
                    latencies, elapsed = await _run(variant.call, chosen, count)
                    if turn:
                        found[count][variant.name].add(latencies, elapsed)
    return found


async def _run(login: Login, addresses: Sequence[str], clients: int) -> tuple[list[float], float]:
    """Let ``clients`` work through the addresses; each starts its next login when the last one is done."""
    latencies: list[float] = []

    async def client(work: Iterator[str]) -> None:
        for address in work:
            start = perf_counter()
            await login(address)
            latencies.append(perf_counter() - start)

    work = iter(addresses)
    began = perf_counter()
    await asyncio.gather(*(client(work) for _ in range(clients)))
    return latencies, perf_counter() - began


@asynccontextmanager
async def login_variants(target: Target) -> AsyncIterator[list[LoginVariant]]:
    """Yield the ways of logging in, with their connections open."""
    engine = create_async_engine(target.url, pool_size=POOL, max_overflow=0)
    pool: AsyncConnectionPool = AsyncConnectionPool(
        target.conninfo,
        min_size=2,
        max_size=POOL,
        max_idle=IDLE,
        open=False,
        kwargs={"prepare_threshold": 2},
    )
    async with pool, AsyncDatabase.from_url(target.url, pool_max=POOL) as database:
        yield [
            LoginVariant(names.PSYCOPG, _psycopg(pool)),
            LoginVariant(names.ORM, _orm(engine)),
            LoginVariant(names.OURS, _ours(database)),
        ]
    await engine.dispose()


def _psycopg(pool: AsyncConnectionPool) -> Login:
    async def login(address: str) -> object:
        token = new_token()
        async with pool.connection() as connection:
            await connection.execute(SET_CONTEXT, list(CONTEXT.values()))
            user = await (await connection.execute(FIND_USER, [address])).fetchone()
            assert user is not None
            values = {
                "user": user[0],
                "id": uuid7(),
                "hash": digest(token),
                "lifetime": LIFETIME,
                "address": ADDRESS,
                "agent": AGENT,
                "service": SERVICE,
            }
            assert await (await connection.execute(OPEN_SESSION, values)).fetchone() is not None
        return token

    return login


def _orm(engine: AsyncEngine) -> Login:
    """The naive way: load the user, add the two rows, commit."""

    async def login(address: str) -> object:
        token = new_token()
        form = func.lower(func.normalize(address, literal_column("NFC")))
        session = AsyncSession(
            engine, sync_session_class=ActorSession, expire_on_commit=False, info={SETTINGS: CONTEXT}
        )
        async with session, session.begin():
            found = select(PlainUser).where(PlainUser.email_key + NOTHING == form)
            user = (await session.scalars(found)).one()
            assert user.is_active
            opened = uuid7()
            session.add(
                PlainSession(
                    id=opened,
                    user_id=user.id,
                    family_id=opened,
                    token_hash=digest(token),
                    expires_at=datetime.now(UTC) + LIFETIME,
                    ip_address=ADDRESS,
                    user_agent=AGENT,
                )
            )
            session.add(
                PlainEvent(
                    user_id=user.id,
                    actor_name=SERVICE,
                    event=AuditEvent.LOGIN,
                    ip_address=ADDRESS,
                    user_agent=AGENT,
                )
            )
        return token

    return login


def _ours(database: AsyncDatabase) -> Login:
    actor = Actor.service(SERVICE, ip_address=ADDRESS, user_agent=AGENT)

    async def login(address: str) -> object:
        async with database.begin(actor, readonly=True) as tx:
            user = await tx.users.find_credentials(address)
        assert user is not None
        async with database.begin(replace(actor, user_id=user.user_id)) as tx:
            return (await tx.sessions.open(user.user_id)).token

    return login

"""Signing in: what is opened, logged and renewed, and what a stranger can tell (F2, S2)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from uuid import UUID, uuid4

import bcrypt
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry, User
from devmentor_models.auth.repositories_async import Credentials, OpenedSession
from devmentor_models.errors import InvalidValue, SignInFailed
from devmentor_models.kit.passwords import hash_password, verify_password
from devmentor_models.sign_in_async import sign_in
from tests.support.concurrency_async import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth", request_id="req-1", ip_address="192.0.2.7", user_agent="browser")


def acting(user_id: UUID) -> Actor:
    """Return the service acting for a user."""
    return replace(AUTH, user_id=user_id)


PASSWORD = "correct horse battery"
COST = 4


@cache
def stored_hash() -> str:
    """Return a hash of the password, computed once."""
    return hash_password(PASSWORD)


def old_hash() -> str:
    """Return a hash of the password as the older system made them."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST)).decode()


@pytest.fixture
def new_user(new_user: NewUser) -> NewUser:
    """Return a function that commits a user of the test's own, with the password or another hash."""

    def make(password_hash: str | None = None) -> User:
        return new_user(password_hash=password_hash or stored_hash())

    return make


async def attempt(
    database: AsyncDatabase, email: str, password: str = PASSWORD, actor: Actor = AUTH
) -> OpenedSession:
    """Sign in where the older system's hashes are cheap."""
    return await sign_in(database, email, password, actor=actor, bcrypt_cost=COST)


async def lines_of(database: AsyncDatabase, user: User) -> list[AuditEntry]:
    """Return what the trail says of a user, the oldest first."""
    async with database.begin(acting(user.id)) as tx:
        return list(reversed((await tx.audit_log.timeline(user.id)).items))


async def credentials_of(database: AsyncDatabase, user: User) -> Credentials:
    """Return what the user's password is checked against."""
    async with database.begin(AUTH) as tx:
        found = await tx.users.find_credentials(user.email)
    assert found is not None
    return found


async def test_the_right_password_opens_a_session(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """The login is logged with the client, and noted at the account; the hash stays as it is."""
    user = new_user()
    opened = await sign_in(
        async_database, user.email.upper(), PASSWORD, actor=AUTH, lifetime=timedelta(hours=1)
    )
    (line,) = await lines_of(async_database, user)
    async with async_database.begin(AUTH) as tx:
        session = await tx.sessions.find_active(opened.token)
    assert session is not None
    assert (session.id, session.user_id) == (opened.id, user.id)
    assert session.expires_at - session.created_at == timedelta(hours=1)
    assert session.user.last_login_at is not None
    assert session.user.password_hash == stored_hash()
    assert (line.event, line.actor_name, line.request_id) == (AuditEvent.LOGIN, "auth", "req-1")
    assert (line.ip_address, line.user_agent) == (ip_address("192.0.2.7"), "browser")
    assert (session.ip_address, session.user_agent) == (ip_address("192.0.2.7"), "browser")


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("wrong password", "wrong password"),
        ("inactive", "inactive account"),
        ("no password", "no usable password hash"),
    ],
)
async def test_a_refusal_is_logged_for_the_account(
    async_database: AsyncDatabase, new_user: NewUser, who: str, reason: str
) -> None:
    """Committed although an error is raised; only the trail tells why, without what was typed."""
    user = new_user("!" if who == "no password" else None)
    if who == "inactive":
        async with async_database.begin(acting(user.id)) as tx:
            await tx.users.deactivate(user.id)
    with pytest.raises(SignInFailed) as caught:
        await attempt(async_database, user.email, "hunter2" if who == "wrong password" else PASSWORD)
    assert str(caught.value) == str(SignInFailed())
    line = (await lines_of(async_database, user))[-1]
    assert (line.event, line.details) == (AuditEvent.LOGIN_FAILED, {"reason": reason})
    assert (line.request_id, line.ip_address, line.user_agent) == (
        "req-1",
        ip_address("192.0.2.7"),
        "browser",
    )
    async with async_database.begin(acting(user.id)) as tx:
        assert (await tx.sessions.list_active(user.id)).items == []


async def test_an_unknown_address_fails_in_the_same_words(
    async_database: AsyncDatabase, devmentor_engine: Engine
) -> None:
    """The line in the trail names nobody."""
    marker = f"req-{uuid4().hex}"
    with pytest.raises(SignInFailed) as caught:
        await attempt(
            async_database,
            f"{uuid4().hex}@example.com",
            actor=Actor.service("auth", request_id=marker),
        )
    assert str(caught.value) == str(SignInFailed())
    with Session(devmentor_engine) as everything:
        (line,) = everything.scalars(select(AuditEntry).where(AuditEntry.request_id == marker))
    assert (line.event, line.user_id, line.details) == (
        AuditEvent.LOGIN_FAILED,
        None,
        {"reason": "unknown address"},
    )


async def test_what_cannot_be_a_password_is_refused(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Whether there is such an account or not; nothing is logged."""
    user = new_user()
    for email in (user.email, f"{uuid4().hex}@example.com"):
        for password in ("", "a\x00b", "x" * 2000):
            with pytest.raises(InvalidValue, match="password"):
                await attempt(async_database, email, password)
    with pytest.raises(InvalidValue, match="email"):
        await attempt(async_database, "a\x00@example.com")
    assert await lines_of(async_database, user) == []


async def test_a_hash_of_the_older_system_is_renewed(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """By the first login that fits; other sessions live on, and the next login fits the newer hash."""
    user = new_user(old_hash())
    async with async_database.begin(acting(user.id)) as tx:
        earlier = await tx.sessions.open(user.id)
    with pytest.raises(SignInFailed):
        await attempt(async_database, user.email, "hunter2")
    assert (await credentials_of(async_database, user)).password_hash == user.password_hash
    await attempt(async_database, user.email)
    renewed = (await credentials_of(async_database, user)).password_hash
    assert renewed.startswith("$argon2id$")
    assert verify_password(PASSWORD, renewed, bcrypt_cost=COST).fits
    await attempt(async_database, user.email)
    assert (await credentials_of(async_database, user)).password_hash == renewed
    async with async_database.begin(AUTH) as tx:
        assert await tx.sessions.find_active(earlier.token) is not None


async def test_concurrent_logins_renew_a_hash_once(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """All of them succeed, although the hash that they checked is replaced under them."""
    user = new_user(old_hash())

    async def login() -> OpenedSession:
        return await attempt(async_database, user.email)

    results = await run_concurrently([login] * 4)
    assert all(isinstance(result, OpenedSession) for result in results), results
    assert (await credentials_of(async_database, user)).password_hash.startswith("$argon2id$")
    events = [line.event for line in await lines_of(async_database, user)]
    assert events == [AuditEvent.LOGIN] * 4


async def test_a_renewal_does_not_bring_an_old_password_back(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Nor does it touch an account that was barred, or accept what is no hash."""
    user = new_user("$first")
    async with async_database.begin(acting(user.id)) as tx:
        with pytest.raises(InvalidValue, match="password_hash"):
            await tx.users.renew_hash(user.id, old_hash="$first", new_hash="")
        assert await tx.users.renew_hash(user.id, old_hash="$first", new_hash="$second") is True
        await tx.users.set_password_hash(user.id, "$third")
        assert await tx.users.renew_hash(user.id, old_hash="$second", new_hash="$fourth") is False
        await tx.users.deactivate(user.id)
        assert await tx.users.renew_hash(user.id, old_hash="$third", new_hash="$fourth") is False
    async with async_database.begin(acting(uuid4())) as tx:
        nobody = tx.actor.user_id
        assert nobody is not None
        assert await tx.users.renew_hash(nobody, old_hash="$third", new_hash="$fourth") is False
    found = await credentials_of(async_database, user)
    assert (found.password_hash, found.is_active) == ("$third", False)
    assert "$third" not in repr(found)


async def test_a_change_of_password_during_a_login_leaves_no_session(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Whichever comes first: nothing that the old password opened is alive afterwards."""
    for _ in range(3):
        user = new_user()

        async def login(email: str = user.email) -> object:
            return await attempt(async_database, email)

        async def change(owner: User = user) -> object:
            async with async_database.begin(acting(owner.id)) as tx:
                return await tx.users.set_password_hash(owner.id, "$changed")

        both: list[Callable[[], Awaitable[object]]] = [login, change]
        results = await run_concurrently(both)
        assert isinstance(results[0], OpenedSession | SignInFailed), results
        assert isinstance(results[1], User), results
        async with async_database.begin(acting(user.id)) as tx:
            assert (await tx.sessions.list_active(user.id)).items == []


async def test_no_connection_is_held_while_the_password_is_checked(
    database_url: str, new_user: NewUser
) -> None:
    """One connection serves many logins, and others get it meanwhile."""
    async with AsyncDatabase.from_url(
        database_url, pool_min=0, pool_max=1, pool_timeout_seconds=60
    ) as database:
        user = new_user()
        finished: list[str] = []

        async def login() -> None:
            await attempt(database, user.email)
            finished.append("login")

        async def read() -> None:
            async with database.begin(acting(user.id)) as tx:
                await tx.users.get(user.id)
            finished.append("read")

        results = await run_concurrently([login, login, read])
    assert results == [None, None, None]
    assert finished[0] == "read"


@pytest.mark.long
async def test_time_does_not_tell_whether_an_account_exists(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Processor time of this process, the fastest of some: nobody, ours, and one of the older system's."""
    ours, older = new_user(), new_user(old_hash())
    taken: dict[str, list[float]] = {ours.email: [], older.email: [], f"{uuid4().hex}@example.com": []}
    for _ in range(4):
        for email, times in taken.items():
            begun = time.process_time()
            with pytest.raises(SignInFailed):
                await attempt(async_database, email, "hunter2")
            times.append(time.process_time() - begun)
    fastest = [min(times) for times in taken.values()]
    assert max(fastest) / min(fastest) < 2, taken

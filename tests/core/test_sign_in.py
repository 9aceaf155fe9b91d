# Generated from test_sign_in_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Signing in: what is opened, logged and renewed, and what a stranger can tell (F2, S2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from uuid import UUID, uuid4

import bcrypt
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry, User
from devmentor_models.auth.repositories import Credentials, OpenedSession
from devmentor_models.errors import InvalidValue, SignInFailed
from devmentor_models.kit.passwords import hash_password, verify_password
from devmentor_models.sign_in import sign_in
from tests.support.concurrency import run_concurrently
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


def attempt(database: Database, email: str, password: str = PASSWORD, actor: Actor = AUTH) -> OpenedSession:
    """Sign in where the older system's hashes are cheap."""
    return sign_in(database, email, password, actor=actor, bcrypt_cost=COST)


def lines_of(database: Database, user: User) -> list[AuditEntry]:
    """Return what the trail says of a user, the oldest first."""
    with database.begin(acting(user.id)) as tx:
        return list(reversed((tx.audit_log.timeline(user.id)).items))


def credentials_of(database: Database, user: User) -> Credentials:
    """Return what the user's password is checked against."""
    with database.begin(AUTH) as tx:
        found = tx.users.find_credentials(user.email)
    assert found is not None
    return found


def test_the_right_password_opens_a_session(database: Database, new_user: NewUser) -> None:
    """The login is logged with the client, and noted at the account; the hash stays as it is."""
    user = new_user()
    opened = sign_in(database, user.email.upper(), PASSWORD, actor=AUTH, lifetime=timedelta(hours=1))
    (line,) = lines_of(database, user)
    with database.begin(AUTH) as tx:
        session = tx.sessions.find_active(opened.token)
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
def test_a_refusal_is_logged_for_the_account(
    database: Database, new_user: NewUser, who: str, reason: str
) -> None:
    """Committed although an error is raised; only the trail tells why, without what was typed."""
    user = new_user("!" if who == "no password" else None)
    if who == "inactive":
        with database.begin(acting(user.id)) as tx:
            tx.users.deactivate(user.id)
    with pytest.raises(SignInFailed) as caught:
        attempt(database, user.email, "hunter2" if who == "wrong password" else PASSWORD)
    assert str(caught.value) == str(SignInFailed())
    line = (lines_of(database, user))[-1]
    assert (line.event, line.details) == (AuditEvent.LOGIN_FAILED, {"reason": reason})
    assert (line.request_id, line.ip_address, line.user_agent) == (
        "req-1",
        ip_address("192.0.2.7"),
        "browser",
    )
    with database.begin(acting(user.id)) as tx:
        assert (tx.sessions.list_active(user.id)).items == []


def test_an_unknown_address_fails_in_the_same_words(database: Database, devmentor_engine: Engine) -> None:
    """The line in the trail names nobody."""
    marker = f"req-{uuid4().hex}"
    with pytest.raises(SignInFailed) as caught:
        attempt(
            database,
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


def test_what_cannot_be_a_password_is_refused(database: Database, new_user: NewUser) -> None:
    """Whether there is such an account or not; nothing is logged."""
    user = new_user()
    for email in (user.email, f"{uuid4().hex}@example.com"):
        for password in ("", "a\x00b", "x" * 2000):
            with pytest.raises(InvalidValue, match="password"):
                attempt(database, email, password)
    with pytest.raises(InvalidValue, match="email"):
        attempt(database, "a\x00@example.com")
    assert lines_of(database, user) == []


def test_a_hash_of_the_older_system_is_renewed(database: Database, new_user: NewUser) -> None:
    """By the first login that fits; other sessions live on, and the next login fits the newer hash."""
    user = new_user(old_hash())
    with database.begin(acting(user.id)) as tx:
        earlier = tx.sessions.open(user.id)
    with pytest.raises(SignInFailed):
        attempt(database, user.email, "hunter2")
    assert (credentials_of(database, user)).password_hash == user.password_hash
    attempt(database, user.email)
    renewed = (credentials_of(database, user)).password_hash
    assert renewed.startswith("$argon2id$")
    assert verify_password(PASSWORD, renewed, bcrypt_cost=COST).fits
    attempt(database, user.email)
    assert (credentials_of(database, user)).password_hash == renewed
    with database.begin(AUTH) as tx:
        assert tx.sessions.find_active(earlier.token) is not None


def test_concurrent_logins_renew_a_hash_once(database: Database, new_user: NewUser) -> None:
    """All of them succeed, although the hash that they checked is replaced under them."""
    user = new_user(old_hash())

    def login() -> OpenedSession:
        return attempt(database, user.email)

    results = run_concurrently([login] * 4)
    assert all(isinstance(result, OpenedSession) for result in results), results
    assert (credentials_of(database, user)).password_hash.startswith("$argon2id$")
    events = [line.event for line in lines_of(database, user)]
    assert events == [AuditEvent.LOGIN] * 4


def test_a_renewal_does_not_bring_an_old_password_back(database: Database, new_user: NewUser) -> None:
    """Nor does it touch an account that was barred, or accept what is no hash."""
    user = new_user("$first")
    with database.begin(acting(user.id)) as tx:
        with pytest.raises(InvalidValue, match="password_hash"):
            tx.users.renew_hash(user.id, old_hash="$first", new_hash="")
        assert tx.users.renew_hash(user.id, old_hash="$first", new_hash="$second") is True
        tx.users.set_password_hash(user.id, "$third")
        assert tx.users.renew_hash(user.id, old_hash="$second", new_hash="$fourth") is False
        tx.users.deactivate(user.id)
        assert tx.users.renew_hash(user.id, old_hash="$third", new_hash="$fourth") is False
    with database.begin(acting(uuid4())) as tx:
        nobody = tx.actor.user_id
        assert nobody is not None
        assert tx.users.renew_hash(nobody, old_hash="$third", new_hash="$fourth") is False
    found = credentials_of(database, user)
    assert (found.password_hash, found.is_active) == ("$third", False)
    assert "$third" not in repr(found)


def test_a_change_of_password_during_a_login_leaves_no_session(database: Database, new_user: NewUser) -> None:
    """Whichever comes first: nothing that the old password opened is alive afterwards."""
    for _ in range(3):
        user = new_user()

        def login(email: str = user.email) -> object:
            return attempt(database, email)

        def change(owner: User = user) -> object:
            with database.begin(acting(owner.id)) as tx:
                return tx.users.set_password_hash(owner.id, "$changed")

        both: list[Callable[[], object]] = [login, change]
        results = run_concurrently(both)
        assert isinstance(results[0], OpenedSession | SignInFailed), results
        assert isinstance(results[1], User), results
        with database.begin(acting(user.id)) as tx:
            assert (tx.sessions.list_active(user.id)).items == []


def test_no_connection_is_held_while_the_password_is_checked(database_url: str, new_user: NewUser) -> None:
    """One connection serves many logins, and others get it meanwhile."""
    with Database.from_url(database_url, pool_min=0, pool_max=1, pool_timeout_seconds=60) as database:
        user = new_user()
        finished: list[str] = []

        def login() -> None:
            attempt(database, user.email)
            finished.append("login")

        def read() -> None:
            with database.begin(acting(user.id)) as tx:
                tx.users.get(user.id)
            finished.append("read")

        results = run_concurrently([login, login, read])
    assert results == [None, None, None]
    assert finished[0] == "read"


@pytest.mark.long
def test_time_does_not_tell_whether_an_account_exists(database: Database, new_user: NewUser) -> None:
    """Processor time of this process, the fastest of some: nobody, ours, and one of the older system's."""
    ours, older = new_user(), new_user(old_hash())
    taken: dict[str, list[float]] = {ours.email: [], older.email: [], f"{uuid4().hex}@example.com": []}
    for _ in range(4):
        for email, times in taken.items():
            begun = time.process_time()
            with pytest.raises(SignInFailed):
                attempt(database, email, "hunter2")
            times.append(time.process_time() - begun)
    fastest = [min(times) for times in taken.values()]
    assert max(fastest) / min(fastest) < 2, taken

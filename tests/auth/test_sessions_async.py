"""Sessions: login, rotation, reuse, revocation (F2; traps 15 and 16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry, User, UserSession
from devmentor_models.auth.repositories_async import OpenedSession, RotationOutcome, RotationResult
from devmentor_models.errors import InvalidValue, NotFound, TokenInvalid, TokenReused
from devmentor_models.kit.tokens import digest
from devmentor_models.testing.factories.auth import UserFactory, UserSessionFactory
from tests.support.concurrency_async import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth", request_id="req-1", ip_address="192.0.2.7", user_agent="browser")


def acting(user_id: UUID) -> Actor:
    """Return the service acting for a user."""
    return replace(AUTH, user_id=user_id)


async def open_session(database: AsyncDatabase, user: User) -> OpenedSession:
    """Commit a session."""
    async with database.begin(acting(user.id)) as tx:
        return await tx.sessions.open(user.id)


async def rotate(database: AsyncDatabase, token: str) -> RotationResult:
    """Rotate in a transaction of its own."""
    return await database.run(lambda tx: tx.sessions.rotate(token), actor=AUTH)


async def events_of(database: AsyncDatabase, user: User) -> list[AuditEvent]:
    """Return what the trail says of a user, the newest first."""
    async with database.begin(acting(user.id)) as tx:
        return [entry.event for entry in (await tx.audit_log.timeline(user.id)).items]


async def sessions_of(database: AsyncDatabase, user: User) -> list[UserSession]:
    """Return every row of a user's sessions, the oldest first."""
    async with database.begin(acting(user.id)) as tx:
        statement = select(UserSession).where(UserSession.user_id == user.id).order_by(UserSession.id)
        return list((await tx.session.execute(statement)).scalars())


async def test_a_login_finds_the_user_opens_a_session_and_is_logged(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """The flow of F2; client address and software come from the actor."""
    user = new_user()
    async with async_database.begin(AUTH) as tx:
        found = await tx.users.find_credentials(user.email.upper())
        assert found is not None
    async with async_database.begin(acting(found.user_id)) as tx:
        opened = await tx.sessions.open(
            found.user_id, password_hash=found.password_hash, lifetime=timedelta(hours=1)
        )
    async with async_database.begin(acting(user.id)) as tx:
        session = await tx.sessions.find_active(opened.token)
        lines = (await tx.audit_log.timeline(user.id)).items
    assert session is not None
    assert (session.id, session.user.id, session.family_id) == (opened.id, user.id, opened.family_id)
    assert session.expires_at - session.created_at == timedelta(hours=1)
    assert (session.ip_address, session.user_agent) == (ip_address("192.0.2.7"), "browser")
    assert [(line.event, line.actor_name, line.request_id) for line in lines] == [
        (AuditEvent.LOGIN, "auth", "req-1")
    ]


async def test_client_given_to_open_wins_over_the_actors(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Both the session and the audit line have what the call says."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        await tx.sessions.open(user.id, ip_address="2001:db8::1", user_agent="app")
        session = (await tx.sessions.list_active(user.id)).items[0]
        line = (await tx.audit_log.timeline(user.id)).items[0]
    assert (session.ip_address, session.user_agent) == (ip_address("2001:db8::1"), "app")
    assert (line.ip_address, line.user_agent) == (ip_address("2001:db8::1"), "app")


async def test_the_token_is_stored_and_shown_as_a_digest_only(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Z6: 256 random bits, in clear nowhere but in the answer."""
    user = new_user()
    opened = await open_session(async_database, user)
    (row,) = await sessions_of(async_database, user)
    result = await rotate(async_database, opened.token)
    successor = result.require()
    assert row.token_hash == digest(opened.token)
    assert len(opened.token) == 43
    assert opened.token not in repr(opened)
    assert successor.token not in repr(result)


@pytest.mark.parametrize("who", ["unknown", "inactive"])
async def test_only_active_users_can_open_a_session(
    async_database: AsyncDatabase, new_user: NewUser, who: str
) -> None:
    """Nothing is written for anybody else, not even a line."""
    user = new_user(is_active=False) if who == "inactive" else UserFactory.build()
    async with async_database.begin(acting(user.id)) as tx:
        with pytest.raises(NotFound, match="active user"):
            await tx.sessions.open(user.id)
    assert await sessions_of(async_database, user) == []
    assert await events_of(async_database, user) == []


async def test_bad_arguments_are_refused(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Each names its field."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        for bad in (timedelta(0), timedelta(days=-1), timedelta.max, 5):
            with pytest.raises(InvalidValue, match="lifetime"):
                await tx.sessions.open(user.id, lifetime=bad)  # type: ignore[arg-type] # the mistake under test
        with pytest.raises(InvalidValue, match="ip_address"):
            await tx.sessions.open(user.id, ip_address="300.1.1.1")
        with pytest.raises(InvalidValue, match="user_agent"):
            await tx.sessions.open(user.id, user_agent="x" * 513)
        with pytest.raises(InvalidValue, match="token"):
            await tx.sessions.rotate(None)  # type: ignore[arg-type] # the mistake under test
        with pytest.raises(InvalidValue, match="batch"):
            await tx.sessions.purge_expired(batch=0)
    assert await sessions_of(async_database, user) == []


async def test_a_rotation_spends_the_token_and_mints_a_successor(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """The successor is of the same family and user; the old token is dead."""
    user = new_user()
    opened = await open_session(async_database, user)
    successor = (await rotate(async_database, opened.token)).require()
    assert (successor.family_id, successor.user_id) == (opened.family_id, user.id)
    async with async_database.begin(acting(user.id)) as tx:
        assert await tx.sessions.find_active(opened.token) is None
        assert await tx.sessions.find_active(successor.token) is not None
        assert [row.id for row in (await tx.sessions.list_active(user.id)).items] == [successor.id]
    assert await events_of(async_database, user) == [AuditEvent.SESSION_REFRESHED, AuditEvent.LOGIN]


async def test_a_reused_token_ends_its_family_for_good(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """The error is raised after the commit, so the revocation stays; other families are untouched."""
    user = new_user()
    opened = await open_session(async_database, user)
    other = await open_session(async_database, user)
    successor = (await rotate(async_database, opened.token)).require()
    result = await rotate(async_database, opened.token)
    with pytest.raises(TokenReused):
        result.require()
    with pytest.raises(TokenInvalid):
        (await rotate(async_database, successor.token)).require()
    async with async_database.begin(AUTH) as tx:
        assert await tx.sessions.find_active(successor.token) is None
        assert await tx.sessions.find_active(other.token) is not None
    assert (await events_of(async_database, user))[0] is AuditEvent.TOKEN_REUSED


async def test_a_result_is_not_unwrapped_within_its_transaction(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Also after a success, so that the mistake shows before a reuse would be rolled back by it."""
    user = new_user()
    opened = await open_session(async_database, user)
    async with async_database.begin(AUTH) as tx:
        result = await tx.sessions.rotate(opened.token)
        with pytest.raises(RuntimeError, match="after the transaction"):
            result.require()
    assert result.require() is result.opened


async def test_dead_tokens_cannot_be_rotated(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Unknown, expired, revoked, or of an inactive user: invalid, and no successor."""
    user = new_user()
    expired = await open_session(async_database, user)
    revoked = await open_session(async_database, user)
    barred = await open_session(async_database, user)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    async with async_database.begin(acting(user.id)) as tx:
        await tx.session.execute(
            update(UserSession)
            .where(UserSession.id == expired.id)
            .values(created_at=long_ago, expires_at=long_ago + timedelta(days=1))
        )
        await tx.sessions.revoke(revoked.token)
        # Not by `deactivate`, which would end the session too.
        await tx.session.execute(update(User).where(User.id == user.id).values(is_active=False))
    for token in ("", "unknown", "\ud800", "\x00", expired.token, revoked.token, barred.token):
        result = await rotate(async_database, token)
        assert result.outcome is RotationOutcome.INVALID
        with pytest.raises(TokenInvalid):
            result.require()
        async with async_database.begin(AUTH) as tx:
            assert await tx.sessions.find_active(token) is None
    assert len(await sessions_of(async_database, user)) == 3


async def test_concurrent_rotations_of_one_token_mint_one_successor(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Trap 15: of 20 at once one succeeds, and the others are a reuse that ends the family."""
    user = new_user()
    opened = await open_session(async_database, user)

    async def attempt() -> RotationResult:
        return await rotate(async_database, opened.token)

    results = await run_concurrently([attempt] * 20)
    outcomes = [result.outcome for result in results if isinstance(result, RotationResult)]
    assert outcomes.count(RotationOutcome.ROTATED) == 1
    assert outcomes.count(RotationOutcome.REUSED) == 19
    assert len(await sessions_of(async_database, user)) == 2
    async with async_database.begin(acting(user.id)) as tx:
        assert (await tx.sessions.list_active(user.id)).items == []


@pytest.mark.parametrize("how", ["token", "all", "deactivate", "password", "reset"])
async def test_a_revocation_and_a_rotation_in_flight_leave_no_live_token(
    async_database: AsyncDatabase, new_user: NewUser, how: str
) -> None:
    """Trap 16, 50 times over: whichever comes first, nothing is live afterwards."""
    for _ in range(50):
        user = new_user()
        opened = await open_session(async_database, user)

        async def renew(token: str = opened.token) -> object:
            return await rotate(async_database, token)

        async def end(token: str = opened.token, owner: User = user) -> object:
            async with async_database.begin(acting(owner.id)) as tx:
                if how == "token":
                    return await tx.sessions.revoke(token)
                if how == "all":
                    return await tx.sessions.revoke_all(owner.id)
                if how == "password":
                    return await tx.users.set_password_hash(owner.id, "$argon2id$new")
                if how == "reset":
                    issued = await tx.password_resets.issue(owner.id)
                    return await tx.password_resets.consume(issued.token, "$argon2id$new")
                return await tx.users.deactivate(owner.id)

        results = await run_concurrently([renew, end])
        assert not any(isinstance(result, BaseException) for result in results), results
        rows = await sessions_of(async_database, user)
        assert [row for row in rows if row.rotated_at is None and row.revoked_at is None] == []


async def test_a_login_and_a_deactivation_in_flight_leave_no_live_session(
    async_database: AsyncDatabase,
    new_user: NewUser,
) -> None:
    """Either the login is refused, or its session is ended with the others."""
    for _ in range(20):
        user = new_user()

        async def login(owner: User = user) -> object:
            return await open_session(async_database, owner)

        async def bar(owner: User = user) -> object:
            async with async_database.begin(acting(owner.id)) as tx:
                return await tx.users.deactivate(owner.id)

        results = await run_concurrently([login, bar, login])
        assert all(isinstance(result, NotFound | OpenedSession | User) for result in results), results
        assert [row for row in await sessions_of(async_database, user) if row.revoked_at is None] == []


async def test_a_login_with_a_password_that_was_changed_meanwhile_fails(
    async_database: AsyncDatabase,
    new_user: NewUser,
) -> None:
    """The old password was checked before the change; its session would outlive the end of all others."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        await tx.users.set_password_hash(user.id, "$argon2id$new")
        with pytest.raises(NotFound):
            await tx.sessions.open(user.id, password_hash=user.password_hash)
    assert await sessions_of(async_database, user) == []


async def test_logout_ends_the_family_once(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """True the first time, False for what is over or unknown; one line in the trail."""
    user = new_user()
    opened = await open_session(async_database, user)
    successor = (await rotate(async_database, opened.token)).require()
    async with async_database.begin(AUTH) as tx:
        assert await tx.sessions.revoke(opened.token) is True
        assert await tx.sessions.revoke(successor.token) is False
        assert await tx.sessions.revoke("unknown") is False
        assert await tx.sessions.find_active(successor.token) is None
    assert (await events_of(async_database, user)).count(AuditEvent.LOGOUT) == 1


async def test_users_end_their_own_sessions_only(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """By the id of a list; another user's id ends nothing."""
    user, other = new_user(), new_user()
    mine, second, theirs = [await open_session(async_database, owner) for owner in (user, user, other)]
    async with async_database.begin(Actor.user(user.id)) as tx:
        assert await tx.sessions.revoke_by_id(theirs.id) is False
        assert await tx.sessions.revoke_by_id(uuid4()) is False
        assert await tx.sessions.revoke_by_id(mine.id) is True
        assert [row.id for row in (await tx.sessions.list_active()).items] == [second.id]
        assert await tx.sessions.revoke_all() == 1
        assert await tx.sessions.revoke_all() == 0
    async with async_database.begin(AUTH) as tx:
        assert await tx.sessions.find_active(theirs.token) is not None
    assert (await events_of(async_database, user)).count(AuditEvent.SESSION_REVOKED) == 2


async def test_live_sessions_are_listed_by_page(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """The newest first, each once, also when another is opened meanwhile."""
    user = new_user()
    opened = [await open_session(async_database, user) for _ in range(5)]
    seen, cursor = [], None
    while True:
        async with async_database.begin(acting(user.id)) as tx:
            page = await tx.sessions.list_active(user.id, cursor=cursor, limit=2)
            await tx.sessions.open(user.id)
        seen += [row.id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [item.id for item in reversed(opened)]


async def test_failed_logins_are_logged_without_what_was_typed(
    async_database: AsyncDatabase, new_user: NewUser, devmentor_engine: Engine
) -> None:
    """The line names the user of a known address; for an unknown one it names nobody."""
    user = new_user()
    marker = f"req-{uuid4().hex}"
    async with async_database.begin(Actor.service("auth", request_id=marker)) as tx:
        await tx.sessions.record_failure(user.email.title(), reason="wrong password")
        await tx.sessions.record_failure("hunter2@typed.example")
    async with async_database.begin(acting(user.id)) as tx:
        count = await tx.audit_log.count_recent(
            AuditEvent.LOGIN_FAILED, user_id=user.id, within=timedelta(minutes=5)
        )
    statement = select(AuditEntry).where(AuditEntry.request_id == marker).order_by(AuditEntry.id)
    with Session(devmentor_engine) as everything:
        known, unknown = everything.scalars(statement)
    assert (known.user_id, known.event, known.details) == (
        user.id,
        AuditEvent.LOGIN_FAILED,
        {"reason": "wrong password"},
    )
    assert (unknown.user_id, unknown.details) == (None, {})
    assert (count.value, count.capped) == (1, False)


async def test_expired_sessions_are_purged_in_batches(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """At most as many as asked for, none that is live, none that is to be kept a while."""
    long_ago = datetime.now(UTC) - timedelta(days=4000)
    times = {"created_at": long_ago, "expires_at": long_ago + timedelta(days=1)}
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        live = await tx.sessions.open(user.id)
        for _ in range(5):
            await tx.session.run_sync(UserSessionFactory.insert, user=user, **times)
    async with async_database.begin(AUTH) as tx:
        kept = timedelta(days=3990)
        assert await tx.sessions.purge_expired(batch=2, kept=timedelta(days=4100)) == 0
        assert [await tx.sessions.purge_expired(batch=2, kept=kept) for _ in range(4)] == [2, 2, 1, 0]
    assert [row.id for row in await sessions_of(async_database, user)] == [live.id]


async def test_a_login_is_two_statements(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """The hot path: one to find the user, one to check the account, open the session and log the event."""
    user = new_user()
    sent: list[str] = []

    def note(_: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    async with async_database.begin(AUTH) as tx:
        engine = tx.session.sync_session.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        try:
            found = await tx.users.find_credentials(user.email)
            assert found is not None
            async with async_database.begin(acting(found.user_id)) as mine:
                await mine.sessions.open(found.user_id, password_hash=found.password_hash)
        finally:
            event.remove(engine, "before_cursor_execute", note)
    assert len(sent) == 2

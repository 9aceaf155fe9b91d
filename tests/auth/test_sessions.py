# Generated from test_sessions_async.py by `python devmentor_models/_sync.py`. Do not edit.
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

from devmentor_models import Actor, Database
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry, User, UserSession
from devmentor_models.auth.repositories import OpenedSession, RotationOutcome, RotationResult
from devmentor_models.errors import InvalidValue, NotFound, TokenInvalid, TokenReused
from devmentor_models.kit.tokens import digest
from devmentor_models.testing.factories.auth import UserFactory, UserSessionFactory
from tests.support.concurrency import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth", request_id="req-1", ip_address="192.0.2.7", user_agent="browser")


def acting(user_id: UUID) -> Actor:
    """Return the service acting for a user."""
    return replace(AUTH, user_id=user_id)


def open_session(database: Database, user: User) -> OpenedSession:
    """Commit a session."""
    with database.begin(acting(user.id)) as tx:
        return tx.sessions.open(user.id)


def rotate(database: Database, token: str) -> RotationResult:
    """Rotate in a transaction of its own."""
    return database.run(lambda tx: tx.sessions.rotate(token), actor=AUTH)


def events_of(database: Database, user: User) -> list[AuditEvent]:
    """Return what the trail says of a user, the newest first."""
    with database.begin(acting(user.id)) as tx:
        return [entry.event for entry in (tx.audit_log.timeline(user.id)).items]


def sessions_of(database: Database, user: User) -> list[UserSession]:
    """Return every row of a user's sessions, the oldest first."""
    with database.begin(acting(user.id)) as tx:
        statement = select(UserSession).where(UserSession.user_id == user.id).order_by(UserSession.id)
        return list((tx.session.execute(statement)).scalars())


def test_a_login_finds_the_user_opens_a_session_and_is_logged(database: Database, new_user: NewUser) -> None:
    """The flow of F2; client address and software come from the actor."""
    user = new_user()
    with database.begin(AUTH) as tx:
        found = tx.users.find_credentials(user.email.upper())
        assert found is not None
    with database.begin(acting(found.user_id)) as tx:
        opened = tx.sessions.open(
            found.user_id, password_hash=found.password_hash, lifetime=timedelta(hours=1)
        )
    with database.begin(acting(user.id)) as tx:
        session = tx.sessions.find_active(opened.token)
        lines = (tx.audit_log.timeline(user.id)).items
    assert session is not None
    assert (session.id, session.user.id, session.family_id) == (opened.id, user.id, opened.family_id)
    assert session.expires_at - session.created_at == timedelta(hours=1)
    assert (session.ip_address, session.user_agent) == (ip_address("192.0.2.7"), "browser")
    assert [(line.event, line.actor_name, line.request_id) for line in lines] == [
        (AuditEvent.LOGIN, "auth", "req-1")
    ]


def test_client_given_to_open_wins_over_the_actors(database: Database, new_user: NewUser) -> None:
    """Both the session and the audit line have what the call says."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        tx.sessions.open(user.id, ip_address="2001:db8::1", user_agent="app")
        session = (tx.sessions.list_active(user.id)).items[0]
        line = (tx.audit_log.timeline(user.id)).items[0]
    assert (session.ip_address, session.user_agent) == (ip_address("2001:db8::1"), "app")
    assert (line.ip_address, line.user_agent) == (ip_address("2001:db8::1"), "app")


def test_the_token_is_stored_and_shown_as_a_digest_only(database: Database, new_user: NewUser) -> None:
    """Z6: 256 random bits, in clear nowhere but in the answer."""
    user = new_user()
    opened = open_session(database, user)
    (row,) = sessions_of(database, user)
    result = rotate(database, opened.token)
    successor = result.require()
    assert row.token_hash == digest(opened.token)
    assert len(opened.token) == 43
    assert opened.token not in repr(opened)
    assert successor.token not in repr(result)


@pytest.mark.parametrize("who", ["unknown", "inactive"])
def test_only_active_users_can_open_a_session(database: Database, new_user: NewUser, who: str) -> None:
    """Nothing is written for anybody else, not even a line."""
    user = new_user(is_active=False) if who == "inactive" else UserFactory.build()
    with database.begin(acting(user.id)) as tx:
        with pytest.raises(NotFound, match="active user"):
            tx.sessions.open(user.id)
    assert sessions_of(database, user) == []
    assert events_of(database, user) == []


def test_bad_arguments_are_refused(database: Database, new_user: NewUser) -> None:
    """Each names its field."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        for bad in (timedelta(0), timedelta(days=-1), timedelta.max, 5):
            with pytest.raises(InvalidValue, match="lifetime"):
                tx.sessions.open(user.id, lifetime=bad)  # type: ignore[arg-type] # the mistake under test
        with pytest.raises(InvalidValue, match="ip_address"):
            tx.sessions.open(user.id, ip_address="300.1.1.1")
        with pytest.raises(InvalidValue, match="user_agent"):
            tx.sessions.open(user.id, user_agent="x" * 513)
        with pytest.raises(InvalidValue, match="token"):
            tx.sessions.rotate(None)  # type: ignore[arg-type] # the mistake under test
        with pytest.raises(InvalidValue, match="batch"):
            tx.sessions.purge_expired(batch=0)
    assert sessions_of(database, user) == []


def test_a_rotation_spends_the_token_and_mints_a_successor(database: Database, new_user: NewUser) -> None:
    """The successor is of the same family and user; the old token is dead."""
    user = new_user()
    opened = open_session(database, user)
    successor = (rotate(database, opened.token)).require()
    assert (successor.family_id, successor.user_id) == (opened.family_id, user.id)
    with database.begin(acting(user.id)) as tx:
        assert tx.sessions.find_active(opened.token) is None
        assert tx.sessions.find_active(successor.token) is not None
        assert [row.id for row in (tx.sessions.list_active(user.id)).items] == [successor.id]
    assert events_of(database, user) == [AuditEvent.SESSION_REFRESHED, AuditEvent.LOGIN]


def test_a_reused_token_ends_its_family_for_good(database: Database, new_user: NewUser) -> None:
    """The error is raised after the commit, so the revocation stays; other families are untouched."""
    user = new_user()
    opened = open_session(database, user)
    other = open_session(database, user)
    successor = (rotate(database, opened.token)).require()
    result = rotate(database, opened.token)
    with pytest.raises(TokenReused):
        result.require()
    with pytest.raises(TokenInvalid):
        (rotate(database, successor.token)).require()
    with database.begin(AUTH) as tx:
        assert tx.sessions.find_active(successor.token) is None
        assert tx.sessions.find_active(other.token) is not None
    assert (events_of(database, user))[0] is AuditEvent.TOKEN_REUSED


def test_a_result_is_not_unwrapped_within_its_transaction(database: Database, new_user: NewUser) -> None:
    """Also after a success, so that the mistake shows before a reuse would be rolled back by it."""
    user = new_user()
    opened = open_session(database, user)
    with database.begin(AUTH) as tx:
        result = tx.sessions.rotate(opened.token)
        with pytest.raises(RuntimeError, match="after the transaction"):
            result.require()
    assert result.require() is result.opened


def test_dead_tokens_cannot_be_rotated(database: Database, new_user: NewUser) -> None:
    """Unknown, expired, revoked, or of an inactive user: invalid, and no successor."""
    user = new_user()
    expired = open_session(database, user)
    revoked = open_session(database, user)
    barred = open_session(database, user)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    with database.begin(acting(user.id)) as tx:
        tx.session.execute(
            update(UserSession)
            .where(UserSession.id == expired.id)
            .values(created_at=long_ago, expires_at=long_ago + timedelta(days=1))
        )
        tx.sessions.revoke(revoked.token)
        # Not by `deactivate`, which would end the session too.
        tx.session.execute(update(User).where(User.id == user.id).values(is_active=False))
    for token in ("", "unknown", "\ud800", "\x00", expired.token, revoked.token, barred.token):
        result = rotate(database, token)
        assert result.outcome is RotationOutcome.INVALID
        with pytest.raises(TokenInvalid):
            result.require()
        with database.begin(AUTH) as tx:
            assert tx.sessions.find_active(token) is None
    assert len(sessions_of(database, user)) == 3


def test_concurrent_rotations_of_one_token_mint_one_successor(database: Database, new_user: NewUser) -> None:
    """Trap 15: of 20 at once one succeeds, and the others are a reuse that ends the family."""
    user = new_user()
    opened = open_session(database, user)

    def attempt() -> RotationResult:
        return rotate(database, opened.token)

    results = run_concurrently([attempt] * 20)
    outcomes = [result.outcome for result in results if isinstance(result, RotationResult)]
    assert outcomes.count(RotationOutcome.ROTATED) == 1
    assert outcomes.count(RotationOutcome.REUSED) == 19
    assert len(sessions_of(database, user)) == 2
    with database.begin(acting(user.id)) as tx:
        assert (tx.sessions.list_active(user.id)).items == []


@pytest.mark.parametrize("how", ["token", "all", "deactivate", "password", "reset"])
def test_a_revocation_and_a_rotation_in_flight_leave_no_live_token(
    database: Database, new_user: NewUser, how: str
) -> None:
    """Trap 16, 50 times over: whichever comes first, nothing is live afterwards."""
    for _ in range(50):
        user = new_user()
        opened = open_session(database, user)

        def renew(token: str = opened.token) -> object:
            return rotate(database, token)

        def end(token: str = opened.token, owner: User = user) -> object:
            with database.begin(acting(owner.id)) as tx:
                if how == "token":
                    return tx.sessions.revoke(token)
                if how == "all":
                    return tx.sessions.revoke_all(owner.id)
                if how == "password":
                    return tx.users.set_password_hash(owner.id, "$argon2id$new")
                if how == "reset":
                    issued = tx.password_resets.issue(owner.id)
                    return tx.password_resets.consume(issued.token, "$argon2id$new")
                return tx.users.deactivate(owner.id)

        results = run_concurrently([renew, end])
        assert not any(isinstance(result, BaseException) for result in results), results
        rows = sessions_of(database, user)
        assert [row for row in rows if row.rotated_at is None and row.revoked_at is None] == []


def test_a_login_and_a_deactivation_in_flight_leave_no_live_session(
    database: Database,
    new_user: NewUser,
) -> None:
    """Either the login is refused, or its session is ended with the others."""
    for _ in range(20):
        user = new_user()

        def login(owner: User = user) -> object:
            return open_session(database, owner)

        def bar(owner: User = user) -> object:
            with database.begin(acting(owner.id)) as tx:
                return tx.users.deactivate(owner.id)

        results = run_concurrently([login, bar, login])
        assert all(isinstance(result, NotFound | OpenedSession | User) for result in results), results
        assert [row for row in sessions_of(database, user) if row.revoked_at is None] == []


def test_a_login_with_a_password_that_was_changed_meanwhile_fails(
    database: Database,
    new_user: NewUser,
) -> None:
    """The old password was checked before the change; its session would outlive the end of all others."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        tx.users.set_password_hash(user.id, "$argon2id$new")
        with pytest.raises(NotFound):
            tx.sessions.open(user.id, password_hash=user.password_hash)
    assert sessions_of(database, user) == []


def test_logout_ends_the_family_once(database: Database, new_user: NewUser) -> None:
    """True the first time, False for what is over or unknown; one line in the trail."""
    user = new_user()
    opened = open_session(database, user)
    successor = (rotate(database, opened.token)).require()
    with database.begin(AUTH) as tx:
        assert tx.sessions.revoke(opened.token) is True
        assert tx.sessions.revoke(successor.token) is False
        assert tx.sessions.revoke("unknown") is False
        assert tx.sessions.find_active(successor.token) is None
    assert (events_of(database, user)).count(AuditEvent.LOGOUT) == 1


def test_users_end_their_own_sessions_only(database: Database, new_user: NewUser) -> None:
    """By the id of a list; another user's id ends nothing."""
    user, other = new_user(), new_user()
    mine, second, theirs = [open_session(database, owner) for owner in (user, user, other)]
    with database.begin(Actor.user(user.id)) as tx:
        assert tx.sessions.revoke_by_id(theirs.id) is False
        assert tx.sessions.revoke_by_id(uuid4()) is False
        assert tx.sessions.revoke_by_id(mine.id) is True
        assert [row.id for row in (tx.sessions.list_active()).items] == [second.id]
        assert tx.sessions.revoke_all() == 1
        assert tx.sessions.revoke_all() == 0
    with database.begin(AUTH) as tx:
        assert tx.sessions.find_active(theirs.token) is not None
    assert (events_of(database, user)).count(AuditEvent.SESSION_REVOKED) == 2


def test_live_sessions_are_listed_by_page(database: Database, new_user: NewUser) -> None:
    """The newest first, each once, also when another is opened meanwhile."""
    user = new_user()
    opened = [open_session(database, user) for _ in range(5)]
    seen, cursor = [], None
    while True:
        with database.begin(acting(user.id)) as tx:
            page = tx.sessions.list_active(user.id, cursor=cursor, limit=2)
            tx.sessions.open(user.id)
        seen += [row.id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [item.id for item in reversed(opened)]


def test_failed_logins_are_logged_without_what_was_typed(
    database: Database, new_user: NewUser, devmentor_engine: Engine
) -> None:
    """The line names the user of a known address; for an unknown one it names nobody."""
    user = new_user()
    marker = f"req-{uuid4().hex}"
    with database.begin(Actor.service("auth", request_id=marker)) as tx:
        tx.sessions.record_failure(user.email.title(), reason="wrong password")
        tx.sessions.record_failure("hunter2@typed.example")
    with database.begin(acting(user.id)) as tx:
        count = tx.audit_log.count_recent(
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


def test_expired_sessions_are_purged_in_batches(database: Database, new_user: NewUser) -> None:
    """At most as many as asked for, none that is live, none that is to be kept a while."""
    long_ago = datetime.now(UTC) - timedelta(days=4000)
    times = {"created_at": long_ago, "expires_at": long_ago + timedelta(days=1)}
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        live = tx.sessions.open(user.id)
        for _ in range(5):
            UserSessionFactory.insert(tx.session, user=user, **times)
    with database.begin(AUTH) as tx:
        kept = timedelta(days=3990)
        assert tx.sessions.purge_expired(batch=2, kept=timedelta(days=4100)) == 0
        assert [tx.sessions.purge_expired(batch=2, kept=kept) for _ in range(4)] == [2, 2, 1, 0]
    assert [row.id for row in sessions_of(database, user)] == [live.id]


def test_a_login_is_two_statements(database: Database, new_user: NewUser) -> None:
    """The hot path: one to find the user, one to check the account, open the session and log the event."""
    user = new_user()
    sent: list[str] = []

    def note(_: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    with database.begin(AUTH) as tx:
        engine = tx.session.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        try:
            found = tx.users.find_credentials(user.email)
            assert found is not None
            with database.begin(acting(found.user_id)) as mine:
                mine.sessions.open(found.user_id, password_hash=found.password_hash)
        finally:
            event.remove(engine, "before_cursor_execute", note)
    assert len(sent) == 2

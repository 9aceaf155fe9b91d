# Generated from test_tokens_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Single-use tokens: password resets and e-mail verifications (F3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Text, cast, func, literal_column, select, update

from devmentor_models import Actor, Database
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import EmailVerification, PasswordReset, User
from devmentor_models.errors import InvalidValue, NotFound, TokenInvalid
from devmentor_models.kit.base import Base
from devmentor_models.kit.tokens import digest
from tests.support.concurrency import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth")


def acting(user_id: UUID) -> Actor:
    """Return the service acting for a user."""
    return replace(AUTH, user_id=user_id)


def expired(days: int) -> dict[str, datetime]:
    """Return the times of a token that expired so long ago."""
    end = datetime.now(UTC) - timedelta(days=days)
    return {"created_at": end - timedelta(hours=1), "expires_at": end}


def reset_token(database: Database, user_id: UUID) -> str:
    """Commit a password reset and return its token."""
    with database.begin(acting(user_id)) as tx:
        return (tx.password_resets.issue(user_id)).token


def test_a_reset_sets_the_password_and_ends_everything_else(database: Database, new_user: NewUser) -> None:
    """Sessions and other resets are void; the request and the use are logged."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        opened = tx.sessions.open(user.id)
        first = tx.password_resets.issue(user.id)
        second = tx.password_resets.issue(user.id, lifetime=timedelta(minutes=5))
    assert first.token not in repr(first)
    with database.begin(AUTH) as tx:
        assert (tx.password_resets.consume(second.token, "$argon2id$new")).id == user.id
    with database.begin(acting(user.id)) as tx:
        assert (tx.users.get(user.id)).password_hash == "$argon2id$new"
        assert tx.sessions.find_active(opened.token) is None
        stored = select(PasswordReset.token_hash).where(PasswordReset.user_id == user.id)
        assert set((tx.session.execute(stored)).scalars()) == {
            digest(first.token),
            digest(second.token),
        }
        events = [line.event for line in (tx.audit_log.timeline(user.id)).items]
    assert events.count(AuditEvent.PASSWORD_RESET_REQUESTED) == 2
    assert events.count(AuditEvent.PASSWORD_RESET_USED) == 1
    for token in (first.token, second.token):
        with pytest.raises(TokenInvalid):
            with database.begin(AUTH) as tx:
                tx.password_resets.consume(token, "$argon2id$newer")


def test_a_reset_works_once_however_many_try(database: Database, new_user: NewUser) -> None:
    """One of 20 concurrent attempts succeeds, with one or with two tokens of the user."""
    user = new_user()
    tokens = [reset_token(database, user.id) for _ in range(2)]

    def consume(token: str) -> User:
        with database.begin(AUTH) as tx:
            return tx.password_resets.consume(token, "$argon2id$new")

    results = run_concurrently([partial(consume, token) for token in tokens * 10])
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, TokenInvalid) for result in results) == 19


def test_no_token_is_stored_in_clear(database: Database, new_user: NewUser) -> None:
    """Z6: no row of any table has it, neither as text nor as bytes; its digest is there once."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        tokens = [
            (tx.sessions.open(user.id)).token,
            (tx.password_resets.issue(user.id)).token,
            (tx.email_verifications.issue(user.id)).token,
        ]
        for token in tokens:
            for form, expected in ((token, 0), (token.encode().hex(), 0), (digest(token).hex(), 1)):
                found = 0
                for table in Base.metadata.tables.values():
                    row = cast(literal_column(table.name), Text)
                    rows = select(func.count()).select_from(table).where(row.contains(form, autoescape=True))
                    found += (tx.session.execute(rows)).scalar_one()
                assert found == expected


def test_dead_resets_are_refused(database: Database, new_user: NewUser) -> None:
    """Unknown, expired, or of an inactive user."""
    user, barred = new_user(), new_user()
    late = reset_token(database, user.id)
    refused = reset_token(database, barred.id)
    with database.begin(acting(user.id)) as tx:
        tx.session.execute(
            update(PasswordReset).where(PasswordReset.user_id == user.id).values(**expired(days=1))
        )
    with database.begin(acting(barred.id)) as tx:
        tx.users.deactivate(barred.id)
    for token in ("", "unknown", "\x00", "\ud800", late, refused):
        with pytest.raises(TokenInvalid):
            with database.begin(AUTH) as tx:
                tx.password_resets.consume(token, "$argon2id$new")
    with database.begin(acting(barred.id)) as tx:
        assert (tx.users.get(barred.id)).password_hash == barred.password_hash


def test_a_bad_hash_does_not_spend_the_reset(database: Database, new_user: NewUser) -> None:
    """The token still works afterwards, in the same transaction."""
    user = new_user()
    token = reset_token(database, user.id)
    with database.begin(AUTH) as tx:
        for bad in ("", "a\x00b", None):
            with pytest.raises(InvalidValue, match="password_hash"):
                tx.password_resets.consume(token, bad)  # type: ignore[arg-type] # the mistake under test
        tx.password_resets.consume(token, "$argon2id$new")


@pytest.mark.parametrize("kind", ["password_resets", "email_verifications"])
def test_tokens_are_issued_to_active_users_only(database: Database, new_user: NewUser, kind: str) -> None:
    """Nobody else gets one, and a lifetime must make sense."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        tokens = tx.password_resets if kind == "password_resets" else tx.email_verifications
        with pytest.raises(InvalidValue, match="lifetime"):
            tokens.issue(user.id, lifetime=timedelta(0))
        tx.users.deactivate(user.id)
        with pytest.raises(NotFound, match="active user"):
            tokens.issue(user.id)
        with pytest.raises(NotFound):
            tokens.issue(uuid4())


def test_an_address_is_verified_once(database: Database, new_user: NewUser) -> None:
    """One of several concurrent attempts succeeds; the event is logged once."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        issued = tx.email_verifications.issue(user.id)

    def consume() -> User:
        with database.begin(AUTH) as tx:
            return tx.email_verifications.consume(issued.token)

    results = run_concurrently([consume] * 8)
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, TokenInvalid) for result in results) == 7
    with database.begin(acting(user.id)) as tx:
        assert (tx.users.get(user.id)).email_verified_at is not None
        lines = (tx.audit_log.timeline(user.id, events=[AuditEvent.EMAIL_VERIFIED])).items
    assert len(lines) == 1


def test_expired_tokens_are_purged_in_batches(database: Database, new_user: NewUser) -> None:
    """Of both kinds; live ones stay."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        for _ in range(3):
            tx.password_resets.issue(user.id)
            tx.email_verifications.issue(user.id)
        for model in (PasswordReset, EmailVerification):
            tx.session.execute(update(model).where(model.user_id == user.id).values(**expired(days=4000)))
        tx.password_resets.issue(user.id)
        tx.email_verifications.issue(user.id)
        kept = timedelta(days=3990)
        for tokens in (tx.password_resets, tx.email_verifications):
            assert [tokens.purge_expired(batch=2, kept=kept) for _ in range(3)] == [2, 1, 0]

"""Single-use tokens: password resets and e-mail verifications (F3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Text, cast, func, literal_column, select, update

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import EmailVerification, PasswordReset, User
from devmentor_models.errors import InvalidValue, NotFound, TokenInvalid
from devmentor_models.kit.base import Base
from devmentor_models.kit.tokens import digest
from tests.support.concurrency_async import run_concurrently
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


async def reset_token(database: AsyncDatabase, user_id: UUID) -> str:
    """Commit a password reset and return its token."""
    async with database.begin(acting(user_id)) as tx:
        return (await tx.password_resets.issue(user_id)).token


async def test_a_reset_sets_the_password_and_ends_everything_else(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Sessions and other resets are void; the request and the use are logged."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        opened = await tx.sessions.open(user.id)
        first = await tx.password_resets.issue(user.id)
        second = await tx.password_resets.issue(user.id, lifetime=timedelta(minutes=5))
    assert first.token not in repr(first)
    async with async_database.begin(AUTH) as tx:
        assert (await tx.password_resets.consume(second.token, "$argon2id$new")).id == user.id
    async with async_database.begin(acting(user.id)) as tx:
        assert (await tx.users.get(user.id)).password_hash == "$argon2id$new"
        assert await tx.sessions.find_active(opened.token) is None
        stored = select(PasswordReset.token_hash).where(PasswordReset.user_id == user.id)
        assert set((await tx.session.execute(stored)).scalars()) == {
            digest(first.token),
            digest(second.token),
        }
        events = [line.event for line in (await tx.audit_log.timeline(user.id)).items]
    assert events.count(AuditEvent.PASSWORD_RESET_REQUESTED) == 2
    assert events.count(AuditEvent.PASSWORD_RESET_USED) == 1
    for token in (first.token, second.token):
        with pytest.raises(TokenInvalid):
            async with async_database.begin(AUTH) as tx:
                await tx.password_resets.consume(token, "$argon2id$newer")


async def test_a_reset_works_once_however_many_try(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """One of 20 concurrent attempts succeeds, with one or with two tokens of the user."""
    user = new_user()
    tokens = [await reset_token(async_database, user.id) for _ in range(2)]

    async def consume(token: str) -> User:
        async with async_database.begin(AUTH) as tx:
            return await tx.password_resets.consume(token, "$argon2id$new")

    results = await run_concurrently([partial(consume, token) for token in tokens * 10])
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, TokenInvalid) for result in results) == 19


async def test_no_token_is_stored_in_clear(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Z6: no row of any table has it, neither as text nor as bytes; its digest is there once."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        tokens = [
            (await tx.sessions.open(user.id)).token,
            (await tx.password_resets.issue(user.id)).token,
            (await tx.email_verifications.issue(user.id)).token,
        ]
        for token in tokens:
            for form, expected in ((token, 0), (token.encode().hex(), 0), (digest(token).hex(), 1)):
                found = 0
                for table in Base.metadata.tables.values():
                    row = cast(literal_column(table.name), Text)
                    rows = select(func.count()).select_from(table).where(row.contains(form, autoescape=True))
                    found += (await tx.session.execute(rows)).scalar_one()
                assert found == expected


async def test_dead_resets_are_refused(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Unknown, expired, or of an inactive user."""
    user, barred = new_user(), new_user()
    late = await reset_token(async_database, user.id)
    refused = await reset_token(async_database, barred.id)
    async with async_database.begin(acting(user.id)) as tx:
        await tx.session.execute(
            update(PasswordReset).where(PasswordReset.user_id == user.id).values(**expired(days=1))
        )
    async with async_database.begin(acting(barred.id)) as tx:
        await tx.users.deactivate(barred.id)
    for token in ("", "unknown", "\x00", "\ud800", late, refused):
        with pytest.raises(TokenInvalid):
            async with async_database.begin(AUTH) as tx:
                await tx.password_resets.consume(token, "$argon2id$new")
    async with async_database.begin(acting(barred.id)) as tx:
        assert (await tx.users.get(barred.id)).password_hash == barred.password_hash


async def test_a_bad_hash_does_not_spend_the_reset(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """The token still works afterwards, in the same transaction."""
    user = new_user()
    token = await reset_token(async_database, user.id)
    async with async_database.begin(AUTH) as tx:
        for bad in ("", "a\x00b", None):
            with pytest.raises(InvalidValue, match="password_hash"):
                await tx.password_resets.consume(token, bad)  # type: ignore[arg-type] # the mistake under test
        await tx.password_resets.consume(token, "$argon2id$new")


@pytest.mark.parametrize("kind", ["password_resets", "email_verifications"])
async def test_tokens_are_issued_to_active_users_only(
    async_database: AsyncDatabase, new_user: NewUser, kind: str
) -> None:
    """Nobody else gets one, and a lifetime must make sense."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        tokens = tx.password_resets if kind == "password_resets" else tx.email_verifications
        with pytest.raises(InvalidValue, match="lifetime"):
            await tokens.issue(user.id, lifetime=timedelta(0))
        await tx.users.deactivate(user.id)
        with pytest.raises(NotFound, match="active user"):
            await tokens.issue(user.id)
        with pytest.raises(NotFound):
            await tokens.issue(uuid4())


async def test_an_address_is_verified_once(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """One of several concurrent attempts succeeds; the event is logged once."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        issued = await tx.email_verifications.issue(user.id)

    async def consume() -> User:
        async with async_database.begin(AUTH) as tx:
            return await tx.email_verifications.consume(issued.token)

    results = await run_concurrently([consume] * 8)
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, TokenInvalid) for result in results) == 7
    async with async_database.begin(acting(user.id)) as tx:
        assert (await tx.users.get(user.id)).email_verified_at is not None
        lines = (await tx.audit_log.timeline(user.id, events=[AuditEvent.EMAIL_VERIFIED])).items
    assert len(lines) == 1


async def test_expired_tokens_are_purged_in_batches(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Of both kinds; live ones stay."""
    user = new_user()
    async with async_database.begin(acting(user.id)) as tx:
        for _ in range(3):
            await tx.password_resets.issue(user.id)
            await tx.email_verifications.issue(user.id)
        for model in (PasswordReset, EmailVerification):
            await tx.session.execute(
                update(model).where(model.user_id == user.id).values(**expired(days=4000))
            )
        await tx.password_resets.issue(user.id)
        await tx.email_verifications.issue(user.id)
        kept = timedelta(days=3990)
        for tokens in (tx.password_resets, tx.email_verifications):
            assert [await tokens.purge_expired(batch=2, kept=kept) for _ in range(3)] == [2, 1, 0]

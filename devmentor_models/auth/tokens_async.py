"""Single-use tokens that are mailed: password resets and e-mail verifications (requirement F3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Executable

from devmentor_models.auth import token_queries as queries
from devmentor_models.auth.base_async import (
    AsyncAuthRepository,
    check_lifetime,
    check_password_hash,
    check_token,
)
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import User
from devmentor_models.auth.queries import parameters
from devmentor_models.auth.values import IssuedToken
from devmentor_models.errors import NotFound, TokenInvalid
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.tokens import digest, new_token

RESET_LIFETIME = timedelta(hours=1)
VERIFICATION_LIFETIME = timedelta(days=3)


class AsyncTokenRepository(AsyncAuthRepository):
    """What both kinds of token share."""

    async def _issue(self, statement: Executable, user_id: UUID, lifetime: timedelta) -> IssuedToken:
        token = new_token()
        values = self._parameters(
            user_id=user_id, row_id=uuid7(), token_hash=digest(token), lifetime=check_lifetime(lifetime)
        )
        row = (await self._execute(statement, values)).one_or_none()
        if row is None:
            raise NotFound("active user", user_id)
        return IssuedToken(token, row.user_id, row.expires_at)

    async def _use(
        self, token: str, lock: Executable, use: Executable, change: Executable, **values: Any
    ) -> User:
        """Mark a token as used, change its user, and return the user.

        Raises:
            TokenInvalid: The token is unknown, expired or used, or its user inactive.
        """
        presented = parameters(token_hash=digest(check_token(token)))
        await self._execute(lock, presented)
        user_id = (await self._execute(use, presented)).scalar_one_or_none()
        changed = await self._execute(change, parameters(user_id=user_id, **values))
        user: User | None = changed.scalar_one_or_none()
        if user is None:
            raise TokenInvalid
        return user


class AsyncPasswordResetRepository(AsyncTokenRepository):
    """Permissions to set a new password."""

    async def issue(self, user_id: UUID, *, lifetime: timedelta = RESET_LIFETIME) -> IssuedToken:
        """Make a token to be mailed to a user who forgot the password, and log the request (F3).

        Raises:
            NotFound: There is no such user, or the user is inactive.
            InvalidValue: The lifetime is not positive, or over ten years.
        """
        return await self._issue(queries.ISSUE_RESET, user_id, lifetime)

    async def consume(self, token: str, new_password_hash: str) -> User:
        """Set a new password by a token, once (F3). Ends every session and every other reset of the user.

        Raises:
            TokenInvalid: The token is unknown, expired or used, or its user inactive.
            InvalidValue: The hash is empty or cannot be stored; the token remains usable.
        """
        check_password_hash(new_password_hash)
        user = await self._use(
            token,
            queries.LOCK_BY_RESET_TOKEN,
            queries.USE_RESET,
            queries.SET_PASSWORD,
            password_hash=new_password_hash,
        )
        subject = parameters(user_id=user.id)
        await self._execute(queries.VOID_RESETS, subject)
        await self._execute(queries.REVOKE_ALL, self._parameters(user_id=user.id))
        await self._log(AuditEvent.PASSWORD_RESET_USED, user.id)
        return user

    async def purge_expired(self, *, batch: int = 1000, kept: timedelta = timedelta(0)) -> int:
        """Delete tokens that expired more than ``kept`` ago, at most ``batch``; return how many."""
        return await self._purge(queries.PURGE_RESETS, batch=batch, kept=kept)


class AsyncEmailVerificationRepository(AsyncTokenRepository):
    """Proofs that an address is the user's."""

    async def issue(self, user_id: UUID, *, lifetime: timedelta = VERIFICATION_LIFETIME) -> IssuedToken:
        """Make a token to be mailed to the user's present address (F3).

        Raises:
            NotFound: There is no such user, or the user is inactive.
            InvalidValue: The lifetime is not positive, or over ten years.
        """
        return await self._issue(queries.ISSUE_VERIFICATION, user_id, lifetime)

    async def consume(self, token: str) -> User:
        """Mark the user's address as verified, once, and log it (F3).

        Raises:
            TokenInvalid: The token is unknown, expired or used, its user inactive, or the user has another
                address by now.
        """
        user = await self._use(
            token, queries.LOCK_BY_VERIFICATION_TOKEN, queries.USE_VERIFICATION, queries.SET_VERIFIED
        )
        await self._log(AuditEvent.EMAIL_VERIFIED, user.id)
        return user

    async def purge_expired(self, *, batch: int = 1000, kept: timedelta = timedelta(0)) -> int:
        """Delete tokens that expired more than ``kept`` ago, at most ``batch``; return how many."""
        return await self._purge(queries.PURGE_VERIFICATIONS, batch=batch, kept=kept)

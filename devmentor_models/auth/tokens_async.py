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
from devmentor_models.auth.queries import USER_BY_ID_AS_IS, parameters
from devmentor_models.auth.values import IssuedToken
from devmentor_models.errors import NotFound, TokenInvalid
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.tokens import digest, new_token

RESET_LIFETIME = timedelta(hours=1)
VERIFICATION_LIFETIME = timedelta(days=3)


class AsyncTokenRepository(AsyncAuthRepository):
    """What both kinds of token share."""

    async def _issue(
        self, statement: Executable, user_id: UUID, lifetime: timedelta, **values: Any
    ) -> IssuedToken:
        token = new_token()
        values = self._parameters(
            user_id=self._subject(user_id),
            row_id=uuid7(),
            token_hash=digest(token),
            lifetime=check_lifetime(lifetime),
            **values,
        )
        row = (await self._execute(statement, values)).one_or_none()
        if row is None:
            raise NotFound("active user", user_id)
        return IssuedToken(token, row.user_id, row.expires_at)


class AsyncPasswordResetRepository(AsyncTokenRepository):
    """Permissions to set a new password."""

    async def issue(self, user_id: UUID, *, lifetime: timedelta = RESET_LIFETIME) -> IssuedToken:
        """Make a token to be mailed to a user who forgot the password, and log the request (F3).

        `users.find_credentials` tells whose address it is, in a transaction before.

        Raises:
            ActorMissing: The transaction acts for nobody.
            NotFound: There is no such user, or the user is inactive.
            InvalidValue: The lifetime is not positive, or over ten years.
        """
        return await self._issue(queries.ISSUE_RESET, user_id, lifetime)

    async def consume(self, token: str, new_password_hash: str) -> User:
        """Set a new password by a token, once (F3). Ends every session and every other reset of the user.

        Who presents the token is the user: a service that acted for nobody acts for that user from now on. In
        a transaction that acts for another user the token is invalid.

        Raises:
            TokenInvalid: The token is unknown, expired or used, or its user inactive.
            InvalidValue: The hash is empty or cannot be stored; the token remains usable.
        """
        check_password_hash(new_password_hash)
        presented = parameters(token_hash=digest(check_token(token)))
        if await self._identify("password_reset", presented) is None:
            raise TokenInvalid
        user_id = (await self._execute(queries.USE_RESET, presented)).scalar_one_or_none()
        subject = parameters(user_id=user_id)
        user: User | None = await self._find(
            queries.SET_PASSWORD, subject | parameters(password_hash=new_password_hash)
        )
        if user is None:
            raise TokenInvalid
        self._adopt(user.id)
        await self._execute(queries.VOID_RESETS, subject)
        await self._execute(queries.REVOKE_ALL, self._parameters(user_id=user.id))
        await self._log(AuditEvent.PASSWORD_RESET_USED, user.id)
        return user

    async def purge_expired(self, *, batch: int = 1000, kept: timedelta = timedelta(0)) -> int:
        """Delete tokens that expired more than ``kept`` ago, at most ``batch``; return how many."""
        return await self._purge(queries.PURGE_RESETS, batch=batch, kept=kept)


class AsyncEmailVerificationRepository(AsyncTokenRepository):
    """Proofs that an address is the user's."""

    async def issue(
        self, user_id: UUID, *, email: str | None = None, lifetime: timedelta = VERIFICATION_LIFETIME
    ) -> IssuedToken:
        """Make a token to be mailed to the user's present address, or to another ``email`` (F3).

        Raises:
            ActorMissing: The transaction acts for nobody.
            NotFound: There is no such user, or the user is inactive.
            InvalidValue: The lifetime is not positive, or over ten years; or no address can look like that.
        """
        return await self._issue(queries.ISSUE_VERIFICATION, user_id, lifetime, email=email)

    async def consume(self, token: str) -> User:
        """Give the user the address that a token proves, verified, once, and log it (F3).

        It needs a transaction that acts for nobody, ``Actor.service("auth")``: who read the mail is the user,
        for whom it acts from now on. Whatever else was mailed to prove an address of the user is void.

        Raises:
            ActorChanged: The transaction acts for a user.
            TokenInvalid: The token is unknown, expired or used, or its user inactive.
            UniqueViolation: The address belongs to another account by now.
        """
        presented = parameters(token_hash=digest(check_token(token)))
        self._for_nobody("email_verifications.consume")
        confirmed = (await self._execute(queries.CONFIRM_EMAIL, presented)).one()
        if confirmed.confirmed_id is None:
            raise TokenInvalid
        self._adopt(confirmed.confirmed_id)
        user: User = await self._get(
            USER_BY_ID_AS_IS, parameters(user_id=confirmed.confirmed_id), entity="user"
        )
        if confirmed.is_new:
            await self._log(AuditEvent.EMAIL_CHANGED, user.id, details={"state": "confirmed"})
        await self._log(AuditEvent.EMAIL_VERIFIED, user.id)
        return user

    async def purge_expired(self, *, batch: int = 1000, kept: timedelta = timedelta(0)) -> int:
        """Delete tokens that expired more than ``kept`` ago, at most ``batch``; return how many."""
        return await self._purge(queries.PURGE_VERIFICATIONS, batch=batch, kept=kept)

"""Sessions: opened by a login, renewed by rotation, ended by a revocation (requirement F2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Row

from devmentor_models.auth import token_queries as queries
from devmentor_models.auth.base_async import AsyncAuthRepository, check_lifetime, check_token
from devmentor_models.auth.models import UserSession
from devmentor_models.auth.queries import RECORD_LOGIN_FAILED, parameters
from devmentor_models.auth.values import OpenedSession, RotationOutcome, RotationResult
from devmentor_models.errors import NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.tokens import digest, new_token
from devmentor_models.security.actor import IpAddress

DEFAULT_LIFETIME = timedelta(days=30)


class AsyncSessionRepository(AsyncAuthRepository):
    """Sessions of users.

    Whatever ends or renews sessions of one user happens one after the other, so that a revocation and a
    rotation in flight cannot leave a live token.
    """

    async def open(
        self,
        user_id: UUID,
        *,
        password_hash: str | None = None,
        ip_address: IpAddress | str | None = None,
        user_agent: str | None = None,
        lifetime: timedelta = DEFAULT_LIFETIME,
    ) -> OpenedSession:
        """Open a session for a user who has proven to be one, and log the login (F2). One statement.

        Args:
            user_id: Who logs in; the transaction acts for this user.
            password_hash: The hash that the password was checked against. Give it, so that a login that was
                under way with the old password fails when the password is changed meanwhile.
            ip_address: The client's address; the actor's when left out.
            user_agent: The client's software, at most 512 characters; the actor's when left out.
            lifetime: How long the token can be used; positive, at most ten years.

        Raises:
            ActorMissing: The transaction acts for nobody.
            NotFound: There is no such user, the user is inactive, or has another password by now.
            InvalidValue: An argument is not valid.
        """
        token = new_token()
        values = self._new_session(token, lifetime) | self._context(
            ip_address=ip_address, user_agent=user_agent
        )
        account = parameters(user_id=self._subject(user_id), password_hash=password_hash)
        row = (await self._execute(queries.OPEN_SESSION, account | parameters(**values))).one_or_none()
        if row is None:
            raise NotFound("active user", user_id)
        return _opened(token, row)

    async def rotate(
        self,
        token: str,
        *,
        ip_address: IpAddress | str | None = None,
        user_agent: str | None = None,
        lifetime: timedelta = DEFAULT_LIFETIME,
    ) -> RotationResult:
        """Exchange a token for its successor, once (F2).

        A token that was spent before has been copied: its family is revoked, and that must be committed.
        So this raises nothing; unwrap the result after the transaction. Who presents the token is the user,
        for whom the transaction acts from now on; for one that acts for another user it is invalid::

            result = await db.run(lambda tx: tx.sessions.rotate(token), actor=Actor.service("auth"))
            successor = result.require()

        Raises:
            InvalidValue: An argument is not valid.
        """
        presented = parameters(token_hash=digest(check_token(token)))
        successor = new_token()
        context = parameters(**self._context(ip_address=ip_address, user_agent=user_agent))
        minted = parameters(**self._new_session(successor, lifetime))
        outcome, opened = RotationOutcome.INVALID, None
        if await self._identify("session", presented) is not None:
            row = (await self._execute(queries.ROTATE_SESSION, presented | minted | context)).one_or_none()
            if row is not None:
                outcome, opened = RotationOutcome.ROTATED, _opened(successor, row)
                self._adopt(row.user_id)
            elif (await self._execute(queries.REVOKE_REUSED, presented | context)).first() is not None:
                outcome = RotationOutcome.REUSED
        return RotationResult(outcome, opened, self.session.in_transaction)

    async def revoke(self, token: str) -> bool:
        """End the session of a token and its family: log out. True if it was still live.

        An unknown token is no error, since nothing remains to be done.
        """
        presented = parameters(token_hash=digest(check_token(token)))
        if await self._identify("session", presented) is None:
            return False
        return await self._revoke(queries.REVOKE_BY_TOKEN, presented) > 0

    async def revoke_by_id(self, session_id: UUID, *, user_id: UUID | None = None) -> bool:
        """End one of a user's sessions and its family, as chosen from `list_active`. True if it was live."""
        subject = parameters(user_id=self._subject(user_id))
        await self._execute(queries.LOCK_SESSIONS, subject)
        return await self._revoke(queries.REVOKE_BY_ID, subject | parameters(session_id=session_id)) > 0

    async def revoke_all(self, user_id: UUID | None = None) -> int:
        """End every session of a user; return how many there were.

        To log out everywhere else, call this before `open`: in the other order two logins can deadlock.
        """
        subject = parameters(user_id=self._subject(user_id))
        await self._execute(queries.LOCK_SESSIONS, subject)
        return await self._revoke(queries.REVOKE_ALL, subject)

    async def find_active(self, token: str) -> UserSession | None:
        """Return the live session of a token, its active ``user`` loaded, or None.

        Who presents the token is the user: a service that acted for nobody acts for that user from now on.
        For a transaction that acts for another user there is no such session.
        """
        presented = parameters(token_hash=digest(check_token(token)))
        if await self._identify("live_session", presented) is None:
            return None
        found = await self._find(queries.FIND_ACTIVE, presented)
        if found is not None:
            self._adopt(found.user_id)
        return found

    async def list_active(
        self, user_id: UUID | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[UserSession]:
        """Return a page of a user's live sessions, the newest first."""
        statement = queries.active_sessions(self._subject(user_id))
        return await self._page(statement, [UserSession.id], cursor=cursor, limit=limit)

    async def record_failure(
        self,
        email: str,
        *,
        reason: str | None = None,
        ip_address: IpAddress | str | None = None,
        user_agent: str | None = None,
    ) -> None:
        """Log a failed login by address (S2). Commit it: raise for the client after the transaction.

        The line names the user who has that address, if any, and does not quote the address: people type
        passwords into the wrong field.

        Raises:
            ActorChanged: The transaction acts for a user; looking up an address is for a service alone.
        """
        self._for_nobody("sessions.record_failure")
        details = {} if reason is None else {"reason": reason}
        context = self._context(ip_address=ip_address, user_agent=user_agent)
        await self._execute(RECORD_LOGIN_FAILED, parameters(email=email, details=details, **context))

    async def purge_expired(self, *, batch: int = 1000, kept: timedelta = timedelta(0)) -> int:
        """Delete sessions that expired more than ``kept`` ago, at most ``batch``; return how many.

        Repeat until it returns less than ``batch``, each time in a transaction of its own.
        """
        return await self._purge(queries.PURGE_SESSIONS, batch=batch, kept=kept)

    def _new_session(self, token: str, lifetime: timedelta) -> dict[str, Any]:
        return {"session_id": uuid7(), "new_hash": digest(token), "lifetime": check_lifetime(lifetime)}

    async def _revoke(self, statement: Executable, which: dict[str, Any]) -> int:
        number: int | None = (await self._execute(statement, which | self._parameters())).scalar_one_or_none()
        return number or 0


def _opened(token: str, row: Row[Any]) -> OpenedSession:
    return OpenedSession(token, row.id, row.user_id, row.family_id, row.expires_at)

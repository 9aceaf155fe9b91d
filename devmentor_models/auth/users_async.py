"""Accounts (requirements F1, F2, F9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, insert

from devmentor_models.auth import queries, token_queries
from devmentor_models.auth.base_async import (
    AsyncAuthRepository,
    check_email,
    check_lifetime,
    check_password_hash,
)
from devmentor_models.auth.enums import AuditEvent, UserRole
from devmentor_models.auth.models import User
from devmentor_models.auth.personal_data_async import AsyncPersonalData
from devmentor_models.auth.queries import parameters
from devmentor_models.auth.tokens_async import VERIFICATION_LIFETIME, AsyncEmailVerificationRepository
from devmentor_models.auth.values import Account, Credentials, IssuedToken, Registration
from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.arguments import member
from devmentor_models.kit.base import table_named
from devmentor_models.kit.calls import finder
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page, check_limit, decode_cursor, page_of
from devmentor_models.kit.plain import column_check
from devmentor_models.kit.session import translated
from devmentor_models.kit.tokens import digest, new_token

_KEYS = finder(Sequence[UUID])


class AsyncUserRepository(AsyncAuthRepository):
    """Accounts. What ends a user's right to be logged in also ends the user's sessions."""

    async def get(self, user_id: UUID | None = None) -> User:
        """Return a user; the one who acts when left out.

        Raises:
            NotFound: No such user is visible.
        """
        subject = self._subject(user_id)
        return await self._get(queries.USER_BY_ID, parameters(user_id=subject), entity="user", key=subject)

    async def find_credentials(self, email: str) -> Credentials | None:
        """Return what the password of an address is checked against, or None (F2).

        Reads nothing else, and takes as long whether there is such a user or not. `sign_in_async.sign_in`
        does the rest of a login, in another transaction, on behalf of the user.

        Raises:
            ActorChanged: The transaction acts for a user; looking up an address is for a service alone.
            InvalidValue: No address can look like that.
        """
        self._for_nobody("users.find_credentials")
        row = (await self._execute(queries.CREDENTIALS_BY_EMAIL, parameters(email=email))).one_or_none()
        return None if row is None else Credentials(**row._mapping)  # noqa: SLF001 - public, says SQLAlchemy

    async def find_id_by_username(self, username: str) -> UUID | None:
        """Return who has a public name, in whatever case and Unicode form, or None; to invite somebody.

        Names are public: everybody may learn that one is taken, and by whose key it is known. Nothing else of
        the account is.

        Raises:
            InvalidValue: No name can look like that.
        """
        found = await self._execute(queries.FIND_USER_ID, parameters(username=username))
        user_id: UUID | None = found.scalar_one()
        return user_id

    async def usernames(self, user_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the public names of users by their keys; who does not exist is left out.

        Raises:
            InvalidValue: One is no key.
        """
        ids = list(user_ids)
        if problem := _KEYS(ids):
            raise InvalidValue("user_ids", problem)
        rows = await self._execute(queries.USERNAMES, {"p_ids": ids})
        return {row.id: row.username for row in rows}

    async def list(
        self,
        *,
        role: UserRole | None = None,
        is_active: bool | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Account]:
        """Return a page of accounts, the newest first, to an administrator.

        To change one, begin a transaction as ``Actor.service("auth", on_behalf_of=account.id)``.

        Raises:
            PermissionDenied: The acting user is no active administrator.
            InvalidValue: The limit, the cursor or the role is not valid.
        """
        keys = [User.id]
        before = None if cursor is None else decode_cursor(cursor, keys)[0]
        which = parameters(role=role, is_active=is_active, before=before, limit=check_limit(limit) + 1)
        rows = await self._execute(queries.ACCOUNTS, which)
        return page_of([Account(**row._mapping) for row in rows], keys, limit)  # noqa: SLF001 - as above

    async def register(
        self,
        *,
        email: str,
        username: str,
        password_hash: str,
        full_name: str | None = None,
        extra: Mapping[str, Any] | None = None,
        project_name: str = "My First Project",
        project_slug: str = "my-first-project",
        verification_lifetime: timedelta = VERIFICATION_LIFETIME,
    ) -> Registration:
        """Make an account, a token that verifies its address, and its first project: all or nothing (F1).

        It runs in a savepoint, so it leaves nothing behind even if the caller goes on after an error. The
        transaction acts for nobody before, and for the new user afterwards: so one registers one user. A
        taken address is told to whoever registers, never to a user.

        Args:
            email: Address, unique whatever its case and Unicode form; at most 255 characters.
            username: Public name, unique likewise; at most 50 characters.
            password_hash: Hash of the password.
            full_name: Real name; stored encrypted.
            extra: Additional data, as JSON.
            project_name: Name of the first project.
            project_slug: Its name in URLs.
            verification_lifetime: How long the address can be verified.

        Raises:
            ActorChanged: The transaction acts for a user, or has registered one.
            UniqueViolation: The address or the name is taken; ``columns`` says which.
            InvalidValue: A value cannot be stored.
            EncryptionKeyMissing: A ``full_name`` was given, and no key to encrypt it.
        """
        self._for_nobody("users.register")
        # Never added to the session: it checks each value before anything is sent.
        draft = User(
            id=uuid7(),
            email=email,
            username=username,
            password_hash=check_password_hash(password_hash),
            full_name=full_name,
            extra=dict(extra or {}),
        )
        account = parameters(
            id=draft.id,
            email=draft.email,
            username=draft.username,
            password_hash=draft.password_hash,
            metadata=draft.extra,
        )
        project: dict[str, Any] = {
            "id": uuid7(),
            "user_id": draft.id,
            "name": project_name,
            "slug": project_slug,
        }
        _check(project)
        token = new_token()
        verification = parameters(
            user_id=draft.id,
            row_id=uuid7(),
            token_hash=digest(token),
            lifetime=check_lifetime(verification_lifetime),
            email=None,
        )
        with translated(self.session):
            async with self.session.begin_nested():
                await self._execute(queries.REGISTER, account)
                user: User = await self._get(queries.USER_BY_ID, parameters(user_id=draft.id), entity="user")
                if full_name is not None:
                    user.full_name = full_name
                    await self._flush()
                await self._execute(token_queries.ISSUE_VERIFICATION, verification)
                await self._execute(_insert_project(), project)
                await self._log(AuditEvent.REGISTERED, user.id)
        self._adopt(user.id)
        return Registration(user, token, project["id"])

    async def change_email(
        self, user_id: UUID, email: str, *, verification_lifetime: timedelta = VERIFICATION_LIFETIME
    ) -> IssuedToken:
        """Ask for another address: return the token to be mailed to it (F3).

        The address changes once the token is consumed (`email_verifications.consume`): only who reads its
        mail may learn whether it belongs to an account already. Tokens mailed before no longer work.

        Raises:
            ActorMissing: The transaction acts for nobody.
            NotFound: No such user is visible, or the user is inactive.
            InvalidValue: No address can look like that.
        """
        subject = self._subject(user_id)
        address = check_email(email)
        check_lifetime(verification_lifetime)
        await self._execute(token_queries.VOID_VERIFICATIONS, parameters(user_id=subject))
        issued = await AsyncEmailVerificationRepository(self.session).issue(
            subject, email=address, lifetime=verification_lifetime
        )
        await self._log(AuditEvent.EMAIL_CHANGED, subject, details={"state": "requested"})
        return issued

    async def update_profile(
        self,
        user_id: UUID | None = None,
        *,
        username: str | None = None,
        full_name: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> User:
        """Change what a user says about themself; what is left out stays.

        Public names are public: that one is taken is no secret.

        Raises:
            NotFound: No such user is visible.
            UniqueViolation: The name is taken.
            InvalidValue: A value cannot be stored.
        """
        user = await self._locked(self._subject(user_id))
        if username is not None:
            user.username = username
        if full_name is not None:
            user.full_name = full_name
        if extra is not None:
            user.extra = dict(extra)
        await self._flush()
        return user

    async def deactivate(self, user_id: UUID) -> User:
        """Bar a user from logging in, and end the user's sessions. Does nothing to one who is barred.

        Raises:
            NotFound: No such user is visible.
        """
        user = await self._locked(user_id, ends_sessions=True)
        if user.is_active:
            user.is_active = False
            await self._flush()
            await self._execute(token_queries.REVOKE_ALL, self._parameters(user_id=user_id))
            await self._log(AuditEvent.DEACTIVATED, user_id)
        return user

    async def reactivate(self, user_id: UUID) -> User:
        """Let a user log in again. Does nothing to one who is not barred.

        Raises:
            NotFound: No such user is visible.
        """
        user = await self._locked(user_id)
        if not user.is_active:
            user.is_active = True
            await self._flush()
            await self._log(AuditEvent.REACTIVATED, user_id)
        return user

    async def change_role(self, user_id: UUID, role: UserRole) -> bool:
        """Give a user another role, as a superadmin; return whether it was another one, which the log says.

        Nobody is registered as one: whoever may migrate makes the first, in psql as ``devmentor_owner``
        (``UPDATE auth.users SET role = 'superadmin' WHERE …``).

        Raises:
            PermissionDenied: The acting user is no active superadmin.
            NotFound: There is no such user.
            InvalidValue: There is no such role.
        """
        new = member("role", UserRole, role)
        changed = await self._execute(queries.CHANGE_ROLE, parameters(user_id=user_id, role=new))
        before: UserRole | None = changed.scalar_one()
        if before is None:
            raise NotFound("user", user_id)
        if before is not new:
            await self._log(AuditEvent.ROLE_CHANGED, user_id, details={"from": before, "to": new})
        return before is not new

    async def set_password_hash(self, user_id: UUID, password_hash: str) -> User:
        """Change the password, and end every session of the user.

        Raises:
            NotFound: No such user is visible.
            InvalidValue: The hash is empty or cannot be stored.
        """
        check_password_hash(password_hash)
        user = await self._locked(user_id, ends_sessions=True)
        user.password_hash = password_hash
        await self._flush()
        await self._execute(token_queries.REVOKE_ALL, self._parameters(user_id=user_id))
        await self._log(AuditEvent.PASSWORD_CHANGED, user_id)
        return user

    async def renew_hash(self, user_id: UUID, *, old_hash: str, new_hash: str) -> bool:
        """Store a newer hash of the same password; return whether it was written.

        No session ends by it. Nothing is written when the user is inactive or has another hash by now: a
        password that was changed meanwhile must not come back.

        Raises:
            InvalidValue: The new hash is empty or cannot be stored.
        """
        check_password_hash(new_hash)
        values = parameters(user_id=self._subject(user_id), old_hash=old_hash, new_hash=new_hash)
        return (await self._execute(queries.RENEW_HASH, values)).first() is not None

    async def record_login(self, user_id: UUID) -> bool:
        """Note the time of a login, at most once an hour; return whether it was written.

        Apart from `sessions.open`, since the row of a user is hot: each write counts its version up. In one
        transaction with it, call this first; the other way round two logins can deadlock.
        """
        noted = await self._execute(queries.RECORD_LOGIN, parameters(user_id=self._subject(user_id)))
        return noted.first() is not None

    async def export(self, user_id: UUID | None = None) -> dict[str, Any]:
        """Return everything the database holds of a user, as JSON (F9); logs the export.

        See `personal_data_async.AsyncPersonalData.export`.
        """
        return await AsyncPersonalData(self.session).export(self._subject(user_id))

    async def erase(self, user_id: UUID) -> None:
        """Delete a user and everything that is the user's, and anonymise the audit trail (F9).

        See `personal_data_async.AsyncPersonalData.erase`.
        """
        await AsyncPersonalData(self.session).erase(self._subject(user_id))

    async def _locked(self, user_id: UUID, *, ends_sessions: bool = False) -> User:
        which = parameters(user_id=self._subject(user_id))
        if ends_sessions:
            # Before the row, as whatever else takes both locks: in the other order they could deadlock.
            await self._execute(token_queries.LOCK_SESSIONS, which)
        return await self._get(queries.USER_FOR_UPDATE, which, entity="user", key=user_id)


@cache
def _insert_project() -> Insert:
    return insert(table_named("projects.projects")).inline()


def _check(project: Mapping[str, Any]) -> None:
    """Check values of another domain's table before anything is sent."""
    columns = table_named("projects.projects").c
    for name, value in project.items():
        check = column_check(columns[name])
        if check is not None:
            check(value)

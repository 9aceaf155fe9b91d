"""Accounts (requirements F1, F2, F9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, insert

from devmentor_models.auth import queries, token_queries
from devmentor_models.auth.base_async import (
    AsyncAuthRepository,
    check_lifetime,
    check_password_hash,
)
from devmentor_models.auth.enums import AuditEvent, UserRole
from devmentor_models.auth.models import User
from devmentor_models.auth.personal_data_async import AsyncPersonalData
from devmentor_models.auth.queries import parameters
from devmentor_models.auth.tokens_async import VERIFICATION_LIFETIME, AsyncEmailVerificationRepository
from devmentor_models.auth.values import Credentials, IssuedToken, Registration
from devmentor_models.kit.arguments import member
from devmentor_models.kit.base import table_named
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.plain import column_check
from devmentor_models.kit.session import translated
from devmentor_models.kit.tokens import digest, new_token


class AsyncUserRepository(AsyncAuthRepository):
    """Accounts. What ends a user's right to be logged in also ends the user's sessions."""

    async def get(self, user_id: UUID | None = None) -> User:
        """Return a user; the one who acts when left out.

        Raises:
            NotFound: No such user is visible.
        """
        subject = self._subject(user_id)
        return await self._get(queries.USER_BY_ID, parameters(user_id=subject), entity="user", key=subject)

    async def find_by_email(self, email: str) -> User | None:
        """Return the user with an address, in whatever case and Unicode form, or None (F2).

        Raises:
            InvalidValue: No address can look like that.
        """
        return await self._find(queries.USER_BY_EMAIL, parameters(email=email))

    async def find_credentials(self, email: str) -> Credentials | None:
        """Return what the password of an address is checked against, or None (F2).

        Reads nothing else, and takes as long whether there is such a user or not. `sign_in_async.sign_in`
        does the rest of a login.

        Raises:
            InvalidValue: No address can look like that.
        """
        row = (await self._execute(queries.CREDENTIALS_BY_EMAIL, parameters(email=email))).one_or_none()
        return None if row is None else Credentials(**row._mapping)  # noqa: SLF001 - public, says SQLAlchemy

    async def find_by_username(self, username: str) -> User | None:
        """Return the user with a public name, in whatever case and Unicode form, or None.

        Raises:
            InvalidValue: No name can look like that.
        """
        return await self._find(queries.USER_BY_USERNAME, parameters(username=username))

    async def list(
        self,
        *,
        role: UserRole | None = None,
        is_active: bool | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[User]:
        """Return a page of users, the newest first; for services that administer accounts."""
        statement = queries.users(role, is_active=is_active)
        return await self._page(statement, [User.id], cursor=cursor, limit=limit)

    async def register(
        self,
        *,
        email: str,
        username: str,
        password_hash: str,
        full_name: str | None = None,
        role: UserRole = UserRole.USER,
        extra: Mapping[str, Any] | None = None,
        project_name: str = "My First Project",
        project_slug: str = "my-first-project",
        verification_lifetime: timedelta = VERIFICATION_LIFETIME,
    ) -> Registration:
        """Make an account, a token that verifies its address, and its first project: all or nothing (F1).

        It runs in a savepoint, so it leaves nothing behind even if the caller goes on after an error.

        Args:
            email: Address, unique whatever its case and Unicode form; at most 255 characters.
            username: Public name, unique likewise; at most 50 characters.
            password_hash: Hash of the password.
            full_name: Real name; stored encrypted.
            role: What the user may do.
            extra: Additional data, as JSON.
            project_name: Name of the first project.
            project_slug: Its name in URLs.
            verification_lifetime: How long the address can be verified.

        Raises:
            UniqueViolation: The address or the name is taken; ``columns`` says which.
            InvalidValue: A value cannot be stored.
            EncryptionKeyMissing: A ``full_name`` was given, and no key to encrypt it.
        """
        user = User(
            id=uuid7(),
            email=email,
            username=username,
            password_hash=check_password_hash(password_hash),
            full_name=full_name,
            role=member("role", UserRole, role),
            extra=dict(extra or {}),
        )
        project: dict[str, Any] = {
            "id": uuid7(),
            "user_id": user.id,
            "name": project_name,
            "slug": project_slug,
        }
        _check(project)
        token = new_token()
        verification = parameters(
            user_id=user.id,
            row_id=uuid7(),
            token_hash=digest(token),
            lifetime=check_lifetime(verification_lifetime),
        )
        with translated():
            async with self.session.begin_nested():
                await self._add(user)
                await self._execute(token_queries.ISSUE_VERIFICATION, verification)
                await self._execute(_insert_project(), project)
                await self._log(AuditEvent.REGISTERED, user.id)
        return Registration(user, token, project["id"])

    async def change_email(
        self, user_id: UUID, email: str, *, verification_lifetime: timedelta = VERIFICATION_LIFETIME
    ) -> IssuedToken:
        """Give a user another address, unverified, and return the token to be mailed to it.

        Tokens that were mailed to the old address no longer work.

        Raises:
            NotFound: No such user is visible, or the user is inactive.
            UniqueViolation: The address is taken.
            InvalidValue: A value cannot be stored.
        """
        check_lifetime(verification_lifetime)
        user = await self._locked(user_id)
        user.email = email
        user.email_verified_at = None
        await self._flush()
        await self._log(AuditEvent.EMAIL_CHANGED, user.id)
        return await AsyncEmailVerificationRepository(self.session).issue(
            user_id, lifetime=verification_lifetime
        )

    async def update_profile(
        self,
        user_id: UUID | None = None,
        *,
        username: str | None = None,
        full_name: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> User:
        """Change what a user says about themself; what is left out stays.

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

    async def change_role(self, user_id: UUID, role: UserRole) -> User:
        """Give a user another role; the log says which one it was.

        Raises:
            NotFound: No such user is visible.
            InvalidValue: There is no such role.
        """
        new = member("role", UserRole, role)
        user = await self._locked(user_id)
        if user.role is not new:
            details = {"from": user.role, "to": new}
            user.role = new
            await self._flush()
            await self._log(AuditEvent.ROLE_CHANGED, user_id, details=details)
        return user

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
        values = parameters(user_id=user_id, old_hash=old_hash, new_hash=new_hash)
        return (await self._execute(queries.RENEW_HASH, values)).first() is not None

    async def record_login(self, user_id: UUID) -> bool:
        """Note the time of a login, at most once an hour; return whether it was written.

        Apart from `sessions.open`, since the row of a user is hot: each write counts its version up. In one
        transaction with it, call this first; the other way round two logins can deadlock.
        """
        return (await self._execute(queries.RECORD_LOGIN, parameters(user_id=user_id))).first() is not None

    async def export(self, user_id: UUID | None = None) -> dict[str, Any]:
        """Return everything the database holds of a user, as JSON (F9); logs the export.

        See `personal_data_async.AsyncPersonalData.export`.
        """
        return await AsyncPersonalData(self.session).export(self._subject(user_id))

    async def erase(self, user_id: UUID) -> None:
        """Delete a user and everything that is the user's, and anonymise the audit trail (F9).

        See `personal_data_async.AsyncPersonalData.erase`.
        """
        await AsyncPersonalData(self.session).erase(user_id)

    async def _locked(self, user_id: UUID, *, ends_sessions: bool = False) -> User:
        which = parameters(user_id=user_id)
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

"""What repositories of the ``auth`` schema return, the same for either flavour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from devmentor_models.auth.enums import TeamRole, UserRole
from devmentor_models.auth.models import Team, User
from devmentor_models.errors import TokenInvalid, TokenReused


@dataclass(frozen=True, slots=True)
class JoinedTeam:
    """A team, and what the acting user may do in it as its member."""

    team: Team
    role: TeamRole


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session and its refresh token, which is not to be had again.

    Attributes:
        token: The refresh token; the database knows its digest only.
        id: Key of the session's row.
        user_id: Whose session it is.
        family_id: Shared by a login's session and all its successors.
        expires_at: From when the token is refused.
    """

    token: str = field(repr=False)
    id: UUID
    user_id: UUID
    family_id: UUID
    expires_at: datetime


class RotationOutcome(StrEnum):
    """What became of a rotation."""

    ROTATED = "rotated"
    INVALID = "invalid"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class RotationResult:
    """What became of a rotation, to be unwrapped with `require` after the transaction.

    Attributes:
        outcome: What happened.
        opened: The successor; None unless rotated.
    """

    outcome: RotationOutcome
    opened: OpenedSession | None
    _in_transaction: Callable[[], bool] = field(repr=False, compare=False)

    def require(self) -> OpenedSession:
        """Return the successor. Call it after the transaction has been committed.

        Raises:
            TokenInvalid: The token is unknown, expired or revoked, or its user inactive.
            TokenReused: The token was spent before; its family is revoked.
            RuntimeError: The transaction is still open. Raising `TokenReused` in it would roll the
                revocation back; this is raised in any case, so that the mistake shows at the first try.
        """
        if self._in_transaction():
            raise RuntimeError(
                "call require() after the transaction: an error raised in it undoes the revocation"
            )
        if self.outcome is RotationOutcome.REUSED:
            raise TokenReused
        if self.opened is None:
            raise TokenInvalid
        return self.opened


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token to be mailed; it is not to be had again.

    Attributes:
        token: The token; the database knows its digest only.
        user_id: To whom it is mailed.
        expires_at: From when it is refused.
    """

    token: str = field(repr=False)
    user_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is checked against.

    Attributes:
        user_id: Whose they are.
        password_hash: The stored hash.
        is_active: False: the user cannot log in.
    """

    user_id: UUID
    password_hash: str = field(repr=False)
    is_active: bool


@dataclass(frozen=True, slots=True)
class Account:
    """What an administrator is shown of an account.

    Attributes:
        id: Its key.
        email: Its address.
        username: Its public name.
        role: What the user may do on the platform.
        is_active: False: the user cannot log in.
        email_verified_at: When the address was proven to be the user's.
        last_login_at: When the user last logged in, to the hour.
        created_at: When it was made.
    """

    id: UUID
    email: str
    username: str
    role: UserRole
    is_active: bool
    email_verified_at: datetime | None
    last_login_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration made.

    Attributes:
        user: The account.
        verification_token: The token to be mailed to the user's address; it is not to be had again.
        project_id: The user's first project.
    """

    user: User
    verification_token: str = field(repr=False)
    project_id: UUID

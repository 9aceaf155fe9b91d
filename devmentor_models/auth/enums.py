"""Closed sets of the ``auth`` schema."""

from __future__ import annotations

from enum import StrEnum


class UserRole(StrEnum):
    """What a user may do on the platform."""

    USER = "user"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"


class TeamRole(StrEnum):
    """What a member may do in a team."""

    MEMBER = "member"
    MANAGER = "manager"


class AuditEvent(StrEnum):
    """What happened: the auth events of requirement S2, and data changes."""

    REGISTERED = "registered"
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    SESSION_REFRESHED = "session_refreshed"
    SESSION_REVOKED = "session_revoked"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - an event's name, not a secret
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105 - as above
    PASSWORD_RESET_USED = "password_reset_used"  # noqa: S105 - as above
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - as above
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGED = "email_changed"
    ROLE_CHANGED = "role_changed"
    DEACTIVATED = "deactivated"
    REACTIVATED = "reactivated"
    ERASED = "erased"
    EXPORTED = "exported"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"

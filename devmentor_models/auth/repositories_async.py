"""Repositories of the ``auth`` schema, one per aggregate, and what they return."""

from __future__ import annotations

from devmentor_models.auth.audit_async import AsyncAuditLogRepository
from devmentor_models.auth.sessions_async import AsyncSessionRepository
from devmentor_models.auth.teams_async import AsyncTeamRepository
from devmentor_models.auth.tokens_async import AsyncEmailVerificationRepository, AsyncPasswordResetRepository
from devmentor_models.auth.users_async import AsyncUserRepository
from devmentor_models.auth.values import (
    Account,
    Credentials,
    IssuedToken,
    OpenedSession,
    Registration,
    RotationOutcome,
    RotationResult,
)

__all__ = [
    "Account",
    "AsyncAuditLogRepository",
    "AsyncEmailVerificationRepository",
    "AsyncPasswordResetRepository",
    "AsyncSessionRepository",
    "AsyncTeamRepository",
    "AsyncUserRepository",
    "Credentials",
    "IssuedToken",
    "OpenedSession",
    "Registration",
    "RotationOutcome",
    "RotationResult",
]

# Generated from repositories_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repositories of the ``auth`` schema, one per aggregate, and what they return."""

from __future__ import annotations

from devmentor_models.auth.audit import AuditLogRepository
from devmentor_models.auth.sessions import SessionRepository
from devmentor_models.auth.teams import TeamRepository
from devmentor_models.auth.tokens import EmailVerificationRepository, PasswordResetRepository
from devmentor_models.auth.users import UserRepository
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
    "AuditLogRepository",
    "Credentials",
    "EmailVerificationRepository",
    "IssuedToken",
    "OpenedSession",
    "PasswordResetRepository",
    "Registration",
    "RotationOutcome",
    "RotationResult",
    "SessionRepository",
    "TeamRepository",
    "UserRepository",
]

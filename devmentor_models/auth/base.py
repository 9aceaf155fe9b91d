# Generated from base_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What the repositories of the ``auth`` schema share: whom they act for, and the audit trail's context."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, Executable

from devmentor_models.auth import queries
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.batches import MAX_BATCH
from devmentor_models.kit.repository import Repository
from devmentor_models.kit.types import LongText

MAX_LIFETIME = timedelta(days=3660)
_PASSWORD_HASH = cast("LongText", queries.USERS.c.password_hash.type)


class AuthRepository(Repository):
    """Base of the auth repositories.

    The auth service acts before anybody is known, as ``Actor.service("auth")``. Methods therefore take the
    user's id, and fall back to the actor's when it is left out.
    """

    def _subject(self, user_id: UUID | None) -> UUID:
        """Return the user whom a call is about."""
        return self.user_id if user_id is None else user_id

    def _context(self, **overrides: Any) -> dict[str, Any]:
        """Return the audit columns that say who acts; overrides that are None do not count."""
        actor = self.actor
        context: dict[str, Any] = {
            "actor_id": actor.user_id,
            "actor_name": actor.name,
            "request_id": actor.request_id,
            "ip_address": actor.ip_address,
            "user_agent": actor.user_agent,
        }
        return context | {key: value for key, value in overrides.items() if value is not None}

    def _parameters(self, **values: Any) -> dict[str, Any]:
        """Return parameters for a statement that also writes an audit line."""
        return queries.parameters(**values, **self._context())

    def _log(self, event: AuditEvent, user_id: UUID | None, **columns: Any) -> None:
        """Write one line of the audit trail, in this transaction."""
        line = {"event": event, "user_id": user_id, **self._context(**columns)}
        self._execute(queries.RECORD_EVENT, line)

    def _purge(self, statement: Executable, *, batch: int, kept: timedelta) -> int:
        """Run a bounded deletion; return how many rows went."""
        result = self._execute(
            statement,
            {
                "batch": whole_number("batch", batch, at_least=1, at_most=MAX_BATCH),
                "p_kept": kept,
            },
        )
        return cast("CursorResult[Any]", result).rowcount


def check_lifetime(lifetime: object) -> timedelta:
    """Return ``lifetime``, or raise `InvalidValue` unless it is positive and at most ten years."""
    if not isinstance(lifetime, timedelta) or not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidValue("lifetime", "must be positive and at most ten years")
    return lifetime


def check_token(token: object) -> str:
    """Return ``token``, or raise `InvalidValue` unless it is text."""
    if not isinstance(token, str):
        raise InvalidValue("token", f"expects text, not {type(token).__name__}")
    return token


def check_password_hash(value: object) -> str:
    """Return ``value``, or raise `InvalidValue` unless it is text that can be stored, and not empty."""
    if value == "":
        raise InvalidValue("auth.users.password_hash", "is empty")
    return _PASSWORD_HASH.check(value)

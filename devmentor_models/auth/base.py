# Generated from base_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What the repositories of the ``auth`` schema share: whom they act for, and the audit trail's context."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, Executable

from devmentor_models.auth import queries
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.token_queries import IDENTIFY
from devmentor_models.errors import ActorChanged, InvalidValue, NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.batches import MAX_BATCH
from devmentor_models.kit.repository import Repository
from devmentor_models.kit.session import acting_user, adopt
from devmentor_models.kit.types import LongText, NormalizedVarchar

MAX_LIFETIME = timedelta(days=3660)
_EMAIL = cast("NormalizedVarchar", queries.USERS.c.email.type)
_PASSWORD_HASH = cast("LongText", queries.USERS.c.password_hash.type)


class AuthRepository(Repository):
    """Base of the auth repositories.

    The auth service acts before anybody is known, as ``Actor.service("auth")``. It then sees no row of
    anybody: a secret token tells the database whose it is, and a registration makes its user; from then on
    the transaction acts for that user. Whatever else is about a user needs
    ``Actor.service("auth", on_behalf_of=user_id)``, or the user's own actor.
    """

    def _subject(self, user_id: UUID | None) -> UUID:
        """Return the user whom a call is about: the one who acts.

        Raises:
            ActorMissing: The transaction acts for nobody; the message says what to write.
            NotFound: It acts for another user, to whom this one is invisible.
        """
        acting = self.user_id
        if user_id is not None and user_id != acting:
            raise NotFound("user", user_id)
        return acting

    def _for_nobody(self, method: str) -> None:
        """Check that the transaction acts for nobody, as a look-up by address and a registration demand.

        Raises:
            ActorChanged: It acts for a user.
        """
        if acting_user(self.session.info) is not None:
            raise ActorChanged(
                f"{method} tells whether an address is known, so it runs for nobody: begin another"
                ' transaction as Actor.service("auth"), without on_behalf_of.'
            )

    def _adopt(self, user_id: UUID) -> None:
        """Note that the database lets the rest of the transaction act for a user."""
        adopt(self.session.info, user_id)

    def _identify(self, kind: str, presented: dict[str, Any]) -> UUID | None:
        """Let the database find out whose a token is, and act for that user; None if it tells nobody."""
        found = self._execute(IDENTIFY, {"p_kind": kind, **presented})
        user_id: UUID | None = found.scalar_one()
        return user_id

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


def check_email(value: object) -> str:
    """Return an address in Unicode NFC, or raise `InvalidValue` if none can look like that."""
    address = _EMAIL.check(value)
    if "@" not in address[1:-1]:
        raise InvalidValue("auth.users.email", "is no address")
    return address

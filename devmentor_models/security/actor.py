"""The actor: on whose behalf a transaction runs (DESIGN §4)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.types import text_problem

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_NAME = 63
MAX_REQUEST_ID = 128
MAX_USER_AGENT = 512

#: What a transaction says of its actor, in the order in which it is signed.
ACTOR_SETTINGS = ("user_id", "service", "request_id", "ip_address", "user_agent")
#: What the database looks up for them when it begins.
SHARED_SETTINGS = ("owners", "shared_projects", "edited_projects", "shared_teams", "edited_teams")
#: All of it, in the order in which it is sealed.
SIGNED_SETTINGS = (*ACTOR_SETTINGS, *SHARED_SETTINGS)


class ActorKind(StrEnum):
    """What kind of party acts."""

    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts. Row security and the audit trail both read it from the transaction.

    Make one with `Actor.user` or `Actor.service`.

    Attributes:
        kind: A user, or a service on its own account.
        user_id: The user who acts, or for whom a service acts; None for a service alone.
        name: The service's name; None for a user.
        request_id: Correlates the audit trail with the service's logs (≤ 128 characters).
        ip_address: The client's address, for the audit trail.
        user_agent: The client's user agent, cut to 512 characters.

    >>> Actor.service("memory").label
    'service:memory'
    """

    kind: ActorKind
    user_id: UUID | None = None
    name: str | None = None
    request_id: str | None = None
    ip_address: IpAddress | None = None
    user_agent: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be rendered, before any transaction starts."""
        if self.user_id is not None and not isinstance(self.user_id, UUID):
            raise InvalidValue("actor.user_id", "expects a UUID")
        if self.user_id is None and self.kind is ActorKind.USER:
            raise InvalidValue("actor.user_id", "is missing: who is nobody yet is a service's matter")
        for field, limit in (
            ("name", MAX_NAME),
            ("request_id", MAX_REQUEST_ID),
            ("user_agent", MAX_USER_AGENT),
        ):
            _check_text(f"actor.{field}", getattr(self, field), limit)

    @classmethod
    def user(
        cls,
        user_id: UUID,
        *,
        request_id: str | None = None,
        ip_address: IpAddress | str | None = None,
        user_agent: str | None = None,
    ) -> Self:
        """Return the actor for a signed-in user."""
        return cls(
            kind=ActorKind.USER,
            user_id=user_id,
            request_id=request_id,
            ip_address=_address(ip_address),
            user_agent=user_agent[:MAX_USER_AGENT] if user_agent else None,
        )

    @classmethod
    def service(
        cls,
        name: str,
        *,
        on_behalf_of: UUID | None = None,
        request_id: str | None = None,
        ip_address: IpAddress | str | None = None,
        user_agent: str | None = None,
    ) -> Self:
        """Return the actor for a service, on its own account or ``on_behalf_of`` a user."""
        if not name:
            raise InvalidValue("actor.name", "is empty")
        return cls(
            kind=ActorKind.SERVICE,
            user_id=on_behalf_of,
            name=name,
            request_id=request_id,
            ip_address=_address(ip_address),
            user_agent=user_agent[:MAX_USER_AGENT] if user_agent else None,
        )

    @property
    def label(self) -> str:
        """``user:<id>`` or ``service:<name>``, as the audit trail shows it."""
        return f"user:{self.user_id}" if self.kind is ActorKind.USER else f"service:{self.name}"

    def context(self) -> tuple[str, ...]:
        """Return what the database is told, in the order of `ACTOR_SETTINGS`."""
        return (
            str(self.user_id) if self.user_id else "",
            self.name or "",
            self.request_id or "",
            str(self.ip_address) if self.ip_address else "",
            self.user_agent or "",
        )


def _address(value: IpAddress | str | None) -> IpAddress | None:
    if value is None:
        return None
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        raise InvalidValue("actor.ip_address", "is not an IP address") from None


def _check_text(field: str, value: str | None, limit: int) -> None:
    if value is None:
        return
    if problem := text_problem(value):
        raise InvalidValue(field, problem)
    if len(value) > limit:
        raise InvalidValue(field, f"is {len(value)} characters long; at most {limit} fit")

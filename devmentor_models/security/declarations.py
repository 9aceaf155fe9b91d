"""What protects a table, declared beside its columns as ``__security__`` (DESIGN §1; Z1, Z2, Z4).

These are values: they say who may see and change a row. Migrations turn them into policies, grants and
triggers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Service(StrEnum):
    """The services, each with a NOLOGIN group role ``devmentor_<name>``."""

    AUTH = "auth"
    PROJECTS = "projects"
    MEMORY = "memory"
    LEARNING = "learning"
    AI = "ai"

    @property
    def role(self) -> str:
        """Name of the group role."""
        return f"devmentor_{self.value}"


class Visibility(StrEnum):
    """Who may see a row."""

    OWNER = "owner"
    SHARED = "shared"
    EVERYONE = "everyone"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Policy:
    """Whose rows these are.

    Attributes:
        visibility: The rule.
        owner: Column with the owning user's id, where there is one.
        project: Column with the project's id, where collaborators of the project see the row too.
    """

    visibility: Visibility
    owner: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a service's role may do with the table."""

    service: Service
    privileges: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Security:
    """The protection of one table.

    Attributes:
        policy: Whose rows these are.
        grants: Which service may do what; the schema's own service has all of it when left empty.
        audited: Every insert, update and delete is recorded in ``auth.audit_log``.
        append_only: Nobody updates or deletes rows.
        redacted: Columns whose values the audit trail never shows.
    """

    policy: Policy
    grants: tuple[Grant, ...] = field(default=())
    audited: bool = False
    append_only: bool = False
    redacted: tuple[str, ...] = ()


def owned_by(column: str = "user_id") -> Policy:
    """Return the policy of a row that one user owns."""
    return Policy(Visibility.OWNER, owner=column)


def shared_by(column: str = "user_id", *, project: str) -> Policy:
    """Return the policy of a row that the owner and the project's collaborators share."""
    return Policy(Visibility.SHARED, owner=column, project=project)


def catalog() -> Policy:
    """Return the policy of reference data: everybody reads, the schema's service writes."""
    return Policy(Visibility.EVERYONE)


def service_only() -> Policy:
    """Return the policy of a table that only services touch."""
    return Policy(Visibility.SERVICE)

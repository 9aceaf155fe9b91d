"""What protects a table, declared beside its columns as ``__security__`` (DESIGN §1; Z1, Z2, Z4).

These are values: they say who may see and change a row. `devmentor_models.security.policies` turns them into
policies and grants, which revisions bring into the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

#: What policies and privileges speak of.
COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")


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
    #: Whom it concerns reads it; anybody writes it, but not in another's name.
    TRAIL = "trail"
    SERVICE = "service"


class Writers(StrEnum):
    """Which of those who share a row may change it."""

    EDITORS = "editors"
    OWNER = "owner"
    #: Editors change it; only the owner makes and deletes it.
    EDITORS_UPDATE = "editors_update"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Policy:
    """Whose rows these are.

    Attributes:
        visibility: The rule.
        owner: Column with the owning user's id, where there is one.
        project: Column with the project's id, where collaborators of the project see the row too.
        team: Column with the team's id, where members of the team see the row too.
        member: Column with the id of the user with whom the row shares something: they may delete it.
        writers: Who of them may change it.
        catalogue: A row without an owner is everybody's to read.
    """

    visibility: Visibility
    owner: str | None = None
    project: str | None = None
    team: str | None = None
    member: str | None = None
    writers: Writers = Writers.EDITORS
    catalogue: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What a service's role may do with the table.

    Attributes:
        service: The service.
        privileges: ``SELECT``, or ``UPDATE (name, status)`` for some columns.
    """

    service: Service
    privileges: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")


#: The auth service gives people what the database holds of them (F9): rows of whoever it acts for.
EXPORT = Grant(Service.AUTH, ("SELECT",))


@dataclass(frozen=True, slots=True)
class Chore:
    """What the table's service may do on its own account, acting for no user, with rows of everybody.

    Attributes:
        commands: ``SELECT``, ``INSERT``, ``UPDATE``, ``DELETE``.
        when: SQL condition on the row; every row when empty.
    """

    commands: tuple[str, ...]
    when: str = ""

    @property
    def locks(self) -> bool:
        """Whether it may lock rows that it may not change, as one does before it deletes them."""
        return "DELETE" in self.commands and "UPDATE" not in self.commands


@dataclass(frozen=True, slots=True)
class Security:
    """The protection of one table.

    Attributes:
        policy: Whose rows these are.
        grants: Which service may do what; the first one is the table's own.
        chores: What that service may do for nobody in particular, such as to purge what has expired.
        definer: What our SECURITY DEFINER functions, which run as the owner of the tables, may do with rows
            of everybody. Row security is forced, so without it they may do nothing.
        audited: Every insert, update and delete is recorded in ``auth.audit_log``.
        append_only: Nobody updates or deletes rows.
        redacted: Columns whose values the audit trail never shows, and that reports cannot read.
        secret: Those of them that are not given out to the person either whom they are about.
    """

    policy: Policy
    grants: tuple[Grant, ...]
    chores: tuple[Chore, ...] = ()
    definer: tuple[str, ...] = ()
    audited: bool = False
    append_only: bool = False
    redacted: tuple[str, ...] = field(default=())
    secret: tuple[str, ...] = field(default=())


#: To purge rows, which may not be changed before.
PURGE = ("SELECT", "DELETE")


def owned_by(column: str = "user_id", *, or_catalogue: bool = False) -> Policy:
    """Return the policy of a row that one user owns; without an owner it may be the catalogue's."""
    return Policy(Visibility.OWNER, owner=column, catalogue=or_catalogue)


def shared_by(
    column: str = "user_id", *, project: str, member: str | None = None, writers: Writers = Writers.EDITORS
) -> Policy:
    """Return the policy of a row that the owner and the project's collaborators share."""
    return Policy(Visibility.SHARED, owner=column, project=project, member=member, writers=writers)


def shared_in_team(
    column: str = "user_id", *, team: str, member: str | None = None, writers: Writers = Writers.OWNER
) -> Policy:
    """Return the policy of a row that the owner and the team's members share."""
    return Policy(Visibility.SHARED, owner=column, team=team, member=member, writers=writers)


def trail(column: str = "user_id") -> Policy:
    """Return the policy of a trail: each reads what concerns them, and signs what they write."""
    return Policy(Visibility.TRAIL, owner=column)


def catalog() -> Policy:
    """Return the policy of reference data: everybody reads; chores say who writes."""
    return Policy(Visibility.EVERYONE)


def service_only(*, users_add: bool = False) -> Policy:
    """Return the policy of a table that only services touch, acting for no user; users may add to it."""
    return Policy(Visibility.SERVICE, writers=Writers.EVERYONE if users_add else Writers.OWNER)

"""What the models declare of each relation and function, as the proof expects it.

Derived from ``__security__`` in plain Python, not from the policies' SQL: a policy that says something else
than the declaration is then found. Relations without a model are named here, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Table

from devmentor_models.kit.base import protected_tables
from devmentor_models.kit.objects import Definer, Statement, declared
from devmentor_models.registry import TECHNICAL_SCHEMA, target_metadata
from devmentor_models.security.declarations import COMMANDS, Security, Service, Visibility, Writers
from devmentor_models.security.roles import BACKUP, MONITOR, OWNER, READONLY, ROLES, SERVICE_ROLES

SERVICES = tuple(role.name for role in SERVICE_ROLES)
#: A login that is a member of no group of ours.
NOBODY = "no group"
#: As whom attempts are made.
TRIED = (*SERVICES, READONLY.name, MONITOR.name, BACKUP.name, NOBODY)

_READ = frozenset({"SELECT"})
_EVERYBODY = dict.fromkeys((role.name for role in ROLES if role is not OWNER), _READ)
_ALL = frozenset(COMMANDS)


@dataclass(frozen=True, slots=True)
class Technical:
    """A relation of ours without rows of users.

    Attributes:
        why: What is in it.
        may: What each role may do with it, at most.
    """

    why: str
    may: dict[str, frozenset[str]]


TECHNICAL = {
    f"{TECHNICAL_SCHEMA}.alembic_version": Technical("the schema's revision", _EVERYBODY),
    f"{TECHNICAL_SCHEMA}.revisions": Technical("the revisions that have run, for the handshake", _EVERYBODY),
    f"{TECHNICAL_SCHEMA}.seeds": Technical(
        "which rows of the catalogues the seeds made",
        {Service.AUTH.role: _ALL, Service.PROJECTS.role: _ALL, Service.AI.role: _ALL, BACKUP.name: _READ},
    ),
    f"{TECHNICAL_SCHEMA}.context_keys": Technical("the keys that seal contexts, the owner's alone", {}),
}

#: What each role may do with a partition, rather than with its table.
PARTITION = {BACKUP.name: _READ}

#: Unique indexes that tell whether another tenant has a value, and why that is accepted.
UNIQUE_TOLD = {
    "token_hash": "the digest of 256 random bits: whoever knows one holds the token",
    "username_key": "usernames are public names",
    "email_key": "only the auth service's own functions write an address, for whoever has proven the mailbox",
}
#: Foreign keys that tell whether a row of another tenant exists, and why that is accepted.
REFERENCES_TOLD = "ids of users have 74 random bits, and are known to whom they are shown"
KEYS_TOLD = "ids have 74 random bits: whoever knows one was shown it"


@dataclass(frozen=True)
class Protected:
    """A table of a model, and what its ``__security__`` lets each role do.

    Attributes:
        table: The table.
        security: Its declaration.
    """

    table: Table
    security: Security

    @property
    def name(self) -> str:
        """``schema.table``."""
        return self.table.fullname

    @property
    def owner(self) -> str | None:
        """The column with the owning user's id."""
        return self.security.policy.owner

    @property
    def shared(self) -> bool:
        """Whether others than the owner may see rows."""
        return bool(self.security.policy.project or self.security.policy.team)

    @property
    def edited(self) -> bool:
        """Whether others than the owner may change rows."""
        return self.shared and self.security.policy.writers is not Writers.OWNER

    @cached_property
    def privileges(self) -> dict[str, dict[str, frozenset[str] | None]]:
        """For each role: the commands it may run, each with its columns; None: with all of them."""
        found: dict[str, dict[str, frozenset[str] | None]] = {}
        for grant in self.security.grants:
            for privilege in grant.privileges:
                command, columns = _parsed(privilege)
                found.setdefault(grant.service.role, {})[command] = columns
        redacted = self.security.redacted
        shown = frozenset(column.name for column in self.table.columns if column.name not in redacted)
        found[READONLY.name] = {"SELECT": shown if redacted else None}
        found[BACKUP.name] = {"SELECT": None}
        return found

    def may(self, role: str, command: str, column: str | None = None) -> bool:
        """Tell whether a role may run a command on the table at all, or with a column."""
        given = self.privileges.get(role, {})
        if command not in given:
            return False
        columns = given[command]
        return column is None or columns is None or column in columns

    def columns(self, role: str, command: str) -> list[str]:
        """Return the columns that a role may write; all but generated ones where it may not anyway."""
        given = self.privileges.get(role, {}).get(command)
        return [
            column.name
            for column in self.table.columns
            if column.computed is None and (given is None or column.name in given)
        ]

    def sees_all(self, role: str) -> bool:
        """Tell whether a role reads rows of everybody, for whomever it acts."""
        return role == BACKUP.name or self.security.policy.visibility is Visibility.EVERYONE

    def stranger(self, role: str, command: str) -> bool:
        """Tell whether a user's transaction may do it with another user's row."""
        if command == "SELECT":
            return self.sees_all(role)
        return command == "INSERT" and self.written_by_all

    def owning(self, command: str) -> bool:
        """Tell whether a user's transaction may do it with the user's own row."""
        visibility = self.security.policy.visibility
        if visibility is Visibility.SERVICE:
            return command == "INSERT" and self.written_by_all
        if visibility is Visibility.EVERYONE:
            return command == "SELECT"
        return visibility is not Visibility.TRAIL or command in {"SELECT", "INSERT"}

    def guest(self, role: str, command: str, *, editor: bool) -> bool:
        """Tell whether a user may do it with a row that another one shares.

        Memberships that are tried are the viewer's: whoever has one may end it, and nobody else's.
        """
        policy = self.security.policy
        if command == "DELETE" and policy.member and not editor:
            return True
        if role == BACKUP.name or command == "SELECT":
            return command == "SELECT"
        if not editor or policy.writers is Writers.OWNER:
            return False
        return command == "UPDATE" or policy.writers is Writers.EDITORS

    def chores(self, role: str, command: str) -> str | None:
        """Return which rows a service may touch on its own account; None: none."""
        if self.sees_all(role) and command == "SELECT":
            return "true"
        if self.security.policy.visibility is Visibility.SERVICE:
            return "true" if self.may(role, command) and role in SERVICES else None
        if command == "INSERT" and self.written_by_all and self.may(role, command):
            return "true"
        if role != self.security.grants[0].service.role:
            return None
        for chore in self.security.chores:
            if command in chore.commands:
                return chore.when or "true"
        return None

    def purged(self, role: str) -> bool:
        """Tell whether a service deletes what expired, for nobody in particular, and may do no more."""
        when = self.chores(role, "DELETE") or ""
        return "expires_at" in when and self.chores(role, "UPDATE") is None

    def written_by_nobody(self, *, signed: bool) -> bool:
        """Tell whether rows are added where nobody acts; to a trail only where contexts are not signed."""
        return self.written_by_all and not (signed and self.trail)

    @property
    def trail(self) -> bool:
        """Whether rows are lines of a trail, which say who acts and when."""
        return self.security.policy.visibility is Visibility.TRAIL

    @property
    def written_by_all(self) -> bool:
        """Whether anybody with the privilege adds rows, whomever they are about."""
        policy = self.security.policy
        return self.trail or (policy.visibility is Visibility.SERVICE and policy.writers is Writers.EVERYONE)


def _parsed(privilege: str) -> tuple[str, frozenset[str] | None]:
    command, _, columns = privilege.partition("(")
    names = [name.strip().strip('"') for name in columns.rstrip(") ").split(",")]
    return command.strip(), frozenset(names) if columns else None


def protected() -> dict[str, Protected]:
    """Return every model's table, by name, parents before children."""
    found = dict(protected_tables())
    tables = [table for table in target_metadata.sorted_tables if table in found]
    return {table.fullname: Protected(table, found[table]) for table in tables}


def definers() -> dict[str, Definer]:
    """Return what is declared of SECURITY DEFINER functions, by ``schema.name``."""
    return {_function(item): item.definer for item in _statements() if item.definer}


def views() -> frozenset[str]:
    """Return the views that the models declare."""
    found = (re.match(r"\s*CREATE (?:MATERIALIZED )?VIEW (\S+)", item.sql) for item in _statements())
    return frozenset(match[1] for match in found if match)


def _statements() -> Iterator[Statement]:
    return (item for item in declared(target_metadata) if isinstance(item, Statement))


def _function(item: Statement) -> str:
    return item.target.partition(" ")[2].partition("(")[0]

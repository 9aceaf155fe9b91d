"""The roles of the database, and the extensions it needs (DESIGN §4; Z2).

Roles belong to the whole cluster and extensions to its administrator, so neither is made by revisions:
`devmentor_models.migrations.bootstrap` brings them in. All roles are groups (NOLOGIN): whoever runs the
cluster makes logins and grants them a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from devmentor_models.security.declarations import Service

#: What none of our roles may have: each of these goes round row security or grants.
SAFE_OPTIONS = ("NOSUPERUSER", "NOBYPASSRLS", "NOCREATEROLE", "NOREPLICATION")


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the cluster.

    Attributes:
        name: Its name.
        comment: What it is for.
        options: Its options, as CREATE ROLE takes them.
        memberships: The predefined roles of PostgreSQL that it is a member of.
        settings: What its sessions start with, such as ``{"statement_timeout": "30s"}``.
    """

    name: str
    comment: str
    options: tuple[str, ...] = ("NOLOGIN", *SAFE_OPTIONS)
    memberships: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)


OWNER = Role("devmentor_owner", "Owns every object of DevMentor and runs its migrations")
READONLY = Role("devmentor_readonly", "Reads for reports and checks, changes nothing")
MONITOR = Role("devmentor_monitor", "Reads statistics for monitoring", memberships=("pg_monitor",))
BACKUP = Role("devmentor_backup", "Reads everything for backups")
SERVICE_ROLES = tuple(Role(service.role, f"What the {service.value} service may do") for service in Service)

#: Every role, the owner first.
ROLES = (OWNER, *SERVICE_ROLES, READONLY, MONITOR, BACKUP)

EXTENSIONS = ("btree_gin", "btree_gist", "pg_trgm", "vector")

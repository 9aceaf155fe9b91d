"""Two tenants with a row in every relation, and two guests of the second one; nothing of it is committed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from devmentor_models.auth.enums import TeamRole
from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from devmentor_models.projects.enums import CollaboratorRole
from devmentor_models.proof.declared import Protected

Row = dict[str, Any]


#: What others hang on, also without a foreign key.
_FIRST = ("auth.users", "auth.teams", "projects.projects")


@dataclass(slots=True)
class Tenants:
    """Who is in the play, and their rows.

    Attributes:
        stranger: The user who acts.
        victim: The user whose rows nobody else may touch.
        viewer: May see the victim's project, and belongs to the victim's team.
        editor: May edit that project, and manages that team.
        own: The stranger's row of each table, as JSON.
        others: The victim's row of each table, as JSON.
        hidden: Rows of what the victim shares with nobody, in tables where rows are shared.
        further: Rows of what the victim shares with the editor beside the others, in the same tables.
    """

    stranger: UUID
    victim: UUID
    viewer: UUID
    editor: UUID
    own: dict[str, Row] = field(default_factory=dict)
    others: dict[str, Row] = field(default_factory=dict)
    hidden: dict[str, Row] = field(default_factory=dict)
    further: dict[str, Row] = field(default_factory=dict)


def settle(connection: Connection, tables: dict[str, Protected]) -> Tenants:
    """Insert the rows in the connection's transaction, as a role that passes row security.

    Raises:
        ConfigurationError: factory-boy is not installed, or a factory made a row of somebody else.
    """
    try:
        from devmentor_models.testing.fill import factories_by_table  # noqa: PLC0415 - only testing has it
    except ImportError:
        raise ConfigurationError(
            'The proof needs rows, which factories make: pip install "devmentor-models[testing]".'
        ) from None
    made = factories_by_table()
    with with_keys(), Session(connection, join_transaction_mode="create_savepoint") as session:
        users = [made["auth.users"].insert(session) for _ in range(4)]
        tenants = Tenants(*(user.id for user in users))
        stranger, victim, viewer, editor = users
        shared = {name: table for name, table in tables.items() if table.shared}
        tenants.hidden = _furnish(session, made, shared, {"user": victim})
        tenants.own = _furnish(session, made, tables, {"user": stranger})
        known = {"user": victim, "member": viewer}
        tenants.others = _furnish(session, made, tables, known)
        further = {"user": victim}
        tenants.further = _furnish(session, made, shared, further)
        for each in (known, further):
            _invite(session, made, each, editor)
        session.commit()
    return tenants


def _furnish(
    session: Session, made: dict[str, Any], tables: dict[str, Protected], known: dict[str, Any]
) -> dict[str, Row]:
    """Insert one row into each table, below those that are ``known`` or were made before."""
    rows = {}
    for name, protected in sorted(tables.items(), key=lambda item: item[0] not in _FIRST):
        row = known["user"] if name == "auth.users" else _insert(session, made[name], protected, known)
        rows[name] = _as_json(session.connection(), protected, row)
        known.setdefault(_parameter(type(row).__name__), row)
    return rows


def _insert(session: Session, factory: Any, protected: Protected, known: dict[str, Any]) -> Any:
    given = {name: known[name] for name in factory._meta.parameters if name in known}  # noqa: SLF001 - its Params
    if protected.owner and "user" not in given:
        given[protected.owner] = known["user"].id
    row = factory.insert(session, **given)
    if protected.owner and getattr(row, protected.owner) != known["user"].id:
        raise ConfigurationError(f"{factory.__name__} made a row of somebody else.")
    return row


def _invite(session: Session, made: dict[str, Any], known: dict[str, Any], editor: Any) -> None:
    made["projects.project_collaborators"].insert(
        session, project=known["project"], member=editor, role=CollaboratorRole.EDITOR
    )
    made["auth.team_members"].insert(session, team=known["team"], member=editor, role=TeamRole.MANAGER)


def _parameter(name: str) -> str:
    """Return what factories call a parent: ``step`` for a RoadmapStep. A member is a user to them."""
    last = re.findall("[A-Z][a-z]*", name)[-1].lower()
    return "" if last == "member" else last


def _as_json(connection: Connection, protected: Protected, row: Any) -> Row:
    query = text(f"SELECT to_jsonb(t)::text FROM {protected.name} t WHERE id = :id")
    return dict(json.loads(connection.execute(query, {"id": row.id}).scalar_one()))


@contextmanager
def with_keys() -> Iterator[None]:
    """Encrypt with the service's keys, or with new ones: nobody reads these rows again."""
    if os.environ.get(KEYS_VARIABLE):
        yield
        return
    os.environ[KEYS_VARIABLE] = KeyRing.generate()
    try:
        yield
    finally:
        del os.environ[KEYS_VARIABLE]

"""Whether this code and a database fit each other: what ``verify_schema()`` decides (DESIGN §5)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg import errors as pg

from devmentor_models.errors import (
    ContextRefused,
    DevMentorError,
    PermissionDenied,
    SchemaBehind,
    SchemaEmpty,
    SchemaIncompatible,
    SchemaUnknown,
)
from devmentor_models.kit.translate import translate
from devmentor_models.security.signing import STATE

#: One round trip. The server answers for an empty database as well, by an error.
QUERY = (
    "SELECT r.revision, r.compatible_from,"
    " CASE WHEN u.rolsuper OR u.rolbypassrls OR pg_has_role('devmentor_owner', 'USAGE') THEN u.rolname END,"
    " k.signed, k.filled"
    f" FROM devmentor.revisions r CROSS JOIN pg_roles u LEFT JOIN ({STATE}) k ON true"
    " WHERE u.rolname = current_user ORDER BY r.position"
)

log = logging.getLogger("devmentor_models")


class SchemaStatus(StrEnum):
    """How a database that can be used relates to the newest revision of this installation."""

    CURRENT = "current"
    AHEAD = "ahead"


@dataclass(frozen=True)
class SchemaState:
    """What ``verify_schema()`` found.

    Attributes:
        status: Current, or ahead but compatible.
        found: The revision that the database is at.
        expected: The newest revision of this installation.
        message: The same in words, with what to run if anything.
        unbound_role: The login, where row security does not bind it: a superuser, a role with BYPASSRLS, or a
            member of the owner. No service should have such a one; a warning is logged.
    """

    status: SchemaStatus
    found: str
    expected: str
    message: str
    unbound_role: str | None = None


def judge(
    rows: Sequence[tuple[str, str, str | None, bool | None, bool | None]], *, signs: bool
) -> SchemaState:
    """Compare what the database has, as `QUERY` returns it, with what this installation has.

    Args:
        rows: The answer.
        signs: Whether there is a key that signs contexts.

    Raises:
        ContextRefused: The database accepts signed contexts only, and there is no key, here or there.
        SchemaEmpty: The database has no revision at all.
        SchemaBehind: This code needs revisions that the database does not have yet.
        SchemaIncompatible: The database has newer revisions, and they ended the life of this code.
        SchemaUnknown: The database's revision and this installation's do not know each other.
    """
    own = own_revisions()
    expected = own[-1]
    if not rows:
        raise SchemaEmpty(None, expected)
    applied = [revision for revision, *_ in rows]
    found, compatible_from, unbound, signed, keyed = rows[-1]
    if signed and not signs:
        raise ContextRefused
    if signed and not keyed:
        raise ContextRefused(
            "The database accepts signed contexts only and has no key to check them with, as after a restore:"
            " run `devmentor-db context-key` with the services' key."
        )
    if found == expected:
        message = f"The database is at {found} (head)."
        return SchemaState(SchemaStatus.CURRENT, found, expected, message, unbound)
    if expected not in applied:
        raise SchemaBehind(found, expected) if found in own else SchemaUnknown(found, expected)
    if applied.index(expected) < applied.index(compatible_from):
        raise SchemaIncompatible(found, expected)
    return SchemaState(
        SchemaStatus.AHEAD,
        found,
        expected,
        f"The database is at {found}, ahead of this installation's {expected} and compatible with it.",
        unbound,
    )


def warn_if_unbound(state: SchemaState) -> SchemaState:
    """Log a warning where row security does not bind a service's login; return the state."""
    if state.unbound_role:
        log.warning(
            "Row security does not bind %s: connect as a member of the service's role only.",
            state.unbound_role,
        )
    return state


def explain(error: Exception) -> DevMentorError:
    """Return our error for what asking the database raised."""
    if isinstance(error, pg.UndefinedTable):
        return SchemaEmpty(None, own_revisions()[-1])
    if isinstance(error, pg.InsufficientPrivilege):
        return PermissionDenied(
            "This role may not read devmentor.revisions, so the schema cannot be verified. Make it a member"
            " of its service's role, or of devmentor_readonly: GRANT devmentor_readonly TO …"
        )
    return translate(error) or DevMentorError(str(error))


def own_revisions() -> list[str]:
    """Return the revisions that this installation carries, the oldest first."""
    from devmentor_models.migrations.window import own_line  # noqa: PLC0415 - Alembic takes a moment

    return [entry.revision for entry in own_line()]

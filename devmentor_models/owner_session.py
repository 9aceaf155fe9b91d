"""A connection with the rights of the owner of the tables, for work on everybody's rows (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from devmentor_models.errors import ConfigurationError
from devmentor_models.pinned import CLIENT_ENCODING, PINNED
from devmentor_models.security.roles import OWNER
from devmentor_models.settings import conninfo

#: How long a statement waits for a lock that it cannot pass over.
LOCK_TIMEOUT = "2s"
#: Ahead of all else: a limit that database or role set for services would end the work half way.
_UNHURRIED: Mapping[str, str] = dict.fromkeys(
    ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"), "0"
)

_POLICIES = """
    SELECT row_security_active(%(table)s), array(
        SELECT cmd FROM pg_policies
        WHERE schemaname || '.' || tablename = %(table)s AND permissive = 'PERMISSIVE'
          AND coalesce(qual, with_check) = 'true' AND %(owner)s = ANY (roles))
"""


def connect_as_owner(
    url: str, needs: Mapping[str, Collection[str]], *, application_name: str = "devmentor-db"
) -> psycopg.Connection:
    """Connect, in autocommit mode, and take the rights of the owner; row security stays on.

    The session has the settings of `pinned`, and no limit but the one on locks.

    Args:
        url: The database; its role is a member of ``devmentor_owner``, as for migrations.
        needs: The commands that are to work on everybody's rows, by table. A table's
            ``__security__.definer`` declares them.
        application_name: Shown in ``pg_stat_activity``.

    Raises:
        ConfigurationError: The role is no member, or rows would be hidden, and so be missed.
    """
    info = conninfo(url, connect_timeout=10, application_name=application_name)
    info = make_conninfo(info, client_encoding=CLIENT_ENCODING)
    connection = psycopg.connect(info, autocommit=True)
    try:
        _become_owner(connection, needs)
    except BaseException:
        connection.close()
        raise
    return connection


def _become_owner(connection: psycopg.Connection, needs: Mapping[str, Collection[str]]) -> None:
    _set(connection, _UNHURRIED)
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER.name)))
    except psycopg.Error:
        raise ConfigurationError(
            f"This is done by a member of {OWNER.name}, as migrations are run; this login is none."
        ) from None
    _set(connection, {**PINNED, "row_security": "on", "lock_timeout": LOCK_TIMEOUT})
    for table, commands in needs.items():
        found = connection.execute(_POLICIES, {"table": table, "owner": OWNER.name}).fetchone()
        if found and found[0] and not set(commands) <= set(found[1]):
            raise ConfigurationError(
                f"{table}: row security hides rows from {OWNER.name}, which would be missed."
                " Is the database at the newest revision?"
            )


def _set(connection: psycopg.Connection, settings: Mapping[str, str]) -> None:
    """Set them by SQL: as options of the connection a PgBouncer in session mode may not take them."""
    connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()).encode())

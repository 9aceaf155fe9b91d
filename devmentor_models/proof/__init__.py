"""The isolation proof: every relation, role, command and way round, tried on the very database (Z1, Z2).

It runs in the given database itself, in one transaction that is rolled back: a copy would show how the
revisions are, not what somebody has done to this database since. What it writes are rows of users whom it
makes up, so it waits for nobody and nobody waits for it; a TRUNCATE, which a wrong grant would allow, gives
up at once rather than wait for the table. Each attempt runs as a login of one role, under a savepoint. What
one transaction leaves to the next takes two that commit: that is tried in a scratch database (`leftovers`).

What is expected comes from ``__security__`` and from the reasons beside what has none (`declared`). What
there is comes from the catalog: whatever nobody has classified is a failure.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import Connection, NullPool, create_engine, text

from devmentor_models import migrate
from devmentor_models.errors import ConfigurationError
from devmentor_models.proof.catalog import check_catalog
from devmentor_models.proof.compared import attempt_compared
from devmentor_models.proof.declared import NOBODY, TRIED, protected
from devmentor_models.proof.forged import attempt_forged
from devmentor_models.proof.functions import attempt_functions
from devmentor_models.proof.leftovers import prove_across
from devmentor_models.proof.references import check_references, check_uniqueness
from devmentor_models.proof.report import Failure, Report, lines
from devmentor_models.proof.rows import attempt_rows
from devmentor_models.proof.sideways import attempt_sideways
from devmentor_models.proof.stage import Stage
from devmentor_models.proof.tenants import settle
from devmentor_models.registry import TECHNICAL_SCHEMA
from devmentor_models.settings import conninfo

#: Another proof may be making its logins: whoever adds a member to a role waits for the others that do.
_PATIENCE = "SET LOCAL lock_timeout = '60s'"
_LIMITS = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '30s'; SET LOCAL jit = off"


def prove(url: str, *, through: str | None = None) -> Report:
    """Try every way round isolation in a database, and take all of it back.

    Args:
        url: The database, as a superuser: attempts run as logins of every role, which only such a one takes.
        through: The pooler that services connect to, in front of the same server; what is tried across
            transactions then goes through it.

    Raises:
        ConfigurationError: The login is no superuser, the database is not at the newest revision, or the
            factories are not installed; or there is no server for a scratch database, or the pooler does not
            let its logins in.
    """
    if (found := migrate.current(url)) != migrate.head():
        raise ConfigurationError(f"The database is at {found}; run `devmentor-db upgrade` first.")
    target = conninfo(url)
    engine = create_engine(
        "postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(target)
    )
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            report = prove_on(connection)
            signed = bool(connection.scalar(text(f"SELECT {TECHNICAL_SCHEMA}.signed()")))
        finally:
            transaction.rollback()
    prove_across(url, report, signed=signed, through=through)
    return report


def prove_on(connection: Connection) -> Report:
    """Do the same in a connection's transaction, which the caller rolls back.

    Raises:
        ConfigurationError: The login is no superuser, or the factories are not installed.
    """
    if not connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")):
        raise ConfigurationError(
            "The proof signs in as every role, so it needs a superuser. Where there is none, prove a copy of"
            " the database, restored on a server of your own."
        )
    raw: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
    report, tables = Report(), protected()
    raw.execute(_PATIENCE.encode())
    stage = Stage(raw, _logins(raw))
    raw.execute(_LIMITS.encode())
    check_catalog(stage, report, tables)
    check_uniqueness(stage, report, tables)
    tenants = settle(connection, tables)
    check_references(stage, report, tenants, tables)
    attempt_rows(stage, report, tenants, tables)
    attempt_sideways(stage, report, tenants, tables)
    attempt_forged(stage, report, tenants, tables)
    attempt_compared(stage, report, tenants, tables)
    attempt_functions(stage, report, tenants)
    return report


def _logins(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Make a login in each group, and one in none."""
    mark = uuid4().hex[:12]
    logins = {role: f"devmentor_proof_{mark}_{place}" for place, role in enumerate(TRIED)}
    for role, login in logins.items():
        group = "" if role == NOBODY else f" IN ROLE {role}"
        connection.execute(f"CREATE ROLE {login} LOGIN{group}".encode())
    return logins


__all__ = ["Failure", "Report", "lines", "prove", "prove_on"]

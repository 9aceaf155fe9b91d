"""What one transaction leaves in a pooled session, and whether the next actor meets it.

Two transactions must really commit, each on a connection of the library's own pool, so nothing can be rolled
back; and rows that a killed proof has committed would stay. So this family never writes to the database that
is proven: it runs in a scratch database beside it that is like it (`likeness`), and that is dropped whatever
happens. What a killed process leaves is a scratch database and a login whose password expires; a later run
removes both.

Attempts are data (`planted`), and `across` makes one.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.proof.across import ENDED, Across, Tenant
from devmentor_models.proof.likeness import likeness
from devmentor_models.proof.planted import Planted, planted
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.tenants import with_keys
from devmentor_models.security.declarations import Service
from devmentor_models.security.signing import ContextKeys
from devmentor_models.settings import conninfo

#: How the names of its logins begin; the end of the database's name follows.
LOGIN = "devmentor_proof_across_"
#: Until when the login of a proof that was killed could sign in.
_VALID = "15 minutes"
_PROJECTS, _BOTH = (Service.PROJECTS.role,), (Service.PROJECTS.role, Service.MEMORY.role)
_EXPECTED = "nothing of it in the next transaction"


def prove_across(url: str, report: Report, *, signed: bool, through: str | None = None) -> None:
    """Make every attempt in a scratch database that is like the one of ``url``.

    Args:
        url: The database, as a superuser.
        report: Counts the attempts.
        signed: Whether contexts are signed there; then they are so in the scratch database, with its own key.
        through: The pooler that services connect to, if they do.

    Raises:
        ConfigurationError: There is no server for a scratch database, or the pooler does not let us in.
    """
    with likeness(url) as scratch:
        key = generate_key() if signed else None
        if key:
            context_keys.install(scratch, ContextKeys.from_text(key))
        attempt_leftovers(scratch, report, key=key, through=through)


def attempt_leftovers(
    url: str,
    report: Report,
    *,
    key: str | None,
    through: str | None = None,
    attempts: Sequence[Planted] | None = None,
) -> None:
    """Make attempts in a database that is there for nothing else: what it commits stays.

    Args:
        url: The database, as a superuser.
        report: Counts the attempts.
        key: What signs contexts there, as ``DEVMENTOR_CONTEXT_KEY`` has it; None where they are not signed.
        through: As for `prove_across`.
        attempts: Which; None: all.

    Raises:
        ConfigurationError: The pooler does not let us in.
    """
    tenants = _tenants(url)
    target = conninfo(url)
    with closing(psycopg.connect(target, autocommit=True, prepare_threshold=None)) as admin:
        _drop_expired(admin)
        for roles in (_BOTH, _PROJECTS):
            with _login(admin, roles) as (login, password):
                whose = {"user": login, "password": password, "dbname": admin.info.dbname}
                sessions = make_conninfo("", **{**_plain(through or url), **whose})
                stores = roles == _BOTH
                across = Across(admin, sessions, login, *tenants, stores, key, _is_pooled(sessions))
                with closing(across), _quiet():
                    _attempt(across, report, " and ".join(roles), planted() if attempts is None else attempts)


def _attempt(across: Across, report: Report, roles: str, attempts: Sequence[Planted]) -> None:
    for attempt in attempts:
        if not across.stores and not attempt.temporary:
            continue  # it takes no right that only one of the logins has
        report.ways[attempt.way] += 1
        problems = across.attempt(attempt)
        if attempt.accepted and across.forged and across.key:
            report.limits.append(f"{attempt.way}, {attempt.name}: NOT DEFENDED, {attempt.accepted}")
            continue
        sql = attempt.sql
        report.failures += (
            Failure(attempt.name, roles, attempt.way, _EXPECTED, problem, sql) for problem in problems
        )


def _plain(url: str) -> dict[str, Any]:
    """Return where a URL leads to, without the settings that sessions of an administrator begin with."""
    parts = conninfo_to_dict(conninfo(url))
    return {name: value for name, value in parts.items() if name != "options"}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep psycopg_pool from warning of sessions that attempts end."""
    logger = logging.getLogger("psycopg.pool")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _tenants(url: str) -> tuple[Tenant, Tenant]:
    """Commit the attacker and the victim, with a project each."""
    from devmentor_models.testing.factories.projects import ProjectFactory  # noqa: PLC0415 - an extra

    target = conninfo(url)
    engine = create_engine(
        "postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(target)
    )
    with with_keys(), Session(engine, expire_on_commit=False) as session:
        attacker, victim = (ProjectFactory.insert(session) for _ in range(2))
        session.commit()
    return Tenant(attacker.user_id, attacker.id), Tenant(victim.user_id, victim.id)


@contextmanager
def _login(admin: psycopg.Connection[Any], roles: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Make a login that is a member of ``roles``, yield its name and password, and drop it."""
    name = f"{LOGIN}{admin.info.dbname[-12:]}_{uuid4().hex[:12]}"
    password = secrets.token_hex(24)
    # Digested here: a log of statements has no password then.
    digest = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    until = admin.execute("SELECT (now() + %s::interval)::text", [_VALID]).fetchone()
    admin.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} VALID UNTIL {} IN ROLE {}").format(
            sql.Identifier(name),
            sql.Literal(digest),
            sql.Literal(until[0] if until else None),
            sql.SQL(", ").join(map(sql.Identifier, roles)),
        )
    )
    try:
        yield name, password
    finally:
        _drop(admin, name)


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(ENDED, [name])
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _drop_expired(admin: psycopg.Connection[Any]) -> None:
    """Drop the logins of proofs that were killed."""
    expired = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s) AND rolvaliduntil < now()"
    for (name,) in admin.execute(expired, [LOGIN]).fetchall():
        _drop(admin, name)


def _is_pooled(sessions: str) -> bool:
    """Tell whether a pooler stands in front of the server: it tells its clients a process id of its own."""
    try:
        with closing(psycopg.connect(sessions, autocommit=True, prepare_threshold=None)) as session:
            row = session.execute("SELECT pg_backend_pid()").fetchone()
            return row is None or row[0] != session.pgconn.backend_pid
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            "The proof of what transactions leave behind makes a database and logins of its own, and could"
            " not sign in as one. A pooler needs an entry for every database ([databases] * = …), and"
            " auth_query."
        ) from error

"""Append-only tables: nobody changes a line, except the functions of the tables' owner (S2, Z4)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.errors import PermissionDenied
from devmentor_models.kit.base import Base
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import ActivityFactory, CreditEntryFactory
from tests.support.every_model import every_factory

APPEND_ONLY = sorted(
    mapper.local_table.fullname  # type: ignore[attr-defined] # every model has a table of its own
    for mapper in Base.registry.mappers
    if mapper.class_.__security__.append_only
)
CHANGES = {
    "UPDATE": "UPDATE {} SET created_at = created_at",
    "DELETE": "DELETE FROM {}",
    "TRUNCATE": "TRUNCATE {}",
}
PARTITIONS = """
    SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits
    WHERE inhparent = ANY (%s::regclass[]) ORDER BY 1
"""


def test_the_trails_are_append_only() -> None:
    """So the tests below cannot pass because they look at nothing."""
    assert {"auth.audit_log", "projects.activity", "projects.credit_entries"} <= set(APPEND_ONLY)


@pytest.fixture
def connection(devmentor_database_url: str) -> Iterator[psycopg.Connection]:
    """Yield a superuser's connection to a database of the test's own, with a row in every table."""
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with Session(engine) as session, session.begin():
        for factory in every_factory():
            factory.insert(session)
    engine.dispose()
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as made:
        yield made


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_superuser_is_refused(connection: psycopg.Connection, table: str) -> None:
    """By name of the table, with SQLSTATE 42501."""
    for verb, statement in CHANGES.items():
        # A row stands in a partition, which the message then names.
        with pytest.raises(errors.InsufficientPrivilege, match=f"{table}.* is append-only: {verb} refused"):
            connection.execute(statement.format(table).encode())
    assert connection.execute(f"SELECT EXISTS (SELECT FROM {table})".encode()).fetchone() == (True,)


def test_partitions_are_no_way_round(connection: psycopg.Connection) -> None:
    """Neither those of the first revisions nor those that are made later."""
    connection.execute("SELECT devmentor.ensure_partitions(9)")
    found = connection.execute(PARTITIONS, [APPEND_ONLY]).fetchall()
    assert len(found) >= 3 * 10
    tried = set()
    for partition, parent in found:
        filled = connection.execute(f"SELECT EXISTS (SELECT FROM {partition})".encode()).fetchone()
        for verb in CHANGES if filled == (True,) else ("TRUNCATE",):
            with pytest.raises(errors.InsufficientPrivilege, match=f"{partition} is append-only: {verb}"):
                connection.execute(CHANGES[verb].format(partition).encode())
            tried.add((parent, verb))
    assert {verb for parent, verb in tried if parent == "auth.audit_log"} == set(CHANGES)


def test_truncating_a_parent_stops_at_the_ledger(connection: psycopg.Connection) -> None:
    """TRUNCATE ... CASCADE would empty what refers to the parent."""
    with pytest.raises(errors.InsufficientPrivilege, match="append-only: TRUNCATE refused"):
        connection.execute("TRUNCATE auth.users CASCADE")


def test_the_owner_may(connection: psycopg.Connection) -> None:
    """Who means it says so: SET ROLE; row security binds the owner as well."""
    connection.execute("SET ROLE devmentor_owner")
    assert connection.execute("UPDATE auth.audit_log SET details = details").rowcount > 0
    connection.execute("TRUNCATE projects.activity")


def test_cascades_go_through(devmentor_engine: Engine) -> None:
    """Rows go with their user; a line of another's project loses its actor only."""
    with Session(devmentor_engine) as session, session.begin():
        entry = CreditEntryFactory.insert(session)
        stranger = UserFactory.insert(session)
        line = ActivityFactory.insert(session, actor_id=stranger.id)
        keys = {"entry": entry.id, "owner": entry.user_id, "line": line.id, "stranger": stranger.id}
    with psycopg.connect(conninfo(devmentor_engine.url.render_as_string(hide_password=False))) as connection:
        connection.execute("DELETE FROM auth.users WHERE id IN (%(owner)s, %(stranger)s)", keys)
        gone = connection.execute("SELECT FROM projects.credit_entries WHERE id = %(entry)s", keys)
        assert gone.fetchone() is None
        kept = connection.execute("SELECT actor_id FROM projects.activity WHERE id = %(line)s", keys)
        assert kept.fetchone() == (None,)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_service_has_no_right_to_try(services_url: str, table: str) -> None:
    """The services' roles lack the privilege, before any trigger is asked."""
    with psycopg.connect(conninfo(services_url), autocommit=True) as connection:
        for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
                connection.execute(statement.encode())


def test_an_upsert_cannot_change_a_line(connection: psycopg.Connection) -> None:
    """INSERT … ON CONFLICT DO UPDATE is an update where it finds a row."""
    with pytest.raises(errors.InsufficientPrivilege, match="UPDATE refused"):
        connection.execute(
            "INSERT INTO projects.credit_entries SELECT * FROM projects.credit_entries"
            " ON CONFLICT (id) DO UPDATE SET reason = 'another'"
        )


def test_the_error_is_typed(database: Database) -> None:
    """What the services catch."""
    with pytest.raises(PermissionDenied):
        with database.begin(Actor.service("auth")) as tx:
            entry = CreditEntryFactory.insert(tx.session)
            entry.reason = f"changed {uuid4()}"
            tx.session.flush()

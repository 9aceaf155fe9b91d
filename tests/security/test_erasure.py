"""An erased person is in no column of no table: the trails forget, too (F9)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Engine, NullPool, create_engine, select
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.auth.models import AuditEntry
from devmentor_models.security.signing import context_sql
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import TaskFactory
from tests.support.every_model import insert_everything

COLUMNS = """
    SELECT format('%I.%I', table_schema, table_name), quote_ident(column_name)
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = ANY ('{auth,projects,memory,learning,ai,devmentor}') AND table_type = 'BASE TABLE'
"""


def found(connection: psycopg.Connection, *markers: str) -> set[tuple[str, str]]:
    """Return every column of every table that holds one of the texts, and how many were read."""
    columns = connection.execute(COLUMNS).fetchall()
    assert len(columns) > 300
    holding = set()
    for table, column in columns:
        for marker in markers:
            query = f"SELECT EXISTS (SELECT FROM {table} WHERE {column}::text ILIKE %s)"
            if connection.execute(query.encode(), [f"%{marker}%"]).fetchone() == (True,):
                holding.add((table, column))
    return holding


def test_an_erased_user_is_nowhere(devmentor_database_url: str) -> None:
    """Not as owner, collaborator, assignee, member of a team or actor, in rows or in lines of the trails."""
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with Session(engine) as session, session.begin():
        person = UserFactory.insert(session, email="ada@markers.example", username="ada-marker").id
        other = UserFactory.insert(session).id
        insert_everything(session, person)
    engine.dispose()
    with Database.from_url(devmentor_database_url, pool_min=0) as database:
        live_among_others(database, devmentor_database_url, person, other)
        with psycopg.connect(conninfo(devmentor_database_url)) as connection:
            markers = (str(person), "marker", "192.0.2.77", "agent-of-ada")
            assert ("auth.audit_log", "mentions") in found(connection, *markers)
            assert ("projects.activity", "details") in found(connection, *markers)
        with database.begin(Actor.user(person, ip_address="192.0.2.77", user_agent="agent-of-ada")) as tx:
            tx.users.erase(person)
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        orders = {("memory.vector_outbox", "user_id")}  # until the worker of the mirror is done
        assert found(connection, *markers) <= orders
        kept = connection.execute(
            "SELECT FROM auth.audit_log WHERE strpos(details::text, '\"erased\"') > 0 AND user_id = %s",
            [other],
        ).fetchall()
    assert len(kept) >= 4, "the other person's trail is still there"


def live_among_others(database: Database, url: str, person: UUID, other: UUID) -> None:
    """Let the person take part in the other one's project and team, and leave traces there."""
    with database.begin(Actor.user(other)) as tx:
        project = tx.projects.create(name="Theirs")
        task = tx.tasks.create(project_id=project.id, title="t", assignee_id=person)
        tx.tasks.assign(task.id, other)
        tx.tasks.assign(task.id, person)
        tx.collaborators.add(project.id, person)
        team = tx.teams.create(name="Team")
        tx.teams.add_member(team.id, person)
    acting = Actor.user(person, ip_address="192.0.2.77", user_agent="agent-of-ada", request_id="marker")
    with database.begin(acting) as tx:
        own = tx.projects.create(name="marker of mine")
        tx.collaborators.add(own.id, other)
    with psycopg.connect(conninfo(url)) as connection:  # an edit in the other one's project
        connection.execute(context_sql(acting).encode())
        connection.execute("UPDATE projects.tasks SET title = 'changed' WHERE id = %s", [task.id])


@pytest.mark.parametrize("service", ["projects", ""])
def test_only_the_auth_service_or_the_user_anonymises(devmentor_url: str, service: str) -> None:
    """The function checks who acts, whatever the role may call."""
    with psycopg.connect(conninfo(devmentor_url)) as connection:
        connection.execute("SELECT set_config('devmentor.service', %s, true)", [service])
        with pytest.raises(errors.InsufficientPrivilege, match="only the user or the auth service"):
            connection.execute("SELECT auth.anonymise_trail(%s)", [uuid4()])


def test_nobody_who_is_still_there_is_anonymised(devmentor_url: str) -> None:
    """Neither a live user, nor one of whom nothing is known."""
    with psycopg.connect(conninfo(devmentor_url)) as connection:
        person = uuid4()
        connection.execute("SET LOCAL devmentor.service = 'auth'")
        connection.execute(
            "INSERT INTO auth.users (id, email, username, password_hash) VALUES (%s, %s, %s, 'x')",
            [person, f"{person}@example.org", person.hex],
        )
        for key in (person, uuid4()):
            with (
                pytest.raises(errors.InsufficientPrivilege, match="is not deleted"),
                connection.transaction(),
            ):
                connection.execute("SELECT auth.anonymise_trail(%s)", [key])


def test_another_service_cannot_call_it(devmentor_service_url: Callable[..., str]) -> None:
    """EXECUTE is the auth service's alone."""
    with psycopg.connect(conninfo(devmentor_service_url("projects"))) as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT auth.anonymise_trail(%s)", [uuid4()])


def test_a_service_erases_under_row_security(devmentor_engine: Engine, services_url: str) -> None:
    """The rights of the services suffice: the function does what none of them may do by itself."""
    with Session(devmentor_engine) as session, session.begin():
        person = UserFactory.insert(session).id
        task = TaskFactory.insert(session, assignee_id=person).id
    with Database.from_url(services_url, pool_min=0) as database:
        with database.begin(Actor.service("auth", on_behalf_of=person)) as tx:
            tx.users.erase(person)
    with devmentor_engine.connect() as connection:
        trail = select(AuditEntry.user_id, AuditEntry.mentions, AuditEntry.details)
        lines = connection.execute(trail.where(AuditEntry.row_id == task)).all()
    assert len(lines) == 2
    assert {line.mentions for line in lines} == {None}
    assert str(person) not in str(lines)

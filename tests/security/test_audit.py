"""The audit trail of data changes: complete, whoever writes, and without secrets (S2, Z4)."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from sqlalchemy import Engine, Table, delete, insert, select, text, update
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import Team, User
from devmentor_models.cli.target import psql_arguments
from devmentor_models.learning.models import Roadmap
from devmentor_models.security.audit import audited_tables, redacted_columns
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import TeamFactory, UserFactory
from devmentor_models.testing.factories.base import ModelFactory
from devmentor_models.testing.factories.projects import EpicFactory, ProjectFactory, TaskFactory
from tests.support.every_model import every_factory
from tests.support.users import NewUser

AUDITED = {table.fullname: (table, security) for table, security in audited_tables()}
WITH_SECRETS = [name for name, found in AUDITED.items() if redacted_columns(*found)]
LINES = """
    SELECT event::text, user_id, actor_id, actor_name, table_name, row_id, details, mentions, request_id,
        ip_address, user_agent, id
    FROM auth.audit_log WHERE row_id = ANY (%s) AND table_name = %s ORDER BY created_at, id
"""


def at(engine: Engine) -> str:
    """Return where the engine's database is, as psycopg takes it."""
    return conninfo(engine.url.render_as_string(hide_password=False))


def lines(engine: Engine, table: str, *row_ids: UUID) -> list[Any]:
    """Return what the trail says of rows."""
    with psycopg.connect(at(engine), row_factory=namedtuple_row) as connection:
        return connection.execute(LINES, [list(row_ids), table]).fetchall()


def events(engine: Engine, table: str, *row_ids: UUID) -> list[str]:
    """Return which events the trail has of rows."""
    return [line.event for line in lines(engine, table, *row_ids)]


def factory_of(name: str) -> type[ModelFactory[Any]]:
    """Return the factory of a table."""
    return next(item for item in every_factory() if item._meta.model.__table__.fullname == name)


def test_the_tables_that_matter_are_audited() -> None:
    """So the generated tests below cannot pass because they look at nothing."""
    assert len(AUDITED) >= 15
    assert {"auth.users", "auth.user_sessions", "projects.projects", "ai.provider_configs"} <= set(AUDITED)


@pytest.mark.parametrize("name", AUDITED)
def test_every_change_of_an_audited_table_is_recorded(name: str, devmentor_engine: Engine) -> None:
    """Insert, update and delete, each once, with the owner and nothing secret."""
    table, security = AUDITED[name]
    with Session(devmentor_engine) as session, session.begin():
        row = factory_of(name).insert(session)
        key, values = row.id, session.execute(select(table).where(table.c.id == row.id)).mappings().one()
        before = values["created_at"]
        owner = values[security.policy.owner] if security.policy.owner else None
    moved = before - timedelta(seconds=1)
    with devmentor_engine.begin() as connection:
        connection.execute(update(table).where(table.c.id == key).values(created_at=moved))
        connection.execute(delete(table).where(table.c.id == key))
    made, changed, gone = lines(devmentor_engine, name, key)
    assert (made.event, changed.event, gone.event) == ("insert", "update", "delete")
    assert {line.user_id for line in (made, changed, gone)} == {owner}
    assert (set(made.details), set(gone.details)) == ({"new"}, {"old"})
    assert {kind: list(values) for kind, values in changed.details.items()} == {
        "new": ["created_at"],
        "old": ["created_at"],
    }
    secret = set(redacted_columns(table, security))
    computed = {column.name for column in table.c if column.computed is not None}
    for shown in (made.details["new"], gone.details["old"]):
        assert {column for column, value in shown.items() if value == "[redacted]"} == {
            column for column in secret - computed if values[table.c[column]] is not None
        }
        hidden = computed | {"id", "updated_at", "version", security.policy.owner}
        assert set(shown) >= {column.name for column in table.c} - hidden - secret
        assert not set(shown) & hidden


@pytest.mark.parametrize("name", WITH_SECRETS)
def test_a_changed_secret_is_recorded_without_its_value(name: str, devmentor_engine: Engine) -> None:
    """The trail says that a secret changed; neither value stands in any line."""
    table, security = AUDITED[name]
    computed = {column.name for column in table.c if column.computed is not None}
    secret = [column for column in redacted_columns(table, security) if column not in computed]
    with Session(devmentor_engine) as session, session.begin():
        key = factory_of(name).insert(session).id
    marker = uuid4().hex
    with psycopg.connect(at(devmentor_engine)) as connection:
        for column in secret:
            kind = "bytea" if table.c[column].type.python_type is bytes or _binary(table, column) else "text"
            value = f"sha256('{marker}')" if kind == "bytea" else f"'{marker}'"
            connection.execute(f"UPDATE {name} SET {column} = {value} WHERE id = %s".encode(), [key])
        found = connection.execute(
            "SELECT count(*) FROM auth.audit_log l WHERE l::text LIKE %s OR l::text LIKE"
            " '%%' || encode(sha256(%s), 'hex') || '%%'",
            [f"%{marker}%", marker.encode()],
        ).fetchone()
    assert found == (0,)
    changes = [line.details for line in lines(devmentor_engine, name, key) if line.event == "update"]
    assert [list(change["new"]) for change in changes] == [[column] for column in secret]
    assert {value for change in changes for value in change["new"].values()} == {"[redacted]"}


def _binary(table: Table, column: str) -> bool:
    return table.c[column].type.compile().upper() in {"BYTEA", "BLOB"}


def test_the_context_is_recorded(devmentor_engine: Engine, database: Database, new_user: NewUser) -> None:
    """Who, for whom, in which request, from where."""
    owner = new_user().id
    actor = Actor.service(
        "auth", on_behalf_of=owner, request_id="r-1", ip_address="192.0.2.1", user_agent="app"
    )
    with database.begin(actor) as tx:
        team = tx.teams.create(name="Audited")
    (line,) = lines(devmentor_engine, "auth.teams", team.id)
    assert (line.user_id, line.actor_id, line.actor_name) == (owner, owner, "auth")
    assert (line.request_id, line.ip_address, line.user_agent) == ("r-1", ip_address("192.0.2.1"), "app")
    assert line.details["new"]["name"] == "Audited"
    with database.begin(Actor.user(owner)) as tx:
        tx.session.execute(update(Team).where(Team.id == team.id).values(name="Renamed"))
        (newest, _) = tx.audit_log.changes(row_id=team.id, table_name="auth.teams").items
    assert (newest.event, newest.details) == (
        AuditEvent.UPDATE,
        {"old": {"name": "Audited"}, "new": {"name": "Renamed"}},
    )
    assert (newest.actor_id, newest.actor_name) == (owner, None)


@pytest.mark.parametrize("address", ["nonsense", "300.1.1.1", "", " "])
def test_a_bad_context_does_not_break_a_write(devmentor_engine: Engine, address: str) -> None:
    """Whatever somebody sets by hand: what cannot be stored is left out or cut, and the write succeeds."""
    key = uuid4()
    with psycopg.connect(at(devmentor_engine)) as connection:
        for name, value in (("ip_address", address), ("user_agent", "x" * 600), ("request_id", "r" * 200)):
            connection.execute("SELECT set_config(%s, %s, true)", [f"devmentor.{name}", value])
        connection.execute(
            "INSERT INTO auth.users (id, email, username, password_hash) VALUES (%s, %s, %s, 'x')",
            [key, f"{key}@example.org", key.hex],
        )
    (line,) = lines(devmentor_engine, "auth.users", key)
    assert (line.ip_address, line.user_agent, line.request_id) == (None, "x" * 512, "r" * 128)


def test_psql_is_recorded_under_its_login(devmentor_engine: Engine, devmentor_url: str) -> None:
    """A change by hand has no actor; the trail then names the login."""
    key = uuid4()
    arguments, environment = psql_arguments(devmentor_url)
    script = f"""
        INSERT INTO auth.users (id, email, username, password_hash)
        VALUES ('{key}', '{key}@example.org', '{key.hex}', 'x');
        UPDATE auth.users SET is_active = false WHERE id = '{key}';
        DELETE FROM auth.users WHERE id = '{key}';
    """
    subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [*arguments, "-v", "ON_ERROR_STOP=1", "-q"], env=environment, input=script, text=True, check=True
    )
    found = lines(devmentor_engine, "auth.users", key)
    assert [line.event for line in found] == ["insert", "update", "delete"]
    assert {line.actor_id for line in found} == {None}
    assert {line.actor_name.partition(":")[0] for line in found} == {"login"}
    assert found[1].details == {"old": {"is_active": True}, "new": {"is_active": False}}


def many(count: int) -> Sequence[UUID]:
    """Return fresh keys."""
    return [uuid4() for _ in range(count)]


def owner_of(engine: Engine) -> UUID:
    """Return a new user's id."""
    with Session(engine) as session, session.begin():
        return UserFactory.insert(session).id


def test_bulk_statements_are_recorded_row_by_row(devmentor_engine: Engine) -> None:
    """A line per row, for ORM and Core, and none for a row that only counted its version up."""
    owner, keys = owner_of(devmentor_engine), many(5)
    with Session(devmentor_engine) as session, session.begin():
        session.add_all([Team(id=key, user_id=owner, name=key.hex) for key in keys[:2]])
        session.flush()
        rows = [{"id": key, "user_id": owner, "name": key.hex} for key in keys[2:]]
        session.execute(insert(Team.__table__), rows)  # type: ignore[arg-type] # a Table
        session.execute(update(Team).where(Team.user_id == owner).values(description="all"))
        session.execute(update(Team).where(Team.user_id == owner).values(description="all"))
        session.execute(delete(Team).where(Team.user_id == owner))
    for key in keys:
        assert events(devmentor_engine, "auth.teams", key) == ["insert", "update", "delete"]


def test_upsert_merge_and_copy_are_recorded(devmentor_engine: Engine) -> None:
    """Each as what it became: inserted or updated."""
    owner, (one, two, three, four) = owner_of(devmentor_engine), many(4)
    with psycopg.connect(at(devmentor_engine)) as connection:
        upsert = (
            "INSERT INTO auth.teams (id, user_id, name) VALUES (%s, %s, 'one'), (%s, %s, 'two')"
            " ON CONFLICT (id) DO UPDATE SET description = 'again'"
        )
        connection.execute(upsert, [one, owner, two, owner])
        connection.execute(upsert, [one, owner, two, owner])
        connection.execute(
            "MERGE INTO auth.teams t USING (VALUES (%s::uuid), (%s)) AS s (id) ON t.id = s.id"
            " WHEN MATCHED THEN DELETE"
            " WHEN NOT MATCHED THEN INSERT (id, user_id, name) VALUES (s.id, %s, 'three')",
            [one, three, owner],
        )
        with connection.cursor().copy("COPY auth.teams (id, user_id, name) FROM STDIN") as copy:
            copy.write_row([four, owner, "four"])
    assert events(devmentor_engine, "auth.teams", one) == ["insert", "update", "delete"]
    assert events(devmentor_engine, "auth.teams", two) == ["insert", "update"]
    assert events(devmentor_engine, "auth.teams", three) == ["insert"]
    assert events(devmentor_engine, "auth.teams", four) == ["insert"]


def test_a_changed_key_and_a_changed_owner_are_recorded(devmentor_engine: Engine) -> None:
    """Both keys have a line; whoever lost the row is mentioned, so that an erasure finds the line.

    Only an administrator can hand a row over, who switches a trigger off.
    """
    first, second = owner_of(devmentor_engine), owner_of(devmentor_engine)
    old, new = many(2)
    with devmentor_engine.begin() as connection:
        connection.execute(insert(Roadmap), {"id": old, "user_id": first, "title": "handed over"})
        connection.execute(text("ALTER TABLE learning.roadmaps DISABLE TRIGGER keep_owner"))
        connection.execute(update(Roadmap).where(Roadmap.id == old).values(user_id=second))
        connection.execute(text("ALTER TABLE learning.roadmaps ENABLE TRIGGER keep_owner"))
        connection.execute(update(Roadmap).where(Roadmap.id == old).values(id=new))
    handed = lines(devmentor_engine, "learning.roadmaps", old)[1]
    assert (handed.user_id, handed.mentions) == (second, [first])
    assert events(devmentor_engine, "learning.roadmaps", old) == ["insert", "update", "update"]
    assert events(devmentor_engine, "learning.roadmaps", new) == ["update"]


def test_cascades_are_recorded_once_per_row(devmentor_engine: Engine) -> None:
    """What goes with a parent has its line, as has what is set to NULL."""
    assignee = owner_of(devmentor_engine)
    with Session(devmentor_engine) as session, session.begin():
        project = ProjectFactory.insert(session)
        epics = [EpicFactory.insert(session, project=project).id for _ in range(3)]
        tasks = [TaskFactory.insert(session, project=project, assignee_id=assignee).id for _ in range(30)]
        key = project.id
    with devmentor_engine.begin() as connection:
        connection.execute(delete(User).where(User.id == assignee))
        connection.execute(text("DELETE FROM projects.projects WHERE id = :key"), {"key": key})
    for epic in epics:
        assert events(devmentor_engine, "projects.epics", epic) == ["insert", "delete"]
    for task in tasks:
        made, freed, gone = lines(devmentor_engine, "projects.tasks", task)
        assert (made.mentions, freed.mentions, gone.mentions) == ([assignee], [assignee], None)
        assert freed.details == {"old": {"assignee_id": str(assignee)}, "new": {"assignee_id": None}}


def test_a_change_that_is_rolled_back_leaves_no_line(devmentor_engine: Engine) -> None:
    """The line is part of the change's transaction."""
    with Session(devmentor_engine) as session:
        key = TeamFactory.insert(session).id
        session.rollback()
    assert lines(devmentor_engine, "auth.teams", key) == []


def test_a_truncation_is_recorded(devmentor_database_url: str) -> None:
    """No role of ours may truncate; who owns the tables leaves a line."""
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        connection.execute("TRUNCATE auth.teams CASCADE")
        found = connection.execute(
            "SELECT table_name, details FROM auth.audit_log WHERE details ? 'truncated' ORDER BY 1"
        ).fetchall()
    assert found == [("auth.team_members", {"truncated": True}), ("auth.teams", {"truncated": True})]


def test_values_of_every_kind_survive(devmentor_engine: Engine) -> None:
    """JSON, arrays and odd text stand in the line as they stand in the row."""
    odd = {"nested": [None, 1.5, 'ü\\u0041"', {"null": None}]}
    owner = owner_of(devmentor_engine)
    with psycopg.connect(at(devmentor_engine)) as connection:
        connection.execute("UPDATE auth.users SET metadata = %s WHERE id = %s", [Jsonb(odd), owner])
    assert lines(devmentor_engine, "auth.users", owner)[-1].details["new"] == {"metadata": odd}


def test_nobody_may_call_the_functions(devmentor_engine: Engine) -> None:
    """They run as the owner: only triggers, and the auth service where it erases, may use them."""
    query = """
        SELECT p.oid::regprocedure::text FROM pg_proc p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE p.oid::regprocedure::text ~ '\\.(record_|anonymise_)' AND a.privilege_type = 'EXECUTE'
            AND a.grantee <> p.proowner AND a.grantee IS DISTINCT FROM 'devmentor_auth'::regrole
    """
    unpinned = """
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.oid::regprocedure::text ~ '\\.(record_|anonymise_)'
            AND NOT coalesce(p.proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false)
    """
    with devmentor_engine.connect() as connection:
        assert connection.execute(text(query)).all() == []
        assert connection.execute(text(unpinned.replace(":", "\\:"))).all() == []

# Generated from test_personal_data_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Export and erasure of a person's data (F9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, String, cast, func, select, update
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.auth import queries
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry
from devmentor_models.errors import NotFound, TokenInvalid
from devmentor_models.kit.base import table_named
from devmentor_models.kit.tokens import digest
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.every_model import insert_everything

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth", ip_address="192.0.2.7", user_agent="browser", request_id="r")


def acting(user_id: UUID) -> Actor:
    """Return the service acting for a user."""
    return replace(AUTH, user_id=user_id)


@dataclass
class Person:
    """A user with a bit of everything, and the team of somebody else with the user in it."""

    id: UUID
    name: str
    token: str
    project_id: UUID
    foreign_team: UUID
    team: UUID


@pytest.fixture
def fill(devmentor_engine: Engine) -> Callable[..., Any]:
    """Return a function that does something as whoever may do everything, and commits it."""

    def work(make: Callable[..., Any], *arguments: Any) -> Any:
        with Session(devmentor_engine, expire_on_commit=False) as session:
            made = make(session, *arguments)
            session.commit()
        return made

    return work


def _all(session: Session, statement: Any) -> list[Any]:
    return list(session.scalars(statement))


def new_person(database: Database, fill: Callable[..., Any]) -> Person:
    """Commit a person."""
    other = fill(UserFactory.insert)
    with database.begin(AUTH) as tx:
        data = UserFactory.build()
        made = tx.users.register(
            email=data.email, username=data.username, password_hash="$secret", full_name="Ada Lovelace"
        )
        opened = tx.sessions.open(made.user.id)
        tx.password_resets.issue(made.user.id)
    with database.begin(Actor.user(made.user.id)) as tx:
        own = tx.teams.create(name="Mine", description="about us")
    with database.begin(Actor.user(other.id)) as tx:
        team = tx.teams.create(name="Theirs", description="a secret of theirs")
        tx.teams.add_member(team.id, made.user.id)
    return Person(made.user.id, data.username, opened.token, made.project_id, team.id, own.id)


def test_an_export_has_everything_of_the_user_as_json(database: Database, fill: Callable[..., Any]) -> None:
    """Rows of every table, encrypted columns in clear, no secrets, and none of other people's texts."""
    person = new_person(database, fill)
    new_person(database, fill)
    with database.begin(Actor.user(person.id), isolation="REPEATABLE READ") as tx:
        export = tx.users.export()
    text = json.dumps(export, allow_nan=False)
    tables = export["tables"]
    (account,) = tables["auth.users"]
    assert account["full_name"] == "Ada Lovelace"
    assert account["username"] == person.name
    assert "password_hash" not in account
    assert [row["id"] for row in tables["projects.projects"]] == [str(person.project_id)]
    assert [row["description"] for row in tables["auth.teams"]] == ["about us"]
    assert len(tables["auth.user_sessions"]) == 1
    assert {row["event"] for row in tables["auth.audit_log"]} == {
        "registered",
        "login",
        "password_reset_requested",
        "update",
        "insert",
    }
    (mention,) = export["mentions"]["auth.team_members.member_id"]
    assert (mention["team_id"], mention["role"]) == (str(person.foreign_team), "member")
    assert {"auth.users.password_hash", "auth.user_sessions.token_hash"} <= set(export["left_out"])
    for secret in ("$secret", digest(person.token).hex(), person.token, "a secret of theirs"):
        assert secret not in text
    with database.begin(acting(person.id)) as tx:
        assert (tx.audit_log.timeline(person.id)).items[0].event is AuditEvent.EXPORTED


def test_an_export_covers_every_table_with_a_user(database: Database, fill: Callable[..., Any]) -> None:
    """Derived from the metadata and the factories, so that a new table is covered from its first day."""
    person = new_person(database, fill)
    filled = fill(insert_everything, person.id)
    with database.begin(acting(person.id)) as tx:
        export = tx.users.export(person.id)
    json.dumps(export, allow_nan=False)
    named = set(export["tables"]) | {name.rpartition(".")[0] for name in export["mentions"]}
    assert named == {table.fullname for table in queries.tables_with_users()}
    assert {"auth.users", "projects.projects", "memory.documents", "learning.roadmaps"} <= named
    assert filled >= {"projects.tasks", "ai.usage"}
    assert [name for name in filled if not export["tables"][name]] == []


def test_an_erasure_leaves_no_row_with_the_user(database: Database, fill: Callable[..., Any]) -> None:
    """In no column of no table but the orders to the vector mirror; other people's rows stay."""
    outbox, embeddings = table_named("memory.vector_outbox"), table_named("memory.embeddings_meta")
    models = table_named("ai.embedding_models")
    person, other = new_person(database, fill), new_person(database, fill)
    for someone in (person, other):
        filled = fill(insert_everything, someone.id)
    points = select(embeddings.c.qdrant_point_id).where(embeddings.c.user_id == person.id)
    copies = set(fill(_all, points))
    assert copies
    of_person = select(embeddings.c.model_id).where(embeddings.c.user_id == person.id)
    collection = {"qdrant_collection": func.replace(cast(models.c.id, String()), "-", "_")}
    fill(Session.execute, update(models).where(models.c.id.in_(of_person)).values(**collection))
    with database.begin(acting(person.id)) as tx:
        tx.users.erase(person.id)
    for table in queries.tables_with_users():
        for name in queries.user_columns(table):
            if table is not outbox:
                found = select(func.count()).select_from(table).where(table.c[name] == person.id)
                assert fill(Session.scalar, found) == 0, f"{table.fullname}.{name}"
        if table.fullname in filled:
            found = select(func.count()).select_from(table).where(table.c.user_id == other.id)
            assert fill(Session.scalar, found) >= 1, table.fullname
    orders = select(outbox.c.point_id).where(
        outbox.c.user_id == person.id, outbox.c.operation == "delete", outbox.c.point_id.in_(copies)
    )
    assert set(fill(_all, orders)) == copies
    with database.begin(acting(person.id)) as tx:
        with pytest.raises(NotFound):
            tx.users.get(person.id)
        assert tx.sessions.find_active(person.token) is None
    with database.begin(acting(other.id)) as tx:
        assert (tx.users.get(other.id)).full_name == "Ada Lovelace"
        assert tx.sessions.find_active(other.token) is not None
    with pytest.raises(TokenInvalid):
        (database.run(lambda tx: tx.sessions.rotate(person.token), actor=AUTH)).require()
    with database.begin(acting(person.id)) as tx:
        with pytest.raises(NotFound):
            tx.users.erase(person.id)


@pytest.mark.parametrize("by", ["service", "user"])
def test_an_erasure_anonymises_the_trail_and_leaves_one_line(
    database: Database, fill: Callable[..., Any], by: str
) -> None:
    """The lines stay, without anything of the user; whoever knows the id can prove the erasure."""
    person = new_person(database, fill)
    with database.begin(acting(person.id)) as tx:
        before = [line.id for line in (tx.audit_log.timeline(person.id)).items]
        tx.audit_log.record(AuditEvent.PASSWORD_CHANGED, user_id=person.id, details={"name": person.name})
    actor = (
        acting(person.id)
        if by == "service"
        else Actor.user(person.id, ip_address="192.0.2.9", user_agent="app")
    )
    with database.begin(actor) as tx:
        tx.users.erase(person.id)
    proof = {"subject_sha256": hashlib.sha256(person.id.bytes).hexdigest()}
    kept = fill(_all, select(AuditEntry).where(AuditEntry.id.in_(before)))
    erased = select(AuditEntry).where(AuditEntry.event == AuditEvent.ERASED, AuditEntry.details == proof)
    (line,) = fill(_all, erased)
    assert len(kept) == len(before)
    for entry in kept:
        assert (entry.user_id, entry.actor_id, entry.row_id, entry.details) == (None, None, None, {})
        assert (entry.ip_address, entry.user_agent, entry.request_id) == (None, None, None)
    assert (line.user_id, line.actor_id) == (None, None)
    assert line.actor_name == ("auth" if by == "service" else None)
    assert (line.ip_address, line.user_agent, line.request_id) == (None, None, None)


def test_an_erasure_that_fails_leaves_everything(database: Database, fill: Callable[..., Any]) -> None:
    """One transaction: rolled back, the user and the trail are as before."""
    person = new_person(database, fill)
    with pytest.raises(RuntimeError, match="stop"):
        with database.begin(acting(person.id)) as tx:
            tx.users.erase(person.id)
            raise RuntimeError("stop")
    with database.begin(acting(person.id)) as tx:
        assert (tx.users.get(person.id)).username == person.name
        assert len((tx.audit_log.timeline(person.id)).items) == 3
        assert tx.sessions.find_active(person.token) is not None

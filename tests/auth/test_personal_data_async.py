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

from devmentor_models import Actor, AsyncDatabase
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


async def new_person(database: AsyncDatabase, fill: Callable[..., Any]) -> Person:
    """Commit a person."""
    other = fill(UserFactory.insert)
    async with database.begin(AUTH) as tx:
        data = UserFactory.build()
        made = await tx.users.register(
            email=data.email, username=data.username, password_hash="$secret", full_name="Ada Lovelace"
        )
        opened = await tx.sessions.open(made.user.id)
        await tx.password_resets.issue(made.user.id)
    async with database.begin(Actor.user(made.user.id)) as tx:
        own = await tx.teams.create(name="Mine", description="about us")
    async with database.begin(Actor.user(other.id)) as tx:
        team = await tx.teams.create(name="Theirs", description="a secret of theirs")
        await tx.teams.add_member(team.id, made.user.id)
    return Person(made.user.id, data.username, opened.token, made.project_id, team.id, own.id)


async def test_an_export_has_everything_of_the_user_as_json(
    async_database: AsyncDatabase, fill: Callable[..., Any]
) -> None:
    """Rows of every table, encrypted columns in clear, no secrets, and none of other people's texts."""
    person = await new_person(async_database, fill)
    await new_person(async_database, fill)
    async with async_database.begin(Actor.user(person.id), isolation="REPEATABLE READ") as tx:
        export = await tx.users.export()
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
    async with async_database.begin(acting(person.id)) as tx:
        assert (await tx.audit_log.timeline(person.id)).items[0].event is AuditEvent.EXPORTED


async def test_an_export_covers_every_table_with_a_user(
    async_database: AsyncDatabase, fill: Callable[..., Any]
) -> None:
    """Derived from the metadata and the factories, so that a new table is covered from its first day."""
    person = await new_person(async_database, fill)
    filled = fill(insert_everything, person.id)
    async with async_database.begin(acting(person.id)) as tx:
        export = await tx.users.export(person.id)
    json.dumps(export, allow_nan=False)
    named = set(export["tables"]) | {name.rpartition(".")[0] for name in export["mentions"]}
    assert named == {table.fullname for table in queries.tables_with_users()}
    assert {"auth.users", "projects.projects", "memory.documents", "learning.roadmaps"} <= named
    assert filled >= {"projects.tasks", "ai.usage"}
    assert [name for name in filled if not export["tables"][name]] == []


async def test_an_erasure_leaves_no_row_with_the_user(
    async_database: AsyncDatabase, fill: Callable[..., Any]
) -> None:
    """In no column of no table but the orders to the vector mirror; other people's rows stay."""
    outbox, embeddings = table_named("memory.vector_outbox"), table_named("memory.embeddings_meta")
    models = table_named("ai.embedding_models")
    person, other = await new_person(async_database, fill), await new_person(async_database, fill)
    for someone in (person, other):
        filled = fill(insert_everything, someone.id)
    points = select(embeddings.c.qdrant_point_id).where(embeddings.c.user_id == person.id)
    copies = set(fill(_all, points))
    assert copies
    of_person = select(embeddings.c.model_id).where(embeddings.c.user_id == person.id)
    collection = {"qdrant_collection": func.replace(cast(models.c.id, String()), "-", "_")}
    fill(Session.execute, update(models).where(models.c.id.in_(of_person)).values(**collection))
    async with async_database.begin(acting(person.id)) as tx:
        await tx.users.erase(person.id)
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
    async with async_database.begin(acting(person.id)) as tx:
        with pytest.raises(NotFound):
            await tx.users.get(person.id)
        assert await tx.sessions.find_active(person.token) is None
    async with async_database.begin(acting(other.id)) as tx:
        assert (await tx.users.get(other.id)).full_name == "Ada Lovelace"
        assert await tx.sessions.find_active(other.token) is not None
    with pytest.raises(TokenInvalid):
        (await async_database.run(lambda tx: tx.sessions.rotate(person.token), actor=AUTH)).require()
    async with async_database.begin(acting(person.id)) as tx:
        with pytest.raises(NotFound):
            await tx.users.erase(person.id)


@pytest.mark.parametrize("by", ["service", "user"])
async def test_an_erasure_anonymises_the_trail_and_leaves_one_line(
    async_database: AsyncDatabase, fill: Callable[..., Any], by: str
) -> None:
    """The lines stay, without anything of the user; whoever knows the id can prove the erasure."""
    person = await new_person(async_database, fill)
    async with async_database.begin(acting(person.id)) as tx:
        before = [line.id for line in (await tx.audit_log.timeline(person.id)).items]
        await tx.audit_log.record(
            AuditEvent.PASSWORD_CHANGED, user_id=person.id, details={"name": person.name}
        )
    actor = (
        acting(person.id)
        if by == "service"
        else Actor.user(person.id, ip_address="192.0.2.9", user_agent="app")
    )
    async with async_database.begin(actor) as tx:
        await tx.users.erase(person.id)
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


async def test_an_erasure_that_fails_leaves_everything(
    async_database: AsyncDatabase, fill: Callable[..., Any]
) -> None:
    """One transaction: rolled back, the user and the trail are as before."""
    person = await new_person(async_database, fill)
    with pytest.raises(RuntimeError, match="stop"):
        async with async_database.begin(acting(person.id)) as tx:
            await tx.users.erase(person.id)
            raise RuntimeError("stop")
    async with async_database.begin(acting(person.id)) as tx:
        assert (await tx.users.get(person.id)).username == person.name
        assert len((await tx.audit_log.timeline(person.id)).items) == 3
        assert await tx.sessions.find_active(person.token) is not None

"""pgAudit works beside our own trail, on Debian's PostgreSQL, the oldest that is supported (Z4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, NullPool, Table, create_engine, delete, insert, select, update

from devmentor_models.auth.models import AuditEntry, Team, User
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.objects import Statement, declared
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA, target_metadata
from tests.support import pgaudit

pytestmark = pytest.mark.services

TABLES = [model.__table__ for model in (User, Team, AuditEntry)]


@pytest.fixture
def server() -> Iterator[pgaudit.AuditingServer]:
    """Yield a server with pgAudit."""
    with pgaudit.running() as made:
        yield made


def build(engine: Engine) -> None:
    """Make a piece of the schema from the models: teams and their trail. Debian has no pgvector of ours."""
    declarations = [item for item in declared(target_metadata) if isinstance(item, Statement)]
    functions = [item.sql for item in declarations if item.target.startswith("FUNCTION devmentor.")]
    on = (" ON auth.teams", " ON auth.users")
    triggers = [item.sql for item in declarations if item.target.endswith(on)]
    schemas = [f"CREATE SCHEMA {name}" for name in (TECHNICAL_SCHEMA, *SCHEMAS)]
    with engine.begin() as connection:
        run = connection.execution_options(no_parameters=True).exec_driver_sql
        for statement in (*schemas, "CREATE EXTENSION pgaudit", *functions):
            run(statement)
        target_metadata.create_all(connection, tables=[item for item in TABLES if isinstance(item, Table)])
        run("CREATE TABLE auth.audit_log_default PARTITION OF auth.audit_log DEFAULT")
        for statement in triggers:
            run(statement)


def test_both_trails_tell_the_same(server: pgaudit.AuditingServer) -> None:
    """Ours has the rows and their values, pgAudit's the statements, ours among them."""
    engine = create_engine(server.url, poolclass=NullPool)
    build(engine)
    owner, team = uuid7(), uuid7()
    account = {"id": owner, "email": "a@example.org", "username": "a", "password_hash": "$secret"}
    with engine.begin() as connection:
        connection.execute(insert(User), account)
        connection.execute(insert(Team), {"id": team, "user_id": owner, "name": "one"})
        connection.execute(update(Team).where(Team.id == team).values(name="two"))
        connection.execute(delete(Team).where(Team.id == team))
        lines = connection.execute(
            select(AuditEntry.event, AuditEntry.details)
            .where(AuditEntry.row_id == team)
            .order_by(AuditEntry.id)
        ).all()
    assert [line.event for line in lines] == ["insert", "update", "delete"]
    assert lines[1].details == {"old": {"name": "one"}, "new": {"name": "two"}}
    told = server.audited()
    for command in ("INSERT", "UPDATE", "DELETE"):
        assert f"WRITE,{command},TABLE,auth.teams" in told
    assert told.count("WRITE,INSERT,TABLE,auth.audit_log") >= 4

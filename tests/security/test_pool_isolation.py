# Generated from test_pool_isolation_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""One connection serves one tenant after the other: none sees what another one left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.errors import DatabaseError, NotFound, PermissionDenied
from devmentor_models.projects.models import Project
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.concurrency import run_concurrently
from tests.support.users import committed

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Tenant:
    """A user and their only project."""

    id: UUID
    project: UUID


@pytest.fixture
def tenants(devmentor_url: str) -> tuple[Tenant, Tenant]:
    """Return two users with a project each."""

    def make(session: object) -> tuple[Tenant, Tenant]:
        rows = [ProjectFactory.insert(session) for _ in range(2)]  # type: ignore[arg-type] # a session
        return Tenant(rows[0].user_id, rows[0].id), Tenant(rows[1].user_id, rows[1].id)

    return committed(devmentor_url, make)


@pytest.fixture
def single(devmentor_service_url: Callable[..., str], anyio_backend: str) -> Iterator[Database]:
    """Yield a Database for the projects service with one connection, which every transaction gets."""
    url = devmentor_service_url("projects")
    with Database.from_url(url, pool_min=0, pool_max=1) as made:
        yield made


def seen(database: Database, tenant: Tenant) -> list[UUID]:
    """Return the projects that a tenant sees."""
    with database.begin(Actor.user(tenant.id)) as tx:
        return [project.id for project in (tx.projects.list()).items]


def test_two_tenants_take_turns_on_one_connection(single: Database, tenants: tuple[Tenant, Tenant]) -> None:
    """Whoever waits for the connection gets it with a context of their own."""
    found = run_concurrently([partial(seen, single, who) for who in tenants * 10])
    assert found == [[who.project] for who in tenants * 10]


def test_an_object_of_one_tenant_is_not_served_to_another(
    single: Database, tenants: tuple[Tenant, Tenant]
) -> None:
    """Each transaction has an identity map of its own, which ends with it."""
    mine, theirs = tenants
    with single.begin(Actor.user(theirs.id)) as tx:
        loaded = tx.projects.get(theirs.project)
    with single.begin(Actor.user(mine.id)) as tx:
        assert tx.session.get(Project, theirs.project) is None
        with pytest.raises(NotFound):
            tx.projects.get(theirs.project)
        assert loaded not in tx.session


def test_nothing_is_left_after_an_error(single: Database, tenants: tuple[Tenant, Tenant]) -> None:
    """A statement that fails, with whatever it had set, takes its context along."""
    mine, theirs = tenants
    with pytest.raises(DatabaseError):
        with single.begin(Actor.user(theirs.id)) as tx:
            tx.session.execute(text("SELECT set_config('devmentor.user_id', 'x', false), 1 / 0"))
    assert seen(single, mine) == [mine.project]


def test_nothing_is_left_when_a_block_is_given_up(single: Database, tenants: tuple[Tenant, Tenant]) -> None:
    """As a task does that is cancelled: its transaction is rolled back before the connection goes back."""
    mine, theirs = tenants
    with pytest.raises(KeyboardInterrupt):
        with single.begin(Actor.user(theirs.id)) as tx:
            tx.session.execute(text("SELECT pg_sleep(0)"))
            raise KeyboardInterrupt
    assert seen(single, mine) == [mine.project]


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE devmentor_owner",
        "SET ROLE devmentor_auth",
        "SET SESSION AUTHORIZATION devmentor_owner",
        "SET row_security = off; SELECT FROM projects.projects",
        "ALTER ROLE devmentor_projects BYPASSRLS",
        "SET session_replication_role = replica",
    ],
)
def test_a_service_cannot_become_more(
    single: Database, tenants: tuple[Tenant, Tenant], statement: str
) -> None:
    """Signed in as in production, it takes no other role and switches nothing off."""
    with pytest.raises(PermissionDenied):
        with single.begin(Actor.user(tenants[0].id)) as tx:
            tx.session.execute(text(statement))


def test_what_sessions_see_of_each_other(
    devmentor_service_url: Callable[..., str], single: Database, tenants: tuple[Tenant, Tenant]
) -> None:
    """Of their own login's: the statement without its parameters. Of other services': nothing at all."""
    query = text("SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid = :pid")
    service = devmentor_service_url("projects")
    other = devmentor_service_url("auth")
    with single.begin(Actor.user(tenants[1].id)) as tx:
        secret = text("SELECT pg_backend_pid() WHERE CAST(:secret AS text) IS NOT NULL")
        pid = (tx.session.execute(secret, {"secret": "a secret"})).scalar_one()
        for url, expected in ((service, "CAST($1 AS text)"), (other, "<insufficient privilege>")):
            with Database.from_url(url, pool_min=0, pool_max=1) as second:
                with second.begin(Actor.user(tenants[0].id)) as watching:
                    shown = (watching.session.execute(query, {"pid": pid})).scalar_one()
            assert expected in shown
            assert "a secret" not in shown

"""One connection serves one tenant after the other: none sees what another one left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import DatabaseError, NotFound, PermissionDenied
from devmentor_models.projects.models import Project
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.concurrency_async import run_concurrently
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
async def single(
    devmentor_service_url: Callable[..., str], anyio_backend: str
) -> AsyncIterator[AsyncDatabase]:
    """Yield a Database for the projects service with one connection, which every transaction gets."""
    url = devmentor_service_url("projects")
    async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1) as made:
        yield made


async def seen(database: AsyncDatabase, tenant: Tenant) -> list[UUID]:
    """Return the projects that a tenant sees."""
    async with database.begin(Actor.user(tenant.id)) as tx:
        return [project.id for project in (await tx.projects.list()).items]


async def test_two_tenants_take_turns_on_one_connection(
    single: AsyncDatabase, tenants: tuple[Tenant, Tenant]
) -> None:
    """Whoever waits for the connection gets it with a context of their own."""
    found = await run_concurrently([partial(seen, single, who) for who in tenants * 10])
    assert found == [[who.project] for who in tenants * 10]


async def test_an_object_of_one_tenant_is_not_served_to_another(
    single: AsyncDatabase, tenants: tuple[Tenant, Tenant]
) -> None:
    """Each transaction has an identity map of its own, which ends with it."""
    mine, theirs = tenants
    async with single.begin(Actor.user(theirs.id)) as tx:
        loaded = await tx.projects.get(theirs.project)
    async with single.begin(Actor.user(mine.id)) as tx:
        assert await tx.session.get(Project, theirs.project) is None
        with pytest.raises(NotFound):
            await tx.projects.get(theirs.project)
        assert loaded not in tx.session


async def test_nothing_is_left_after_an_error(single: AsyncDatabase, tenants: tuple[Tenant, Tenant]) -> None:
    """A statement that fails, with whatever it had set, takes its context along."""
    mine, theirs = tenants
    with pytest.raises(DatabaseError):
        async with single.begin(Actor.user(theirs.id)) as tx:
            await tx.session.execute(text("SELECT set_config('devmentor.user_id', 'x', false), 1 / 0"))
    assert await seen(single, mine) == [mine.project]


async def test_nothing_is_left_when_a_block_is_given_up(
    single: AsyncDatabase, tenants: tuple[Tenant, Tenant]
) -> None:
    """As a task does that is cancelled: its transaction is rolled back before the connection goes back."""
    mine, theirs = tenants
    with pytest.raises(KeyboardInterrupt):
        async with single.begin(Actor.user(theirs.id)) as tx:
            await tx.session.execute(text("SELECT pg_sleep(0)"))
            raise KeyboardInterrupt
    assert await seen(single, mine) == [mine.project]


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
async def test_a_service_cannot_become_more(
    single: AsyncDatabase, tenants: tuple[Tenant, Tenant], statement: str
) -> None:
    """Signed in as in production, it takes no other role and switches nothing off."""
    with pytest.raises(PermissionDenied):
        async with single.begin(Actor.user(tenants[0].id)) as tx:
            await tx.session.execute(text(statement))


async def test_what_sessions_see_of_each_other(
    devmentor_service_url: Callable[..., str], single: AsyncDatabase, tenants: tuple[Tenant, Tenant]
) -> None:
    """Of their own login's: the statement without its parameters. Of other services': nothing at all."""
    query = text("SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid = :pid")
    service = devmentor_service_url("projects")
    other = devmentor_service_url("auth")
    async with single.begin(Actor.user(tenants[1].id)) as tx:
        secret = text("SELECT pg_backend_pid() WHERE CAST(:secret AS text) IS NOT NULL")
        pid = (await tx.session.execute(secret, {"secret": "a secret"})).scalar_one()
        for url, expected in ((service, "CAST($1 AS text)"), (other, "<insufficient privilege>")):
            async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1) as second:
                async with second.begin(Actor.user(tenants[0].id)) as watching:
                    shown = (await watching.session.execute(query, {"pid": pid})).scalar_one()
            assert expected in shown
            assert "a secret" not in shown

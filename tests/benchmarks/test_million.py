"""The large data set is whole, however few rows it has here, and the seed's queries can use their indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

import psycopg
import pytest

from benchmarks import data, queries
from benchmarks.queries import QUERIES, World
from benchmarks.rows import Amounts
from devmentor_models import Database
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer

#: Enough for the busiest tenant to fill a page of memories in a week.
FEW = Amounts(users=8, projects=16, documents=2000, teams=4, tasks=200)


@pytest.fixture
def world(devmentor_database_url: str, devmentor_server: DatabaseServer) -> Iterator[World]:
    """Yield a database of a few rows, to ask as the services that the queries are for."""
    assert data.fill(devmentor_database_url, FEW) == FEW.total
    roles = ("devmentor_projects", "devmentor_memory")
    with devmentor_server.login(devmentor_database_url, *roles) as service:
        yield queries.read_world(devmentor_database_url, service)


def test_the_data_set_is_whole(devmentor_database_url: str) -> None:
    """The schema stays the models', every row has its parents, a second run adds nothing, a hole is found."""
    assert data.fill(devmentor_database_url, FEW) == FEW.total
    data.verify(devmentor_database_url)
    assert data.fill(devmentor_database_url, FEW) == 0
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM auth.teams")
    (line,) = data.orphans(devmentor_database_url)
    assert line.startswith("auth.team_members.fk_team_members_user_id_team_id: 20 rows")


def test_the_seeds_queries_can_use_their_indexes(world: World) -> None:
    """Under the policies of the services, no table is read from one end to the other (P5, F8)."""
    owner: UUID = next(tenant for tenant in world.tenants if tenant in world.teams)
    with Database.from_url(world.url, pool_min=0) as database:
        for query in QUERIES:
            plan = queries.plan_for(database, world, query, owner, small=True)
            assert query.indexes <= plan.indexes, plan.text
            assert not plan.scanned, plan.text
            assert plan.rows > 0, query.title


def test_the_queries_by_hand_answer_the_same(world: World) -> None:
    """What the repositories are measured beside returns as many rows for the same tenant."""
    owner = next(tenant for tenant in world.tenants if tenant in world.teams)
    page = 50
    with (
        Database.from_url(world.url, pool_min=0) as database,
        psycopg.connect(conninfo(world.url), autocommit=True) as connection,
    ):
        for query in QUERIES:
            found = [each.call(owner) for each in queries.variants(database, connection, world, query)]
            assert len({min(len(rows), page) for rows in found if isinstance(rows, Sequence)}) == 1

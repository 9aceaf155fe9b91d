"""``python -m benchmarks.queries``: the seed's queries (F8, P6) on a million rows, as services run them.

The baseline is the best SQL that we could write by hand, prepared, for the same tenant, under the same
policies and in the same transactions; the ratios are taken within each turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text

from benchmarks import report
from benchmarks.checks import Check
from benchmarks.data import FULL, QUICK, million
from benchmarks.measure import Series, Variant, take_turns
from benchmarks.plans import Plan, plan_of
from benchmarks.rows import DIMENSIONS, MODEL
from benchmarks.server import DATABASE, service_url
from devmentor_models import Actor, Database, Transaction
from devmentor_models.security.declarations import Service
from devmentor_models.security.signing import context_sql
from devmentor_models.settings import conninfo

REPORT = Path(__file__).with_name("queries.md")
PSYCOPG, BY_HAND, OURS = "SQL by hand, psycopg", "SQL by hand, in our transaction", "devmentor-models"
MAX_RATIO = 1.2

_RANKED = """
WITH recent AS (
    SELECT project_id, count(*) AS documents FROM memory.documents
    WHERE user_id = {user} AND project_id IS NOT NULL AND deleted_at IS NULL
      AND created_at > now() - interval '7 days'
    GROUP BY project_id HAVING count(*) > 10)
SELECT p.*, recent.documents, e.embedding <=> CAST({vector} AS halfvec) AS distance
FROM recent JOIN projects.projects p ON p.user_id = {user} AND p.id = recent.project_id
JOIN ai.project_embeddings e ON e.user_id = p.user_id AND e.project_id = p.id AND e.model_id = {model}
WHERE p.deleted_at IS NULL ORDER BY distance, p.id LIMIT 20
"""
_AUTHORS = """
SELECT u.id, u.username, p.name, busy.memories
FROM (SELECT user_id, project_id, count(*) AS memories FROM memory.documents
      WHERE user_id = {user} AND created_at >= now() - interval '30 days' AND deleted_at IS NULL
      GROUP BY user_id, project_id HAVING count(*) > 5) busy
JOIN auth.users u ON u.id = busy.user_id
LEFT JOIN projects.projects p ON p.user_id = busy.user_id AND p.id = busy.project_id
WHERE busy.project_id IS NULL OR p.deleted_at IS NULL
ORDER BY busy.memories DESC, u.username, p.name, busy.project_id LIMIT 50
"""
_TEAM = """
WITH team AS MATERIALIZED (
    SELECT member_id FROM auth.team_members
    WHERE team_id = {team} AND (user_id = {user} OR team_id = ANY (devmentor.shared_teams())))
SELECT t.* FROM team JOIN projects.tasks t ON t.assignee_id = team.member_id
WHERE (t.user_id = {user} OR t.project_id = ANY (devmentor.shared_projects())) AND t.deleted_at IS NULL
  AND EXISTS (SELECT FROM projects.projects p
              WHERE p.user_id = t.user_id AND p.id = t.project_id AND p.deleted_at IS NULL)
  AND NOT EXISTS (SELECT FROM projects.epics e
                  WHERE e.user_id = t.user_id AND e.id = t.epic_id AND e.deleted_at IS NOT NULL)
ORDER BY t.id DESC LIMIT 51 -- one more, to know whether there is another page
"""


@dataclass(frozen=True, slots=True)
class Query:
    """One of the seed's queries.

    Attributes:
        title: What it answers.
        call: The repository's method.
        sql: The same by hand, with its parameters in braces.
        indexes: What must be used.
        most_buffers: How many pages it may look at, for the largest tenant.
        most_ms: What the 95th percentile may be.
        held: Whether it must keep to its ratio; entities by the dozen cost more than plain rows.
    """

    title: str
    call: Callable[[Transaction, World, UUID], Sequence[object]]
    sql: str
    indexes: frozenset[str]
    most_buffers: int
    most_ms: float
    held: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """What the queries are asked about.

    Attributes:
        url: The database, as a service connects to it.
        tenants: Users, those with the most memories first.
        teams: The team of each user who has one.
        model: The embedding model's key.
        vector: What projects are compared with.
    """

    url: str
    tenants: list[UUID]
    teams: dict[UUID, UUID]
    model: UUID
    vector: list[float]


QUERIES = (
    Query(
        "Projects with more than ten memories in seven days, the nearest first (P6)",
        lambda tx, world, _: tx.projects.ranked_by_activity(world.vector, model_id=world.model),
        _RANKED,
        frozenset({"ix_documents_recent", "uq_project_embeddings_user_id_project_id_model_id"}),
        1000,
        12,
    ),
    Query(
        "More than five memories in thirty days (F8)",
        lambda tx, _, __: tx.memory.active_authors(),
        _AUTHORS,
        frozenset({"ix_documents_recent"}),
        500,
        5,
    ),
    Query(
        "Tasks assigned to the members of a team (F8)",
        lambda tx, world, user: tx.tasks.assigned_to_team(world.teams[user]).items,
        _TEAM,
        frozenset({"ix_tasks_assignee_id_user_id"}),
        2000,
        5,
        held=False,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 1 when something that must be reached is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument(
        "--plans", action="store_true", help="check plans alone, which no busy machine changes"
    )
    parser.add_argument("--report", action="store_true", help="write the figures into benchmarks/queries.md")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="use, and leave, the database there")
    chosen = parser.parse_args(arguments)
    with million(QUICK if chosen.quick else FULL, chosen.keep) as (server, _):
        url = server.url(DATABASE)
        world = read_world(url, service_url(url, (Service.PROJECTS, Service.MEMORY)))
        tables, asked = measure(world, rounds=0 if chosen.plans else 1 if chosen.quick else 15)
        about = report.machine(server.version, durable=False)
    report.show(tables, about)
    if chosen.report:
        report.write(tables, about, REPORT)
    return int(not chosen.quick and any(each.required and not each.passed for each in asked))


def read_world(url: str, service: str) -> World:
    """Return what to ask the data set.

    Args:
        url: Its database, as superuser.
        service: The same as a service connects to it.
    """
    with psycopg.connect(conninfo(url)) as admin:
        by_size = "SELECT user_id FROM memory.documents GROUP BY 1 ORDER BY count(*) DESC, 1"
        tenants = [row[0] for row in admin.execute(by_size.encode())]
        teams: dict[UUID, UUID] = dict(admin.execute("SELECT user_id, id FROM auth.teams").fetchall())
        found = admin.execute("SELECT id FROM ai.embedding_models WHERE name = %s", [MODEL]).fetchone()
    assert found
    vector = [1.0 + place % 7 for place in range(DIMENSIONS)]
    return World(service, tenants, teams, found[0], vector)


def measure(world: World, *, rounds: int) -> tuple[list[report.Table], list[Check]]:
    """Measure every query for the largest tenants and for those in the middle; check the plans, too.

    Args:
        world: What the queries are asked about.
        rounds: Turns that count; 0 checks the plans alone.
    """
    with Database.from_url(world.url) as database:
        return _measure(database, world, rounds)


def _measure(database: Database, world: World, rounds: int) -> tuple[list[report.Table], list[Check]]:
    tables, asked, plans = [], [], []
    for query in QUERIES:
        owners = [tenant for tenant in world.tenants if tenant in world.teams]
        plan = plan_for(database, world, query, owners[0])
        plans.append((query.title, f"{plan.buffers}", plan.text))
        asked.append(_check_plan(query, plan))
        if not rounds:
            continue
        for name, tenants in (("of the largest 20", owners[:20]), ("in the middle", _middle(owners))):
            series = _beside(database, world, query, tenants, rounds)
            tables.append(_table(f"{query.title}: tenants {name}", series))
            asked += _check_times(f"{query.title}, tenants {name}", query, series)
    if rounds:
        everybody = _everybody(database)
        rows = [("active_authors() of the memory service, acting for nobody", f"{everybody * 1e3:.0f}")]
        tables.append(
            report.Table("More than five memories in thirty days: everybody's", ("", "median ms"), rows)
        )
    tables.append(report.Table("Plans for the largest tenant", ("query", "buffers", "plan (rows)"), plans))
    return [*tables, report.check_table(asked)], asked


def _middle(owners: list[UUID]) -> list[UUID]:
    return owners[len(owners) // 2 :][:200]


def plan_for(database: Database, world: World, query: Query, tenant: UUID, *, small: bool = False) -> Plan:
    """Return how a tenant's query is run.

    Args:
        database: As a service connects to it.
        world: What is asked.
        query: Which one.
        tenant: Whose.
        small: There are so few rows that reading all of them would be right; find out what it could use.
    """
    with database.begin(Actor.user(tenant), readonly=True) as tx:
        if small:
            tx.session.execute(text("SET LOCAL enable_seqscan = off"))
        return plan_of(tx, lambda tx: query.call(tx, world, tenant))


def variants(database: Database, connection: psycopg.Connection, world: World, query: Query) -> list[Variant]:
    """Return a query by hand, in bare psycopg and within our transactions, and by its repository.

    Args:
        database: As a service connects to it.
        connection: The same, in bare psycopg.
        world: What is asked.
        query: Which one.
    """
    names = ("user", "team", "vector", "model")
    written = text(query.sql.format(**{name: f":{name}" for name in names}))
    sent = query.sql.format(**{name: f"%({name})s" for name in names}).encode()

    def values(user: UUID) -> dict[str, Any]:
        return {
            "user": user,
            "team": world.teams.get(user),
            "vector": str(world.vector),
            "model": world.model,
        }

    def plain(user: UUID) -> Sequence[object]:
        connection.execute(f"BEGIN READ ONLY; {context_sql(Actor.user(user))}".encode())
        rows = connection.execute(sent, values(user)).fetchall()
        connection.execute("COMMIT")
        return rows

    def by_hand(user: UUID) -> Sequence[object]:
        with database.begin(Actor.user(user), readonly=True) as tx:
            return tx.session.execute(written, values(user)).all()

    def ours(user: UUID) -> Sequence[object]:
        with database.begin(Actor.user(user), readonly=True) as tx:
            return query.call(tx, world, user)

    return [Variant(PSYCOPG, plain), Variant(BY_HAND, by_hand), Variant(OURS, ours)]


def _beside(
    database: Database, world: World, query: Query, tenants: Sequence[UUID], rounds: int
) -> dict[str, Series]:
    """Measure a query, and the same by hand, for each of the tenants in turn."""
    with psycopg.connect(conninfo(world.url), autocommit=True) as connection:
        calls = 3 if rounds == 1 else 100
        return take_turns(variants(database, connection, world, query), tenants, rounds=rounds, calls=calls)


def _everybody(database: Database) -> float:
    times = []
    for _ in range(5):
        began = perf_counter()
        with database.begin(Actor.service("memory"), readonly=True) as tx:
            tx.memory.active_authors()
        times.append(perf_counter() - began)
    return median(times)


def _check_plan(query: Query, plan: Plan) -> Check:
    fine = query.indexes <= plan.indexes and not plan.scanned and plan.buffers <= query.most_buffers
    return Check(
        f"{query.title}: by index under policies, at most {query.most_buffers} buffers",
        f"{plan.buffers} buffers" if not plan.scanned else f"reads all of {', '.join(plan.scanned)}",
        fine,
    )


def _check_times(title: str, query: Query, series: dict[str, Series]) -> list[Check]:
    ours = series[OURS]
    most = ours.p95 * 1e3
    found = [Check(f"{title}: P95 at most {query.most_ms:g} ms", f"{most:.2f} ms", most <= query.most_ms)]
    # The statements are compared within the same transactions. Beside bare psycopg, our transactions and
    # entities cost a fixed fraction of a millisecond, most of what so quick a statement takes.
    for name, required in ((BY_HAND, query.held), (PSYCOPG, False)):
        ratio = ours.p95_ratio(series[name])
        asked = f"{title}: P95 at most {MAX_RATIO:g} x {name}"
        found.append(Check(asked, f"{ratio:.2f} x", ratio <= MAX_RATIO, required))
    return found


def _table(title: str, series: dict[str, Series]) -> report.Table:
    rows = [
        (
            each.name,
            f"{each.median * 1e3:.2f}",
            f"{each.p95 * 1e3:.2f}",
            f"{each.latency_ratio(series[BY_HAND]):.2f}",
            f"{each.p95_ratio(series[BY_HAND]):.2f}",
        )
        for each in series.values()
    ]
    header = ("variant", "median ms", "P95 ms", f"median x {BY_HAND}", f"P95 x {BY_HAND}")
    return report.Table(title, header, rows)


if __name__ == "__main__":
    sys.exit(main())

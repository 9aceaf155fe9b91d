"""``python -m benchmarks.security``: what row security and signed contexts cost, as ratios within one run.

The same statement runs as a service, whose rows policies choose, and as a superuser, whom they do not bind.
The plans of the service's statements are checked, too: the tenant must be an index condition.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from sqlalchemy import func, select, text

from benchmarks import report
from benchmarks.checks import Check
from benchmarks.measure import Series, Variant, take_turns
from benchmarks.server import Target, serve, service_url
from devmentor_models import Actor, Database
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.projects.models import Task
from devmentor_models.security.declarations import Service
from devmentor_models.security.signing import ContextKeys, context_sql
from devmentor_models.settings import conninfo
from devmentor_models.transaction import Transaction

REPORT = Path(__file__).with_name("security.md")
FREE, BOUND = "superuser, not bound by policies", "service, bound by policies"
UNSIGNED, SIGNED = "context not signed", "context signed"
#: Statements sent at once. One at a time, the kernel's waking of the other process takes longer than most of
#: them, and twice as long in one connection as in the next.
TOGETHER = 20
MAX_COST_OF_SIGNING = 1.10


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        users: Tenants.
        tasks: Tasks of each.
        chunks: Chunks of text of each.
        rounds: Turns that count.
        calls: Calls of each variant per turn.
    """

    users: int
    tasks: int
    chunks: int
    rounds: int
    calls: int


FULL = Size(users=1000, tasks=1000, chunks=200, rounds=25, calls=30)
QUICK = Size(users=5, tasks=20, chunks=5, rounds=1, calls=3)

#: Projects have the key of their owner: one each.
_FILL = (
    "SET session_replication_role = replica",
    """
    INSERT INTO projects.projects (id, user_id, name, slug)
    SELECT id, id, 'Project', 'project' FROM auth.users
    """,
    """
    INSERT INTO projects.tasks (user_id, project_id, title, position)
    SELECT u.id, u.id, 'Task ' || n, n FROM generate_series(1, {tasks}) n, auth.users u
    """,
    """
    INSERT INTO memory.documents (id, user_id, title, content, source, content_hash)
    SELECT id, id, 'Document', 'text', 'note', sha256('text') FROM auth.users
    """,
    """
    INSERT INTO memory.chunks (user_id, document_id, ordinal, content, content_hash)
    SELECT u.id, u.id, n, 'The word ' || md5(n::text) || CASE n % 50 WHEN 0 THEN ' needle' ELSE '' END
        || repeat(' of the text', 20), sha256('text')
    FROM generate_series(1, {chunks}) n, auth.users u
    """,
    "VACUUM ANALYZE projects.projects, projects.tasks, memory.documents, memory.chunks",
)

#: What is measured: a name, and a statement with one parameter, the tenant.
STATEMENTS = {
    "Point read: a project by its key": "SELECT id, name, status FROM projects.projects WHERE id = %s",
    "List: the newest 50 tasks of a tenant": (
        "SELECT id, title, status, position FROM projects.tasks WHERE user_id = %s ORDER BY id DESC LIMIT 50"
    ),
    "Count: all tasks of a tenant, the WHERE clause forgotten": "SELECT count(*) FROM projects.tasks",
    "Search: words in a tenant's text": (
        "SELECT id FROM memory.chunks WHERE user_id = %s"
        " AND fts @@ websearch_to_tsquery('english', 'needle') LIMIT 10"
    ),
}
#: How PostgreSQL shows the context's functions, which it inlines; and keys.
_SETTING = re.compile(
    r"\(?NULLIF\(current_setting\('devmentor\.(\w+)'::text, true\), ''::text\)\)?(?:::uuid(?:\[\])?)?"
)
_KEY = re.compile(r"'[0-9a-f-]{36}'::uuid")
EXPLAIN = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
#: What is done in a transaction whose context is signed, or not.
TRANSACTIONS: dict[str, Callable[[Transaction, UUID], object]] = {
    "a point read": lambda tx, user: tx.projects.get(user),
    "a list of 50 tasks": lambda tx, user: tx.tasks.list(user, limit=50),
    "a count of 1,000 rows": lambda tx, _: tx.session.scalar(select(func.count(Task.id))),
}
_FORGOTTEN = "SELECT count(*) FROM projects.tasks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 1 when something that must be reached is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.security", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--report", action="store_true", help="write the figures into benchmarks/security.md")
    chosen = parser.parse_args(arguments)
    tables, asked, about = measure(QUICK if chosen.quick else FULL)
    report.show(tables, about)
    if chosen.report:
        report.write(tables, about, REPORT)
    return int(not chosen.quick and any(each.required and not each.passed for each in asked))


def measure(size: Size) -> tuple[list[report.Table], list[Check], str]:
    """Measure everything; return the tables, what the figures are held to, and about which machine."""
    with serve(size.users, durable=False) as target:
        _fill(target, size)
        service = service_url(target.url, Service)
        plans = {name: _plan(service, statement, target.users[0]) for name, statement in STATEMENTS.items()}
        tables, asked = [], [_check_plan(name, plan) for name, plan in plans.items()]
        with _sessions(target, service) as run:
            for name, statement in STATEMENTS.items():
                series = _beside(run, statement, target.users, size)
                tables.append(_table(name, series, FREE, TOGETHER))
        for name, work in TRANSACTIONS.items():
            contexts = _contexts(target, service, size, work)
            tables.append(_table(f"A transaction with {name}, through the library", contexts, UNSIGNED))
            cost = contexts[SIGNED].latency_ratio(contexts[UNSIGNED])
            asked.append(_check_cost(name, cost))
        asked += _signed_plans(target, service)
        about = report.machine(target.version)
    return [*tables, _plans_table(plans), report.check_table(asked)], asked, about


def _fill(target: Target, size: Size) -> None:
    with psycopg.connect(target.conninfo, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement.format(tasks=size.tasks, chunks=size.chunks).encode())


@contextmanager
def _sessions(target: Target, service: str) -> Iterator[dict[str, psycopg.Connection]]:
    with ExitStack() as opened:
        yield {
            name: opened.enter_context(psycopg.connect(conninfo(url), autocommit=True, prepare_threshold=2))
            for name, url in ((FREE, target.url), (BOUND, service))
        }


def _beside(
    sessions: dict[str, psycopg.Connection], statement: str, users: Sequence[UUID], size: Size
) -> dict[str, Series]:
    """Measure a statement in both sessions; BEGIN, the context and COMMIT are not timed."""
    # Whoever is not bound by policies must say whose rows; that is what they are compared with.
    free = f"{statement} WHERE user_id = %s" if statement == _FORGOTTEN else statement

    def call(name: str, sql: str) -> Callable[[UUID], object]:
        connection = sessions[name]
        query = sql.encode()

        def run(user: UUID) -> object:
            values = [user] if b"%s" in query else None
            with connection.pipeline():
                answers = [connection.execute(query, values) for _ in range(TOGETHER)]
            return [answer.fetchall() for answer in answers]

        return run

    series: dict[str, Series] = {}
    for turn in range(size.rounds):
        user = users[turn % len(users)]
        for connection in sessions.values():
            connection.execute(f"BEGIN; {context_sql(Actor.user(user))}".encode())
        variants = [Variant(FREE, call(FREE, free)), Variant(BOUND, call(BOUND, statement))]
        for name, each in take_turns(variants, [user], rounds=1, calls=size.calls).items():
            series.setdefault(name, Series(name)).add(each.rounds[0], each.elapsed[0])
        for connection in sessions.values():
            connection.execute("COMMIT")
    return series


def _check_cost(name: str, cost: float) -> Check:
    text = f"{name}: signed contexts at most {MAX_COST_OF_SIGNING:.2f} x unsigned ones"
    return Check(text, f"{cost:.2f} x", cost <= MAX_COST_OF_SIGNING, required=False)


def _signed_plans(target: Target, service: str) -> list[Check]:
    """Check the plans of a database where each condition also asks whether the context is sealed."""
    key = generate_key()
    context_keys.install(target.url, ContextKeys.from_text(key))
    with Database.from_url(service, context_key=key) as database:
        checks = []
        for name, statement in STATEMENTS.items():
            user = target.users[0]
            with database.begin(Actor.user(user)) as tx:
                explain = text(f"{EXPLAIN} {statement.replace('%s', ':user')}")
                rows = tx.session.execute(explain, {"user": user} if "%s" in statement else {})
                checks.append(_check_plan(f"signed, {name}", "\n".join(str(row[0]) for row in rows)))
    context_keys.remove(target.url)
    return checks


def _contexts(
    target: Target, service: str, size: Size, work: Callable[[Transaction, UUID], object]
) -> dict[str, Series]:
    """Measure whole transactions with and without a signature; the database accepts both kinds in turn."""
    key = generate_key()
    series: dict[str, Series] = {}
    os.environ.pop("DEVMENTOR_CONTEXT_KEY", None)
    for _ in range(size.rounds):
        for name, chosen in ((UNSIGNED, None), (SIGNED, key)):
            if chosen:
                context_keys.install(target.url, ContextKeys.from_text(chosen))
            with Database.from_url(service, context_key=chosen) as database:

                def read(user: UUID, database: Database = database) -> object:
                    with database.begin(Actor.user(user)) as tx:
                        return work(tx, user)

                measured = take_turns([Variant(name, read)], target.users, rounds=1, calls=size.calls)[name]
            series.setdefault(name, Series(name)).add(measured.rounds[0], measured.elapsed[0])
            context_keys.remove(target.url)
    return series


def _plan(service: str, statement: str, user: UUID) -> str:
    """Return how the service's statement is run."""
    with psycopg.connect(conninfo(service)) as connection:
        connection.execute(context_sql(Actor.user(user)).encode())
        values = [user] if "%s" in statement else None
        return "\n".join(str(row[0]) for row in connection.execute(f"{EXPLAIN} {statement}".encode(), values))


def _check_plan(name: str, plan: str) -> Check:
    indexed = "Index Cond" in plan and "Seq Scan" not in plan
    return Check(f"{name}: by index under policies", "yes" if indexed else "no", indexed)


def _table(title: str, series: dict[str, Series], base: str, together: int = 1) -> report.Table:
    rows = [
        (
            each.name,
            f"{each.median / together * 1e6:.0f}",
            f"{each.p95 / together * 1e6:.0f}",
            f"{each.latency_ratio(series[base]):.2f}",
        )
        for each in series.values()
    ]
    return report.Table(title, ("variant", "median µs", "P95 µs", f"x {base}"), rows)


def _plans_table(plans: dict[str, str]) -> report.Table:
    rows = [(name, "; ".join(_essence(plan))) for name, plan in plans.items()]
    return report.Table("Plans under policies", ("statement", "plan"), rows)


def _essence(plan: str) -> Iterator[str]:
    """Yield what a plan reads and by which conditions, with the context's settings by their names."""
    for line in plan.splitlines():
        if any(word in line for word in ("Index Cond", "Filter", "Scan", "Sort")):
            named = _SETTING.sub(r"\1", line.strip(" ->"))
            yield _KEY.sub("$1", named)


if __name__ == "__main__":
    sys.exit(main())

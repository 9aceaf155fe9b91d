"""What a statement finds out of rows that it is not shown: it compares, and a side effect tells the result.

PostgreSQL holds comparisons of most types to be leakproof, and evaluates them in the order of their cost. One
that comes before a policy's condition, in an ``OR`` with a query that sets something, tells one bit of a row:
the query runs only where the comparison is false.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.proof.declared import SERVICES, Protected
from devmentor_models.proof.forged import NO_INDEXES
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.stage import Stage
from devmentor_models.proof.tenants import Tenants
from devmentor_models.security.actor import Actor
from devmentor_models.security.declarations import Service
from devmentor_models.security.roles import READONLY

WAY = "a comparison with a row of another"
_SEEN = "current_setting('devmentor_proof.seen', true)"
_TOLD = f"SELECT seen FROM {_SEEN} AS seen WHERE seen <> ''"
#: What a role may set that changes costs, and with them the order; as it is first.
_COSTS = ("", "SET LOCAL cpu_operator_cost = 0; ", "SET LOCAL cpu_operator_cost = 1e300; ")
#: Conditions on a row of `ai.provider_configs` that cost nothing, of which each is false, or null, for it.
_FREE = (
    "NOT is_active",
    "base_url IS NULL",
    """('{"a": 1}'::jsonb)[name] IS NOT NULL""",
    "(ARRAY[0])[version] IS NULL",
)
#: Types with an order of their own, one they are stored like, or that of all arrays or enumerations.
_COMPARABLE = """
SELECT attname FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND (typtype = 'e' OR typcategory = 'A'
    OR EXISTS (
        SELECT FROM pg_opclass c JOIN pg_am m ON m.oid = opcmethod
        WHERE amname = 'btree' AND opcdefault AND (opcintype = atttypid OR EXISTS (
            SELECT FROM pg_cast WHERE castsource = atttypid AND casttarget = opcintype AND castmethod = 'b'
                AND castcontext = 'i'))))
ORDER BY attnum"""


def attempt_compared(stage: Stage, report: Report, tenants: Tenants, tables: dict[str, Protected]) -> None:
    """Compare each column of another's row, as each role that may read it, where contexts are signed.

    Where they are not, SQL that can do this can be anybody: `forged` says so.
    """
    if not stage.signed:
        return
    for table in tables.values():
        if not table.owner:
            continue
        comparable = [name for (name,) in stage.ask(_COMPARABLE, table.name)]
        hidden = list(_hidden(stage, tenants, table))
        for role in (*SERVICES, READONLY.name):
            columns = [name for name in comparable if table.may(role, "SELECT", name)]
            if not columns or table.sees_all(role):
                continue
            for me, key, value in hidden:
                tried = _comparisons(table.name, key, value, columns)
                report.ways[WAY] += len(tried) * len(_COSTS)
                report.failures.extend(_compare(stage, table.name, role, me, tried))
    _told_for_nothing(stage, report, tenants)


def _hidden(stage: Stage, tenants: Tenants, table: Protected) -> Iterator[tuple[UUID, str, str]]:
    """Yield users, and the column and value by which one row that they are not shown is looked at alone."""
    # A user without any row: which of several conditions of one cost comes first is the planner's affair.
    yield uuid4(), "id", literal(tenants.others[table.name]["id"])
    if table.shared:
        query = f"SELECT ctid::text FROM {table.name} WHERE id = %s"
        yield tenants.viewer, "ctid", literal(stage.ask(query, tenants.hidden[table.name]["id"])[0][0])


def _comparisons(table: str, key: str, value: str, columns: list[str]) -> list[str]:
    """Return statements that compare each column of a row with itself, in the table and in a union."""
    names = [quoted(name) for name in columns]
    # Conditions on a union are pushed down to before those of each part.
    part = f"SELECT {', '.join(dict.fromkeys([key, *names]))} FROM {table}"
    sources = (table, f"({part} UNION ALL {part})")
    return [_telling(of, f"{key} = {value}", f"{name} < {name}") for of in sources for name in names]


def _compare(stage: Stage, table: str, role: str, me: UUID, tried: list[str]) -> Iterator[Failure]:
    """Yield what a role could tell of a row that a user is not shown, with costs as they are and changed."""
    for costs in _COSTS:
        outcome = stage.attempt(role, Actor.user(me), f"{NO_INDEXES}; {costs}{'; '.join(tried)}; {_TOLD}")
        if outcome.kind != "nothing":
            told = outcome if outcome.state else f"it was of {outcome.message}"
            yield Failure(table, role, WAY, "nothing to be told", str(told), f"{costs}{tried[0]}")


def _telling(source: str, row: str, condition: str) -> str:
    """Return a statement that notes a condition if it is evaluated for the row, and is not true."""
    told = f"concat_ws('; ', nullif({_SEEN}, ''), {literal(condition)})"
    noted = f"(SELECT set_config('devmentor_proof.seen', {told}, true) = '')"
    return f"SELECT FROM {source} WHERE {row} AND ({condition} OR {noted})"


def _told_for_nothing(stage: Stage, report: Report, tenants: Tenants) -> None:
    """Measure what comes even before a barrier: conditions without an operator cost nothing."""
    way, told = "another's column that is null, true, or a subscript", 0
    table = "ai.provider_configs"
    row = f"id = {literal(tenants.others[table]['id'])}"
    for condition in _FREE:
        sql = f"{_telling(table, row, condition)}; {_TOLD}"
        outcome = stage.attempt(Service.AI.role, Actor.user(tenants.stranger), sql)
        report.ways[way] += 1
        told += outcome.kind == "rows"
    report.limits.append(
        f"{way}: {told} of {report.ways[way]} attempts were told of a row whose id they knew; conditions"
        " without an operator cost PostgreSQL nothing, and come before all others"
    )

"""Contexts that the SQL of a transaction makes itself, before its statements and in the middle of one."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.proof.declared import SERVICES, Protected
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.stage import Stage
from devmentor_models.proof.tenants import Tenants
from devmentor_models.security.actor import Actor
from devmentor_models.security.roles import READONLY
from devmentor_models.security.signing import context_sql

_ONLY_INDEXES = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
NO_INDEXES = "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off"
_ONLY_BITMAPS = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off"
_NESTED = "; ".join(
    f"SET LOCAL enable_{way} = off" for way in ("material", "memoize", "hashjoin", "mergejoin")
)
_LEAST = "'00000000-0000-0000-0000-000000000000'::uuid"

#: Another value than a column's, by its type's category or name; NULL for the rest.
_OTHER = {
    "N": "coalesce({0}, 0) + 1",
    "D": "coalesce({0}, now()) + interval '1 day'",
    "S": "concat({0}, 'x')",
    "B": "NOT coalesce({0}, false)",
    "A": "array_append({0}, NULL)",
    "E": "(SELECT label FROM unnest(enum_range({0})) AS label WHERE label <> {0} LIMIT 1)",
    "uuid": "gen_random_uuid()",
    "jsonb": """'{{"other": true}}'""",
}
_TYPES = """
SELECT attname::text, CASE typcategory WHEN 'U' THEN typname::text ELSE typcategory::text END
FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attrelid = {0}::regclass AND attnum > 0"""
_TWO_ROWS = """
UPDATE {table} AS t SET {column} = CASE WHEN n = 2 AND {become} <> '' THEN {other} ELSE t.{column} END
FROM (SELECT id, n FROM (VALUES ({first}::uuid, 1), ({second}::uuid, 2)) AS v (id, n)
      JOIN {table} USING (id) ORDER BY n OFFSET 0) AS rows
WHERE t.id = rows.id RETURNING {back}"""


def attempt_forged(stage: Stage, report: Report, tenants: Tenants, tables: dict[str, Protected]) -> None:
    """Claim to be another user. In a database that signs nothing shows that user's rows."""
    _set_by_hand(stage, report, tenants)
    if stage.signed:
        for table in tables.values():
            if table.owner:
                _changed_within(stage, report, tenants, table)
                _changed_by_nobody(stage, report, tenants, table)
            if table.edited:
                _changed_between_rows(stage, report, tenants, table)


def _set_by_hand(stage: Stage, report: Report, tenants: Tenants) -> None:
    """Set somebody else's context by hand, as injected SQL could."""
    victim, project = str(tenants.victim), tenants.others["projects.projects"]["id"]
    select = f"SELECT id FROM projects.projects WHERE id = {literal(project)}"
    shared = (
        f"SET LOCAL devmentor.owners = '{{{victim}}}'; SET LOCAL devmentor.shared_projects = '{{{project}}}'"
    )
    way = "context set by hand"
    seen = 0
    for role in (*SERVICES, READONLY.name):
        adopted = f"SET LOCAL devmentor.user_id = {literal(victim)}"
        for forged in (adopted, shared, context_sql(Actor.user(tenants.victim))):
            sql = f"{forged}; {select}"
            outcome = stage.attempt(role, Actor.user(tenants.stranger), sql)
            report.ways[way] += 1
            seen += outcome.kind == "rows"
            if stage.signed and outcome.kind == "rows":
                report.failures.append(Failure("projects.projects", role, way, "no rows", str(outcome), sql))
    if not stage.signed:
        report.limits.append(
            f"context set by hand: NOT DEFENDED in this database, {seen} of {report.ways[way]} attempts read"
            " the row; with DEVMENTOR_CONTEXT_KEY and `devmentor-db context-key` none does"
        )


def _changed_within(stage: Stage, report: Report, tenants: Tenants, table: Protected) -> None:
    """Act as the victim for whatever is read first, and as oneself again where rows are looked at."""
    way, attempts = "context changed within a statement", list(_changing(table, tenants))
    for role in (*SERVICES, READONLY.name):
        if not table.may(role, "SELECT", table.owner) or table.sees_all(role):
            continue
        for me, settings, select in attempts:
            sql = f"{settings}; SET LOCAL devmentor.user_id = {literal(str(tenants.victim))}; {select}"
            outcome = stage.attempt(role, Actor.user(me), sql)
            report.ways[way] += 1
            if outcome.kind != "nothing":
                report.failures.append(Failure(table.name, role, way, "no rows", str(outcome), sql))


def _changed_by_nobody(stage: Stage, report: Report, tenants: Tenants, table: Protected) -> None:
    """Become the victim as a service that does its chores, once it is seen that it acts for nobody."""
    way, role = "context of nobody changed within a statement", table.security.grants[0].service.role
    when = table.chores(role, "SELECT")
    if when in {None, "true"}:
        return
    become = f"{table.owner} = (SELECT {_become(tenants.victim)}::uuid)"
    row = f"id = {literal(tenants.others[table.name]['id'])} AND NOT ({when})"
    sql = f"{NO_INDEXES}; SELECT id FROM {table.name} WHERE ({table.owner} IS NULL OR {become}) AND {row}"
    outcome = stage.attempt(role, Actor.service(role.removeprefix("devmentor_")), sql)
    report.ways[way] += 1
    if outcome.kind != "nothing":
        report.failures.append(Failure(table.name, role, way, "no rows", str(outcome), sql))


def _changed_between_rows(stage: Stage, report: Report, tenants: Tenants, table: Protected) -> None:
    """Be the owner for the second row alone, once a barrier has settled for the first one who acts."""
    way, victim = "context changed between two rows", tenants.victim
    types = dict(stage.ask(_TYPES.format(literal(table.name))))
    rows = {"first": tenants.others, "second": tenants.further}
    keys = {name: literal(row[table.name]["id"]) for name, row in rows.items()}
    for role in (role for role in SERVICES if table.may(role, "UPDATE")):
        for column in table.columns(role, "UPDATE"):
            other = _OTHER.get(types[column], "NULL").format(f"t.{quoted(column)}")
            given = {"table": table.name, "column": quoted(column), "other": other, **keys}
            honest, forged = (
                f"{_NESTED}; " + _TWO_ROWS.format(**given, become=_become(user), back=_become(tenants.editor))
                for user in (tenants.editor, victim)
            )
            outcome = stage.attempt(role, Actor.user(tenants.editor), forged)
            report.ways[way] += 1
            if outcome.kind == "denied":
                continue
            refused = stage.attempt(role, Actor.user(tenants.editor), honest)
            if refused.kind == "denied":
                report.failures.append(Failure(table.name, role, way, str(refused), str(outcome), forged))


def _changing(table: Protected, tenants: Tenants) -> Iterator[tuple[UUID, str, str]]:
    """Yield who acts, settings of the planner, and a statement that becomes that user again as it runs."""
    me, owner, victim = tenants.stranger, table.owner, literal(str(tenants.victim))
    rows = f"SELECT {owner} FROM {table.name} WHERE {owner} = {victim}"
    back = f"(SELECT CASE WHEN {_become(me)} <> '' THEN {_LEAST} END)"
    # As a key of the same index as the policy's, as a member of the same class of equal expressions, and as a
    # clause that the planner puts behind the policy's for its cost.
    yield me, _ONLY_INDEXES, f"{rows} AND id >= {back}"
    yield me, _ONLY_INDEXES, f"{rows} AND {owner} >= {back}"
    yield me, NO_INDEXES, f"{rows} AND {owner} >= {back}"
    yield me, NO_INDEXES, f"{rows} AND (id >= {back} OR id > {_LEAST} OR id < {_LEAST})"
    yield me, f"{_NESTED}; {_ONLY_INDEXES}", _late(table, tenants, me, f"owner = {victim}")
    if table.shared:  # as one of those who may see some of the victim's rows
        me, hidden = tenants.viewer, f"key = {literal(tenants.hidden[table.name]['id'])}"
        yield me, f"{_NESTED}; {_ONLY_BITMAPS}", _late(table, tenants, me, hidden)


def _become(user: UUID) -> str:
    return f"set_config('devmentor.user_id', {literal(str(user))}, true)"


def _late(table: Protected, tenants: Tenants, me: UUID, wanted: str) -> str:
    """All children of an Append are searched with keys of one moment, and read one after the other."""
    outside = f"SELECT {_become(tenants.victim)} AS one FROM generate_series(1, 1) OFFSET 0"
    first = f"SELECT {_become(me)} AS one, NULL::uuid AS key, NULL::uuid AS owner"
    found = f"{first} FROM generate_series(1, 1) UNION ALL SELECT '', id, {table.owner} FROM {table.name}"
    both = f"({outside}) AS outside, ({found}) AS found WHERE outside.one IS NOT NULL"
    rows = f"SELECT found.* FROM {both} OFFSET 0"
    return f"SELECT owner FROM ({rows}) AS rows WHERE {wanted}"

"""Foreign keys and unique indexes: whether they tell of another tenant's rows, or reach them."""

from __future__ import annotations

from uuid import uuid4

from devmentor_models.migrations.identifiers import literal
from devmentor_models.proof.declared import REFERENCES_TOLD, SERVICES, UNIQUE_TOLD, Protected
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.rows import WITHOUT, Attempts
from devmentor_models.proof.stage import Outcome, Stage
from devmentor_models.proof.tenants import Row, Tenants
from devmentor_models.security.actor import Actor

_KEYS = """
SELECT c.conname, n.nspname || '.' || r.relname, p.nspname || '.' || t.relname,
    ARRAY(SELECT attname::text FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
          JOIN pg_attribute ON attrelid = c.conrelid AND attnum = num ORDER BY place),
    ARRAY(SELECT attname::text FROM unnest(c.confkey) WITH ORDINALITY k(num, place)
          JOIN pg_attribute ON attrelid = c.confrelid AND attnum = num ORDER BY place)
FROM pg_constraint c
JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace p ON p.oid = t.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 ORDER BY 2, 1"""

_INDEXES = """
SELECT x.relname, n.nspname || '.' || r.relname, i.indisprimary,
    ARRAY(SELECT attname::text FROM generate_series(1, i.indnkeyatts) place
          JOIN pg_attribute ON attrelid = i.indrelid AND attnum > 0
          AND attname = ANY (regexp_split_to_array(pg_get_indexdef(x.oid, place, false), '\\W+')))
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class r ON r.oid = i.indrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE i.indisunique AND NOT r.relispartition ORDER BY 2, 1"""


def check_references(stage: Stage, report: Report, tenants: Tenants, tables: dict[str, Protected]) -> None:
    """Look at every foreign key of a tenant's table, and try each as every service."""
    for name, child, parent, columns, targets in stage.ask(_KEYS):
        if child not in tables or parent not in tables or not tables[parent].owner:
            continue
        table, above = tables[child], tables[parent]
        owned = dict(zip(columns, targets, strict=True))
        tied = bool(table.owner) and owned.get(table.owner) == above.owner
        person = parent == "auth.users"
        report.check(
            "foreign key to another tenant's row",
            child,
            that=tied or person,
            expected="the owner's id in every foreign key between tenants' tables",
            happened=f"{name} ({', '.join(columns)}) would take, and by cascade change, rows of two tenants",
        )
        if table.owner and columns != [table.owner]:
            for role in SERVICES:
                attempts = Attempts(stage, report, tenants, table, role)
                _try_reference(attempts, columns, targets, name, accepted=person and not tied, parent=parent)
    report.limits.append(f"foreign keys to auth.users: tell that a user exists; {REFERENCES_TOLD}")


def _try_reference(
    attempts: Attempts, columns: list[str], targets: list[str], name: str, *, accepted: bool, parent: str
) -> None:
    """Insert one's own row with another user's parent, and with one that nobody has: the same must happen."""
    table, tenants = attempts.table, attempts.tenants
    if not table.may(attempts.role, "INSERT"):
        return
    mine, theirs = tenants.own[table.name], tenants.others[parent]
    keys = dict(zip(columns, targets, strict=True))
    free = {column: theirs[target] for column, target in keys.items() if column != table.owner}
    nobodys = (
        free
        | {column: str(uuid4()) for column, target in keys.items() if target == "id"}
        | {str(table.owner): mine[str(table.owner)]}
    )
    found, missing = (_insert(attempts, mine, values) for values in (free, nobodys))
    for way, outcome in (("own row under another's parent", found), ("foreign key to nobody's row", missing)):
        attempts.report.ways[way] += 1
        if outcome.kind in {"rows", "nothing"} and not (accepted and outcome is found):
            attempts.report.failures.append(
                Failure(table.name, attempts.role, way, f"{name} to refuse it", str(outcome))
            )
    attempts.report.ways["foreign key as an oracle"] += 1
    if not accepted and (found.state, found.constraint) != (missing.state, missing.constraint):
        expected = f"{name} to answer like for a row that nobody has ({missing})"
        attempts.report.failures.append(
            Failure(table.name, attempts.role, "foreign key as an oracle", expected, str(found))
        )


def _insert(attempts: Attempts, mine: Row, values: Row) -> Outcome:
    before = WITHOUT.format(table=attempts.table.name, id=literal(mine["id"]))
    sql = f"{attempts.inserting(mine | values)}; SET CONSTRAINTS ALL IMMEDIATE"
    return attempts.stage.attempt(attempts.role, Actor.user(attempts.tenants.stranger), sql, before=before)


def check_uniqueness(stage: Stage, report: Report, tables: dict[str, Protected]) -> None:
    """Look at every unique index: without the owner's id it tells that another tenant has a value."""
    told: dict[str, list[str]] = {}
    for name, relation, primary, columns in stage.ask(_INDEXES):
        table = tables.get(relation)
        if table is None or not table.owner or table.owner in columns or (primary and "id" in columns):
            continue
        reason = next((column for column in columns if column in UNIQUE_TOLD), None)
        if reason:
            told.setdefault(reason, []).append(relation)
        report.check(
            "unique index across tenants",
            relation,
            that=reason is not None,
            expected=f"{table.owner} in every unique index",
            happened=f"{name} ({', '.join(columns)}) tells that another user has a value",
        )
    for column, relations in told.items():
        where = ", ".join(dict.fromkeys(relations))
        report.limits.append(f"unique {column} of {where}: tells that it is taken; {UNIQUE_TOLD[column]}")

"""What the catalog says of relations, grants, policies, functions and roles, against what is declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devmentor_models.migrations.identifiers import qualified
from devmentor_models.proof.declared import (
    NOBODY,
    PARTITION,
    SERVICES,
    TECHNICAL,
    TRIED,
    Protected,
    definers,
    views,
)
from devmentor_models.proof.report import Report
from devmentor_models.proof.stage import Stage
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA
from devmentor_models.security.declarations import COMMANDS
from devmentor_models.security.policies import rules
from devmentor_models.security.roles import BACKUP, OWNER, READONLY, ROLES

OURS = (*SCHEMAS, TECHNICAL_SCHEMA)
KINDS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "f": "foreign table",
}

_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind::text, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
    c.relowner::regrole::text, coalesce(array_to_string(c.reloptions, ','), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s) AND c.relkind = ANY ('{r,p,v,m,S,f}') ORDER BY 1, 2"""

_GRANTS = """
SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), a.privilege_type, a.is_grantable, g.columns
FROM pg_class c CROSS JOIN LATERAL (
    SELECT c.relacl AS acl, NULL::text AS columns
    UNION ALL
    SELECT attacl, attname FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL
) g CROSS JOIN LATERAL aclexplode(g.acl) a
WHERE c.oid = %s::regclass AND a.grantee <> c.relowner"""

_POLICIES = """
SELECT n.nspname || '.' || c.relname, polname, polcmd::text, polpermissive,
    ARRAY(SELECT coalesce(nullif(r, 0)::regrole::text, 'PUBLIC') FROM unnest(polroles) r ORDER BY 1)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s)"""

_FUNCTIONS = """
SELECT n.nspname, p.proname, p.oid::regprocedure::text, coalesce(array_to_string(p.proconfig, '; '), ''),
    p.proowner::regrole::text, has_function_privilege('public', p.oid, 'EXECUTE'),
    ARRAY(SELECT role FROM unnest(%s::text[]) role WHERE has_function_privilege(role, p.oid, 'EXECUTE')),
    p.prorettype = 'trigger'::regtype,
    array_to_string(ARRAY(SELECT 'NULL::' || format_type(t, NULL) FROM unnest(p.proargtypes) t), ', ')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 3"""

_ROLE_OPTIONS = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}


def check_catalog(stage: Stage, report: Report, tables: dict[str, Protected]) -> None:
    """Look at every relation, policy, function, role and schema."""
    for relation in _relations(stage):
        _check_relation(stage, report, tables, relation)
    _check_policies(stage, report, tables)
    _check_functions(stage, report)
    _check_roles(stage, report)
    _check_places(stage, report)


def _relations(stage: Stage) -> Iterator[dict[str, Any]]:
    names = ("schema", "relation", "kind", "partition", "enabled", "forced", "owner", "options")
    for row in stage.ask(_RELATIONS, list(OURS)):
        yield dict(zip(names, row, strict=True))


def _check_relation(
    stage: Stage, report: Report, tables: dict[str, Protected], found: dict[str, Any]
) -> None:
    name, kind = f"{found['schema']}.{found['relation']}", KINDS[found["kind"]]
    table = tables.get(name)
    if table:
        report.relations[name] = f"{table.security.policy.visibility.value}"
    elif found["partition"]:
        report.relations[name] = "partition"
    elif name in TECHNICAL:
        report.relations[name] = f"technical: {TECHNICAL[name].why}"
    elif kind == "view" and name in views():
        report.relations[name] = "view: what its reader may see of the tables below"
    else:
        report.relations[name] = f"{kind} that nobody classified"
    classified = not report.relations[name].endswith("nobody classified")
    report.check(
        "classification",
        name,
        that=classified,
        expected="a model with __security__, or a reason beside the technical tables",
        happened=f"nobody classified this {kind}",
    )
    report.check(
        "ownership",
        name,
        that=found["owner"] == OWNER.name,
        expected=OWNER.name,
        happened=f"it belongs to {found['owner']}",
    )
    if table or report.relations[name] == "partition":
        happened = f"row security is {'not forced' if found['enabled'] else 'disabled'}"
        report.check(
            "row security enabled and forced",
            name,
            that=found["enabled"] and found["forced"],
            expected="it to bind everybody, the owner too",
            happened=happened,
        )
    if kind == "view":
        options = f",{found['options']},"
        report.check(
            "view with its reader's rights",
            name,
            that=any(f",security_invoker={value}," in options for value in ("true", "on", "1")),
            expected="security_invoker",
            happened="it reads with its owner's rights",
        )
    _check_grants(stage, report, name, table)
    if not table:
        _try_directly(stage, report, name, kind)


def _check_grants(stage: Stage, report: Report, name: str, table: Protected | None) -> None:
    """Every grant on a relation and its columns is one that is declared."""
    schema, relation = name.split(".", 1)
    for role, privilege, grantable, column in stage.ask(_GRANTS, qualified(schema, relation)):
        if table:
            allowed = privilege in COMMANDS and role != "PUBLIC" and table.may(role, privilege, column)
            allowed = allowed and (column is not None or table.privileges[role][privilege] is None)
        else:
            allowed = privilege in _declared(report, name).get(role, ())
        where = f" ({column})" if column else ""
        report.check(
            "grant",
            name,
            role=role,
            that=bool(allowed) and not grantable,
            expected="no more rights than are declared",
            happened=f"{role} has {privilege}{where}{' WITH GRANT OPTION' if grantable else ''}",
        )


def _try_directly(stage: Stage, report: Report, name: str, kind: str) -> None:
    """Run every command on what has no policies of its own: partitions, technical tables, what is unknown."""
    schema, relation = name.split(".", 1)
    target = qualified(schema, relation)
    commands = {
        "SELECT": f"SELECT FROM {target} LIMIT 1",
        "INSERT": f"INSERT INTO {target} DEFAULT VALUES",
        "UPDATE": f"UPDATE {target} SET ctid = ctid",
        "DELETE": f"DELETE FROM {target} WHERE false",
        "TRUNCATE": f"TRUNCATE {target}",
    }
    if kind == "sequence":
        commands = {"SELECT": f"SELECT last_value FROM {target}", "USAGE": f"SELECT nextval('{target}')"}
    for role in TRIED:
        for command, sql in commands.items():
            if command == "UPDATE":  # any column does: rights are checked first
                sql = _update(stage, target)  # noqa: PLW2901 - the column depends on the relation
            outcome = stage.attempt(role, None, sql)
            allowed = command in _declared(report, name).get(role, ())
            report.check(
                f"{command} of a {'partition' if report.relations[name] == 'partition' else 'bare relation'}",
                name,
                role=role,
                that=allowed or outcome.kind == "denied",
                expected="refused",
                happened=str(outcome),
            )


def _declared(report: Report, name: str) -> Mapping[str, frozenset[str]]:
    """Return what each role may do with a relation that is no model's."""
    if report.relations[name] == "partition":
        return PARTITION
    if name in TECHNICAL:
        return TECHNICAL[name].may
    readers = (*SERVICES, READONLY.name, BACKUP.name) if name in views() else ()
    return dict.fromkeys(readers, frozenset({"SELECT"}))


def _update(stage: Stage, target: str) -> str:
    query = (
        "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' LIMIT 1"
    )
    column = stage.ask(query, target)[0][0]
    return f"UPDATE {target} SET {column} = {column} WHERE false"


def _check_policies(stage: Stage, report: Report, tables: dict[str, Protected]) -> None:
    """Every policy is a declared one, by name, command and roles; the attempts try what it says."""
    found = {
        (table, name): (_COMMANDS[command], permissive, tuple(roles))
        for table, name, command, permissive, roles in stage.ask(_POLICIES, list(OURS))
    }
    wanted = {
        (table.name, rule.name): (rule.command, rule.permissive, tuple(sorted(rule.roles)))
        for table in tables.values()
        for rule in rules(table.security)
        if rule.roles
    }
    partitions = (name for name, kind in report.relations.items() if kind == "partition")
    wanted |= {(name, "backup"): ("SELECT", True, (BACKUP.name,)) for name in partitions}
    for key in sorted({*found, *wanted}):
        table, name = key
        report.check(
            "policy",
            table,
            that=found.get(key) == wanted.get(key),
            expected=f"policy {name} {_policy(wanted.get(key))}",
            happened=f"it is {_policy(found.get(key))}",
        )


def _policy(policy: tuple[str, bool, tuple[str, ...]] | None) -> str:
    if policy is None:
        return "not there"
    command, permissive, roles = policy
    return f"{'' if permissive else 'restrictive '}for {command} to {', '.join(roles)}"


def _check_functions(stage: Stage, report: Report) -> None:
    """Every function that runs with its owner's rights is declared, narrow, and refuses everybody else."""
    known = definers()
    roles = [role for role in TRIED if role != NOBODY]
    for schema, name, signature, config, owner, public, callers, trigger, arguments in stage.ask(
        _FUNCTIONS, roles
    ):
        definer = known.get(f"{schema}.{name}")
        why = definer.why if definer else ""
        facts = {
            "a reason beside its declaration": (bool(why), "nobody classified it"),
            "a pinned search_path with pg_temp last": (_pinned(config), f"it has {config or 'none'}"),
            "rights for its callers only": (not public, "PUBLIC may execute it"),
            f"owner {OWNER.name}": (owner == OWNER.name, f"it runs as {owner}"),
            "its declared callers": (
                definer is None or set(callers) <= set(definer.callers),
                f"it may be called by {', '.join(callers)}",
            ),
        }
        for expected, (holds, happened) in facts.items():
            way = "SECURITY DEFINER function"
            report.check(way, signature, that=holds, expected=expected, happened=happened)
        if not trigger:
            called = f"SELECT {schema}.{name}({arguments})"
            for role in TRIED:
                if definer is None or role not in definer.callers:
                    outcome = stage.attempt(role, None, called)
                    report.check(
                        "call of a SECURITY DEFINER function",
                        signature,
                        role=role,
                        that=outcome.kind == "denied",
                        expected="refused",
                        happened=str(outcome),
                    )


def _pinned(config: str) -> bool:
    paths = [part.partition("=")[2] for part in config.split("; ") if part.startswith("search_path=")]
    schemas = [part.strip().strip('"') for part in paths[0].split(",")] if paths else []
    # What stands in a writable schema could take the place of what the function means to call.
    return bool(schemas) and schemas[-1] == "pg_temp" and set(schemas[:-1]) <= {"pg_catalog", *OURS}


def _check_roles(stage: Stage, report: Report) -> None:
    """No role of ours, and no member of one, passes row security or grants."""
    names = [role.name for role in ROLES]
    query = f"SELECT rolname, {', '.join(_ROLE_OPTIONS)}, rolcanlogin FROM pg_roles WHERE rolname = ANY (%s)"
    for name, *options, login in stage.ask(query, names):
        for option, on in zip(_ROLE_OPTIONS, options, strict=True):
            report.check(
                "role options",
                f"role {name}",
                that=not on,
                expected="no way round row security and grants",
                happened=f"it has {option[3:].upper()}",
            )
        report.check(
            "role options", f"role {name}", that=not login, expected="a group", happened="it can log in"
        )
    members = (
        "SELECT g.rolname, m.rolname FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid"
        " JOIN pg_roles m ON m.oid = a.member WHERE m.rolname = ANY (%s)"
    )
    declared = {(group, role.name) for role in ROLES for group in role.memberships}
    for group, member in stage.ask(members, names):
        report.check(
            "role memberships",
            f"role {member}",
            that=(group, member) in declared,
            expected="no more groups than are declared",
            happened=f"it is a member of {group}",
        )


def _check_places(stage: Stage, report: Report) -> None:
    """Nobody but the owner makes anything in our schemas, and what is made later is granted to nobody."""
    for schema in (*OURS, "public"):
        for role in TRIED:
            outcome = stage.attempt(role, None, f"CREATE TABLE {schema}.devmentor_proof ()")
            report.check(
                "CREATE in a schema",
                f"schema {schema}",
                role=role,
                that=outcome.kind == "denied",
                expected="refused",
                happened=str(outcome),
            )
    for role in TRIED:
        outcome = stage.attempt(role, None, "CREATE SCHEMA devmentor_proof")
        report.check(
            "CREATE in the database",
            "database",
            role=role,
            that=outcome.kind == "denied",
            expected="refused",
            happened=str(outcome),
        )
    defaults = (
        "SELECT coalesce(n.nspname, 'every schema'), d.defaclrole::regrole::text, a.privilege_type,"
        " coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC')"
        " FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace"
        " CROSS JOIN aclexplode(d.defaclacl) a WHERE a.grantee <> d.defaclrole"
        " AND (n.nspname IS NULL OR n.nspname = ANY (%s))"
    )
    found = stage.ask(defaults, list(OURS))
    report.check(
        "default privileges",
        "database",
        that=not found,
        expected="none",
        happened="; ".join(
            f"{who} will have {what} on what {maker} makes in {where}" for where, maker, what, who in found
        ),
    )

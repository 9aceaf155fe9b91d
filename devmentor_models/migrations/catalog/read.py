"""Read a database's catalogs into a `Snapshot`, without locking or writing anything."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from devmentor_models.migrations.catalog.canonical import EXPRESSIONS, canonical
from devmentor_models.migrations.catalog.item import Item, Key, Snapshot
from devmentor_models.migrations.catalog.queries import ALIASES, DEPENDENCIES, KINDS
from devmentor_models.migrations.identifiers import qualified, quoted, unquoted

Address = tuple[int, int, int]

#: What may be owned, commented on or granted, as SQL calls it.
SQL_KINDS = {
    "schema": "SCHEMA",
    "enum": "TYPE",
    "composite": "TYPE",
    "domain": "DOMAIN",
    "collation": "COLLATION",
    "sequence": "SEQUENCE",
    "function": "FUNCTION",
    "table": "TABLE",
    "view": "VIEW",
    "materialized_view": "MATERIALIZED VIEW",
    "index": "INDEX",
    "constraint": "CONSTRAINT",
    "trigger": "TRIGGER",
    "policy": "POLICY",
    "rule": "RULE",
    "statistics": "STATISTICS",
    "publication": "PUBLICATION",
    "event_trigger": "EVENT TRIGGER",
}
#: What PUBLIC may do with a new object unless that is revoked.
PUBLIC_DEFAULTS = {"function": {"EXECUTE"}, "enum": {"USAGE"}, "composite": {"USAGE"}, "domain": {"USAGE"}}
COLUMNS = ("column", "view_column", "attribute")
RELATIONS = ("table", "view", "materialized_view", "composite", "domain")


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a database is ours.

    Attributes:
        schemas: The schemas to read.
        ignored: Tables that are left out, as ``schema.table``: those that the migrations keep for themselves.
        owner: Who ought to own everything; None for whoever owns the most.
        role_prefix: How names of our roles begin: others that begin so are reported; None: no others are.
        switches: Functions whose body is the operator's choice, as ``schema.name()``.
        indexes_of_rows: Patterns of definitions: a valid index that fits one is there because a row of the
            database says so, and is left out.
    """

    schemas: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    owner: str | None = None
    role_prefix: str | None = None
    switches: tuple[str, ...] = ()
    indexes_of_rows: tuple[str, ...] = ()

    def leaves_out(self, kind: str, state: dict[str, Any]) -> bool:
        """Say whether an object is none of the models', but rightly there."""
        return (
            kind == "index"
            and state["valid"]
            and not state.get("clustered")
            and any(re.fullmatch(pattern, state["definition"]) for pattern in self.indexes_of_rows)
        )


def read(connection: Connection, scope: Scope) -> Snapshot:
    """Read everything in scope, in the transaction of ``connection``, whose settings stay what they were."""
    before = {name: connection.scalar(text(f"SELECT current_setting('{name}')")) for name in _SETTINGS}
    _set(connection, _SETTINGS)
    parameters = {"schemas": list(scope.schemas), "ignored": list(scope.ignored)}
    items: dict[Key, Item] = {}
    addresses: dict[Address, Key] = {}
    for kind, query in KINDS.items():
        for row in connection.execute(text(query), parameters):
            schema, table, name, *address, state, comment, owner, privileges = row
            if scope.leaves_out(kind, state):
                continue
            key = Key(kind, schema, table, name)
            state = canonical(state) if kind in EXPRESSIONS else state
            items[key] = Item(key, {name: value for name, value in state.items() if value is not None})
            addresses[address[0], address[1], address[2]] = key
            for attached in _attached(key, state, (comment, owner, privileges), scope):
                items[attached.key] = attached
    edges = connection.execute(text(DEPENDENCIES)).all()
    aliases = connection.execute(text(ALIASES)).all()
    _set(connection, before)
    return _with_requirements(items, _resolved(addresses, aliases), edges)


#: How expressions are written out: the same in every database and session.
_SETTINGS = {
    "search_path": "",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


def _set(connection: Connection, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})


def described(key: Key, state: dict[str, Any]) -> str:
    """Return how COMMENT ON and GRANT name an object: ``TRIGGER touch ON auth.users``."""
    if key.kind in COLUMNS:
        return f"COLUMN {key.table_sql}.{key.sql}"
    if key.kind == "domain_constraint":
        return f"CONSTRAINT {key.sql} ON DOMAIN {key.table_sql}"
    kind = str(state.get("routine") or SQL_KINDS[key.kind])
    if key.kind == "index":
        return f"{kind} {qualified(key.schema, key.name)}"
    return f"{kind} {key.sql}" + (f" ON {key.table_sql}" if key.table else "")


def _attached(
    key: Key, state: dict[str, Any], facts: tuple[str | None, str | None, Any], scope: Scope
) -> Iterator[Item]:
    """Yield an object's comment, owner and privileges as parts of their own."""
    comment, owner, privileges = facts
    needs = frozenset({key})
    if comment is not None:
        yield Item(Key("comment", key.schema, described(key, state), ""), {"text": comment}, needs)
    if owner and scope.owner and owner != quoted(scope.owner) and key.kind != "column":
        yield Item(
            Key("owner", key.schema, described(key, state), ""),
            {"role": owner, "expected": scope.owner},
            needs,
        )
    yield from _granted(key, state, privileges, needs)


def _granted(key: Key, state: dict[str, Any], privileges: Any, needs: frozenset[Key]) -> Iterator[Item]:
    """Yield who may do what; for the owner what it may not."""
    given: dict[str, dict[str, bool]] = defaultdict(dict)
    withheld: dict[str, dict[str, bool]] = defaultdict(dict)
    for grantee, privilege, grantable in privileges or ():
        if grantable is None:
            withheld[grantee][privilege] = False
        else:
            given[grantee][privilege] = grantable
    if key.kind in PUBLIC_DEFAULTS:
        withheld["PUBLIC"] = dict.fromkeys(
            PUBLIC_DEFAULTS[key.kind], False
        )  # seen where it is not given, too
    if not given and not withheld:
        return
    target = described(key, state)
    for word in ("MATERIALIZED VIEW ", "VIEW "):
        target = f"TABLE {target.removeprefix(word)}" if target.startswith(word) else target
    target = f"TYPE {target.removeprefix('DOMAIN ')}" if target.startswith("DOMAIN ") else target
    for grantee in {**given, **withheld}:
        if key.kind in COLUMNS:
            # What is taken on a table is taken on its columns, too: that comes before what columns are given.
            needs |= {Key("grant", key.schema, f"TABLE {key.table_sql}", grantee)}
        facts = {"privileges": given.get(grantee, {}), "of_itself": withheld.get(grantee)}
        yield Item(Key("grant", key.schema, target, grantee), facts, needs)


def _resolved(addresses: dict[Address, Key], aliases: Any) -> dict[Address, Key]:
    """Add the addresses of what stands for another object; twice, for the array type of a row type."""
    for _ in range(2):
        for catalog, oid, part, *target in aliases:
            if (key := addresses.get((target[0], target[1], target[2]))) is not None:
                addresses.setdefault((catalog, oid, part), key)
    return addresses


def _with_requirements(items: dict[Key, Item], addresses: dict[Address, Key], edges: Any) -> Snapshot:
    """Return the snapshot with what each part requires: as PostgreSQL records it, its table and schema."""
    requires: dict[Key, set[Key]] = defaultdict(set)
    for catalog, oid, part, *target in edges:
        needy = addresses.get((catalog, oid, part)) or addresses.get((catalog, oid, 0))
        needed = addresses.get((target[0], target[1], target[2])) or addresses.get((target[0], target[1], 0))
        if needy and needed and needy != needed:
            requires[needy].add(needed)
    for key, item in items.items():
        requires[key] |= item.requires
        if key.kind in {"comment", "grant", "owner"}:
            continue
        if key.table:
            relations = (Key(kind, key.schema, "", key.table) for kind in RELATIONS)
            requires[key] |= {relation for relation in relations if relation in items}
        if key.kind == "replica_identity":  # which PostgreSQL does not record as a dependency
            index = unquoted(str(item["identity"]).removeprefix("USING INDEX "))
            owners = (Key(kind, key.schema, key.table, index) for kind in ("index", "constraint"))
            requires[key] |= {owner for owner in owners if owner in items}
        if (schema := Key("schema", "", "", key.schema)) in items:
            requires[key].add(schema)
    return Snapshot({key: Item(key, item.state, frozenset(requires[key])) for key, item in items.items()})

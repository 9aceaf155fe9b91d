"""Types of our own: enums, composite types, domains and collations, which columns use while they change."""

from __future__ import annotations

from collections.abc import Callable

from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.catalog import Item, Key, Snapshot
from devmentor_models.migrations.compare.changes import Alteration, Breaks
from devmentor_models.migrations.identifiers import quoted
from devmentor_models.migrations.operations import BothWays, NamedOperation, call

Operations = list[MigrateOperation]


def table_name(key: Key) -> str:
    """Return ``schema.table`` as our operations take it."""
    return f"{key.schema}.{key.table}" if key.schema else key.table


def default_moves(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> bool:
    """Say whether a column's default changes while its enum is made anew, which then sees to it."""
    enums = (key for key in old.requires & new.requires if key.kind == "enum")
    return old["default"] != new["default"] and any(_made_anew(live[key], desired[key]) for key in enums)


def _made_anew(old: Item, new: Item) -> bool:
    """Say whether values go or change places: PostgreSQL can only add."""
    return [value for value in new["values"] if value in old["values"]] != list(old["values"])


def _alter_enum(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration:
    """Return how an enum changes: values are added in place; otherwise the type is made anew."""
    there = call("replace_enum", _dotted(new.key), new["values"], _users(new.key, desired, live))
    back = call("replace_enum", _dotted(old.key), old["values"], _users(old.key, live, desired))
    if _made_anew(old, new):
        return Alteration([BothWays([there], [back])], Breaks.EVERYTHING)
    added: Operations = []
    after = list(new["values"])
    for place, value in enumerate(after):
        if value not in old["values"]:
            beside = {"after": after[place - 1]} if place else {"before": old["values"][0]}
            added.append(call("add_enum_value", _dotted(new.key), value, **beside))
    return Alteration([BothWays(added, [back])])


def _users(type_: Key, snapshot: Snapshot, other: Snapshot) -> dict[str, str | None]:
    """Return the columns that are of a type before and after, with their defaults in ``snapshot``."""
    made: dict[str, str | None] = {}
    for item in _columns(type_, snapshot, other):
        array = "[]" if str(item["type"]).endswith("[]") else ""
        made[f"{table_name(item.key)}.{item.key.name}{array}"] = item["default"]
    return made


def _columns(type_: Key, snapshot: Snapshot, other: Snapshot) -> list[Item]:
    return [
        item
        for item in snapshot.kind("column")
        if type_ in item.requires and item.key in other and other[item.key]["type"] == item["type"]
    ]


def create_domain(item: Item) -> Operations:
    """Return how a domain is created."""
    name = _dotted(item.key)
    return [call("create_domain", name, _domain_definition(item), undo=call("drop_domain", name))]


def _domain_definition(item: Item) -> str:
    parts = [str(item["type"])]
    parts += [f"DEFAULT {item['default']}"] if item["default"] is not None else []
    parts += ["NOT NULL"] if item["not_null"] else []
    checks = sorted((item["constraints"] or {}).items())
    return " ".join([*parts, *(f"CONSTRAINT {quoted(name)} {check}" for name, check in checks)])


def _alter_domain(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration:
    if old["type"] == new["type"]:
        return Alteration([BothWays(_domain_changes(old, new), _domain_changes(new, old))])
    name = _dotted(new.key)
    there = call("replace_domain", name, _domain_definition(new), _users(new.key, desired, live))
    back = call("replace_domain", name, _domain_definition(old), _users(old.key, live, desired))
    return Alteration([BothWays([there], [back])], Breaks.EVERYTHING)


def _domain_changes(old: Item, new: Item) -> Operations:
    changes: list[str] = []
    if old["default"] != new["default"]:
        changes.append("DROP DEFAULT" if new["default"] is None else f"SET DEFAULT {new['default']}")
    before, after = old["constraints"] or {}, new["constraints"] or {}
    differing = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    changes += [f"DROP CONSTRAINT {quoted(name)}" for name in differing if name in before]
    changes += [f"ADD CONSTRAINT {quoted(name)} {after[name]}" for name in differing if name in after]
    if old["not_null"] != new["not_null"]:
        changes.append("SET NOT NULL" if new["not_null"] else "DROP NOT NULL")
    return [call("alter_domain", _dotted(new.key), change) for change in changes]


def create_composite(item: Item) -> Operations:
    """Return how a composite type is created."""
    name = _dotted(item.key)
    attributes = ", ".join(f"{quoted(attribute)} {kind}" for attribute, kind in item["attributes"] or ())
    return [call("create_composite", name, attributes, undo=call("drop_type", name))]


def _alter_composite(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration:
    """Return how a composite type changes: attributes come last or go, else the type is made anew."""
    before, after = dict(old["attributes"] or ()), dict(new["attributes"] or ())
    kept = [name for name in before if name in after]
    same_types = all(before[name] == after[name] for name in kept)
    columns = _columns(new.key, desired, live)
    if _appended(before, after) and _appended(after, before) and (same_types or not columns):
        return Alteration(
            [BothWays(_attributes(new.key, before, after), _attributes(old.key, after, before))]
        )
    name = _dotted(new.key)
    there = call("replace_composite", name, after, _users(new.key, desired, live), kept=kept)
    back = call("replace_composite", name, before, _users(old.key, live, desired), kept=kept)
    return Alteration([BothWays([there], [back])], Breaks.EVERYTHING)


def _appended(before: dict[str, str], after: dict[str, str]) -> bool:
    """Say whether dropping what goes and adding what is new at the end gives the order that is wanted."""
    reached = [name for name in before if name in after]
    return [*reached, *(name for name in after if name not in before)] == list(after)


def _attributes(key: Key, before: dict[str, str], after: dict[str, str]) -> Operations:
    changes = [f"DROP ATTRIBUTE {quoted(name)}" for name in before if name not in after]
    for name, kind in after.items():
        if name not in before:
            changes.append(f"ADD ATTRIBUTE {quoted(name)} {kind}")
        elif before[name] != kind:
            changes.append(f"ALTER ATTRIBUTE {quoted(name)} TYPE {kind}")
    return [call("alter_composite", _dotted(key), change) for change in changes]


def _alter_collation(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration:
    def replace(item: Item, snapshot: Snapshot, other: Snapshot) -> NamedOperation:
        users = {
            f"{table_name(column.key)}.{column.key.name}": str(column["type"])
            for column in snapshot.kind("column")
            if item.key in column.requires and column.key in other and item.key in other[column.key].requires
        }
        return call("replace_collation", _dotted(item.key), item["definition"], users)

    return Alteration(
        [BothWays([replace(new, desired, live)], [replace(old, live, desired)])], Breaks.EVERYTHING
    )


def _dotted(key: Key) -> str:
    return f"{key.schema}.{key.name}" if key.schema else key.name


ALTER: dict[str, Callable[[Item, Item, Snapshot, Snapshot], Alteration]] = {
    "enum": _alter_enum,
    "domain": _alter_domain,
    "composite": _alter_composite,
    "collation": _alter_collation,
}

"""How each kind of part is created and altered; dropping is creating, reversed."""

from __future__ import annotations

from collections.abc import Callable

from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.catalog import Item, Key, Snapshot
from devmentor_models.migrations.catalog.read import described
from devmentor_models.migrations.compare import columns, own_types, rights, sequences, tables
from devmentor_models.migrations.compare.changes import Alteration
from devmentor_models.migrations.compare.own_types import table_name
from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.migrations.operations import NamedOperation, call

Operations = list[MigrateOperation]


def create(item: Item, snapshot: Snapshot) -> Operations:
    """Return how a part is created in a database like that of ``snapshot``."""
    kind = item.key.kind
    if kind == "column":
        return columns.add(item, snapshot)
    return _CREATE[kind](item)


def drop(item: Item, snapshot: Snapshot) -> Operations:
    """Return how a part is dropped, and created again on the way back."""
    return [operation.reverse() for operation in reversed(create(item, snapshot))]


def alter(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration | None:
    """Return how a part becomes what it should be; None where it has to be made anew."""
    kind = new.key.kind
    if kind == "column":
        return columns.alter(old, new, live, desired)
    if kind == "constraint":
        target = described(new.key, {})
        return tables.alter_constraint(old, new, live.get(Key("comment", new.key.schema, target, "")))
    if kind in own_types.ALTER:
        return own_types.ALTER[kind](old, new, live, desired)
    if kind in _ALTER:
        return _ALTER[kind](old, new)
    return None


def _dotted(key: Key) -> str:
    return f"{key.schema}.{key.name}" if key.schema else key.name


def _pair(there: NamedOperation, back: NamedOperation) -> Alteration:
    there.undo = back
    return Alteration([there])


def _simple(verb: str, drop_verb: str, *facts: str) -> Callable[[Item], Operations]:
    """Return the creator of what needs its name and some facts."""

    def make(item: Item) -> Operations:
        name = _dotted(item.key)
        return [call(verb, name, *(item[fact] for fact in facts), undo=call(drop_verb, name))]

    return make


def _function(item: Item) -> Operations:
    routine = None if item["routine"] == "FUNCTION" else item["routine"]
    undo = call("drop_function", item.key.sql, routine=routine)
    definition = str(item["definition"]).replace("CREATE OR REPLACE ", "CREATE ", 1)
    return [call("create_function", definition, undo=undo)]


def _alter_function(old: Item, new: Item) -> Alteration | None:
    # What OR REPLACE refuses; of defaults it only refuses to take one away, but the way back may.
    if any(old[fact] != new[fact] for fact in ("result", "routine", "defaults")):
        return None
    return _pair(call("replace_function", new["definition"]), call("replace_function", old["definition"]))


_MODES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS", "O": "ENABLE"}


def _switched(verb: str) -> Callable[[Item], Operations]:
    """Return the creator of a trigger or rule, which may be switched off or only fire on replicas."""

    def make(item: Item) -> Operations:
        table = table_name(item.key)
        undo = call(f"drop_{verb}", item.key.name, table)
        made: Operations = [call(f"create_{verb}", item["definition"], undo=undo)]
        if item["enabled"] != "O":
            made.append(_switch(item, Item(item.key, {"enabled": "O"})))
        return made

    return make


def _switch(new: Item, old: Item) -> NamedOperation:
    words = [
        f"{_MODES[item['enabled']]} {item.key.kind.upper()} {quoted(item.key.name)}" for item in (new, old)
    ]
    table = table_name(new.key)
    return call("alter_table", table, words[0], undo=call("alter_table", table, words[1]))


def _alter_switched(old: Item, new: Item) -> Alteration | None:
    return Alteration([_switch(new, old)]) if old["definition"] == new["definition"] else None


def _view_column(item: Item) -> Operations:
    return _alter_view_column(Item(item.key, {}), item).operations


def _alter_view_column(old: Item, new: Item) -> Alteration:
    """Return how the default of a view's column changes; comments and grants are parts of their own."""
    if old["default"] == new["default"]:
        return Alteration([])
    alter = f"ALTER VIEW {new.key.table_sql} ALTER COLUMN {quoted(new.key.name)}"
    words = [
        f"{alter} DROP DEFAULT" if item["default"] is None else f"{alter} SET DEFAULT {item['default']}"
        for item in (new, old)
    ]
    return Alteration([_sql(words[0], words[1])])


def _view(verb: str) -> Callable[[Item], Operations]:
    def make(item: Item) -> Operations:
        name = _dotted(item.key)
        given = dict(option.split("=", 1) for option in item["parameters"] or ()) or None
        query = str(item["query"]).rstrip(";")
        return [call(f"create_{verb}", name, query, parameters=given, undo=call(f"drop_{verb}", name))]

    return make


def _of_its_type(item: Item) -> Operations:
    """Return nothing: it is made with its type, and only what hangs on it comes after."""
    return []


def _comment(item: Item) -> Operations:
    target = item.key.table
    return [call("comment_on", target, item["text"], undo=call("comment_on", target, None))]


def _alter_comment(old: Item, new: Item) -> Alteration:
    target = new.key.table
    return _pair(call("comment_on", target, new["text"]), call("comment_on", target, old["text"]))


def _default(item: Item) -> Operations:
    """Return how a column gets its default back, after what the default calls was made anew."""
    key = item.key
    set_, drop_ = (
        columns.AlterColumn(key.table, key.name, schema=key.schema or None, modify_server_default=value)
        for value in (columns.verbatim(item["default"]), None)
    )
    set_.undo = drop_
    return [set_]


def _sql(there: str, back: str) -> NamedOperation:
    return call("execute_sql", there, undo=call("execute_sql", back))


def _publication(item: Item) -> Operations:
    parts = []
    if item["all_tables"]:
        parts.append("ALL TABLES")
    if item["tables"]:
        parts.append("TABLE " + ", ".join(item["tables"]))
    if item["schemas"]:
        parts.append("TABLES IN SCHEMA " + ", ".join(item["schemas"]))
    target = f"FOR {', '.join(parts)} " if parts else ""
    root = ", publish_via_partition_root = true" if item["via_root"] else ""
    root += ", publish_generated_columns = stored" if item["generated"] else ""
    definition = f"{target}WITH (publish = {literal(item['publish'])}{root})"
    return [
        call("create_publication", item.key.name, definition, undo=call("drop_publication", item.key.name))
    ]


def _event_trigger(item: Item) -> Operations:
    tags = f" WHEN TAG IN ({', '.join(map(literal, item['tags']))})" if item["tags"] else ""
    definition = f"ON {item['event']}{tags} EXECUTE FUNCTION {item['function']}"
    modes = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
    undo = call("drop_event_trigger", item.key.name)
    return [
        call("create_event_trigger", item.key.name, definition, enabled=modes.get(item["enabled"]), undo=undo)
    ]


def _database_setting(item: Item) -> Operations:
    name = item.key.name
    return [call("set_database_setting", name, item["value"], undo=call("set_database_setting", name, None))]


def _alter_database_setting(old: Item, new: Item) -> Alteration:
    name = new.key.name
    return _pair(
        call("set_database_setting", name, new["value"]), call("set_database_setting", name, old["value"])
    )


def _statistics(item: Item) -> Operations:
    name = _dotted(item.key)
    made: Operations = [call("create_statistics", item["definition"], undo=call("drop_statistics", name))]
    return made + _statistics_target(Item(item.key, {}), item)


def _alter_statistics(old: Item, new: Item) -> Alteration | None:
    return Alteration(_statistics_target(old, new)) if old["definition"] == new["definition"] else None


def _statistics_target(old: Item, new: Item) -> Operations:
    if old["target"] == new["target"]:
        return []
    words = [f"SET STATISTICS {-1 if item['target'] is None else item['target']}" for item in (new, old)]
    there, back = (f"ALTER STATISTICS {new.key.sql} {word}" for word in words)
    return [_sql(there, back)]


def _replica_identity(item: Item) -> Operations:
    table = table_name(item.key)
    undo = call("alter_table", table, "REPLICA IDENTITY DEFAULT")
    return [call("alter_table", table, f"REPLICA IDENTITY {item['identity']}", undo=undo)]


def _partition(item: Item) -> Operations:
    """Return how a partition came to differ from its parent; dropping the difference is what is wanted."""
    table = table_name(item.key)
    made: Operations = []
    if item["unlogged"] is not None:
        words = ("SET UNLOGGED", "SET LOGGED") if item["unlogged"] else ("SET LOGGED", "SET UNLOGGED")
        made.append(call("alter_table", table, words[0], undo=call("alter_table", table, words[1])))
    if item["owner"] is not None:
        undo = call("set_owner", f"TABLE {item.key.table_sql}", item["owner"])
        made.append(call("set_owner", f"TABLE {item.key.table_sql}", item["is_owner"], undo=undo))
    return made


_CREATE: dict[str, Callable[[Item], Operations]] = {
    "schema": _simple("create_schema", "drop_schema"),
    "extension": _simple("create_extension", "drop_extension"),
    "role": rights.role,
    "collation": _simple("create_collation", "drop_collation", "definition"),
    "enum": _simple("create_enum", "drop_type", "values"),
    "composite": own_types.create_composite,
    "domain": own_types.create_domain,
    "sequence": sequences.create,
    "owned_sequence": sequences.own,
    "function": _function,
    "constraint": tables.add_constraint,
    "index": tables.create_index,
    "statistics": _statistics,
    "view": _view("view"),
    "materialized_view": _view("materialized_view"),
    "view_column": _view_column,
    "attribute": _of_its_type,
    "domain_constraint": _of_its_type,
    "rule": _switched("rule"),
    "trigger": _switched("trigger"),
    "replica_identity": _replica_identity,
    "row_security": rights.row_security,
    "policy": rights.policy,
    "default_privileges": rights.default_privileges,
    "publication": _publication,
    "event_trigger": _event_trigger,
    "database_setting": _database_setting,
    "default": _default,
    "comment": _comment,
    "grant": rights.grant,
    "owner": rights.owner,
    "partition": _partition,
}
_ALTER: dict[str, Callable[[Item, Item], Alteration | None]] = {
    "table": tables.alter_table,
    "index": tables.alter_index,
    "function": _alter_function,
    "trigger": _alter_switched,
    "rule": _alter_switched,
    "view_column": _alter_view_column,
    "comment": _alter_comment,
    "grant": rights.alter_grant,
    "default_privileges": rights.alter_default_privileges,
    "sequence": sequences.alter,
    "owned_sequence": sequences.alter_owner,
    "statistics": _alter_statistics,
    "database_setting": _alter_database_setting,
    "role": rights.alter_role,
    "owner": rights.alter_owner,
}

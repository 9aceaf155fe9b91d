"""Operations for columns."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import ops
from sqlalchemy.sql.elements import TextClause

from devmentor_models.migrations.catalog import Item, Key, Snapshot
from devmentor_models.migrations.compare.changes import Alteration, Breaks
from devmentor_models.migrations.compare.column_types import conversion, sqlalchemy_type
from devmentor_models.migrations.operations import call

_SETTINGS = ("storage", "compression", "statistics", "parameters")
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


class AlterColumn(ops.AlterColumnOp):
    """Alembic's own, with a way back of its own: the cast there is not the cast here."""

    undo: AlterColumn

    def reverse(self) -> AlterColumn:
        """Return the operation that takes this one back."""
        self.undo.undo = self
        return self.undo


@renderers.dispatch_for(AlterColumn)
def _render(autogen: AutogenContext, operation: AlterColumn) -> str:
    written = str(renderers.dispatch(ops.AlterColumnOp)(autogen, operation))
    using = operation.kw.get("postgresql_using")
    return f"{written[:-1]}, postgresql_using={using!r})" if using else written


def table_name(key: Key) -> str:
    """Return ``schema.table`` as our operations take it."""
    return f"{key.schema}.{key.table}" if key.schema else key.table


def column(item: Item, snapshot: Snapshot) -> sa.Column[Any]:
    """Return the SQLAlchemy column of a part, settings aside."""
    extras: list[Any] = []
    if item["generated"]:
        extras.append(sa.Computed(verbatim(item["expression"]), persisted=item["generated"] == "s"))
    if identity := item["identity"]:
        extras.append(sa.Identity(**identity))
    return sa.Column(
        item.key.name,
        sqlalchemy_type(item["type"], item["collation"], snapshot),
        *extras,
        nullable=bool(item["nullable"]),
        server_default=None if item["default"] is None else verbatim(item["default"]),
        comment=item["comment"],
    )


def verbatim(sql: str) -> TextClause:
    """Return an expression that names no parameters."""
    return sa.text(sql.replace("\\", "\\\\").replace(":", "\\:").replace("\\:\\:", "::"))


def add(item: Item, snapshot: Snapshot) -> list[ops.MigrateOperation]:
    """Return how a column is added to a table that exists."""
    key = item.key
    added = ops.AddColumnOp(key.table, column(item, snapshot), schema=key.schema or None)
    return [added, *settings(item)]


def settings(item: Item) -> list[ops.MigrateOperation]:
    """Return how a new column gets the settings that CREATE TABLE has no word for in SQLAlchemy."""
    bare = Item(item.key, {})
    made = _settings(bare, item)
    if item["not_null_not_valid"] is False:
        made.append(call("alter_column_setting", table_name(item.key), item.key.name, "DROP NOT NULL"))
    return made


def alter(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration | None:
    """Return how a column becomes what it should be; None where it must be dropped and added.

    Only a generated column is ever made anew: its values come back by themselves.
    """
    if (old["generated"], old["expression"]) != (new["generated"], new["expression"]):
        return None
    retyped = any(old[name] != new[name] for name in ("type", "collation"))
    made: list[ops.MigrateOperation] = []
    default = old["default"]
    if old["identity"] and old["identity"] != new["identity"]:
        made += _identity(old, new)
    if retyped and default is not None:
        made.append(_pair(old, new, {"server_default": default}, {"server_default": None}, live, desired))
        default = None
    names = {"type", "collation", "nullable", "comment"} | (set() if retyped else {"default"})
    changed = {name for name in names if old[name] != new[name]}
    if changed:
        before, after = _facts(old, changed), _facts(new, changed)
        made.append(_pair(old, new, before, after, live, desired))
    if retyped and new["default"] != default:
        change = {"server_default": default}, {"server_default": new["default"]}
        made.append(_pair(old, new, *change, live, desired))
    if new["identity"] and not old["identity"]:
        made += _identity(old, new)
    made += _settings(old, new)
    return Alteration(made, Breaks.COMPILED if retyped else Breaks.NOTHING)


def _facts(item: Item, names: set[str]) -> dict[str, Any]:
    """Return the arguments of alter_column for the facts that change."""
    made: dict[str, Any] = {}
    if names & {"type", "collation"}:
        made["type"] = item
    if "nullable" in names:
        made["nullable"] = bool(item["nullable"])
    if "comment" in names:
        made["comment"] = item["comment"]
    if "default" in names:
        made["server_default"] = item["default"]
    return made


def _pair(
    old: Item, new: Item, before: dict[str, Any], after: dict[str, Any], live: Snapshot, desired: Snapshot
) -> AlterColumn:
    made = _one(old, new, after, desired)
    made.undo = _one(new, old, before, live)
    return made


def _one(old: Item, new: Item, facts: dict[str, Any], snapshot: Snapshot) -> AlterColumn:
    key = new.key
    options: dict[str, Any] = {}
    if "type" in facts:
        options["modify_type"] = sqlalchemy_type(new["type"], new["collation"], snapshot)
        if using := conversion(key.name, old["type"], new["type"]):
            options["postgresql_using"] = using
    if "nullable" in facts:
        options["modify_nullable"] = facts["nullable"]
    default: TextClause | Literal[False] | None = False
    if "server_default" in facts:
        default = None if facts["server_default"] is None else verbatim(facts["server_default"])
    comment: str | Literal[False] | None = facts.get("comment", False)
    return AlterColumn(
        key.table,
        key.name,
        schema=key.schema or None,
        modify_server_default=default,
        modify_comment=comment,
        **options,
    )


def _identity(old: Item, new: Item) -> list[ops.MigrateOperation]:
    """Return how a column's identity comes, goes or changes."""
    table, name = table_name(new.key), new.key.name

    def setting(change: str) -> Any:
        return call("alter_column_setting", table, name, change)

    there, back = (
        _identity_change(old["identity"], new["identity"]),
        _identity_change(new["identity"], old["identity"]),
    )
    made = setting(there)
    made.undo = setting(back)
    return [made]


def _identity_change(old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    if new is None:
        return "DROP IDENTITY"
    kind = "ALWAYS" if new["always"] else "BY DEFAULT"
    cycle = "CYCLE" if new["cycle"] else "NO CYCLE"
    words = {
        "increment": "INCREMENT BY",
        "minvalue": "MINVALUE",
        "maxvalue": "MAXVALUE",
        "start": "START WITH",
        "cache": "CACHE",
    }
    parts = [f"{word} {new[name]}" for name, word in words.items()]
    if old is None:
        return f"ADD GENERATED {kind} AS IDENTITY ({' '.join([*parts, cycle])})"
    return " ".join([f"SET GENERATED {kind}", *(f"SET {part}" for part in [*parts, cycle])])


def _settings(old: Item, new: Item) -> list[ops.MigrateOperation]:
    """Return how storage, compression, statistics target and parameters of a column change."""
    made: list[ops.MigrateOperation] = []
    table, name = table_name(new.key), new.key.name
    for fact in _SETTINGS:
        if old[fact] != new[fact]:
            there, back = _setting(fact, old[fact], new[fact]), _setting(fact, new[fact], old[fact])
            undo = call("alter_column_setting", table, name, back)
            made.append(call("alter_column_setting", table, name, there, undo=undo))
    return made


def _setting(fact: str, old: Any, new: Any) -> str:
    if fact == "storage":
        return f"SET STORAGE {_STORAGE.get(new, 'DEFAULT')}"
    if fact == "compression":
        return f"SET COMPRESSION {_COMPRESSION.get(new, 'default')}"
    if fact == "statistics":
        return f"SET STATISTICS {-1 if new is None else new}"
    if new:
        return f"SET ({', '.join(new)})"
    return f"RESET ({', '.join(option.partition('=')[0] for option in old)})"

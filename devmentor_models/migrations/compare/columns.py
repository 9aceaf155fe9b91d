"""Operations for columns."""

from __future__ import annotations

import re
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import ops
from sqlalchemy.sql.elements import ColumnClause, TextClause

from devmentor_models.migrations.catalog import Item, Snapshot
from devmentor_models.migrations.compare import own_types, sequences
from devmentor_models.migrations.compare.changes import Alteration, Breaks
from devmentor_models.migrations.compare.column_types import comparable, conversion, sqlalchemy_type
from devmentor_models.migrations.compare.own_types import table_name
from devmentor_models.migrations.identifiers import quoted
from devmentor_models.migrations.operations import BothWays, call

_SETTINGS = ("storage", "compression", "statistics", "parameters")
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
#: What SQLAlchemy's text() takes for a parameter, or for an escaped one.
_PARAMETER = re.compile(r"\\:|(?<![:\w]):\w")
Expression = TextClause | ColumnClause[Any]


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
    written = re.sub(r",\n +", ", ", written)
    using = operation.kw.get("postgresql_using")
    return f"{written[:-1]}, postgresql_using={using!r})" if using else written


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
        nullable=bool(item["nullable"] or item["not_null_not_valid"]),
        server_default=None if item["default"] is None else verbatim(item["default"]),
        comment=item["comment"],
    )


def verbatim(sql: str) -> Expression:
    """Return an expression in PostgreSQL's words; in ``text()`` a ``:word`` would be a parameter."""
    return sa.literal_column(sql) if _PARAMETER.search(sql) else sa.text(sql)


def add(item: Item, snapshot: Snapshot) -> list[ops.MigrateOperation]:
    """Return how a column is added to a table that exists."""
    key = item.key
    added = ops.AddColumnOp(key.table, column(item, snapshot), schema=key.schema or None)
    return [added, *settings(item)]


def settings(item: Item) -> list[ops.MigrateOperation]:
    """Return how a new column gets the settings that CREATE TABLE has no word for in SQLAlchemy."""
    there = _settings(Item(item.key, {}), item)
    if item["not_null_not_valid"]:
        there.append(_not_valid(item))
    return [BothWays(there, [])] if there else []


def alter(old: Item, new: Item, live: Snapshot, desired: Snapshot) -> Alteration | None:
    """Return how a column becomes what it should be; None where it must be dropped and added.

    Only a generated column is ever made anew: its values come back by themselves.
    """
    retyped = _retyped(old, new)
    recast = retyped and conversion(new.key.name, old["type"], new["type"])
    same = all(old[fact] == new[fact] for fact in ("generated", "expression"))
    if old["generated"] and new["generated"] and (recast or not same):
        return None
    if not retyped and own_types.default_moves(old, new, live, desired):
        new = Item(new.key, {**new.state, "default": old["default"]})
    there, back = _steps(old, new, live, desired), _steps(new, old, desired, live)
    breaks = Breaks.NOTHING
    if retyped:
        breaks = Breaks.COMPILED if comparable(old["type"], new["type"]) else Breaks.COMPARED
    if bool(old["generated"]) != bool(new["generated"]):
        breaks = Breaks.EVERYTHING
    return Alteration([BothWays(there, back)] if there or back else [], breaks)


def _retyped(old: Item, new: Item) -> bool:
    return any(old[name] != new[name] for name in ("type", "collation"))


def _steps(old: Item, new: Item, before: Snapshot, after: Snapshot) -> list[ops.MigrateOperation]:
    """Return how the column ``old`` of a database like ``before`` becomes ``new``."""
    if new["generated"] and not old["generated"]:
        return [_drop(old), *add(new, after)]
    made: list[ops.MigrateOperation] = []
    if old["generated"] and not new["generated"]:
        made += _keep_values(old, before)
    retyped = _retyped(old, new)
    if old["identity"] and not new["identity"]:
        made.append(_setting(new, "DROP IDENTITY"))
    default = old["default"]
    if retyped and default is not None:
        made.append(_one(old, new, after, {"default": None}))
        default = None
    facts: dict[str, Any] = {} if retyped else _changed(old, new, "default")
    facts |= {"type": new["type"]} if retyped else {}
    facts |= _changed(old, new, "nullable", "comment")
    if new["not_null_not_valid"]:
        facts.pop("nullable", None)
    if facts:
        made.append(_one(old, new, after, facts))
    if retyped and new["default"] != default:
        made.append(_one(old, new, after, {"default": new["default"]}))
    made += _validity(old, new)
    if new["identity"] and old["identity"] != new["identity"]:
        made.append(_identity(old, new))
    reset = {"storage": None, "compression": None} if retyped else {}  # by the change of type
    return made + _settings(Item(old.key, {**old.state, **reset}), new)


def _changed(old: Item, new: Item, *names: str) -> dict[str, Any]:
    return {name: new[name] for name in names if old[name] != new[name]}


def _drop(item: Item) -> ops.DropColumnOp:
    return ops.DropColumnOp(item.key.table, item.key.name, schema=item.key.schema or None)


def _keep_values(old: Item, snapshot: Snapshot) -> list[ops.MigrateOperation]:
    """Return how a generated column becomes a plain one with its values; a virtual one's are stored first."""
    stored = _setting(old, "DROP EXPRESSION")
    if old["generated"] == "s":
        return [stored]
    return [_drop(old), *add(Item(old.key, {**old.state, "generated": "s"}), snapshot), stored]


def _one(old: Item, new: Item, snapshot: Snapshot, facts: dict[str, Any]) -> AlterColumn:
    """Return Alembic's operation for some facts."""
    key = new.key
    options: dict[str, Any] = {}
    if "type" in facts:
        options["modify_type"] = sqlalchemy_type(new["type"], new["collation"], snapshot)
        if using := conversion(key.name, old["type"], new["type"]):
            options["postgresql_using"] = using
    if "nullable" in facts:
        options["modify_nullable"] = bool(facts["nullable"])
    default: Expression | Literal[False] | None = False
    if "default" in facts:
        default = None if facts["default"] is None else verbatim(facts["default"])
    return AlterColumn(
        key.table,
        key.name,
        schema=key.schema or None,
        modify_server_default=default,
        modify_comment=facts.get("comment", False),
        **options,
    )


def _validity(old: Item, new: Item) -> list[ops.MigrateOperation]:
    """Return how NOT NULL comes to hold for all rows, or for new ones only."""
    before, after = old["not_null_not_valid"], new["not_null_not_valid"]
    if before == after:
        return []
    if after:
        valid = not old["nullable"]
        return [*([_setting(new, "DROP NOT NULL")] if valid else []), _not_valid(new)]
    return [] if new["nullable"] else [call("validate_table_constraint", before, table_name(new.key))]


def _not_valid(item: Item) -> ops.MigrateOperation:
    definition = f"NOT NULL {quoted(item.key.name)} NOT VALID"
    return call("add_constraint", item["not_null_not_valid"], table_name(item.key), definition)


def _identity(old: Item, new: Item) -> ops.MigrateOperation:
    """Return how a column's identity comes or changes."""
    before, after = old["identity"], new["identity"]
    kind = "ALWAYS" if after["always"] else "BY DEFAULT"
    if before is None:
        options = " ".join(sequences.parameters(after)) or None
        return call("add_identity", table_name(new.key), new.key.name, kind, options=options)
    changes = [f"SET GENERATED {kind}"] if before["always"] != after["always"] else []
    words = sequences.changes(before, after)
    changes += [change if change == "RESTART" else f"SET {change}" for change in words]
    return _setting(new, " ".join(changes))


def _setting(item: Item, change: str) -> ops.MigrateOperation:
    return call("alter_column_setting", table_name(item.key), item.key.name, change)


def _settings(old: Item, new: Item) -> list[ops.MigrateOperation]:
    """Return how storage, compression, statistics target and parameters of a column change."""
    return [
        _setting(new, change)
        for fact in _SETTINGS
        if old[fact] != new[fact]
        for change in _words(fact, old[fact], new[fact])
    ]


def _words(fact: str, old: Any, new: Any) -> list[str]:
    if fact == "storage":
        return [f"SET STORAGE {_STORAGE.get(new, 'DEFAULT')}"]
    if fact == "compression":
        return [f"SET COMPRESSION {_COMPRESSION.get(new, 'default')}"]
    if fact == "statistics":
        return [f"SET STATISTICS {-1 if new is None else new}"]
    before, after = ({option.partition("=")[0] for option in options or ()} for options in (old, new))
    gone = ", ".join(sorted(before - after))
    return [*([f"RESET ({gone})"] if gone else []), *([f"SET ({', '.join(new)})"] if new else [])]

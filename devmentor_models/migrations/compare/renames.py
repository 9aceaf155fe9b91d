"""Renames, where the models tell of them: ``info={"renamed_from": "old_name"}``; nothing is ever guessed.

The declared schema is built under the new names; there PostgreSQL takes the renames back, with everything
that refers to what is renamed. So all other differences are stated, and removed, under the old names, and the
renames come last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from devmentor_models.migrations.catalog import Item, Key, Snapshot
from devmentor_models.migrations.compare.changes import Change, Step
from devmentor_models.migrations.compare.columns import AlterColumn
from devmentor_models.migrations.identifiers import Verbatim, literal, qualified, quoted
from devmentor_models.migrations.operations import call

#: Key of ``Table.info`` and ``Column.info``: what a table or column was called before.
RENAMED_FROM = "renamed_from"
#: Key of ``Column.info`` of an enum column: ``{"new value": "old value"}``.
RENAMED_VALUES = "renamed_values"


@dataclass(frozen=True, slots=True)
class Rename:
    """One thing that has its old name in the database.

    Attributes:
        key: What it is to be called.
        old: What it is called now.
        operation: How it gets its name.
        back: SQL that takes the rename back in the declared schema.
    """

    key: Key
    old: str
    operation: MigrateOperation
    back: str

    def change(self) -> Change:
        """Return the rename as a step of the plan."""
        return Change(Step.RENAME, self.key, None, None, [self.operation])


def declared_renames(metadata: MetaData, live: Snapshot) -> list[Rename]:
    """Return the renames that the models declare and the database has not seen."""
    return [rename for table in metadata.tables.values() for rename in _of_table(table, live)]


def _of_table(table: sa.Table, live: Snapshot) -> Iterator[Rename]:
    schema = table.schema or ""
    old = table.info.get(RENAMED_FROM)
    pending = bool(old) and Key("table", schema, "", str(old)) in live
    pending = pending and Key("table", schema, "", table.name) not in live
    known = str(old) if pending else table.name  # as which the database has it
    for column in table.columns:
        was = column.info.get(RENAMED_FROM)
        new_key = Key("column", schema, known, column.name)
        if was and Key("column", schema, known, was) in live and new_key not in live:
            names = f"{quoted(column.name)} TO {quoted(was)}"
            back = f"ALTER TABLE {qualified(schema, table.name)} RENAME COLUMN {names}"
            yield Rename(new_key, was, _rename_column(known, was, column.name, schema or None), back)
        yield from _of_enum(column, live)
    if pending:
        yield _table_rename(table, str(old), schema)


def _table_rename(table: sa.Table, old: str, schema: str) -> Rename:
    options: dict[str, Any] = {"schema": schema or None}
    undo = call("rename_table", table.name, old, **options)
    there = call("rename_table", old, table.name, undo=undo, **options)
    back = f"ALTER TABLE {qualified(schema, table.name)} RENAME TO {quoted(old)}"
    return Rename(Key("table", schema, "", table.name), old, there, back)


def _rename_column(table: str, old: str, new: str, schema: str | None) -> AlterColumn:
    there = AlterColumn(table, old, schema=schema, modify_name=new)
    there.undo = AlterColumn(table, new, schema=schema, modify_name=old)
    return there


def _of_enum(column: sa.Column[object], live: Snapshot) -> Iterator[Rename]:
    kind = column.type.item_type if isinstance(column.type, sa.ARRAY) else column.type
    if not isinstance(kind, sa.Enum) or not kind.name:
        return
    schema = kind.schema or ""
    key = Key("enum", schema, "", kind.name)
    values = live[key]["values"] if key in live else []
    for new, old in column.info.get(RENAMED_VALUES, {}).items():
        if old in values and new not in values:
            name = f"{schema}.{kind.name}" if schema else kind.name
            undo = call("rename_enum_value", name, new, old)
            there = call("rename_enum_value", name, old, new, undo=undo)
            back = f"ALTER TYPE {key.sql} RENAME VALUE {literal(new)} TO {literal(old)}"
            yield Rename(Key("enum", schema, "", f"{kind.name}.{new}"), old, there, back)


def same_but_for_the_name(live: Snapshot, desired: Snapshot) -> list[Rename]:
    """Return the constraints and indexes that are equal in everything else: no need to build them again.

    Where two are alike it cannot be said which is which, so they are made anew.
    """
    gone = _by_definition(live, desired)
    new = _by_definition(desired, live)
    return [
        _rename_part(olds[0].key, news[0].key)
        for what, olds in gone.items()
        if len(olds) == 1 and len(news := new.get(what, [])) == 1
    ]


def _by_definition(snapshot: Snapshot, other: Snapshot) -> dict[tuple[object, ...], list[Item]]:
    """Return what the other snapshot has not, by everything but the name."""
    made: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for key, item in snapshot.items():
        if key in other or key.kind not in {"constraint", "index"}:
            continue
        definition = str(item["definition"]).replace(f"INDEX {quoted(key.name)} ON", "INDEX ON", 1)
        made[key.kind, key.schema, key.table, definition, str(item["parameters"]), item["valid"]].append(item)
    return made


def _rename_part(old: Key, new: Key) -> Rename:
    table = f"{old.schema}.{old.table}" if old.schema else old.table
    if old.kind == "index":
        undo = call("rename_index", f"{old.schema}.{new.name}", old.name)
        there = call("rename_index", f"{old.schema}.{old.name}", new.name, undo=undo)
        back = f"ALTER INDEX {qualified(old.schema, new.name)} RENAME TO {quoted(old.name)}"
    else:
        undo = call("rename_constraint", table, new.name, old.name)
        there = call("rename_constraint", table, old.name, new.name, undo=undo)
        back = f"ALTER TABLE {old.table_sql} RENAME CONSTRAINT {quoted(new.name)} TO {quoted(old.name)}"
    return Rename(new, old.name, there, back)


def take_back(connection: Connection, renames: list[Rename]) -> None:
    """Give what was built under new names its old ones."""
    for rename in renames:
        connection.execute(Verbatim(rename.back))

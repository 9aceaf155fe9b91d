"""Operations for tables, their constraints and their indexes: Alembic's own wherever they can say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.sql.elements import conv

from devmentor_models.migrations.catalog import Item, Key, Snapshot
from devmentor_models.migrations.compare import columns
from devmentor_models.migrations.compare.changes import Alteration, Breaks
from devmentor_models.migrations.compare.columns import verbatim
from devmentor_models.migrations.compare.own_types import table_name
from devmentor_models.migrations.identifiers import bracketed, plain_name, qualified, quoted, split, unquoted
from devmentor_models.migrations.operations import BothWays, call

_FOREIGN = re.compile(
    r"FOREIGN KEY \((?P<columns>[^)]+)\) REFERENCES (?P<target>[^(]+)\((?P<referred>[^)]+)\)"
    r"(?: ON UPDATE (?P<onupdate>CASCADE|RESTRICT|SET NULL|SET DEFAULT))?"
    r"(?: ON DELETE (?P<ondelete>CASCADE|RESTRICT|SET NULL(?: \([^)]+\))?|SET DEFAULT(?: \([^)]+\))?))?"
    r"(?P<deferrable> DEFERRABLE)?(?: INITIALLY (?P<initially>DEFERRED))?\Z"
)
_UNIQUE = re.compile(
    r"UNIQUE(?P<nulls> NULLS NOT DISTINCT)? \((?P<columns>[^)]+)\)(?: INCLUDE \((?P<include>[^)]+)\))?"
    r"(?P<deferrable> DEFERRABLE)?(?: INITIALLY (?P<initially>DEFERRED))?\Z"
)
_PRIMARY = re.compile(r"PRIMARY KEY \((?P<columns>[^)]+)\)\Z")
_CHECK = re.compile(r"CHECK \((?P<expression>.*)\)\Z", re.DOTALL)
_EXCLUDE = re.compile(r"EXCLUDE USING (?P<using>\w+) (?P<rest>\(.*)\Z", re.DOTALL)
#: In what SQLAlchemy and Alembic pass on as text, ``:word`` is a parameter and a percent sign doubles.
_DELICATE = re.compile(r"%|(?<!:):\w|\\")
_INDEX = re.compile(
    r"CREATE (?P<unique>UNIQUE )?INDEX .+? ON (?:ONLY )?.+? USING (?P<using>\w+) (?P<keys>\(.*)\Z", re.DOTALL
)
_INDEX_REST = re.compile(
    r"(?:INCLUDE \((?P<include>[^)]+)\) ?)?(?P<nulls>NULLS NOT DISTINCT ?)?(?:WITH \((?P<with>[^)]+)\) ?)?"
    r"(?:WHERE (?P<where>.+))?\Z",
    re.DOTALL,
)


def _names(listed: str) -> list[str]:
    return [unquoted(name) for name in split(listed)]


def constraint(item: Item) -> sa.Constraint | None:
    """Return SQLAlchemy's constraint, or None where only PostgreSQL's own words describe it."""
    definition, name = str(item["definition"]), conv(item.key.name)
    if item["parameters"] or _DELICATE.search(definition):
        return None
    for pattern, make in _READERS:
        if found := pattern.match(definition):
            return make(found, name)
    return None


def _primary_key(found: re.Match[str], name: conv) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*_names(found["columns"]), name=name)


def _check(found: re.Match[str], name: conv) -> sa.CheckConstraint | None:
    inner, rest = bracketed(found[0])
    return None if rest else sa.CheckConstraint(unbracketed(inner), name=name)


def _unique(found: re.Match[str], name: conv) -> sa.UniqueConstraint:
    options: dict[str, Any] = {"deferrable": True} if found["deferrable"] else {}
    options |= {"initially": found["initially"]} if found["initially"] else {}
    options |= {"postgresql_nulls_not_distinct": True} if found["nulls"] else {}
    options |= {"postgresql_include": _names(found["include"])} if found["include"] else {}
    return sa.UniqueConstraint(*_names(found["columns"]), name=name, **options)


def _foreign_key(found: re.Match[str], name: conv) -> sa.ForeignKeyConstraint:
    target = [unquoted(part) for part in split(found["target"], ".")]
    referred = [".".join([*target, column]) for column in _names(found["referred"])]
    options: dict[str, Any] = {"deferrable": True} if found["deferrable"] else {}
    options |= {key: found[key] for key in ("onupdate", "ondelete", "initially") if found[key]}
    return sa.ForeignKeyConstraint(_names(found["columns"]), referred, name=name, **options)


def _exclude(found: re.Match[str], name: conv) -> ExcludeConstraint | None:
    keys, rest = bracketed(found["rest"])
    pairs: list[tuple[Any, str]] = []
    for key in split(keys):
        expression, _, operator = key.rpartition(" WITH ")
        bare = plain_name(expression)
        pairs.append((sa.column(bare) if bare else sa.literal_column(expression), operator))
    options: dict[str, Any] = {}
    if rest.startswith("WHERE "):
        where, rest = bracketed(rest)
        options["where"] = verbatim(where)
    if rest or "OPERATOR(" in keys:
        return None
    return ExcludeConstraint(*pairs, using=found["using"], name=name, **options)


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], conv], sa.Constraint | None]], ...] = (
    (_PRIMARY, _primary_key),
    (_CHECK, _check),
    (_UNIQUE, _unique),
    (_FOREIGN, _foreign_key),
    (_EXCLUDE, _exclude),
)


def add_constraint(item: Item) -> list[ops.MigrateOperation]:
    """Return how a constraint is added to a table that exists."""
    key, made = item.key, constraint(item)
    # Alembic's create_unique_constraint can't find the columns to include.
    if made is None or made.dialect_kwargs.get("postgresql_include"):
        definition = item["definition"]
        if item["parameters"]:
            definition += f" WITH ({', '.join(item['parameters'])})"
        undo = call("drop_table_constraint", key.name, table_name(key))
        return [call("add_constraint", key.name, table_name(key), definition, undo=undo)]
    return [_add(key, made)]


def _add(key: Key, made: sa.Constraint) -> ops.MigrateOperation:
    """Return Alembic's operation; most want the constraint's table for that."""
    schema = key.schema or None
    if isinstance(made, sa.CheckConstraint):
        return ops.CreateCheckConstraintOp(made.name, key.table, made.sqltext, schema=schema)
    if isinstance(made, sa.ForeignKeyConstraint):
        return _add_foreign_key(key, made)
    if isinstance(made, ExcludeConstraint):
        names = [column.name for column in made.columns]
    else:  # before it has a table, it knows its columns by their names only
        names = list(getattr(made, "_pending_colargs", ()))
    sa.Table(key.table, sa.MetaData(), *(sa.Column(name, sa.Integer) for name in names), made, schema=schema)
    if isinstance(made, ExcludeConstraint):
        return CreateExcludeConstraintOp.from_constraint(made)
    return ops.AddConstraintOp.from_constraint(made)


def _add_foreign_key(key: Key, made: sa.ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
    target = [str(part) for part in made.elements[0].target_fullname.split(".")]
    facts = ("onupdate", "ondelete", "initially", "deferrable", "match")
    return ops.CreateForeignKeyOp(
        made.name,
        key.table,
        target[-2],
        list(made.column_keys),
        [element.target_fullname.rpartition(".")[2] for element in made.elements],
        source_schema=key.schema or None,
        referent_schema=target[0] if len(target) > 2 else None,  # noqa: PLR2004 - schema, table, column
        **{fact: value for fact in facts if (value := getattr(made, fact)) is not None},
    )


def alter_constraint(old: Item, new: Item, comment: Item | None) -> Alteration | None:
    """Return how a constraint changes without being made anew: NOT VALID becomes valid.

    Args:
        old: The constraint as the database has it.
        new: The constraint as the models have it.
        comment: The comment that it has, which the way back would lose.
    """
    if old["definition"] != f"{new['definition']} NOT VALID" or old["parameters"] != new["parameters"]:
        return None
    key, name = new.key, quoted(new.key.name)
    # What is valid cannot be taken back: only a constraint made anew has not been validated.
    back = f"DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {old['definition']}"
    undo = call("alter_table", table_name(key), back)
    validate = call("validate_table_constraint", key.name, table_name(key), undo=undo)
    if comment is None:
        return Alteration([validate])
    again = call("comment_on", comment.key.table, comment["text"])
    again.undo = call("comment_on", comment.key.table, comment["text"])
    return Alteration([again, validate])


def create_index(item: Item) -> list[ops.MigrateOperation]:
    """Return how an index is created."""
    key, definition = item.key, str(item["definition"])
    made = _index(key, definition)
    created: ops.MigrateOperation
    if made is None:
        undo = call("execute_sql", f"DROP INDEX {qualified(key.schema, key.name)}")
        created = call("execute_sql", definition.replace(" ON ONLY ", " ON ", 1), undo=undo)
    else:
        created = made
    if item["clustered"]:
        undo = call("alter_table", table_name(key), "SET WITHOUT CLUSTER")
        change = f"CLUSTER ON {quoted(key.name)}"
        return [created, call("alter_table", table_name(key), change, undo=undo)]
    return [created]


def _index(key: Key, definition: str) -> ops.CreateIndexOp | None:
    """Return Alembic's operation for an index, or None where only PostgreSQL's own words describe it."""
    found = _INDEX.match(definition)
    if found is None or _DELICATE.search(definition):
        return None
    listed, rest = bracketed(found["keys"])
    tail = _INDEX_REST.match(rest)
    if tail is None:
        return None
    keys, classes = _index_keys(listed)
    options: dict[str, Any] = {}
    if found["using"] != "btree":
        options["postgresql_using"] = found["using"]
    if classes:
        options["postgresql_ops"] = classes
    if tail["include"]:
        options["postgresql_include"] = _names(tail["include"])
    if tail["nulls"]:
        options["postgresql_nulls_not_distinct"] = True
    if tail["with"]:
        options["postgresql_with"] = {
            name: value.strip("'") for name, _, value in (part.partition("=") for part in split(tail["with"]))
        }
    if tail["where"]:
        options["postgresql_where"] = verbatim(unbracketed(tail["where"]))
    return ops.CreateIndexOp(
        key.name, key.table, keys, schema=key.schema or None, unique=bool(found["unique"]), **options
    )


def _index_keys(listed: str) -> tuple[list[Any], dict[str, str]]:
    """Return the columns and expressions of an index, and the operator classes of its columns."""
    keys: list[Any] = []
    classes: dict[str, str] = {}
    for written in split(listed):
        words = written.split(" ")
        name = plain_name(words[0])
        if name and len(words) == 1:
            keys.append(name)
        elif name and len(words) == 2 and re.fullmatch(r"[a-z_][\w.]*", words[1]):  # noqa: PLR2004 - column and class
            keys.append(name)
            classes[name] = words[1].rpartition(".")[2]
        else:
            keys.append(sa.literal_column(written))
    return keys, classes


def unbracketed(condition: str) -> str:
    """Take the outer brackets off: PostgreSQL writes ``(a IS NULL)``."""
    inner, rest = bracketed(condition) if condition.startswith("(") else (condition, "")
    return condition if rest else inner


def alter_index(old: Item, new: Item) -> Alteration | None:
    """Return how an index changes without being made anew: only its CLUSTER mark does."""
    if old["definition"] != new["definition"] or old["valid"] != new["valid"]:
        return None
    table = table_name(new.key)
    on, off = f"CLUSTER ON {quoted(new.key.name)}", "SET WITHOUT CLUSTER"
    there, back = (on, off) if new["clustered"] else (off, on)
    return Alteration([call("alter_table", table, there, undo=call("alter_table", table, back))])


def create_table(item: Item, parts: Iterable[Item], snapshot: Snapshot) -> list[ops.MigrateOperation]:
    """Return how a table is created, with the columns and constraints in ``parts``."""
    key = item.key
    own = [part for part in parts if part.key.kind == "column"]
    own.sort(key=lambda part: int(part["position"]))
    made = [
        built for part in parts if part.key.kind == "constraint" and (built := constraint(part)) is not None
    ]
    options: dict[str, Any] = (
        {"postgresql_partition_by": item["partition_by"]} if item["partition_by"] else {}
    )
    if item["unlogged"]:
        options["prefixes"] = ["UNLOGGED"]
    table = sa.Table(
        key.name,
        sa.MetaData(),
        *(columns.column(part, snapshot) for part in own),
        *made,
        schema=key.schema or None,
        comment=item["comment"],
        **options,
    )
    for part in table.primary_key.columns:  # otherwise SQLAlchemy makes a SERIAL of an integer key
        if isinstance(part.type, sa.Integer) and part.identity is None:
            part.autoincrement = False
    bare = Item(key, {"unlogged": item["unlogged"], "comment": item["comment"]})
    later = alter_table(bare, Item(key, {**item.state, "partition_by": None})).operations
    return [
        ops.CreateTableOp.from_table(table),
        *(setting for part in own for setting in columns.settings(part)),
        *later,
    ]


def alter_table(old: Item, new: Item) -> Alteration:
    """Return how a table becomes what it should be."""
    there, back = _table_steps(old, new), _table_steps(new, old)
    breaks = Breaks.EVERYTHING if old["partition_by"] != new["partition_by"] else Breaks.NOTHING
    return Alteration([BothWays(there, back)] if there or back else [], breaks)


def _table_steps(old: Item, new: Item) -> list[ops.MigrateOperation]:
    key, table = new.key, f"{new.key.schema}.{new.key.name}" if new.key.schema else new.key.name
    made: list[ops.MigrateOperation] = []
    if old["partition_by"] != new["partition_by"]:
        made.append(call("repartition", table, by=new["partition_by"]))
        old = Item(key, {})  # the new table has nothing yet but its columns
    if old["comment"] != new["comment"]:
        made.append(_table_comment(key, old["comment"], new["comment"]))
    for fact, prefix in (("parameters", ""), ("toast_parameters", "toast.")):
        before, after = _options(old[fact], prefix), _options(new[fact], prefix)
        if before != after:
            made.append(call("set_storage_parameters", table, _difference(before, after)))
    if bool(old["unlogged"]) != bool(new["unlogged"]):
        made.append(call("alter_table", table, "SET UNLOGGED" if new["unlogged"] else "SET LOGGED"))
    return made


def _table_comment(key: Key, old: str | None, new: str | None) -> ops.MigrateOperation:
    schema = key.schema or None
    if new is None:
        return ops.DropTableCommentOp(key.name, schema=schema, existing_comment=old)
    return ops.CreateTableCommentOp(key.name, new, schema=schema, existing_comment=old)


def _options(listed: list[str] | None, prefix: str) -> dict[str, str]:
    pairs = (option.partition("=") for option in listed or ())
    return {prefix + name: value for name, _, value in pairs}


def _difference(old: dict[str, str], new: dict[str, str]) -> dict[str, str | None]:
    changed: dict[str, str | None] = {name: value for name, value in new.items() if old.get(name) != value}
    return changed | dict.fromkeys(name for name in old if name not in new)

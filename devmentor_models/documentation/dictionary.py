"""The data dictionary in Markdown: a page for each schema, and an overview."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Enum, ForeignKeyConstraint, MetaData, Table

from devmentor_models.documentation import markdown, sql
from devmentor_models.documentation.diagrams import keys_of, overview_diagram, schema_diagram
from devmentor_models.documentation.relations import relations_of, tables_of
from devmentor_models.kit.base import Base
from devmentor_models.kit.encryption import EncryptedText
from devmentor_models.kit.objects import Statement, declared
from devmentor_models.security.declarations import Grant, Policy, Security, Visibility

OVERVIEW = "README.md"


def overview_page(metadata: MetaData, schemas: Sequence[str]) -> str:
    """Return the page that leads to the others: all tables, and how they hang together."""
    blocks = [
        "# Data dictionary",
        "Every table of the database, by schema. The access that a table shows is what its model declares.",
    ]
    for schema in schemas:
        blocks += [
            f"## [{schema}]({schema}.md)",
            _list_of_tables(tables_of(metadata, schema), f"{schema}.md"),
        ]
    blocks += ["## Functions", _functions(metadata)]
    blocks += ["## How the schemas hang together", _fenced(overview_diagram(metadata, schemas))]
    return markdown.page(blocks)


def _functions(metadata: MetaData) -> str:
    rows = sorted(
        (markdown.code(item.target.removeprefix("FUNCTION ")), markdown.text(item.comment or ""))
        for item in declared(metadata)
        if isinstance(item, Statement) and item.target.startswith("FUNCTION ")
    )
    return markdown.grid(("function", "what it does"), rows)


def schema_page(metadata: MetaData, schema: str) -> str:
    """Return the page of a schema."""
    tables = tables_of(metadata, schema)
    blocks = [
        f"# Schema {schema}",
        f"[All schemas]({OVERVIEW})",
        _list_of_tables(tables, ""),
        "## Diagram",
        _fenced(schema_diagram(metadata, schema)),
        "## Tables",
    ]
    for table in tables:
        blocks += [f"### {table.name}", *(block for part in TABLE_PARTS if (block := part(table)))]
    return markdown.page([*blocks, "## Types", *_types(tables)])


def _comment(table: Table) -> str:
    return f"{markdown.text(table.comment or '')}."


def _columns(table: Table) -> str:
    rows = (
        (
            markdown.code(column.name),
            ", ".join(keys_of(column)),
            _type_cell(column),
            "yes" if column.nullable else "no",
            _default_cell(column),
            _comment_cell(column),
        )
        for column in table.columns
    )
    return markdown.grid(("column", "key", "type", "NULL", "default", "meaning"), rows)


def _type_cell(column: Column[Any]) -> str:
    """Return a type; an enum's leads to its values, which stand on the page of its schema."""
    text = markdown.code(sql.type_of(column))
    if isinstance(column.type, Enum):
        return f"[{text}]({column.type.schema}.md#{column.type.name})"
    return text


def _default_cell(column: Column[Any]) -> str:
    if expression := sql.generated_as(column):
        return f"generated: {markdown.code(expression)}"
    default = sql.default_of(column)
    return "" if default is None else markdown.code(default)


def _comment_cell(column: Column[Any]) -> str:
    marks = []
    if isinstance(column.type, EncryptedText):
        marks.append("encrypted")
    if column.name in _model(column.table).__security__.redacted:
        marks.append("redacted in the audit trail")
    return "; ".join([markdown.text(column.comment or ""), *(f"**{mark}**" for mark in marks)])


def _constraints(table: Table) -> str:
    rows = (
        (
            markdown.code(str(item.name)),
            sql.kind_of(item),
            _foreign_key(item)
            if isinstance(item, ForeignKeyConstraint)
            else markdown.code(sql.constraint_text(item)),
        )
        for item in sql.constraints_of(table)
    )
    return markdown.grid(("constraint", "kind", "definition"), rows)


def _foreign_key(key: ForeignKeyConstraint) -> str:
    target = key.referred_table
    here = ", ".join(column.name for column in key.columns)
    there = ", ".join(element.column.name for element in key.elements)
    action = markdown.code(f"ON DELETE {key.ondelete or 'NO ACTION'}")
    return f"{markdown.code(f'({here})')} → {_link(target)} {markdown.code(f'({there})')} {action}"


def _indexes(table: Table) -> str | None:
    rows = [
        (
            markdown.code(str(index.name)),
            sql.index_method(index),
            "yes" if index.unique else "no",
            markdown.code(sql.index_text(index)),
        )
        for index in sql.indexes_of(table)
    ]
    return markdown.grid(("index", "method", "unique", "definition"), rows) if rows else None


def _facts(table: Table) -> str:
    """Return the rest as a list: partitions, who refers here, and what `__security__` declares."""
    model = _model(table)
    security = model.__security__
    referring = [relation.child for relation in relations_of(_all_tables(table)) if relation.parent is table]
    facts = {
        "Model": markdown.code(f"{model.__module__}.{model.__name__}"),
        "Partitioned by": markdown.code(table.dialect_options["postgresql"]["partition_by"] or ""),
        "Referred to by": ", ".join(dict.fromkeys(_link(child) for child in referring)),
        "Rows are seen by": _policy(security.policy),
        "Privileges": _grants(security.grants),
        "The service alone may": _chores(security),
        "Changes are recorded in the audit trail": "yes" if security.audited else "no",
        "Triggers": "; ".join(
            markdown.code(item.sql.removeprefix("CREATE TRIGGER ")) for item in _triggers(table)
        ),
        "Append-only": "yes" if security.append_only else "",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value)


def _triggers(table: Table) -> list[Statement]:
    """Return the declared triggers of a table."""
    statements = (item for item in declared(table.metadata) if isinstance(item, Statement))
    return [item for item in statements if re.fullmatch(rf"TRIGGER \w+ ON {table.fullname}", item.target)]


#: What the page tells of a table, in this order. A part returns None where there is nothing to tell.
TABLE_PARTS: tuple[Callable[[Table], str | None], ...] = (_comment, _columns, _constraints, _indexes, _facts)


def _policy(policy: Policy) -> str:
    owner = markdown.code(policy.owner or "")
    group = (
        f"team in {markdown.code(policy.team)}"
        if policy.team
        else f"project in {markdown.code(policy.project or '')}"
    )
    members = "members" if policy.team else "collaborators"
    catalogue = "; a row without one is everybody's to read" if policy.catalogue else ""
    return {
        Visibility.OWNER: f"the user in {owner}{catalogue}",
        Visibility.SHARED: f"the user in {owner} and the {members} of the {group}",
        Visibility.TRAIL: f"the user in {owner} reads, whoever acts writes",
        Visibility.EVERYONE: "everybody",
        Visibility.SERVICE: "services only",
    }[policy.visibility]


def _grants(grants: Iterable[Grant]) -> str:
    """Return which role may do what."""
    return "; ".join(f"{markdown.code(grant.service.role)} {', '.join(grant.privileges)}" for grant in grants)


def _chores(security: Security) -> str:
    """Return what the table's service may do for nobody in particular."""
    return "; ".join(
        f"{', '.join(chore.commands)} where {markdown.code(chore.when)}"
        if chore.when
        else ", ".join(chore.commands)
        for chore in security.chores
    )


def _types(tables: Iterable[Table]) -> list[str]:
    """Return a section for each enum type of the tables' schema."""
    used: dict[str, list[Column[Any]]] = {}
    for table in tables:
        for column in table.columns:
            if isinstance(column.type, Enum) and column.type.schema == table.schema:
                used.setdefault(str(column.type.name), []).append(column)
    return [block for name in sorted(used) for block in _type(name, used[name])]


def _type(name: str, columns: list[Column[Any]]) -> list[str]:
    kind = columns[0].type
    assert isinstance(kind, Enum)  # noqa: S101 - chosen so by the caller
    meaning = ((kind.enum_class and kind.enum_class.__doc__) or "").strip().partition("\n")[0]
    users = ", ".join(f"{_link(column.table)}.{markdown.code(column.name)}" for column in columns)
    values = ", ".join(markdown.code(value) for value in kind.enums)
    return [f"### {name}", markdown.text(meaning), f"- Values, in order: {values}\n- Used by: {users}"]


def _list_of_tables(tables: Iterable[Table], page: str) -> str:
    rows = ((f"[{table.name}]({page}#{table.name})", markdown.text(table.comment or "")) for table in tables)
    return markdown.grid(("table", "what it holds"), rows)


def _link(table: Table) -> str:
    return f"[{table.fullname}]({table.schema}.md#{table.name})"


def _model(table: Table) -> type[Base]:
    """Return the class that is mapped to a table."""
    (found,) = [mapper.class_ for mapper in Base.registry.mappers if mapper.local_table is table]
    return found


def _all_tables(table: Table) -> list[Table]:
    return sorted(table.metadata.tables.values(), key=lambda item: item.fullname)


def _fenced(diagram: str) -> str:
    return f"```mermaid\n{diagram}```"

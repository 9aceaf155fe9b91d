"""Entity-relationship diagrams: Mermaid, which code hosts render in Markdown, and DOT for Graphviz."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from sqlalchemy import Column, MetaData, Table

from devmentor_models.documentation.relations import Relation, relations_of, tables_of
from devmentor_models.documentation.sql import type_of

_SHORT = {
    "timestamp with time zone": "timestamptz",
    "character varying": "varchar",
    "double precision": "float8",
}


def schema_diagram(metadata: MetaData, schema: str) -> str:
    """Return the Mermaid diagram of a schema, its tables with all their columns."""
    tables = tables_of(metadata, schema)
    return _mermaid(_entities(tables), relations_of(tables), schema)


def overview_diagram(metadata: MetaData, schemas: Sequence[str]) -> str:
    """Return the Mermaid diagram of all schemas: tables without columns, and what refers to what."""
    tables = [table for schema in schemas for table in tables_of(metadata, schema)]
    return _mermaid([f'    "{table.fullname}"' for table in tables], relations_of(tables), None)


def schema_graph(metadata: MetaData, schema: str) -> str:
    """Return the same diagram of a schema for Graphviz."""
    tables = tables_of(metadata, schema)
    return _dot(tables, relations_of(tables), columns=True)


def overview_graph(metadata: MetaData, schemas: Sequence[str]) -> str:
    """Return the same diagram of all schemas for Graphviz."""
    tables = [table for schema in schemas for table in tables_of(metadata, schema)]
    return _dot(tables, relations_of(tables), columns=False)


def keys_of(column: Column[Any]) -> list[str]:
    """Return the marks of a column that is part of a key: PK, FK."""
    return [
        mark for mark, is_one in (("PK", column.primary_key), ("FK", bool(column.foreign_keys))) if is_one
    ]


def _entities(tables: Iterable[Table]) -> list[str]:
    lines = []
    for table in tables:
        lines.append(f'    "{table.name}" {{')
        lines += [
            f"        {_short_type(column)} {column.name} {', '.join(keys_of(column))}".rstrip()
            for column in table.columns
        ]
        lines.append("    }")
    return lines


def _mermaid(entities: list[str], relations: Iterable[Relation], schema: str | None) -> str:
    lines = ["erDiagram", *entities]
    for relation in relations:
        left = "|o" if relation.optional else "||"
        right = "o|" if relation.single else "o{"
        names = (_name(relation.parent, schema), _name(relation.child, schema))
        lines.append(f'    "{names[0]}" {left}--{right} "{names[1]}" : "{relation.label}"')
    return "\n".join(lines) + "\n"


def _name(table: Table, schema: str | None) -> str:
    """Return a table's name, without the schema inside that schema."""
    return table.name if table.schema == schema else table.fullname


def _short_type(column: Column[Any]) -> str:
    """Return a type as one word, which is all that Mermaid takes."""
    text = type_of(column).rpartition(".")[2]
    for name, short in _SHORT.items():
        text = text.replace(name, short)
    return text.partition("(")[0] if "," in text else text


def _dot(tables: Sequence[Table], relations: Sequence[Relation], *, columns: bool) -> str:
    """Return a graph; tables that are only referred to appear without columns."""
    lines = [
        "digraph schema {",
        "    graph [rankdir=LR, nodesep=0.3, ranksep=1.2]",
        '    node [shape=plain, fontname="Helvetica", fontsize=11]',
        '    edge [dir=both, fontname="Helvetica", fontsize=9, color="#557799"]',
    ]
    lines += [f'    "{table.fullname}" [label=<{_label(table, columns=columns)}>]' for table in tables]
    outside = {relation.parent for relation in relations} - set(tables)
    for table in sorted(outside, key=lambda table: table.fullname):
        lines.append(f'    "{table.fullname}" [label=<{_label(table, columns=False)}>]')
    for relation in relations:
        tail = "teetee" if not relation.optional else "teeodot"
        head = "teeodot" if relation.single else "crowodot"
        lines.append(
            f'    "{relation.parent.fullname}" -> "{relation.child.fullname}"'
            f' [label="{relation.label}", arrowtail={tail}, arrowhead={head}]'
        )
    return "\n".join([*lines, "}"]) + "\n"


def _label(table: Table, *, columns: bool) -> str:
    """Return Graphviz's HTML of a table: its name, and a row for each column."""
    rows = [f'<tr><td colspan="3" bgcolor="#dde8f0"><b>{escape(table.fullname)}</b></td></tr>']
    if columns:
        rows += [
            "<tr>"
            f'<td align="left">{escape(column.name)}</td>'
            f'<td align="left">{escape(_short_type(column))}</td>'
            f'<td align="left">{" ".join(keys_of(column))}</td>'
            "</tr>"
            for column in table.columns
        ]
    return f'<table border="1" cellborder="0" cellspacing="0" cellpadding="3">{"".join(rows)}</table>'

"""Say what autogenerate found, one line for each difference between a database and the models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_KINDS = {
    "nullable": "allows NULL",
    "type": "type",
    "default": "server default",
    "comment": "comment",
}


def describe(differences: Iterable[Any]) -> list[str]:
    """Return a line for each difference of Alembic's ``compare_metadata``."""
    return [line for difference in differences for line in _lines(difference)]


def _lines(difference: Any) -> list[str]:
    if isinstance(difference, list):  # several changes of one column
        return describe(difference)
    operation, *rest = difference
    verb, _, what = operation.partition("_")
    if verb == "modify":
        return [_modified(what, rest)]
    if what == "table_comment":
        return [f"table {_name(rest)}: the comment differs"]
    state = "is missing in the database" if verb == "add" else "is in the database but not in the models"
    return [f"{what.replace('_', ' ')} {_name(rest)} {state}"]


def _modified(what: str, rest: list[Any]) -> str:
    """Describe a changed column."""
    *names, _, old, new = rest
    place = ".".join(name for name in names if name)
    return f"column {place}: {_KINDS.get(what, what)} is {old!r} in the database, {new!r} in the models"


def _name(rest: list[Any]) -> str:
    """Return the full name of what was added or removed."""
    if not hasattr(rest[0], "table") and not hasattr(
        rest[0], "fullname"
    ):  # a column's schema and table first
        schema, table, item = rest
        return ".".join(part for part in (schema, table, item.name) if part)
    item = rest[0]
    return str(item.fullname) if hasattr(item, "fullname") else f"{item.name} of {item.table.fullname}"

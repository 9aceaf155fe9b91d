"""Names and statements as SQL writes them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import IdentifierPreparer

_BRACKETS = {"(": ")", "[": "]"}


@lru_cache
def _preparer() -> IdentifierPreparer:
    # Named parameters: with the driver's own style percent signs would be doubled.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy has no types here
    return dialect.identifier_preparer


def quoted(name: str) -> str:
    """Quote a name where SQL wants that.

    >>> quoted("tasks"), quoted("Odd name"), quoted("user")
    ('tasks', '"Odd name"', '"user"')
    """
    return str(_preparer().quote(name))


def qualified(schema: str, name: str) -> str:
    """Return ``schema.name``, quoted where needed.

    >>> qualified("auth", "users")
    'auth.users'
    """
    return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)


def literal(value: str) -> str:
    """Return a string literal.

    >>> literal("it's")
    "'it''s'"
    """
    prefix = "E" if "\\" in value else ""
    return prefix + "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


class Verbatim(ExecutableDDLElement):
    """SQL to be executed as it stands: ``text()`` would take ``:word`` for a parameter."""

    inherit_cache = False

    def __init__(self, sql: str) -> None:
        self.sql = sql


@compiles(Verbatim)
def _compile(element: Verbatim, compiler: Any, **options: Any) -> str:
    # psycopg sees placeholders in single percent signs, and SQLAlchemy passes parameters, if none.
    doubled = compiler.preparer._double_percents  # noqa: SLF001 - only there does SQLAlchemy say so
    return element.sql.replace("%", "%%") if doubled else element.sql


def split(sql: str, separator: str = ",") -> list[str]:
    r"""Split at the separators that stand in no brackets and no quotes.

    >>> split("lower(a, b), c COLLATE \"x,y\", 'd,e'")
    ['lower(a, b)', 'c COLLATE "x,y"', "'d,e'"]
    """
    parts, start, depth, quote = [], 0, 0, ""
    for place, sign in enumerate(sql):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in _BRACKETS:
            depth += 1
        elif sign in _BRACKETS.values():
            depth -= 1
        elif depth == 0 and sql.startswith(separator, place):
            parts.append(sql[start:place].strip())
            start = place + len(separator)
    return [*parts, sql[start:].strip()]


def bracketed(sql: str) -> tuple[str, str]:
    """Take the first bracketed part off: ``(a, f(b)) WHERE c`` gives ``a, f(b)`` and ``WHERE c``.

    >>> bracketed("(a, f(b)) WHERE c")
    ('a, f(b)', 'WHERE c')
    """
    depth, quote = 0, ""
    for place, sign in enumerate(sql):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                return sql[sql.index("(") + 1 : place], sql[place + 1 :].strip()
    raise ValueError("no closing bracket")


def unquoted(name: str) -> str:
    """Return the name behind a quoted identifier.

    >>> unquoted('"Odd ""name"'), unquoted("tasks")
    ('Odd "name', 'tasks')
    """
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


_PLAIN = re.compile(r"""([a-z_][a-z0-9_$]*|"(?:[^"]|"")+")\Z""")


def plain_name(sql: str) -> str | None:
    """Return the name if ``sql`` is nothing but one."""
    return unquoted(sql) if _PLAIN.match(sql) else None

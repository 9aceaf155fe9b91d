"""One text for what PostgreSQL writes in two ways."""

from __future__ import annotations

import re
from typing import Any

from devmentor_models.migrations.identifiers import bracketed, split

#: Kinds whose facts are expressions; in a function's body or a comment every sign counts.
EXPRESSIONS = frozenset(
    {"column", "constraint", "domain", "index", "materialized_view", "policy", "rule", "trigger", "view"}
)
_STRING = r"'(?:[^']|'')*'::[\w ]+?"
_ARRAY = re.compile(rf"\(ARRAY\[({_STRING}(?:, {_STRING})*)\]\)::([\w ]+?)\[\]")
_ELEMENT = re.compile(rf"{_STRING}(?=, '|\Z)")
_NESTED = re.compile(r"(?<=\()\(")


def canonical(value: Any) -> Any:
    """Return a fact as it comes out of a dump and restore.

    An IN list over varchar reads ``(ARRAY['a'::character varying])::text[]`` when it is new, and a BETWEEN in
    front of another condition has brackets of its own; once PostgreSQL has read that text again it says the
    same in other words.

    >>> canonical("(ARRAY['a'::character varying, 'b'::character varying])::text[]")
    "ARRAY[('a'::character varying)::text, ('b'::character varying)::text]"
    >>> canonical("CHECK ((((a >= 0) AND (a <= 9)) AND (a <> 5)))")
    'CHECK (((a >= 0) AND (a <= 9) AND (a <> 5)))'
    >>> canonical("CHECK (((a OR b) AND c))")
    'CHECK (((a OR b) AND c))'
    """
    if isinstance(value, str):
        return _flat(_ARRAY.sub(_spread, value))
    if isinstance(value, dict):
        return {name: canonical(part) for name, part in value.items()}
    return value


def _spread(found: re.Match[str]) -> str:
    return "ARRAY[" + ", ".join(f"({part})::{found[2]}" for part in _ELEMENT.findall(found[1])) + "]"


def _flat(sql: str) -> str:
    """Take the brackets off an AND that is the first part of another one; likewise OR."""
    for found in _NESTED.finditer(sql):
        start = found.start()
        try:
            inner, _ = bracketed(sql[start:])
        except ValueError:  # a bracket in a string
            continue
        end = start + len(inner) + 2
        for word in (" AND ", " OR "):
            if sql.startswith(word, end) and len(split(inner, word)) > 1:
                return _flat(f"{sql[:start]}{inner}{sql[end:]}")
    return sql

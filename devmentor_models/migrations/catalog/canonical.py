"""One text for what PostgreSQL writes in two ways."""

from __future__ import annotations

import re
from typing import Any

#: Kinds whose facts are expressions; in a function's body or a comment every sign counts.
EXPRESSIONS = frozenset(
    {"column", "constraint", "domain", "index", "materialized_view", "policy", "rule", "trigger", "view"}
)
_STRING = r"'(?:[^']|'')*'::[\w ]+?"
_ARRAY = re.compile(rf"\(ARRAY\[({_STRING}(?:, {_STRING})*)\]\)::([\w ]+?)\[\]")
_ELEMENT = re.compile(rf"{_STRING}(?=, '|\Z)")


def canonical(value: Any) -> Any:
    """Return a fact with casts of arrays as they come out of a dump and restore: at each element.

    An IN list over varchar reads ``(ARRAY['a'::character varying])::text[]`` when it is new; once PostgreSQL
    has read that text again it says the same in other words.

    >>> canonical("(ARRAY['a'::character varying, 'b'::character varying])::text[]")
    "ARRAY[('a'::character varying)::text, ('b'::character varying)::text]"
    """
    if isinstance(value, str):
        return _ARRAY.sub(_spread, value)
    if isinstance(value, dict):
        return {name: canonical(part) for name, part in value.items()}
    return value


def _spread(found: re.Match[str]) -> str:
    return "ARRAY[" + ", ".join(f"({part})::{found[2]}" for part in _ELEMENT.findall(found[1])) + "]"

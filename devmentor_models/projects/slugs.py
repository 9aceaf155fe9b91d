"""Names for URLs, made from names for people."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Collection

from devmentor_models.errors import InvalidValue

#: Room is left in the column for a suffix.
MAX_BASE = 80


def slug_of(name: str, *, default: str = "project") -> str:
    """Return ``name`` as lower-case words joined by hyphens; letters of every script stay letters.

    >>> slug_of("  Über: Straße #2 "), slug_of("プロジェクト 1"), slug_of("!!!")
    ('uber-strasse-2', 'プロジェクト-1', 'project')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    letters = "".join(_plain(char) for char in folded)
    kept = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in letters)
    slug = "-".join(kept.split())[:MAX_BASE].strip("-")
    return slug or default


def _plain(char: str) -> str:
    """Return an accented Latin letter without its accent, and anything else as it is."""
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() else char


def next_slug(base: str, taken: Collection[str]) -> str:
    """Return ``base``, or ``base-2``, ``base-3`` … : the first that is not taken.

    >>> next_slug("a", []), next_slug("a", ["a", "a-2"])
    ('a', 'a-3')
    """
    if base not in taken:
        return base
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


def random_slug(base: str) -> str:
    """Return ``base`` with a suffix that nobody else comes upon.

    >>> len(random_slug("a"))
    10
    """
    return f"{base}-{secrets.token_hex(4)}"


def check_slug(slug: str) -> str:
    """Return a slug that a caller chose.

    Raises:
        InvalidValue: It contains white space or a slash, so it could not stand in a URL's path.
    """
    if "/" in slug or any(char.isspace() for char in slug):
        raise InvalidValue("slug", "contains white space or a slash")
    return slug

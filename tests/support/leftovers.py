"""Databases with a defence taken away, for tests of the proof across transactions."""

from __future__ import annotations

import re

import psycopg

from devmentor_models.proof.planted import Planted, planted
from devmentor_models.settings import conninfo


def named(*names: str) -> list[Planted]:
    """Return the attempts of these names, of whatever way."""
    found = [attempt for attempt in planted() if attempt.name in names]
    assert {attempt.name for attempt in found} == set(names)
    return found


def rewrite(url: str, function: str, lines: str, instead: str) -> None:
    """Exchange something in a function of ours, as somebody may have done by hand.

    Args:
        url: The database, as a superuser.
        function: Its name in the schema ``devmentor``.
        lines: What to exchange, as a regular expression.
        instead: For what.
    """
    query = (
        "SELECT pg_get_functiondef(oid) FROM pg_proc"
        " WHERE proname = %s AND pronamespace = 'devmentor'::regnamespace"
    )
    with psycopg.connect(conninfo(url)) as connection:
        row = connection.execute(query, [function]).fetchone()
        assert row is not None
        changed, count = re.subn(lines, lambda _: instead, row[0], flags=re.DOTALL)
        assert count == 1
        connection.execute(changed.encode())

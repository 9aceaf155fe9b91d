"""Autogenerate is complete: each kind of change is seen, written and undone, and found as drift (M3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from devmentor_models.testing.databases import DatabaseServer
from tests.migrations.matrix import CASES, Case
from tests.migrations.matrix.harness import check
from tests.migrations.matrix.table import PAGE, page


@pytest.fixture(scope="session")
def scratch(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield an empty database for this worker's comparisons, which leave it so: making one takes its time."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


def _cases() -> list[Any]:
    """Return every case; those of several changes at once, and one of every second kind, run always."""
    last = {case.group: case for case in CASES}
    chosen = {case.id for case in [*last.values()][::2]}
    chosen |= {case.id for case in CASES if case.group == "several at once"}
    return [
        pytest.param(case, id=case.id, marks=() if case.id in chosen else pytest.mark.matrix)
        for case in CASES
    ]


@pytest.mark.parametrize("case", _cases())
def test_a_change(devmentor_server: DatabaseServer, scratch: str, case: Case) -> None:
    """In the models: seen, upgraded, dumped as if built anew, and undone; as drift: named and repaired."""
    check(devmentor_server, scratch, case)


def test_the_documentation_lists_every_case() -> None:
    """docs/autogenerate.md is what ``python -m tests.migrations.matrix --write`` writes."""
    assert PAGE.read_text(encoding="utf-8") == page(CASES)


def test_each_case_has_a_name_of_its_own() -> None:
    """So that a line of the documentation is one test."""
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))

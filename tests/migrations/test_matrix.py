"""Autogenerate is complete: every kind of change is seen, written, undone, and found where it is drift (M3)."""

from __future__ import annotations

import pytest

from devmentor_models.testing.databases import DatabaseServer
from tests.migrations.matrix import cases_columns  # noqa: F401 - registers cases
from tests.migrations.matrix.case import CASES, Case
from tests.migrations.matrix.harness import check_drift, check_models_change


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_change_of_the_models_becomes_a_revision(devmentor_server: DatabaseServer, case: Case) -> None:
    """Seen, upgraded, then nothing left to do and the same dump as if built anew; downgraded, and all is as before."""
    check_models_change(devmentor_server, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_change_behind_the_models_back_is_reported(devmentor_server: DatabaseServer, case: Case) -> None:
    """``check`` names it, and the SQL that it prints repairs it."""
    check_drift(devmentor_server, case)

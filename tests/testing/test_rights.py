"""Databases of tests have the rights that bootstrap leaves: PostgreSQL copies none with a template."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from devmentor_models import migrate
from devmentor_models.settings import conninfo


@pytest.mark.parametrize(("service", "allowed"), [("memory", True), ("projects", False), ("auth", False)])
def test_temporary_tables(devmentor_service_url: Callable[..., str], service: str, *, allowed: bool) -> None:
    """What needs them is found by tests before it is in production."""
    with psycopg.connect(conninfo(devmentor_service_url(service))) as connection:
        if allowed:
            connection.execute("CREATE TEMP TABLE mine (id integer)")
            connection.rollback()
            return
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary tables"):
            connection.execute("CREATE TEMP TABLE mine (id integer)")


def test_a_database_of_a_test(devmentor_database_url: str) -> None:
    """A copy for one test alone has them too; the rest is what the next bootstrap would grant."""
    left = "; ".join(step.what for step in migrate.plan_bootstrap(devmentor_database_url))
    assert "temporary" not in left

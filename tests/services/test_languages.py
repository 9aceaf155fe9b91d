"""What we decide on an error does not hang on the language of the server: Debian's speaks several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from devmentor_models import migrate
from devmentor_models.errors import DatabaseUnusable, RowsHidden
from devmentor_models.migrations import bootstrap, usable
from devmentor_models.migrations.environment import make_engine
from devmentor_models.settings import conninfo
from tests.support import debian
from tests.support.logins import ask

pytestmark = pytest.mark.services

#: Debian has no pgvector of ours.
WITHOUT_VECTOR = ("btree_gin", "btree_gist", "pg_trgm")
STEPS = """
    CREATE SCHEMA steps AUTHORIZATION devmentor_owner;
    SET ROLE devmentor_owner;
    CREATE TABLE steps.items (id integer);
    CREATE TABLE steps.plain (id integer);
    ALTER TABLE steps.items ENABLE ROW LEVEL SECURITY;
    ALTER TABLE steps.items FORCE ROW LEVEL SECURITY;
    RESET ROLE;
    CREATE TABLE steps.theirs (id integer);
"""


@pytest.fixture(scope="module", params=["de"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the URL of a server that speaks another language, and no English."""
    with debian.running(debian.binaries(), {}, request.param) as (url, _):
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            ask(url, "SELECT 1 / 0")
        assert "division by zero" not in str(caught.value)
        yield url


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a database there that was bootstrapped, apart from pgvector."""
    monkeypatch.setattr(usable, "EXTENSIONS", WITHOUT_VECTOR)
    monkeypatch.setattr(bootstrap, "EXTENSIONS", WITHOUT_VECTOR)
    migrate.bootstrap(server)
    return server


def test_a_server_without_pgvector(server: str) -> None:
    """It says which package is missing, before a role is made."""
    before = ask(server, "SELECT count(*) FROM pg_roles")
    for work in (migrate.bootstrap, migrate.upgrade):
        with pytest.raises(DatabaseUnusable, match="no extension vector: install pgvector"):
            work(server)
    assert ask(server, "SELECT count(*) FROM pg_roles") == before


def test_a_race_for_the_same_grant(url: str) -> None:
    """Somebody else grants the same: PostgreSQL has no SQLSTATE for it, and bootstrap looks again."""
    grant, revoke = bootstrap.rights_of_temporary_tables("postgres")
    ask(url, revoke.replace("REVOKE", "GRANT").replace("FROM", "TO"))
    with psycopg.connect(conninfo(url)) as other, ThreadPoolExecutor(1) as pool:
        other.execute(grant.encode())
        other.execute(revoke.encode())
        running = pool.submit(migrate.bootstrap, url)
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'GRANT TEMP%'"
        while not ask(url, waiting):
            assert not running.done()
            Event().wait(0.02)
        other.commit()
        assert running.result() == []
    assert migrate.plan_bootstrap(url) == []


def test_what_row_security_refuses_and_what_rights_refuse(url: str) -> None:
    """Both have the same SQLSTATE; only one is told to lift row security."""
    ask(url, f"DROP SCHEMA IF EXISTS steps CASCADE; {STEPS}")
    for table, error in (("items", RowsHidden), ("theirs", DBAPIError)):
        with make_engine(url, owner=True).connect() as connection, pytest.raises(error) as caught:
            step = f"INSERT INTO steps.plain SELECT id FROM steps.{table}"
            Operations(MigrationContext.configure(connection)).expect_rows(  # type: ignore[attr-defined] # ours
                "steps.plain", step, rows=(0, None)
            )
        assert isinstance(caught.value, RowsHidden) == (table == "items")

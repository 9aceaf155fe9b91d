"""Databases that cannot work are refused before anything is written, and told what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from devmentor_models import migrate
from devmentor_models.embedded import EmbeddedServer
from devmentor_models.errors import DatabaseUnusable
from devmentor_models.migrations import usable
from devmentor_models.migrations.usable import too_old
from devmentor_models.security.roles import EXTENSIONS, ROLES
from devmentor_models.settings import conninfo
from devmentor_models.testing import plugin
from tests.support.logins import ask, login

MakeDatabase = Callable[..., str]
#: What a database holds of anybody's, and the roles of its cluster.
HELD = """
    SELECT 'schema', nspname::text, nspowner::regrole::text, nspacl::text FROM pg_namespace
     WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL SELECT 'relation', oid::regclass::text, relowner::regrole::text, relacl::text
     FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace AND oid > 16383
    UNION ALL SELECT 'extension', extname::text, extversion, extnamespace::regnamespace::text
     FROM pg_extension
    UNION ALL SELECT 'database', datname::text, datdba::regrole::text, datacl::text FROM pg_database
     WHERE datname = current_database()
    UNION ALL SELECT 'role', rolname::text, NULL, NULL FROM pg_roles ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """Yield a cluster of its own, which has none of our roles."""
    base = Path(tempfile.mkdtemp(prefix="dm-", dir=plugin._base()))
    base.chmod(0o755)
    (base / "pg").mkdir()
    server = EmbeddedServer.start(base / "pg", durable=False)
    yield server
    server.stop()
    shutil.rmtree(base)


@pytest.fixture
def make(server: EmbeddedServer) -> Iterator[MakeDatabase]:
    """Yield what makes another empty database, with options of CREATE DATABASE; afterwards they are gone."""
    made: list[str] = []

    def make(options: str = "") -> str:
        made.append(f"unusable_{len(made)}")
        ask(server.url("postgres"), f"CREATE DATABASE {made[-1]} {options}")
        return server.url(made[-1])

    yield make
    for name in made:
        ask(server.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
    for role in reversed(ROLES):
        ask(server.url("postgres"), f"DROP ROLE IF EXISTS {role.name}")


def refused(url: str) -> tuple[str, ...]:
    """Return what bootstrap, its plan and upgrade say, which is the same, having written nothing."""
    before = ask(url, HELD)
    told = []
    for work in (migrate.bootstrap, migrate.plan_bootstrap, migrate.upgrade):
        with pytest.raises(DatabaseUnusable) as caught:
            work(url)
        told.append(caught.value.problems)
        assert str(caught.value) == " ".join(caught.value.problems)
    assert ask(url, HELD) == before
    assert told[0] == told[1] == told[2]
    return told[0]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_another_encoding(make: MakeDatabase, encoding: str) -> None:
    """Only UTF8 holds every text."""
    (problem,) = refused(make(f"ENCODING '{encoding}' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"))
    assert f"encoded in {encoding}" in problem
    assert "ENCODING 'UTF8' TEMPLATE template0" in problem


def test_an_extension_that_the_server_lacks(make: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, for pgvector and for others."""
    monkeypatch.setattr(usable, "EXTENSIONS", (*EXTENSIONS, "postgis_of_nobody"))
    (problem,) = refused(make())
    assert problem.startswith("The server has no extension postgis_of_nobody: install ")


def test_an_extension_that_is_too_old(make: MakeDatabase) -> None:
    """Installed long ago and never updated: searches would fail."""
    url = make()
    ask(url, "CREATE EXTENSION vector")
    ask(url, "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    (problem,) = refused(url)
    assert "version 0.7.4: install 0.8 or later" in problem
    assert "ALTER EXTENSION vector UPDATE" in problem


@pytest.mark.parametrize("extension", ["vector", "pg_trgm"])
def test_an_extension_where_nobody_looks(make: MakeDatabase, extension: str) -> None:
    """Its types and operators are named without a schema; the statement that it says to run is enough."""
    url = make()
    ask(url, "CREATE SCHEMA extensions")
    ask(url, f"CREATE EXTENSION {extension} SCHEMA extensions")
    ask(url, f"ALTER DATABASE {make_url(url).database} SET search_path = public, extensions")
    (problem,) = refused(url)
    assert "is in the schema extensions" in problem
    follow(url, problem)


@pytest.mark.parametrize("name", ["auth", "projects", "ai", "memory", "learning", "devmentor"])
def test_a_schema_of_somebody_else(make: MakeDatabase, name: str) -> None:
    """It was taken over, with all that was in it, when only its name was ours."""
    url = make()
    ask(url, f"CREATE SCHEMA {name} CREATE TABLE users (id integer)")
    (problem,) = refused(url)
    assert f"The schema {name}, of postgres, is somebody else's" in problem


def test_a_schema_that_made_way(make: MakeDatabase) -> None:
    """Renamed, it stays what it was; an empty one with the name of the technical one is ours."""
    url = make()
    ask(url, "CREATE SCHEMA auth CREATE TABLE users (id integer)")
    ask(url, "ALTER SCHEMA auth RENAME TO theirs")
    ask(url, "CREATE SCHEMA devmentor")  # a careful administrator, or a migrator that was killed at once
    migrate.upgrade(url)
    assert ask(url, "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'theirs.users'::regclass") == [
        ("postgres",)
    ]
    assert migrate.check(url) == []
    drop(url)


@pytest.mark.parametrize("known", [False, True])
def test_no_rights_on_public(make: MakeDatabase, *, known: bool) -> None:
    """Roles that are there are named, for others PUBLIC is; what it says to run is enough."""
    if known:
        migrate.bootstrap(make())
    url = make()
    ask(url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    (problem,) = refused(url)
    assert ("TO devmentor_owner, devmentor_auth, " in problem, "TO PUBLIC" in problem) == (known, not known)
    follow(url, problem)


def test_one_service_without_rights_on_public(make: MakeDatabase) -> None:
    """A grant was forgotten; a login that migrates learns it, too."""
    url = make()
    migrate.bootstrap(url)
    ask(url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    names = ", ".join(role.name for role in ROLES if role.name != "devmentor_memory")
    ask(url, f"GRANT USAGE ON SCHEMA public TO {names}")
    with login(url, member_of="devmentor_owner") as migrator:
        assert refused(migrator) == refused(url)
    (problem,) = refused(url)
    assert problem.endswith("GRANT USAGE ON SCHEMA public TO devmentor_memory.")
    follow(url, problem)


def test_no_public_at_all(make: MakeDatabase) -> None:
    """Some drop it when they make a database."""
    url = make()
    ask(url, "DROP SCHEMA public")
    (problem,) = refused(url)
    assert problem.startswith("There is no schema public: CREATE SCHEMA public")


def test_everything_is_told_at_once(make: MakeDatabase) -> None:
    """Nobody has to try again and again to learn the next thing."""
    url = make()
    ask(url, "CREATE SCHEMA auth; REVOKE USAGE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA ai")
    assert len(refused(url)) == 3


def test_servers_that_are_too_old() -> None:
    """PostgreSQL 14 is; the newest that there is, is not."""
    assert too_old(140_022) == "The server is PostgreSQL 14: use 15 or later."
    assert [too_old(150_000), too_old(180_006), too_old(190_000)] == [None] * 3


def follow(url: str, problem: str) -> None:
    """Run the statement that a problem ends with; the database serves then."""
    statement = problem.rpartition(": ")[2].removesuffix(".")
    ask(url, statement)
    migrate.bootstrap(url)
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("SET ROLE devmentor_memory")
        assert connection.execute("SELECT '[1]'::vector <=> '[1]'::vector").fetchone() == (0.0,)
    drop(url)


def drop(url: str) -> None:
    """Drop what stands in the way of dropping the roles."""
    for role in ROLES:
        ask(url, f"DROP OWNED BY {role.name} CASCADE")

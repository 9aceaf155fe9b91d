"""`devmentor-db sql`: what psql makes of the script is what `devmentor-db upgrade` makes (requirement M6)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.util.exc import CommandError
from typer.testing import CliRunner

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.cli.target import psql_arguments
from devmentor_models.migrations.bootstrap import bootstrap
from devmentor_models.migrations.environment import make_engine, migration_lock
from devmentor_models.migrations.script import write_script
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.revisions import Revisions

FIRST = "0d1c5a6e0001"


def make_ready(url: str) -> None:
    """Do the administrator's part."""
    with make_engine(url).connect() as connection:
        bootstrap(connection)


@pytest.fixture
def empty_url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test's own, ready for the owner."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        make_ready(url)
        yield url


@pytest.fixture
def migrated_url(devmentor_database_url: str) -> str:
    """Return the URL of a migrated database of this test's own, ready for the owner."""
    make_ready(devmentor_database_url)
    return devmentor_database_url


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    """Yield the checkout's revisions, to which the test may add."""
    with pytest.MonkeyPatch.context() as patch:
        yield Revisions(tmp_path, patch)


def printed(steps: str) -> str:
    """Return what the command prints."""
    result = CliRunner().invoke(app, ["sql", steps])
    assert result.exit_code == 0, result.output
    return result.stdout


def run(url: str, script: str, path: Path, *, stop: bool = True) -> subprocess.CompletedProcess[str]:
    """Let psql run a script."""
    path.write_text(script)
    command, environment = psql_arguments(url)
    options = ["-X", "-q", "-f", str(path), *(["-v", "ON_ERROR_STOP=1"] if stop else [])]
    return subprocess.run(  # noqa: S603 - psql, on a script of ours
        [*command, *options], env=environment, capture_output=True, text=True, check=False
    )


def dump(url: str) -> str:
    """Return the schema as pg_dump writes it, without the keys that differ each time."""
    (psql, target), environment = psql_arguments(url)
    done = subprocess.run(  # noqa: S603 - pg_dump of the same installation
        [str(Path(psql).with_name("pg_dump")), "--schema-only", "--dbname", target],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


def rows(url: str) -> list[tuple[object, ...]]:
    """Return the list of applied revisions."""
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(
            "SELECT revision, position, compatible_from FROM devmentor.revisions ORDER BY position"
        ).fetchall()


def test_the_script_makes_what_upgrade_makes(empty_url: str, devmentor_url: str, tmp_path: Path) -> None:
    """From nothing to head, pg_dump finds no difference; and back to nothing."""
    before = dump(empty_url)
    done = run(empty_url, printed("base:head"), tmp_path / "up.sql")
    assert (done.returncode, done.stderr) == (0, "")
    assert dump(empty_url) == dump(devmentor_url)
    assert rows(empty_url) == rows(devmentor_url)
    assert migrate.check(empty_url) == []
    done = run(empty_url, printed("head:base"), tmp_path / "down.sql")
    assert (done.returncode, done.stderr) == (0, "")
    assert dump(empty_url) == before


def test_a_part_of_the_way(migrated_url: str, tmp_path: Path) -> None:
    """A range in the middle goes down and up again; the beginning of an id is enough."""
    url, before = migrated_url, dump(migrated_url)
    assert run(url, printed("head:0d1c5a6e0004"), tmp_path / "down.sql").returncode == 0
    assert migrate.current(url) == "0d1c5a6e0004"
    assert run(url, printed("0d1c5a6e0004:head"), tmp_path / "up.sql").returncode == 0
    assert dump(url) == before


def test_the_header_says_what_it_does(revisions: Revisions) -> None:
    """Who reviews the script finds the revisions, their docstrings and the limits in it."""
    revisions.add("f1", doc="Do one thing.\n\nAnd say why.")
    script = write_script(migrate.config(), revisions.released, "f1")
    assert script.startswith(
        f"-- DevMentor: upgrade from {revisions.released} to f1\n--\n--   f1  Do one thing.\n"
    )
    assert "-- And say why.\n" in script
    assert "SET lock_timeout = '5s';\nSET statement_timeout = '15min';\nSET ROLE devmentor_owner;\n" in script
    assert "CREATE SCHEMA" not in script


def test_a_database_that_is_elsewhere_is_left_alone(empty_url: str, tmp_path: Path) -> None:
    """The guard of each revision refuses, also where psql does not stop at errors."""
    script = printed("0d1c5a6e0001:head")
    done = run(empty_url, script, tmp_path / "up.sql")
    assert done.returncode != 0
    assert f"This starts at {FIRST}, and the database is at base." in done.stderr
    migrate.upgrade(empty_url)
    before = dump(empty_url)
    done = run(empty_url, script, tmp_path / "up.sql", stop=False)
    assert f"and the database is at {migrate.head()}." in done.stderr
    assert dump(empty_url) == before


def test_only_the_owner_makes_things(empty_url: str, tmp_path: Path) -> None:
    """Where the role could not be taken, nothing is made by another one."""
    script = printed("base:head").replace("SET ROLE devmentor_owner;", "")
    before = dump(empty_url)
    done = run(
        empty_url,
        script.replace("CREATE SCHEMA IF NOT EXISTS devmentor;", ""),
        tmp_path / "up.sql",
        stop=False,
    )
    assert "This is the work of devmentor_owner, not of postgres." in done.stderr
    assert dump(empty_url) == before


def test_one_migrator_at_a_time(empty_url: str, tmp_path: Path) -> None:
    """The script and `upgrade` exclude each other."""
    with migration_lock(make_engine(empty_url)):
        done = run(empty_url, printed("base:head"), tmp_path / "up.sql")
    assert "Somebody else is migrating this database." in done.stderr
    assert migrate.current(empty_url) is None


def test_a_failed_revision_leaves_those_before_it(
    empty_url: str, revisions: Revisions, tmp_path: Path
) -> None:
    """A transaction each: the database stays at the last revision that worked, and the list says so."""
    revisions.add("f1", "op.execute('SELECT 1/0')")
    done = run(empty_url, write_script(migrate.config(), "base", "head"), tmp_path / "up.sql")
    assert "division by zero" in done.stderr
    assert migrate.current(empty_url) == revisions.released
    assert rows(empty_url)[-1][0] == revisions.released


def test_concurrent_builds_and_percent_signs(migrated_url: str, revisions: Revisions, tmp_path: Path) -> None:
    """What needs no transaction runs outside of one; text arrives as it was written."""
    revisions.add(
        "f1",
        "with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE INDEX CONCURRENTLY ix_f1 ON auth.teams (description)')\n"
        "op.execute(\"COMMENT ON TABLE auth.teams IS '50 % of %I'\")",
    )
    script = write_script(migrate.config(), revisions.released, "f1")
    done = run(migrated_url, script, tmp_path / "up.sql")
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(conninfo(migrated_url)) as connection:
        row = connection.execute("SELECT obj_description('auth.teams'::regclass), to_regclass('auth.ix_f1')")
        assert row.fetchone() == ("50 % of %I", "auth.ix_f1")


@pytest.mark.parametrize("steps", ["head", ":head", "base:", ""])
def test_a_range_has_two_ends(steps: str) -> None:
    """Anything else is a mistake in the command line."""
    assert CliRunner().invoke(app, ["sql", steps]).exit_code == 2


@pytest.mark.parametrize("steps", ["base:base", "head:head", "base:nowhere"])
def test_a_range_that_leads_nowhere(steps: str) -> None:
    """One line says so, without a traceback."""
    with pytest.raises(CommandError):
        write_script(migrate.config(), *steps.split(":"))
    assert CliRunner().invoke(app, ["sql", steps]).exit_code == 1

"""`devmentor-db bootstrap`: what it prints."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from devmentor_models import Actor, Database, migrate
from devmentor_models.cli.app import app
from devmentor_models.errors import ContextRefused
from devmentor_models.handshake import SchemaStatus
from devmentor_models.kit.keys import generate_key
from devmentor_models.security.signing import KEY_VARIABLE
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask, login, name_of


@pytest.fixture
def url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test's own, as superuser."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what the commands make lie in a folder of this test's own."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, command: str = "bootstrap", **environment: str) -> str:
    """Run a command and return its output; it must succeed."""
    result = CliRunner().invoke(app, [command, *arguments], env={KEY_VARIABLE: "", **environment})
    assert result.exit_code == 0, result.output
    return result.output


def test_it_says_what_it_did_and_then_that_nothing_was_missing(url: str) -> None:
    """A line for each thing made; the second run has nothing to do."""
    with login(url) as migrator:
        lines = run("--url", url, "--login", name_of(migrator)).splitlines()
        assert "Made: extension vector." in lines
        assert f"Made: membership of {name_of(migrator)} in devmentor_owner, to run migrations." in lines
        migrate.upgrade(migrator)
        assert run("--url", url, "--login", name_of(migrator)) == "Nothing was missing.\n"


def test_a_new_database_signs(url: str, tmp_path: Path) -> None:
    """The key is made once, for us alone; upgrade brings it in, and who lacks it is told what to set."""
    folder = tmp_path / "devmentor-secrets"
    assert f"Made: the key that signs who acts, in {folder}/devmentor_context_key." in run("--url", url)
    assert f"Found: the key that signs who acts, in {folder}/devmentor_context_key." in run("--url", url)
    assert stat.S_IMODE((folder / "devmentor_context_key").stat().st_mode) == 0o600
    secrets = {"DEVMENTOR_SECRETS_DIR": str(folder)}
    assert "every service needs it" in run("--url", url, command="upgrade", **secrets)
    assert migrate.signed(url)
    assert "(head)" in run("--url", url, command="current")
    with Database.from_url(url, pool_min=0) as without, pytest.raises(ContextRefused, match="SECRETS_DIR"):
        without.verify_schema()
    key = (folder / "devmentor_context_key").read_text()
    with Database.from_url(url, pool_min=0, context_key=key) as database:
        assert database.verify_schema().status is SchemaStatus.CURRENT
        with database.begin(Actor.user(uuid4())) as tx:
            assert tx.projects.list().items == []
    assert KEY_VARIABLE not in run("--url", url)  # nobody's key is changed by running it again


@pytest.mark.parametrize("given", ["--unsigned", "the key"])
def test_no_key_is_made_where_none_is_wanted(url: str, tmp_path: Path, given: str) -> None:
    """Because it is declined, or there is one already."""
    if given == "--unsigned":
        assert "signs" not in run("--url", url, given)
        assert "context-key --generate" in run("--url", url, command="upgrade")
    else:
        assert "set it for `devmentor-db upgrade`" in run("--url", url, **{KEY_VARIABLE: generate_key()})
    assert list(tmp_path.iterdir()) == []


def test_a_database_in_use_is_not_switched(devmentor_database_url: str) -> None:
    """Its services may lack the key that the migrating one has."""
    url = devmentor_database_url
    run("--url", url, command="upgrade", **{KEY_VARIABLE: generate_key()})
    assert not migrate.signed(url)


def test_a_bad_key_stops_before_anything_is_made(url: str) -> None:
    """The variable is named, and the database is still empty."""
    result = CliRunner().invoke(app, ["upgrade", "--url", url], env={KEY_VARIABLE: "short"})
    assert result.exit_code == 1
    assert KEY_VARIABLE in result.stderr
    assert migrate.current(url) is None


def test_print_sql_changes_nothing(url: str) -> None:
    """The statements are printed, with a comment each; the database stays as it was."""
    printed = run("--url", url, "--print-sql")
    assert "-- extension vector\nCREATE EXTENSION IF NOT EXISTS vector;" in printed
    assert ask(url, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == [(0,)]
    ask(url, printed)
    assert "Nothing was missing." in run("--url", url, "--print-sql")


def test_a_login_without_rights_is_told_what_to_run(url: str) -> None:
    """One line on stderr, exit code 1."""
    with login(url) as migrator:
        result = CliRunner().invoke(app, ["upgrade", "--url", migrator])
        assert result.exit_code == 1
        assert "devmentor-db bootstrap --login" in result.stderr

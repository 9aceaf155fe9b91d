"""`devmentor-db bootstrap`: what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask, login, name_of


@pytest.fixture
def url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test's own, as superuser."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


def run(*arguments: str) -> str:
    """Run the command and return its output; it must succeed."""
    result = CliRunner().invoke(app, ["bootstrap", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_it_says_what_it_did_and_then_that_nothing_was_missing(url: str) -> None:
    """A line for each thing made; the second run has nothing to do."""
    with login(url) as migrator:
        lines = run("--url", url, "--login", name_of(migrator)).splitlines()
        assert "Made: extension vector." in lines
        assert f"Made: membership of {name_of(migrator)} in devmentor_owner, to run migrations." in lines
        assert run("--url", url, "--login", name_of(migrator)) == "Nothing was missing.\n"
        migrate.upgrade(migrator)


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

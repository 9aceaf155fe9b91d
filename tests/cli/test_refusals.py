"""What commands say that cannot do their work: what to do about it, and never a password."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.kit.keys import generate_key
from devmentor_models.security.roles import OWNER
from devmentor_models.security.signing import KEY_VARIABLE
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask, login, name_of

Command = Callable[..., Result]
PASSWORD = "correct-horse"


@pytest.fixture
def empty(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test's own, as superuser."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


def run(*arguments: str, **environment: str) -> Result:
    """Run a command without a database in the environment."""
    given = {"DEVMENTOR_DATABASE_URL": "", KEY_VARIABLE: "", **environment}
    return CliRunner().invoke(app, list(arguments), env=given)


def refusal(*arguments: str, **environment: str) -> str:
    """Return what a command that must fail says on stderr, without a traceback."""
    result = run(*arguments, **environment)
    assert result.exit_code in {1, 2}, result.output
    assert isinstance(result.exception, SystemExit)
    assert PASSWORD not in result.output
    return result.stderr


@pytest.mark.parametrize("command", ["upgrade", "seed", "check", "current", "partitions"])
def test_an_empty_url_is_not_the_embedded_server(command: str) -> None:
    """It is what becomes of a variable that is not set, and nobody meant another database."""
    assert "--url is empty" in refusal(command, "--url", "")


def test_arguments_that_are_repeated_have_no_password() -> None:
    """What was not expected may be a URL."""
    url = f"postgresql://app:{PASSWORD}@db.example/devmentor"
    assert "app:***@" in refusal("downgrade", "--", "-1", "--url", url)


@pytest.mark.parametrize("command", [("partitions",), ("models", "list"), ("recall-probe",)])
def test_an_empty_database_is_told_what_it_lacks(empty: str, command: tuple[str, ...]) -> None:
    """PostgreSQL only knows that a schema is not there."""
    assert "devmentor-db current" in refusal(*command, "--url", empty)
    assert run("check", "--url", empty).output.endswith("Run `devmentor-db upgrade`.\n")


@pytest.mark.parametrize("command", ["upgrade", "context-key"])
def test_a_service_does_not_migrate(devmentor_database_url: str, command: str) -> None:
    """Nobody is told to make its login the owner, which row security does not bind."""
    if command == "upgrade":
        migrate.downgrade(devmentor_database_url, "-1", allow_data_loss=True)
    with login(devmentor_database_url, member_of="devmentor_auth") as service:
        said = refusal(command, "--url", service, **{KEY_VARIABLE: generate_key()})
    assert "is a member of devmentor_auth and not of devmentor_owner" in said
    assert "--login" not in said


@pytest.mark.parametrize("command", ["upgrade", "context-key", "current", "check", "seed", "partitions"])
def test_a_login_without_rights_is_told_who_gives_them(devmentor_database_url: str, command: str) -> None:
    """Whatever the command is."""
    with login(devmentor_database_url) as stranger:
        said = refusal(command, "--url", stranger, **{KEY_VARIABLE: generate_key()})
    assert "devmentor-db bootstrap --login" in said


def test_who_migrates_may_seed(devmentor_database_url: str) -> None:
    """`bootstrap --login` makes it a member of the services whose rows the seeds are; without, it is told."""
    url = devmentor_database_url
    with login(url, member_of=OWNER.name) as migrator:
        said = refusal("seed", "--demo", "--url", migrator)
        assert "no member of devmentor_projects, devmentor_ai, devmentor_auth, devmentor_learning" in said
        assert ask(url, "SELECT count(*) FROM projects.project_templates") == [(0,)]
        migrate.bootstrap(url, login=name_of(migrator))
        seeded = run("seed", "--demo", "--url", migrator)
        assert seeded.exit_code == 0, seeded.output
        assert "created" in seeded.stdout
        assert run("current", "--url", migrator).stderr == ""  # row security is not meant to bind it


def test_one_of_two_wishes() -> None:
    """A key is made, or none is wanted."""
    assert "one of them" in refusal("context-key", "--off", "--generate")


def test_a_reader_that_has_seen_enough() -> None:
    """As `head` does: the command ends, and says nothing."""
    command = [sys.executable, "-m", "devmentor_models.cli", "new-key"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)  # noqa: S603 - the program under test
    assert (ended.returncode, ended.stderr) == (1, b"")

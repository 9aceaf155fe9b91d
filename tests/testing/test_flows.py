"""A release and the schema after it: the wheel's own flows on a newer database (DESIGN §5)."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devmentor_models import Database, migrate
from devmentor_models.errors import SchemaBehind
from devmentor_models.security.declarations import Service
from devmentor_models.testing import flows
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask
from tests.support.revisions import Revisions

ROOT = Path(__file__).parents[2]
#: Whose rights the seeds need.
SEEDING = ("projects", "ai", "auth")
FLOWS = ["sessions", "projects", "credits", "memory", "isolation", "erasure"]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of this checkout in it, as if installed: the release before the next."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - the build backend
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "site")
    return directory / "site"


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    """Yield the checkout's revisions, to which the test may add: the next release."""
    with pytest.MonkeyPatch.context() as patch:
        yield Revisions(tmp_path, patch)


@pytest.fixture
def service_url(devmentor_server: DatabaseServer, devmentor_database_url: str) -> Iterator[str]:
    """Yield the URL of the test's database for a login with the rights of all services."""
    roles = [service.role for service in Service]
    with devmentor_server.login(devmentor_database_url, *roles) as url:
        yield url


def run_released(site: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the flows of the released wheel, outside of the checkout."""
    environment = os.environ | {"DEVMENTOR_DATABASE_URL": url, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "devmentor_models.testing.flows"],
        cwd=site,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_flows_pass_and_clean_up(devmentor_database_url: str, devmentor_server: DatabaseServer) -> None:
    """Every flow is named when it is done, and no account stays; each service has its own rights."""
    url = devmentor_database_url
    services = {service.value: [service.role] for service in Service}
    with ExitStack() as stack:
        databases: dict[str, Database] = {}
        for name, roles in {
            **services,
            "seeds": [role for each in SEEDING for role in services[each]],
        }.items():
            login = stack.enter_context(devmentor_server.login(url, *roles))
            databases[name] = stack.enter_context(Database.from_url(login, pool_min=0))
        head, *done = flows.run(databases.__getitem__)
        assert head == f"schema: The database is at {migrate.head()} (head)."
        assert done == FLOWS
    assert ask(url, "SELECT count(*) FROM auth.users") == [(0,)]


def test_a_schema_that_does_not_fit_is_refused_first(
    devmentor_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is tried on it; the command prints the error and exits with 1."""
    migrate.downgrade(devmentor_database_url, "-1", allow_data_loss=True)
    with Database.from_url(devmentor_database_url, pool_min=0) as database, pytest.raises(SchemaBehind):
        next(flows.run(database))
    monkeypatch.setenv("DEVMENTOR_DATABASE_URL", devmentor_database_url)
    assert flows.main() == 1
    assert capsys.readouterr().err.startswith("SchemaBehind: ")


@pytest.mark.long
def test_a_release_works_after_an_expand_step(
    released: Path, devmentor_database_url: str, service_url: str, revisions: Revisions
) -> None:
    """Columns and tables that it does not know do not disturb it."""
    revisions.add(
        "f1",
        "op.add_column('teams', sa.Column('motto', sa.Text()), schema='auth')\n"
        "op.add_column('users', sa.Column('level', sa.Integer(), nullable=False, server_default='1'),"
        " schema='auth')",
    )
    migrate.upgrade(devmentor_database_url)
    done = run_released(released, service_url)
    assert (done.returncode, done.stderr) == (0, "")
    head, *names = done.stdout.splitlines()
    assert head.startswith("schema: The database is at f1, ahead of this installation's ")
    assert names == FLOWS


@pytest.mark.long
def test_a_release_refuses_to_work_after_a_contract_step(
    released: Path, devmentor_database_url: str, service_url: str, revisions: Revisions
) -> None:
    """It says so before it writes anything."""
    revisions.add("f1")
    revisions.add("f2", "op.drop_column('users', 'last_login_at', schema='auth')", compatible_from="f1")
    migrate.upgrade(devmentor_database_url)
    done = run_released(released, service_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("SchemaIncompatible: The database is at f2, ahead of ")


@pytest.mark.long
def test_a_contract_step_that_forgot_to_say_so_is_found(
    released: Path, devmentor_database_url: str, service_url: str, revisions: Revisions
) -> None:
    """That is what the flows are for: the declared window is checked, not believed."""
    revisions.add("f1", "op.drop_column('users', 'last_login_at', schema='auth')")
    migrate.upgrade(devmentor_database_url)
    done = run_released(released, service_url)
    assert done.returncode == 1
    assert "last_login_at" in done.stderr

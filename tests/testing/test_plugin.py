"""The pytest plugin, as a service sees it: fixtures in a real run, workers that share, nothing left over."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from devmentor_models.testing import plugin
from devmentor_models.testing.databases import DatabaseServer

PLUGINS = ["-p", "xdist", "-p", "anyio", "-p", "devmentor_models.testing.plugin"]
SERVICE_TESTS = """
    import psycopg, pytest
    from sqlalchemy import text

    @pytest.mark.parametrize("number", range(6))
    def test_commits_are_rolled_back(devmentor_session, number):
        assert devmentor_session.scalar(text("SELECT to_regclass('public.leftover')")) is None
        devmentor_session.execute(text("CREATE TABLE leftover ()"))
        devmentor_session.commit()

    @pytest.mark.anyio
    @pytest.mark.parametrize("number", range(6))
    async def test_async_commits_are_rolled_back(devmentor_async_session, number):
        assert await devmentor_async_session.scalar(text("SELECT to_regclass('public.leftover')")) is None
        await devmentor_async_session.execute(text("CREATE TABLE leftover ()"))
        await devmentor_async_session.commit()

    def test_own_database(devmentor_database_url, devmentor_url, devmentor_server):
        assert devmentor_database_url != devmentor_url
        print("RUNS ON", devmentor_server.url("x"))
"""
SLOW_TESTS = """
    import pathlib, time, pytest

    @pytest.mark.parametrize("number", range(2))
    def test_slow(devmentor_url, number):
        pathlib.Path(f"ready{number}").touch()
        time.sleep(600)
"""


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give inner runs a temporary directory of their own, which the server's account can reach."""
    path = Path(tempfile.mkdtemp(prefix="dm-", dir=plugin._base()))
    path.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("DEVMENTOR_TEST_DATABASE_URL", raising=False)
    for name in [name for name in os.environ if name.startswith(("PYTEST_XDIST", "COV_CORE"))]:
        monkeypatch.delenv(name)
    yield path
    shutil.rmtree(path)


def leftovers(temporary: Path) -> list[Path]:
    """Return the directories of embedded servers that are still there."""
    return list(temporary.glob("devmentor-test-*"))


def run_inner(pytester: pytest.Pytester, *options: str) -> str:
    """Run the service's tests in another process and return what it printed, all of them having passed."""
    pytester.makepyfile(SERVICE_TESTS)
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'")
    result = pytester.runpytest_subprocess(*PLUGINS, "-rP", "-W", "error", *options)
    result.assert_outcomes(passed=13)
    return result.stdout.str()


@pytest.mark.parametrize(
    "options",
    [pytest.param([], id="alone", marks=pytest.mark.long), pytest.param(["-n", "2"], id="workers")],
)
def test_fixtures(pytester: pytest.Pytester, temporary: Path, options: list[str]) -> None:
    """Every fixture works alone and with workers, with warnings as errors, and no server is left."""
    run_inner(pytester, *options)
    assert leftovers(temporary) == []


@pytest.mark.long
def test_given_server(
    pytester: pytest.Pytester,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    devmentor_server: DatabaseServer,
    devmentor_template: str,
) -> None:
    """With a URL no server is started; afterwards only the template is left there, for the next run."""
    server = make_url(devmentor_server.url("postgres"))
    monkeypatch.setenv("DEVMENTOR_TEST_DATABASE_URL", server.render_as_string(hide_password=False))
    conninfo = server.set(drivername="postgresql").render_as_string(hide_password=False)
    output = run_inner(pytester, "-n", "2")
    run = re.search(r"RUNS ON \S+", output)
    assert run is not None
    assert str(server.query["host"]) in run.group().replace("%2F", "/")
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'devmentor%'"
        ).fetchall()
    names = {name for (name,) in rows}
    assert devmentor_template in names
    assert not any(name.endswith("_draft") for name in names)


@pytest.mark.long
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda blow: blow.name)
def test_nothing_is_left_after(blow: signal.Signals, pytester: pytest.Pytester, temporary: Path) -> None:
    """An interrupted or killed run takes its server and its files with it."""
    pytester.makepyfile(SLOW_TESTS)
    command = [sys.executable, "-m", "pytest", *PLUGINS, "-n", "2", "-q"]
    with subprocess.Popen(  # noqa: S603 - our own pytest
        command,
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        end = time.monotonic() + 60
        try:
            while len(list(pytester.path.glob("ready*"))) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            (directory,) = leftovers(temporary)
            postmaster = int((directory / "data" / "postmaster.pid").read_text().split("\n")[0])
            os.killpg(run.pid, blow)  # as a terminal or a CI system does
            run.wait(timeout=30)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)  # or this test would wait for ever
    while (leftovers(temporary) or is_alive(postmaster)) and time.monotonic() < end:
        time.sleep(0.05)
    assert leftovers(temporary) == []
    assert not is_alive(postmaster)


def is_alive(pid: int) -> bool:
    """Say whether `pid` runs; one that waits only for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_light(temporary: Path) -> None:
    """A run that uses no database does not load SQLAlchemy, psycopg or the embedded server."""
    probe = "import sys, devmentor_models.testing.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)  # noqa: S603 - our own
    assert not {"sqlalchemy", "psycopg", "alembic", "anyio"} & set(loaded.stdout.split())


def test_session_is_on_the_workers_database(devmentor_session: Session, devmentor_engine: Engine) -> None:
    """The session of a test and the engine of its worker share one database."""
    assert devmentor_session.scalar(text("SELECT current_database()")) == devmentor_engine.url.database


@pytest.mark.anyio
async def test_async_session_survives_an_error(devmentor_async_session: AsyncSession) -> None:
    """After a failed statement the session can roll back and go on, as in a service."""
    with pytest.raises(Exception, match="division by zero"):
        await devmentor_async_session.execute(text("SELECT 1/0"))
    await devmentor_async_session.rollback()
    assert await devmentor_async_session.scalar(text("SELECT 1")) == 1


def test_create_drop(devmentor_server: DatabaseServer) -> None:
    """A dropped database is gone although somebody is connected; dropping it again is no error."""
    with devmentor_server.database("devmentor_gone", drop=True) as url:
        connection = psycopg.connect(url.replace("+psycopg", ""))
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    devmentor_server.drop("devmentor_gone")

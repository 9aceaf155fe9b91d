"""Whoever cannot connect is told why, as soon as it is certain."""

from __future__ import annotations

import psycopg
import pytest

from devmentor_models import AsyncDatabase
from devmentor_models.errors import (
    AuthenticationFailed,
    DatabaseMissing,
    DevMentorError,
    PermissionDenied,
    PoolTimeout,
    SchemaEmpty,
    ServerUnreachable,
    TooManyConnections,
)
from devmentor_models.refusals import explain
from tests.faults.conftest import OwnServer
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio
#: Nobody waits so long: what is not told at once fails the test by never being told.
FOREVER = 3600.0


def database(url: str, seconds: float = FOREVER, size: int = 1) -> AsyncDatabase:
    """Return a database with a small pool."""
    return AsyncDatabase.from_url(url, pool_min=0, pool_max=size, pool_timeout_seconds=seconds)


async def refusal(url: str, seconds: float = FOREVER) -> DevMentorError:
    """Return what connecting ends with; the same for everybody who waits, and again for who asks again."""
    async with database(url, seconds) as refused:
        told = await run_concurrently([refused.verify_schema] * 5)
        again = await run_concurrently([refused.verify_schema])
    assert {type(error) for error in told} == {type(error) for error in again}
    (error,) = again
    assert isinstance(error, DevMentorError)
    assert "secret" not in str(error)
    return error


async def test_a_wrong_password(own_server: OwnServer, login: str) -> None:
    """It names server and login."""
    error = await refusal(own_server.url(user=login, password="secret"))
    assert isinstance(error, AuthenticationFailed)
    assert f"127.0.0.1:{own_server.port} does not let {login} in" in str(error)
    assert "[28P01]" in str(error)


async def test_no_such_login(own_server: OwnServer) -> None:
    """The server does not tell it from a wrong password, and neither do we."""
    assert isinstance(await refusal(own_server.url(user="nobody", password="secret")), AuthenticationFailed)


async def test_no_password(own_server: OwnServer, login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said as such: nothing was sent."""
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    error = await refusal(f"postgresql://{login}@127.0.0.1:{own_server.port}/postgres")
    assert isinstance(error, AuthenticationFailed)
    assert "wants a password" in str(error)


async def test_no_such_database(own_server: OwnServer) -> None:
    """It names the database."""
    error = await refusal(own_server.url("missing"))
    assert isinstance(error, DatabaseMissing)
    assert "no database missing at 127.0.0.1" in str(error)


async def test_no_right_to_connect(own_server: OwnServer, login: str) -> None:
    """A login without the right is told so."""
    own_server.run("ALTER ROLE {} NOSUPERUSER", login)
    own_server.run("CREATE DATABASE {}", f"closed_{login}")
    own_server.run("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", f"closed_{login}")
    error = await refusal(own_server.url(f"closed_{login}", user=login, password="right"))
    own_server.run("DROP DATABASE {}", f"closed_{login}")
    assert isinstance(error, PermissionDenied)


async def test_no_connection_left(own_server: OwnServer, login: str) -> None:
    """Another client may let go of one, so there is some waiting first."""
    own_server.run("ALTER ROLE {} NOSUPERUSER CONNECTION LIMIT 0", login)
    error = await refusal(own_server.url(user=login, password="right"), seconds=0.5)
    assert isinstance(error, TooManyConnections)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid:5432"])
async def test_no_server(host: str) -> None:
    """Where there never was a connection the URL is the likely reason: no waiting."""
    error = await refusal(f"postgresql://app:secret@{host}/devmentor?sslmode=verify-full")
    assert isinstance(error, ServerUnreachable)
    assert host.partition(":")[0] in str(error)


async def test_a_password_that_becomes_right(own_server: OwnServer, login: str) -> None:
    """Nothing need be restarted."""
    async with database(own_server.url(user=login, password="left")) as healed:
        with pytest.raises(AuthenticationFailed):
            await healed.verify_schema()
        own_server.run("ALTER ROLE {} PASSWORD 'left'", login)
        with pytest.raises(SchemaEmpty):
            await healed.verify_schema()
        assert healed.pool_stats().connection_errors > 0


async def test_a_password_that_becomes_wrong(own_server: OwnServer, login: str) -> None:
    """As long as there are connections, who waits may get one; when time is up the reason is told."""
    async with database(own_server.url(user=login, password="right"), seconds=0.5, size=2) as failing:
        async with failing._pool.connection():
            own_server.run("ALTER ROLE {} PASSWORD 'other'", login)
            with pytest.raises(AuthenticationFailed):
                await failing.verify_schema()
        with pytest.raises(SchemaEmpty):
            await failing.verify_schema()


async def test_a_pool_that_is_in_use_says_no_more(own_server: OwnServer) -> None:
    """Nothing is wrong with the server: it is a plain timeout, and it is counted."""
    async with database(own_server.url(), seconds=0.1) as busy, busy._pool.connection():
        with pytest.raises(PoolTimeout) as caught:
            await busy.verify_schema()
        assert type(caught.value) is PoolTimeout
        stats = busy.pool_stats()
    assert (stats.size, stats.available, stats.requests, stats.queued, stats.errors) == (1, 0, 2, 2, 1)
    assert stats.wait_seconds >= 0.1


async def test_the_language_of_the_server_does_not_matter(own_server: OwnServer, login: str) -> None:
    """What the server says is only told from what libpq says; the code decides."""
    conninfo = own_server.url(user=login, password="secret")
    for said in ("ВАЖНО:  пользователь", "致命错误:  用户", "FATAL:  password"):
        error = psycopg.OperationalError(
            f'connection failed: connection to server at "::1", port 1 failed: {said}'
        )
        assert isinstance(explain(error, conninfo), AuthenticationFailed)

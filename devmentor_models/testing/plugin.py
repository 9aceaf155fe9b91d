"""The pytest plugin: a migrated PostgreSQL for the tests of this library and of every service that uses it.

It is loaded in every pytest run where the library is installed, so it imports nothing until a fixture
is used.

One server serves the whole run: that of `DEVMENTOR_TEST_DATABASE_URL` (a role that may create databases and
roles), otherwise an embedded one in a temporary directory, which all xdist workers share and which goes away
with the run, also after Ctrl-C or a kill. One template database is migrated to head; each worker works on its
own copy of it, and `devmentor_session` rolls everything back after each test.

`devmentor_url` belongs to whoever may do everything: make data with it. What is tested connects with
`devmentor_service_url`, as it will in production, or no test would notice a row too many or a right too few.

Async tests run with anyio's plugin: mark them `@pytest.mark.anyio`.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from devmentor_models.testing.databases import DatabaseServer

    ServiceUrl = Callable[..., str]

#: Bytes that must be free in /dev/shm before the server goes there; containers often have 64 MB.
MEMORY_NEEDED = 2 * 2**30
#: What all processes of one run agree on: where the embedded server lives, and whose end ends it.
_RUN = pytest.StashKey[dict[str, str]]()


def _base() -> Path:
    """Return where the server lives: in memory where there is room, which makes copies many times faster."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory made there has a random name and is private
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK):
        status = os.statvfs(memory)
        if status.f_bavail * status.f_frsize >= MEMORY_NEEDED:
            return memory
    return Path(tempfile.gettempdir())


def pytest_configure(config: pytest.Config) -> None:
    """Name this run; a worker takes the name from its controller."""
    given = getattr(config, "workerinput", None)
    config.stash[_RUN] = (given or {}).get("devmentor_run") or {
        "id": uuid4().hex[:12],
        "directory": str(_base() / f"devmentor-test-{uuid4().hex}"),
        "owner": str(os.getpid()),
    }


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which run it belongs to."""
    node.workerinput["devmentor_run"] = node.config.stash[_RUN]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's embedded server, if there is one, in the process that outlives all workers."""
    run = config.stash.get(_RUN, None)
    if run and run["owner"] == str(os.getpid()) and Path(run["directory"]).exists():
        from devmentor_models.testing import databases  # noqa: PLC0415 - only runs that used the database pay

        databases.remove_embedded(Path(run["directory"]))


@pytest.fixture(scope="session")
def devmentor_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Return the run's PostgreSQL server; it makes, copies and drops databases."""
    from devmentor_models.testing import databases  # noqa: PLC0415 - only runs that use the database pay

    if url := os.environ.get("DEVMENTOR_TEST_DATABASE_URL"):
        return databases.DatabaseServer(url, lasting=True)
    run = request.config.stash[_RUN]
    return databases.start_embedded(Path(run["directory"]), owner=int(run["owner"]))


@pytest.fixture(scope="session")
def devmentor_template(devmentor_server: DatabaseServer) -> str:
    """Return the name of the database that stands at the newest revision; it can only be copied."""
    return devmentor_server.migrated_template()


@pytest.fixture(scope="session")
def devmentor_url(
    request: pytest.FixtureRequest, devmentor_server: DatabaseServer, devmentor_template: str
) -> Iterator[str]:
    """Yield the URL of this worker's own migrated database, for tests that roll back."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    name = f"devmentor_test_{request.config.stash[_RUN]['id']}_{worker}"
    with devmentor_server.database(name, template=devmentor_template) as url:
        yield url


@pytest.fixture
def devmentor_database_url(devmentor_server: DatabaseServer, devmentor_template: str) -> Iterator[str]:
    """Yield the URL of a migrated database of this test's own, for tests that commit."""
    name = f"devmentor_test_{uuid4().hex}"
    with devmentor_server.database(name, template=devmentor_template, drop=True) as url:
        yield url


@pytest.fixture(scope="session")
def devmentor_service_url(devmentor_server: DatabaseServer, devmentor_url: str) -> Iterator[ServiceUrl]:
    """Yield a function that returns the URL of this worker's database for a service: its rights, no more.

    ``devmentor_service_url("memory")`` is what the memory service connects with; several names make a login
    with the rights of all of them. Row security holds for each.
    """
    with ExitStack() as logins:

        @cache
        def url(*services: str) -> str:
            roles = [f"devmentor_{service}" for service in services]
            return logins.enter_context(devmentor_server.login(devmentor_url, *roles))

        yield url


@pytest.fixture(scope="session")
def devmentor_engine(devmentor_url: str) -> Iterator[Engine]:
    """Yield an engine on this worker's database; what it commits stays for the worker's later tests."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - only runs that use the database pay

    engine = create_engine(devmentor_url)
    yield engine
    engine.dispose()


@pytest.fixture
def devmentor_session(devmentor_engine: Engine) -> Iterator[Session]:
    """Yield a session that may commit and roll back as it likes; after the test nothing of it is left."""
    from sqlalchemy.orm import Session  # noqa: PLC0415 - only runs that use the database pay

    with devmentor_engine.connect() as connection, connection.begin() as transaction:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()


@pytest.fixture
async def devmentor_async_session(devmentor_url: str, anyio_backend: Any) -> AsyncIterator[AsyncSession]:
    """Yield an async session that may commit and roll back; after the test nothing of it is left."""
    from sqlalchemy import NullPool  # noqa: PLC0415 - only runs that use the database pay
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine  # noqa: PLC0415 - likewise

    engine = create_async_engine(devmentor_url, poolclass=NullPool)
    async with engine.connect() as connection, connection.begin() as transaction:
        async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        await transaction.rollback()
    await engine.dispose()

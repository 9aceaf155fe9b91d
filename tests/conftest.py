"""What all tests share; the server and its databases come from devmentor_models.testing.plugin.

Tests that commit do so in the worker's database and keep to users of their own. Tests that look at a whole
table, or break things, take `devmentor_database_url`: a database to themselves.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from devmentor_models import AsyncDatabase, Database
from devmentor_models.auth.models import User
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from devmentor_models.security.declarations import Service
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.users import NewUser

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Heed SIGINT, and have what tests start heed it: what a shell starts in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, all of a worker's in one event loop: pools may then live as long as it."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def encryption_key() -> Iterator[None]:
    """Give every process a key for encrypted columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEYS_VARIABLE, KeyRing.generate())
        yield


@pytest.fixture(scope="session")
def services_url(devmentor_service_url: Callable[..., str]) -> str:
    """Return the URL of the worker's database for a login with the rights of all services, and no more."""
    return devmentor_service_url(*Service)


@pytest.fixture(scope="session")
def database_url(services_url: str) -> str:
    """Return the URL that tests of repositories connect with, as services do: row security holds."""
    return services_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a Database on the worker's database; what is committed stays."""
    with Database.from_url(database_url, pool_min=0) as made:
        yield made


@pytest.fixture
async def async_database(database_url: str, anyio_backend: str) -> AsyncIterator[AsyncDatabase]:
    """Yield an AsyncDatabase on the worker's database; what is committed stays."""
    async with AsyncDatabase.from_url(database_url, pool_min=0) as made:
        yield made


@pytest.fixture
def session(devmentor_session: Session) -> Session:
    """Return a plain session whose work is rolled back after the test."""
    return devmentor_session


@pytest.fixture
def async_session(devmentor_async_session: AsyncSession) -> AsyncSession:
    """Return a plain async session whose work is rolled back after the test."""
    return devmentor_async_session


@pytest.fixture
def new_user(devmentor_engine: Engine) -> NewUser:
    """Return a function that commits a user of the test's own, with whoever may do everything."""

    def make(**values: Any) -> User:
        with Session(devmentor_engine, expire_on_commit=False) as session:
            user = UserFactory.insert(session, **values)
            session.commit()
        return user

    return make

"""What all tests share; the database fixtures come from devmentor_models.testing.plugin."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, all of a worker's in one event loop: pools may then live as long as it."""
    return "asyncio"

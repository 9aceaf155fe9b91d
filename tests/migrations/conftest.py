"""What tests of migrations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.revision_folder import Revisions


@pytest.fixture
def empty_url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test's own."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


@pytest.fixture
def revisions(tmp_path: Path) -> Revisions:
    """Return a folder for the test's own revisions, without any others."""
    return Revisions.from_nothing(tmp_path / "revisions")


@pytest.fixture
def connection(empty_url: str) -> Iterator[psycopg.Connection]:
    """Yield an autocommit connection to the empty database."""
    with psycopg.connect(conninfo(empty_url), autocommit=True) as made:
        yield made

"""What tests of migrations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from devmentor_models import migrate
from devmentor_models.security.roles import OWNER
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.revision_folder import Revisions


@pytest.fixture
def empty_url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of a database of this test's own, with nothing but what bootstrap makes.

    The owner may make things in the schema public, so that revisions of a test can be short.
    """
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        migrate.bootstrap(url)
        with psycopg.connect(conninfo(url), autocommit=True) as administrator:
            administrator.execute(f"GRANT CREATE ON SCHEMA public TO {OWNER.name}".encode())
        yield url


@pytest.fixture
def revisions(tmp_path: Path) -> Revisions:
    """Return a folder for the test's own revisions, without any others."""
    return Revisions.from_nothing(tmp_path / "revisions")


@pytest.fixture
def connection(empty_url: str) -> Iterator[psycopg.Connection]:
    """Yield an autocommit connection to the empty database, as the owner."""
    with psycopg.connect(conninfo(empty_url), autocommit=True) as made:
        made.execute(f"SET ROLE {OWNER.name}".encode())
        yield made


@pytest.fixture
def later_revisions(tmp_path: Path) -> Revisions:
    """Return the real revisions in a folder of the test's own, to add to them."""
    return Revisions.after_head(tmp_path / "later")

"""libpq's environment variables, which reach every connection, change no value that is written or read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from devmentor_models import Database, migrate
from devmentor_models.testing.databases import DatabaseServer
from tests.faults.balance import ACTOR
from tests.migrations.test_pinned import HOSTILE

#: Limits are no values: who sets them for a service means them.
LIMITS = {name for name in HOSTILE if name.endswith("_timeout")}
VALUES = (
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    date(2026, 4, 5),
    timedelta(days=-400, seconds=1),
    b"\\\x00\xff",
    "\u20ac\u00fc\\'",
    0.1 + 0.2,
    [None, "NULL"],
)
TYPES = ("timestamptz", "date", "interval", "bytea", "text", "double precision", "text[]")


@pytest.fixture
def empty(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database, made and dropped in an environment that is not hostile."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


@pytest.fixture
def hostile_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set everything that may be set."""
    options = {name: value for name, value in HOSTILE.items() if name not in LIMITS}
    escaped = {name: value.replace(" ", "\\ ") for name, value in options.items()}
    monkeypatch.setenv("PGOPTIONS", " ".join(f"-c {name}={value}" for name, value in escaped.items()))
    monkeypatch.setenv("PGTZ", "Pacific/Chatham")
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")


@pytest.mark.usefixtures("hostile_environment")
def test_values_of_services(devmentor_url: str) -> None:
    """What a service writes comes back, as parameter and as literal, also before it has prepared anything."""
    parameters = {f"p{number}": value for number, value in enumerate(VALUES)}
    columns = ", ".join(f"CAST(:{name} AS {kind})" for name, kind in zip(parameters, TYPES, strict=True))
    with Database.from_url(devmentor_url, pool_min=0) as database:
        for _ in range(4):
            with database.begin(ACTOR) as tx:
                assert tuple(tx.session.execute(text(f"SELECT {columns}"), parameters).one()) == VALUES
                literals = text(r"SELECT '2026-03-29 01:30'::timestamptz, '04/05/2026'::date, 'a\b'")
                assert tuple(tx.session.execute(literals).one()) == (VALUES[0], VALUES[1], r"a\b")


def test_migrations(empty: str, hostile_environment: None) -> None:
    """They make what the models say, and find it so."""
    migrate.upgrade(empty)
    assert migrate.check(empty) == []

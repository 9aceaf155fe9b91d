"""The proof across transactions through PgBouncer, which shares server processes and resets none (Z1, P8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.proof import Report, prove
from devmentor_models.proof.leftovers import attempt_leftovers
from devmentor_models.proof.planted import planted
from devmentor_models.security.signing import ContextKeys
from devmentor_models.settings import conninfo
from tests.support import pgbouncer
from tests.support.leftovers import named, rewrite

pytestmark = pytest.mark.services

#: What the begin of a transaction undoes, and which attempts tell of it where it does not.
UNDONE = {
    "RESET ALL": ("RESET ALL; ", ("work_mem", "plan_cache_mode", "enable_indexscan")),
    "SET ROLE NONE": ("SET ROLE NONE; ", ("SET ROLE", "SET ROLE after COMMIT")),
    "CLOSE ALL": ("CLOSE ALL; ", ("cursor WITH HOLD",)),
    "UNLISTEN": (r"UNLISTEN \*; ", ("LISTEN",)),
    "DISCARD TEMP": ("; DISCARD TEMP", ("domain uuid", "table", "composite type")),
    "advisory locks": (
        r"PERFORM pg_catalog.pg_advisory_unlock_all\(\);",
        ("advisory lock", "advisory lock, rolled back"),
    ),
}


@contextmanager
def bouncing(url: str) -> Iterator[str]:
    """Run a PgBouncer in transaction mode that lets any login in; yield its URL."""
    with psycopg.connect(conninfo(url)) as connection:
        user = connection.info.user
    settings = {"pool_mode": "transaction", "default_pool_size": "2", "auth_user": user}
    with pgbouncer.running(url, settings) as at:
        yield make_conninfo("", **at)


@pytest.mark.parametrize("signed", [False, True])
def test_nothing_is_left_behind(devmentor_database_url: str, *, signed: bool) -> None:
    """Every attempt ends as on a direct line, in a process that other clients have used."""
    report = Report()
    with bouncing(devmentor_database_url) as through:
        key = generate_key() if signed else None
        if key:
            context_keys.install(devmentor_database_url, ContextKeys.from_text(key))
        attempt_leftovers(devmentor_database_url, report, key=key, through=through)
    assert [str(failure) for failure in report.failures] == []
    assert set(report.ways) == {attempt.way for attempt in planted()}


def test_the_whole_proof_goes_through(devmentor_database_url: str) -> None:
    """The scratch database is made directly, and its transactions go through the pooler."""
    with bouncing(devmentor_database_url) as through:
        report = prove(devmentor_database_url, through=through)
    assert [str(failure) for failure in report.failures] == []
    assert report.ways["across transactions: a setting"] > 0


@pytest.mark.parametrize("name", UNDONE)
def test_what_is_not_undone_is_found(devmentor_database_url: str, name: str) -> None:
    """Nothing but the begin of the next transaction clears such a process: each part of it is needed."""
    lines, names = UNDONE[name]
    rewrite(devmentor_database_url, "begin_as", lines, "")
    report = Report()
    attempts = [attempt for attempt in named(*names) if not attempt.reconnects]
    with bouncing(devmentor_database_url) as through:
        attempt_leftovers(devmentor_database_url, report, key=None, through=through, attempts=attempts)
    found = {failure.relation for failure in report.failures if "devmentor_memory" in failure.role}
    assert found == set(names)

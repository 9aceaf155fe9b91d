"""The proof finds what one transaction would leave to the next, where a defence is taken away (Z1, P8).

`test_proof` shows that nothing is found in the schema as it is shipped, on a direct line;
`tests/services/test_proof_across.py` shows the same, and holes, behind PgBouncer.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace

import psycopg
import pytest
from sqlalchemy import make_url

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.keys import generate_key
from devmentor_models.kit.provenance import constant
from devmentor_models.migrations import context_keys
from devmentor_models.proof import Report
from devmentor_models.proof.leftovers import LOGIN, attempt_leftovers
from devmentor_models.proof.likeness import likeness
from devmentor_models.proof.planted import Planted, planted
from devmentor_models.security.signing import ContextKeys
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.leftovers import named, rewrite


@dataclass(frozen=True)
class Hole:
    """A defence that is missing.

    Attributes:
        function: Which function lacks it.
        lines: What stands there, as a regular expression.
        instead: What stands there now.
        names: The attempts that then succeed.
        happened: What the failures say.
    """

    function: str
    lines: str
    instead: str
    names: tuple[str, ...]
    happened: str = "it was still there"


UNSIGNED = {
    "settings are not pinned": Hole(
        "begin_as",
        r",\s*pg_catalog\.set_config\('search_path'.*(?=\);\s*PERFORM devmentor\.enter)",
        "",
        ("TimeZone", "array_nulls", "search_path"),
    ),
    "row security is not pinned": Hole(
        "begin_as",
        r",\s*pg_catalog\.set_config\('row_security', 'on', true\)",
        "",
        ("row_security",),
        "the victim got PermissionDenied",
    ),
}
AT_ONCE = "the attacker read the victim's rows at once"
SIGNED = {
    "any session": Hole(
        "enter",
        r"p_backend = pg_backend_pid\(\)",
        "true",
        ("enter, of another session", "begin_as, of another session"),
        AT_ONCE,
    ),
    "any time": Hole(
        "enter", r"> 60000", "> 90000", ("enter, a minute old", "begin_as, of a minute ahead"), AT_ONCE
    ),
    "any seal": Hole(
        "enter", r"believed IS NOT TRUE THEN\s+RAISE", "false THEN RAISE", ("enter, altered",), AT_ONCE
    ),
    "any context": Hole("signed", "true", "false", ("enter, unsigned", "begin_as, unsigned"), AT_ONCE),
    "any seal later on": Hole(
        "is_sealed", "IF sha256", "IF true OR sha256", ("with another transaction's seal",), AT_ONCE
    ),
}


def failures(url: str, attempts: list[Planted], key: str | None = None) -> dict[str, list[str]]:
    """Return what the proof says of each attempt that it finds at fault."""
    report = Report()
    attempt_leftovers(url, report, key=key, attempts=attempts)
    assert report.ways.total() >= len(attempts)
    found: dict[str, list[str]] = {}
    for failure in report.failures:
        found.setdefault(failure.relation, []).append(failure.happened)
        assert failure.way in str(failure)
    return found


@pytest.mark.parametrize("name", UNSIGNED)
def test_a_missing_defence_is_found(devmentor_database_url: str, name: str) -> None:
    """Each attempt that it was there against fails, by its name."""
    hole = UNSIGNED[name]
    rewrite(devmentor_database_url, hole.function, hole.lines, hole.instead)
    attempts = [attempt for attempt in named(*hole.names) if attempt.reconnects]
    found = failures(devmentor_database_url, attempts)
    assert set(found) == set(hole.names)
    assert all(hole.happened in happened[0] for happened in found.values())


@pytest.mark.parametrize("name", SIGNED)
def test_a_forgery_is_found(devmentor_database_url: str, name: str) -> None:
    """Whatever part of a signature is not looked at, the attempts that it was there against tell."""
    hole, key = SIGNED[name], generate_key()
    context_keys.install(devmentor_database_url, ContextKeys.from_text(key))
    assert failures(devmentor_database_url, named(*hole.names), key) == {}
    rewrite(devmentor_database_url, hole.function, hole.lines, hole.instead)
    found = failures(devmentor_database_url, named(*hole.names), key)
    assert set(found) == set(hole.names)
    assert all(hole.happened in happened for happened in found.values())


def test_the_right_to_make_temporary_objects_is_found(devmentor_database_url: str) -> None:
    """A service that need not make any may not; what makes one all the same is named, and gone afterwards."""
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        name = connection.info.dbname
        connection.execute(f'GRANT TEMPORARY ON DATABASE "{name}" TO PUBLIC'.encode())
    found = failures(devmentor_database_url, [attempt for attempt in planted() if attempt.temporary])
    assert set(found) == {attempt.name for attempt in planted() if attempt.temporary}
    assert {happened for each in found.values() for happened in each} == {"it was accepted"}


def test_a_session_that_is_not_cleared_is_found(devmentor_database_url: str) -> None:
    """SQL that passes for the library's own has its session go on as it is: what stays there is named."""
    (attempt,) = named("PREPARE")
    passed = replace(attempt, sql="PREPARE passed_for_ours AS SELECT 1")
    assert failures(devmentor_database_url, [passed]) == {}
    constant(passed.sql)
    assert failures(devmentor_database_url, [passed]) == {"PREPARE": ["it was still there: 1"]}


def test_the_scratch_database_is_like_the_live_one(
    devmentor_server: DatabaseServer, devmentor_database_url: str
) -> None:
    """What somebody did by hand to functions, rights and settings is there as well; then it is dropped."""
    rewrite(devmentor_database_url, "begin_as", "CLOSE ALL; ", "")
    with (
        devmentor_server.login(devmentor_database_url, "devmentor_ai") as login,
        psycopg.connect(conninfo(devmentor_database_url)) as connection,
    ):
        database, user = connection.info.dbname, make_url(login).username
        for statement in (
            f'GRANT TEMPORARY ON DATABASE "{database}" TO devmentor_projects',
            f'ALTER DATABASE "{database}" SET search_path = "odd name", public',
            f'ALTER ROLE {user} IN DATABASE "{database}" SET "TimeZone" = \'Asia/Kolkata\'',
        ):
            connection.execute(statement.encode())
        connection.commit()
        with likeness(devmentor_database_url) as scratch:
            assert told(scratch) == told(devmentor_database_url)
            made = make_url(scratch)
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        assert connection.execute(query, [made.query.get("dbname", made.database)]).fetchone() is None


def told(url: str) -> tuple[object, ...]:
    """Return what decides about leftovers in a database, as it looks."""
    query = (
        "SELECT (SELECT prosrc FROM pg_proc WHERE proname = 'begin_as'),"
        " has_database_privilege('devmentor_projects', current_database(), 'TEMPORARY'),"
        " has_database_privilege('devmentor_ai', current_database(), 'TEMPORARY'),"
        " ARRAY(SELECT unnest(setconfig) FROM pg_db_role_setting"
        " WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1)"
    )
    with psycopg.connect(conninfo(url)) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        assert "CLOSE ALL" not in row[0]
        assert len(row[3]) == 2
        return row


def test_every_attempt_has_a_name_of_its_own() -> None:
    """Failures are told apart by way and name."""
    names = [(attempt.way, attempt.name) for attempt in planted()]
    assert len(names) == len(set(names))


def test_a_pooler_that_refuses_the_login_is_told(devmentor_database_url: str, unused_port: int) -> None:
    """Rather than prove nothing, the proof says what the pooler needs."""
    through = f"postgresql://127.0.0.1:{unused_port}/"
    with pytest.raises(ConfigurationError, match="auth_query"):
        attempt_leftovers(devmentor_database_url, Report(), key=None, through=through)
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        left = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)"
        assert connection.execute(left, [f"{LOGIN}{connection.info.dbname[-12:]}_"]).fetchall() == []


@pytest.fixture
def unused_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""The schema as it is shipped passes the isolation proof, and the command says what was proven (Z1, Z2)."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine
from typer.testing import CliRunner

from devmentor_models.cli.app import app
from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.base import Base
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.proof import Failure, Report, lines, prove, prove_on
from devmentor_models.proof.planted import planted
from devmentor_models.security.signing import ContextKeys
from devmentor_models.settings import conninfo
from tests.support.logins import ask

ENOUGH = 10_000  # attempts: every table, role, command and way round


def counted(url: str) -> list[tuple[object, ...]]:
    """Return how many users and roles there are, and who may do what with one table."""
    query = (
        "SELECT (SELECT count(*) FROM auth.users),"
        " (SELECT count(*) FROM pg_roles WHERE rolname ~ '^devmentor_proof_(?!across)'),"
        " (SELECT relacl::text FROM pg_class WHERE oid = 'projects.projects'::regclass),"
        " (SELECT count(*) FROM auth.audit_log), (SELECT count(*) FROM projects.projects)"
    )
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_shipped_schema_is_isolated(devmentor_database_url: str) -> None:
    """Nothing ends otherwise than declared, every table is tried, and nothing is left of it."""
    before = counted(devmentor_database_url)
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        connection.execute("ANALYZE")  # so that there are statistics to be kept from others
    result = CliRunner().invoke(app, ["prove-isolation", "--json", "--url", devmentor_database_url])
    found = json.loads(result.stdout)
    assert found["failures"] == []
    assert result.exit_code == 0
    assert found["passed"] is True
    assert set(found["matrix"]) == set(Base.metadata.tables) & set(found["relations"])
    assert len(found["matrix"]) == len(list(Base.registry.mappers))
    assert sum(found["ways"].values()) > ENOUGH
    assert {attempt.way for attempt in planted()} <= set(found["ways"])
    assert found["matrix"]["projects.tasks"]["devmentor_projects"] == "riud+riud"
    assert found["matrix"]["projects.tasks"]["no group"] == "-"
    assert counted(devmentor_database_url) == before


@pytest.mark.long
def test_nobody_forges_a_signed_context(devmentor_database_url: str) -> None:
    """Where contexts are signed the same holds, and one that is set by hand shows nothing."""
    key = generate_key()
    context_keys.install(devmentor_database_url, ContextKeys.from_text(key))
    report = prove(devmentor_database_url)
    assert [str(failure) for failure in report.failures] == []
    assert report.ways["context set by hand"] > 0
    assert report.ways["context changed within a statement"] > 0
    assert report.ways["context changed between two rows"] > 0
    assert report.ways["a comparison with a row of another"] > 0
    assert report.ways["across transactions: a context forged"] > 0
    assert any("read and replayed at once: NOT DEFENDED" in limit for limit in report.limits)
    assert not any("set by hand" in limit for limit in report.limits)


#: What holds back too little where contexts are signed: of which table, what finds it, and as whom.
HELD_BACK = {
    # two conditions, read at two times, between which a statement can change who acts
    "ALTER POLICY barrier ON memory.documents USING ((SELECT devmentor.authentic()))": (
        "memory.documents",
        "context changed within a statement",
        ("auth", "memory", "projects", "readonly"),
    ),
    # an operator, before which a statement can have one that costs as much
    "ALTER POLICY barrier ON learning.progress USING (user_id = (SELECT devmentor.user_id()))": (
        "learning.progress",
        "a comparison with a row of another",
        ("auth", "learning", "readonly"),
    ),
    # every row for whoever acts for nobody, so that the rest is left to claims
    "ALTER POLICY barrier_select_auth ON auth.password_resets"
    " USING ((SELECT devmentor.authentic() AND devmentor.claimed_user_id() IS NULL))": (
        "auth.password_resets",
        "context of nobody changed within a statement",
        ("auth",),
    ),
    # a trigger that believes a claim
    "CREATE OR REPLACE TRIGGER owners_alone BEFORE UPDATE OF credits, deleted_at ON projects.projects"
    " FOR EACH ROW WHEN (OLD.credits <> NEW.credits AND NEW.user_id <> devmentor.claimed_user_id())"
    " EXECUTE FUNCTION devmentor.keep_owner()": (
        "projects.projects",
        "context changed between two rows",
        ("projects",),
    ),
}


def test_what_holds_back_too_little_is_found(devmentor_database_url: str) -> None:
    """Each hole by the way round that it leaves, as every role that may use it."""
    context_keys.install(devmentor_database_url, ContextKeys.from_text(generate_key()))
    for hole in HELD_BACK:
        ask(devmentor_database_url, hole)
    with create_engine(devmentor_database_url, poolclass=NullPool).connect() as connection:
        failures = prove_on(connection).failures
    for table, way, services in HELD_BACK.values():
        found = {each.role for each in failures if (each.relation, each.way) == (table, way)}
        assert found == {f"devmentor_{service}" for service in services}, way


def test_a_person_can_read_it(devmentor_url: str) -> None:
    """The matrix has a line for each table, failures are told in full, and the command then fails."""
    report = Report(
        relations={"auth.users": "owner", "auth.old": "table that nobody classified"},
        matrix={"auth.users": {"devmentor_auth": "rud", "devmentor_ai": "-"}},
        limits=["large objects: everybody may"],
    )
    report.check("classification", "auth.users", that=True, expected="one", happened="there is none")
    assert "Every attempt ended as it is declared." in lines(report)
    sql = "SELECT\n  id FROM auth.users"
    report.failures.append(Failure("auth.users", "devmentor_ai", "COPY TO", "refused", "1 row", sql))
    shown = "\n".join(lines(report))
    assert "auth.users  rud   -" in shown
    assert "auth.old: table that nobody classified" in shown
    assert "large objects: everybody may" in shown
    assert "- auth.users as devmentor_ai, COPY TO: expected refused, but 1 row" in shown
    assert "SELECT id FROM auth.users" in shown


def test_it_needs_a_superuser(devmentor_service_url: Callable[..., str]) -> None:
    """Only such a one signs in as every role; the message says what to do without one."""
    with pytest.raises(ConfigurationError, match="restored on a server of your own"):
        prove(devmentor_service_url("projects"))

# Generated from test_transaction_mode_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""PgBouncer in transaction mode: many clients, few connections, never another's actor (P8, trap 32)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.errors import CommitUnknown, DatabaseError
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import UserFactory
from tests.security.test_leftovers import LEFT
from tests.support import pgbouncer
from tests.support.concurrency import run_concurrently, until
from tests.support.users import committed

pytestmark = [pytest.mark.anyio, pytest.mark.services]

SERVERS = 3
CLIENTS = 20
ROUNDS = 15
NARROW = {"pool_mode": "transaction", "default_pool_size": "1"}
#: Makes beginning as a user last longer than another client lets any statement last.
SLOW = """
ALTER FUNCTION devmentor.set_context RENAME TO set_context_at_once;
CREATE FUNCTION devmentor.set_context(text[], bytea, bytea) RETURNS void LANGUAGE sql
    AS 'SELECT pg_sleep(0.2)';
"""
#: Has COMMIT wait for a deferred trigger.
SLOW_COMMIT = (
    "CREATE TEMPORARY TABLE slow (id int) ON COMMIT DROP",
    """CREATE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$""",
    """CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION pg_temp.wait()""",
    "INSERT INTO slow VALUES (1)",
)
CONTEXT = text(
    "SELECT pg_backend_pid(), nullif(current_setting('devmentor.user_id', true), ''),"
    " nullif(current_setting('devmentor.service', true), ''),"
    " nullif(current_setting('devmentor.request_id', true), '')"
)


@pytest.fixture(scope="session")
def bouncer_url(devmentor_url: str) -> Iterator[str]:
    """Yield how to reach a PgBouncer in transaction mode with three connections to the server."""
    settings = {"pool_mode": "transaction", "default_pool_size": str(SERVERS), "max_client_conn": "100"}
    if pgbouncer.version() >= (1, 21):
        settings["max_prepared_statements"] = "0"  # as before 1.21, which the switch is for
    with pgbouncer.running(devmentor_url, settings) as at:
        yield make_conninfo("", **at)


def client(database: Database) -> set[int]:
    """Work as a user and as a service by turns; return the server connections that were met."""
    user = UserFactory.build()
    with database.begin(Actor.user(user.id)) as tx:
        tx.session.add(user)
    met: set[int] = set()
    for _ in range(ROUNDS):
        request = uuid4().hex
        with database.begin(Actor.user(user.id, request_id=request)) as tx:
            pid, user_id, service, request_id = (tx.session.execute(CONTEXT)).one()
            assert (UUID(user_id), service, request_id) == (user.id, None, request)
            project = tx.projects.create(name=f"Project {request}")
            assert project.user_id == user.id
            assert (tx.users.get(user.id)).email == user.email
            met.add(pid)
        with database.begin(Actor.service("auth")) as tx:
            pid, *actor = (tx.session.execute(CONTEXT)).one()
            assert actor == [None, "auth", None]
            met.add(pid)
    with database.begin(Actor.user(user.id), readonly=True) as tx:
        page = tx.projects.list(limit=ROUNDS + 1)
        assert len(page.items) == ROUNDS
        assert {project.user_id for project in page.items} == {user.id}
    return met


def work(url: str, *, prepared_statements: bool | None) -> list[set[int] | BaseException]:
    """Let all clients work at the same time, each on a connection of its own to PgBouncer."""
    with Database.from_url(
        url, pool_min=0, pool_max=CLIENTS, prepared_statements=prepared_statements, pool_timeout_seconds=60
    ) as database:
        return run_concurrently([partial(client, database) for _ in range(CLIENTS)])


@pytest.mark.parametrize("prepared_statements", [None, False])
def test_no_actor_meets_another(bouncer_url: str, *, prepared_statements: bool | None) -> None:
    """Twenty clients share three connections: no error, no wrong actor, whether they are told or find out."""
    outcomes = work(bouncer_url, prepared_statements=prepared_statements)
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    met = set().union(*(outcome for outcome in outcomes if isinstance(outcome, set)))
    assert 1 < len(met) <= SERVERS


def test_with_prepared_statements_it_fails(bouncer_url: str) -> None:
    """Statements of other connections are met; but never in place of one's own, whose rows would be wrong."""
    outcomes = work(bouncer_url, prepared_statements=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert failures
    for failure in failures:
        assert isinstance(failure, DatabaseError), failure
        assert failure.sqlstate == "26000"
        assert "DEVMENTOR_PREPARED_STATEMENTS" in str(failure)


@pytest.fixture
def narrow_url(devmentor_url: str) -> Iterator[str]:
    """Yield how to reach a PgBouncer with one connection to the server, which every client gets in turn."""
    with pgbouncer.running(devmentor_url, NARROW) as at:
        yield make_conninfo("", **at)


@pytest.mark.parametrize("kind", [kind for kind in LEFT if kind not in {"prepared statement", "role"}])
def test_what_one_client_leaves_another_does_not_meet(narrow_url: str, kind: str) -> None:
    """PgBouncer resets nothing between transactions; the message that begins ours does."""
    statement, probe = LEFT[kind]
    plant(narrow_url, f"{statement}; SET work_mem = '64kB'")
    with Database.from_url(narrow_url, pool_min=0, prepared_statements=False) as database:
        if kind == "channel":  # UNLISTEN takes effect with COMMIT
            with database.begin(Actor.service("auth")) as tx:
                tx.session.execute(text("SELECT 1"))
        with database.begin(Actor.service("auth")) as tx:
            assert (tx.session.execute(text(probe))).all() == []
            assert (tx.session.execute(text("SHOW work_mem"))).scalar_one() != "64kB"


@pytest.mark.parametrize("prepared_statements", [False, True])
def test_a_timeout_of_another_client_does_not_count(
    devmentor_database_url: str, *, prepared_statements: bool
) -> None:
    """What begins a transaction takes the time it takes: else nobody could begin on that process any more."""
    with pgbouncer.running(devmentor_database_url, NARROW) as at:
        url = make_conninfo("", **at)
        plant(url, SLOW)
        plant(url, "SET statement_timeout = '50ms'")
        with Database.from_url(url, pool_min=0, prepared_statements=prepared_statements) as database:
            with database.begin(Actor.user(uuid4())) as tx:
                shown = tx.session.execute(text("SHOW statement_timeout"))
                assert shown.scalar_one() == "0"


def test_a_process_with_a_planted_statement_is_ended(narrow_url: str) -> None:
    """With prepared statements in use it may be meant for anybody: the transaction begins on another one."""
    planted = plant(narrow_url, "PREPARE planted AS SELECT 1")
    with Database.from_url(narrow_url, pool_min=0, prepared_statements=True) as database:
        with database.begin(Actor.service("auth")) as tx:
            names, pid = LEFT["prepared statement"][1], "SELECT pg_backend_pid()"
            assert (tx.session.execute(text(names))).all() == []
            assert (tx.session.execute(text(pid))).scalar_one() != planted


def test_an_encoding_of_the_database_does_not_count(devmentor_database_url: str) -> None:
    """PgBouncer says which encoding a client has by SET, which the begin of a transaction resets."""
    user_id = committed(devmentor_database_url, lambda session: UserFactory.insert(session).id)
    direct = conninfo(devmentor_database_url)
    with psycopg.Connection.connect(direct) as administrator:
        name = administrator.info.dbname
        administrator.execute(f"ALTER DATABASE \"{name}\" SET client_encoding = 'LATIN1'".encode())
    actor = Actor.user(user_id, user_agent="Grüße €")
    with pgbouncer.running(devmentor_database_url, NARROW) as at:
        url = make_conninfo("", **at)
        with Database.from_url(url, pool_min=0, pool_max=1, prepared_statements=False) as database:
            for slug in ("first", "second"):
                with database.begin(actor) as tx:
                    tx.projects.create(name="Grüße €", slug=slug)
                with database.begin(actor, readonly=True) as tx:
                    assert {project.name for project in (tx.projects.list()).items} == {"Grüße €"}
    query = (
        "SELECT DISTINCT p.name, l.user_agent FROM projects.projects p"
        " JOIN auth.audit_log l ON l.row_id = p.id WHERE p.user_id = %s"
    )
    with psycopg.Connection.connect(direct, client_encoding="UTF8") as administrator:
        stored = (administrator.execute(query, [user_id])).fetchall()
    assert stored == [("Grüße €", "Grüße €")]


def plant(url: str, statement: str) -> int:
    """Run SQL as a client that is not ours; return the server process that it met."""
    with psycopg.Connection.connect(url, autocommit=True, prepare_threshold=None) as client:
        client.execute(statement.encode())
        row = (client.execute("SELECT pg_backend_pid()")).fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("prepared_statements", [False, True])
def test_a_process_that_ends_at_commit_leaves_it_unknown(
    devmentor_url: str, narrow_url: str, *, prepared_statements: bool
) -> None:
    """The server and PgBouncer both say so, which makes two answers to one command."""
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    )
    met: list[int] = []
    with Database.from_url(
        narrow_url, pool_min=0, pool_max=1, prepared_statements=prepared_statements
    ) as database:

        def commit() -> None:
            with database.begin(Actor.service("auth")) as tx:
                pid = tx.session.execute(text("SELECT pg_backend_pid()"))
                for statement in SLOW_COMMIT:
                    tx.session.execute(text(statement))
                met.append(pid.scalar_one())

        def end() -> None:
            with psycopg.connect(conninfo(devmentor_url), autocommit=True) as administrator:
                until(lambda: met and administrator.execute(waiting, met).fetchall())

        outcomes = run_concurrently([commit, end])
        assert [type(outcome) for outcome in outcomes] == [CommitUnknown, type(None)]
        with database.begin(Actor.service("auth")) as tx:
            assert (tx.session.execute(text("SELECT 1"))).scalar_one() == 1

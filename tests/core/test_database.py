# Generated from test_database_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Transactions of one actor: what is bound, what survives, what is retried (DESIGN §4)."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database, Transaction
from devmentor_models.auth.models import User
from devmentor_models.errors import (
    ActorMissing,
    CommitUnknown,
    ConfigurationError,
    DatabaseClosed,
    DatabaseError,
    InvalidValue,
    NotFound,
    PoolTimeout,
    TransactionAborted,
    TransactionConflict,
    UniqueViolation,
    VersionConflict,
)
from devmentor_models.testing.factories.auth import UserFactory

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def database_url(devmentor_url: str) -> str:
    """Connect as whoever may do everything: these tests are about transactions, on rows of anybody."""
    return devmentor_url


CONTEXT = text(
    "SELECT nullif(current_setting('devmentor.user_id', true), ''),"
    " nullif(current_setting('devmentor.service', true), ''),"
    " nullif(current_setting('devmentor.request_id', true), '')"
)
KILL = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name")


def kill(killer: Database, name: str) -> None:
    """End the sessions of an application, and wait until they are gone."""
    for _ in range(1000):
        with killer.begin(Actor.service("auth")) as tx:
            if not (tx.session.execute(KILL, {"name": name})).all():
                return
        time.sleep(0.01)
    raise TimeoutError


def test_the_actor_is_bound_to_the_transaction(database: Database) -> None:
    """The database knows the user and the request, whatever characters they hold."""
    user_id = uuid4()
    actor = Actor.user(user_id, request_id='it\'s; \\ "quoted"')
    with database.begin(actor) as tx:
        row = (tx.session.execute(CONTEXT)).one()
    assert tuple(row) == (str(user_id), None, 'it\'s; \\ "quoted"')


def test_nothing_of_an_actor_survives_into_the_next_checkout(devmentor_url: str) -> None:
    """Trap 1: on the same connection the next actor finds nothing of the one before."""
    with Database.from_url(devmentor_url, pool_min=1, pool_max=1) as database:
        with database.begin(Actor.user(uuid4(), request_id="first")) as tx:
            first = (tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        with database.begin(Actor.service("memory")) as tx:
            second = (tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            row = (tx.session.execute(CONTEXT)).one()
    assert first == second
    assert tuple(row) == (None, "memory", None)


def test_without_an_actor_there_is_no_transaction(database: Database) -> None:
    """None is no actor, and the error says what to do."""
    with pytest.raises(ActorMissing, match=r"Actor\.user"):
        database.begin(None)  # type: ignore[arg-type] # the mistake under test


def test_a_service_without_a_user_has_no_tenant(database: Database) -> None:
    """A repository that needs a tenant says so instead of returning nothing."""
    with database.begin(Actor.service("projects")) as tx:
        with pytest.raises(ActorMissing, match="on_behalf_of"):
            _ = tx.users.user_id


def test_a_block_commits_and_an_error_rolls_back(database: Database) -> None:
    """What the block wrote is there afterwards, or none of it when it raised."""
    kept, lost = UserFactory.build(), UserFactory.build()
    with database.begin(Actor.service("auth")) as tx:
        tx.session.add(kept)
    with pytest.raises(RuntimeError, match="no"):
        with database.begin(Actor.service("auth")) as tx:
            tx.session.add(lost)
            tx.session.flush()
            raise RuntimeError("no")
    with database.begin(Actor.service("auth", on_behalf_of=kept.id)) as tx:
        assert (tx.users.get(kept.id)).email == kept.email
        with pytest.raises(NotFound, match="user"):
            tx.users.get(lost.id)


def test_a_read_only_transaction_refuses_writes(database: Database) -> None:
    """`readonly=True` is enforced by PostgreSQL."""
    with pytest.raises(DatabaseError) as caught:
        with database.begin(Actor.service("auth"), readonly=True) as tx:
            tx.session.add(UserFactory.build())
    assert caught.value.sqlstate == "25006"


def test_a_session_is_one_transaction(database: Database) -> None:
    """After a rollback by hand no statement runs outside the actor's transaction (trap 3)."""
    with database.begin(Actor.service("auth")) as tx:
        tx.session.rollback()
        with pytest.raises(Exception, match="Autobegin is disabled"):
            tx.session.execute(text("SELECT 1"))


def test_a_savepoint_undoes_its_block_only(database: Database) -> None:
    """A typed error inside a savepoint leaves the transaction usable, with its actor."""
    taken = UserFactory.build()
    with database.begin(Actor.user(taken.id)) as tx:
        tx.session.add(taken)
        tx.session.flush()
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.session.add(UserFactory.build(email=taken.email))
                tx.session.flush()
        assert (tx.session.execute(CONTEXT)).one()[0] == str(taken.id)
        assert (tx.users.get(taken.id)) is taken


def test_a_violation_is_typed_and_tells_no_values(database: Database) -> None:
    """Point by point: constraint, table, columns; the other tenant's address appears nowhere."""
    taken = UserFactory.build()
    with database.begin(Actor.service("auth")) as tx:
        tx.session.add(taken)
    with pytest.raises(UniqueViolation) as caught:
        with database.begin(Actor.service("auth")) as tx:
            tx.session.add(UserFactory.build(email=taken.email.upper()))
    error = caught.value
    assert (error.constraint, error.table, error.columns) == (
        "uq_users_email_key",
        "auth.users",
        ("email",),
    )
    seen: list[BaseException | None] = [error, error.__cause__, error.__context__]
    assert taken.email.lower() not in " ".join(map(repr, seen)).lower()


def test_a_statement_outside_repositories_raises_the_same_errors(database: Database) -> None:
    """Raw SQL on the session is translated too, while the block runs; the block cannot be committed then."""
    with pytest.raises(TransactionAborted):
        with database.begin(Actor.service("auth")) as tx:
            with pytest.raises(DatabaseError) as caught:
                tx.session.execute(text("SELECT 1 / 0"))
            assert caught.value.sqlstate == "22012"


def test_a_lost_write_is_noticed(database: Database) -> None:
    """The second of two writers who read the same version is refused."""
    user = UserFactory.build()
    with database.begin(Actor.service("auth")) as tx:
        tx.session.add(user)
    with pytest.raises(VersionConflict):
        with database.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
            mine = tx.users.get(user.id)
            with database.begin(Actor.service("auth", on_behalf_of=user.id)) as other:
                (other.users.get(user.id)).is_active = False
            mine.extra = {"theme": "dark"}


def test_the_trigger_counts_versions_for_any_writer(database: Database) -> None:
    """A bulk statement moves `version` and `updated_at` as the ORM does."""
    user = UserFactory.build()
    with database.begin(Actor.service("auth")) as tx:
        tx.session.add(user)
    before = user.updated_at
    with database.begin(Actor.service("auth")) as tx:
        tx.session.execute(text("UPDATE auth.users SET is_active = false WHERE id = :id"), {"id": user.id})
    with database.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        after = tx.users.get(user.id)
    assert (after.version, after.updated_at > before) == (2, True)


def test_dead_idle_connections_are_replaced_unnoticed(devmentor_url: str) -> None:
    """What the server closed is seen before it is used: without its idle connections work goes on."""
    name = f"idle-{uuid4().hex[:8]}"
    with Database.from_url(devmentor_url, pool_min=2, application_name=name) as database:
        with database.begin(Actor.service("auth")):
            pass
        with Database.from_url(devmentor_url, pool_min=0, application_name="killer") as killer:
            kill(killer, name)
        with database.begin(Actor.service("auth")) as tx:
            assert (tx.session.execute(text("SELECT 1"))).scalar_one() == 1


def test_a_connection_lost_in_the_middle_is_retried_by_run(devmentor_url: str) -> None:
    """`run` repeats the whole callable when the connection broke before COMMIT."""
    name = f"run-{uuid4().hex[:8]}"
    calls: list[int] = []
    user = UserFactory.build()

    def work(tx: Transaction) -> int:
        calls.append(1)
        tx.session.merge(user)
        tx.session.flush()
        if len(calls) == 1:
            kill(killer, name)
            tx.session.execute(text("SELECT 1"))
        return len(calls)

    with Database.from_url(devmentor_url, application_name="killer") as killer:
        with Database.from_url(devmentor_url, application_name=name) as database:
            assert database.run(work, actor=Actor.service("auth")) == 2
            with database.begin(Actor.service("auth")) as tx:
                assert tx.session.get(User, user.id) is not None


def test_run_repeats_a_serialization_failure(database: Database) -> None:
    """Two serializable transactions that read and write each other's row: the loser runs again."""
    user = UserFactory.build()
    with database.begin(Actor.service("auth")) as tx:
        tx.session.add(user)
    calls: list[int] = []

    def work(tx: Transaction) -> None:
        calls.append(1)
        tx.users.get(user.id)
        if len(calls) == 1:
            with database.begin(Actor.service("auth", on_behalf_of=user.id)) as other:
                (other.users.get(user.id)).extra = {"by": "other"}
        tx.session.execute(text("UPDATE auth.users SET is_active = false WHERE id = :id"), {"id": user.id})

    database.run(work, actor=Actor.service("auth", on_behalf_of=user.id), isolation="SERIALIZABLE")
    assert len(calls) == 2
    with database.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        after = tx.users.get(user.id)
    assert (after.is_active, after.extra) == (False, {"by": "other"})


def test_run_gives_up_after_its_attempts(database: Database) -> None:
    """The last conflict is raised, typed."""
    calls: list[int] = []

    def work(tx: Transaction) -> None:
        calls.append(1)
        raise TransactionConflict

    with pytest.raises(TransactionConflict):
        database.run(work, actor=Actor.service("auth"), attempts=3)
    assert len(calls) == 3


def test_run_does_not_repeat_other_errors(database: Database) -> None:
    """An error of the work itself is raised at once."""
    calls: list[int] = []

    def work(tx: Transaction) -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it carries no message on purpose
        database.run(work, actor=Actor.service("auth"))
    assert len(calls) == 1


def test_a_connection_lost_at_commit_is_unknown_and_never_retried(devmentor_url: str) -> None:
    """Trap 33: when the connection is gone at COMMIT nobody may guess, so `run` does not repeat it."""
    name = f"commit-{uuid4().hex[:8]}"
    calls: list[int] = []

    def work(tx: Transaction) -> None:
        calls.append(1)
        tx.session.execute(text("SELECT 1"))
        kill(killer, name)

    with Database.from_url(devmentor_url, application_name="killer") as killer:
        with Database.from_url(devmentor_url, application_name=name) as database:
            with pytest.raises(CommitUnknown):
                database.run(work, actor=Actor.service("auth"))
    assert len(calls) == 1


def test_an_exhausted_pool_is_a_typed_error_in_time(devmentor_url: str) -> None:
    """Trap 34: waiting for a connection is bounded."""
    with (
        Database.from_url(devmentor_url, pool_min=0, pool_max=1, pool_timeout_seconds=0.2) as database,
        database.begin(Actor.service("auth")),
    ):
        with pytest.raises(PoolTimeout):
            with database.begin(Actor.service("auth")):
                pass


def test_a_closed_database_says_so(devmentor_url: str) -> None:
    """After close() there is a typed error, and no new connection."""
    database = Database.from_url(devmentor_url)
    with database.begin(Actor.service("auth")):
        pass
    database.close()
    with pytest.raises(DatabaseClosed):
        with database.begin(Actor.service("auth")):
            pass
    with pytest.raises(DatabaseClosed):
        with database:
            pass


def test_settings_are_checked_and_never_printed() -> None:
    """A bad URL or limit is a configuration error that names the setting, not the password."""
    with pytest.raises(ConfigurationError, match="DEVMENTOR_POOL_MAX") as caught:
        Database.from_url("postgresql://me:hunter2@db/x", pool_max=0)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Database.from_url("hunter2 is no url")
    assert "hunter2" not in str(caught.value)


def test_an_actor_with_a_bad_value_is_refused_before_any_transaction() -> None:
    """NUL and over-long context never reach the server."""
    with pytest.raises(InvalidValue, match="request_id"):
        Actor.user(uuid4(), request_id="a\x00b")
    with pytest.raises(InvalidValue, match="ip_address"):
        Actor.service("auth", ip_address="nowhere")
    with pytest.raises(InvalidValue, match="user_id"):
        Actor.user("1")  # type: ignore[arg-type] # the mistake under test
    with pytest.raises(InvalidValue, match="user_id"):
        Actor.user(None)  # type: ignore[arg-type] # the mistake under test


def test_a_pool_that_cannot_connect_says_why() -> None:
    """Nobody listens there: the typed error carries the reason, which only the pool's workers met."""
    url = "postgresql://app:hunter2@127.0.0.1:1/devmentor"
    with Database.from_url(url, pool_min=0, pool_timeout_seconds=0.5) as database:
        for ask in (database.verify_schema, database.begin(Actor.service("auth")).__enter__):
            with pytest.raises(PoolTimeout, match="refused") as caught:
                ask()
            assert "hunter2" not in str(caught.value)


def test_an_unreachable_server_elsewhere_is_left_to_the_pool() -> None:
    """A server on another machine may be about to start: opening the database does not fail."""
    url = "postgresql://app@127.0.0.1:1/devmentor?sslmode=verify-full"
    with Database.from_url(url, pool_min=0, pool_timeout_seconds=0.5) as database:
        with pytest.raises(PoolTimeout):
            database.verify_schema()

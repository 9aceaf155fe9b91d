"""Transactions of one actor: what is bound, what survives, what is retried (DESIGN §4)."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
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


async def kill(killer: AsyncDatabase, name: str) -> None:
    """End the sessions of an application, and wait until they are gone."""
    for _ in range(1000):
        async with killer.begin(Actor.service("auth")) as tx:
            if not (await tx.session.execute(KILL, {"name": name})).all():
                return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_the_actor_is_bound_to_the_transaction(async_database: AsyncDatabase) -> None:
    """The database knows the user and the request, whatever characters they hold."""
    user_id = uuid4()
    actor = Actor.user(user_id, request_id='it\'s; \\ "quoted"')
    async with async_database.begin(actor) as tx:
        row = (await tx.session.execute(CONTEXT)).one()
    assert tuple(row) == (str(user_id), None, 'it\'s; \\ "quoted"')


async def test_nothing_of_an_actor_survives_into_the_next_checkout(devmentor_url: str) -> None:
    """Trap 1: on the same connection the next actor finds nothing of the one before."""
    async with AsyncDatabase.from_url(devmentor_url, pool_min=1, pool_max=1) as database:
        async with database.begin(Actor.user(uuid4(), request_id="first")) as tx:
            first = (await tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with database.begin(Actor.service("memory")) as tx:
            second = (await tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            row = (await tx.session.execute(CONTEXT)).one()
    assert first == second
    assert tuple(row) == (None, "memory", None)


async def test_without_an_actor_there_is_no_transaction(async_database: AsyncDatabase) -> None:
    """None is no actor, and the error says what to do."""
    with pytest.raises(ActorMissing, match=r"Actor\.user"):
        async_database.begin(None)  # type: ignore[arg-type] # the mistake under test


async def test_a_service_without_a_user_has_no_tenant(async_database: AsyncDatabase) -> None:
    """A repository that needs a tenant says so instead of returning nothing."""
    async with async_database.begin(Actor.service("projects")) as tx:
        with pytest.raises(ActorMissing, match="on_behalf_of"):
            _ = tx.users.user_id


async def test_a_block_commits_and_an_error_rolls_back(async_database: AsyncDatabase) -> None:
    """What the block wrote is there afterwards, or none of it when it raised."""
    kept, lost = UserFactory.build(), UserFactory.build()
    async with async_database.begin(Actor.service("auth")) as tx:
        tx.session.add(kept)
    with pytest.raises(RuntimeError, match="no"):
        async with async_database.begin(Actor.service("auth")) as tx:
            tx.session.add(lost)
            await tx.session.flush()
            raise RuntimeError("no")
    async with async_database.begin(Actor.service("auth", on_behalf_of=kept.id)) as tx:
        assert (await tx.users.get(kept.id)).email == kept.email
        with pytest.raises(NotFound, match="user"):
            await tx.users.get(lost.id)


async def test_a_read_only_transaction_refuses_writes(async_database: AsyncDatabase) -> None:
    """`readonly=True` is enforced by PostgreSQL."""
    with pytest.raises(DatabaseError) as caught:
        async with async_database.begin(Actor.service("auth"), readonly=True) as tx:
            tx.session.add(UserFactory.build())
    assert caught.value.sqlstate == "25006"


async def test_a_session_is_one_transaction(async_database: AsyncDatabase) -> None:
    """After a rollback by hand no statement runs outside the actor's transaction (trap 3)."""
    async with async_database.begin(Actor.service("auth")) as tx:
        await tx.session.rollback()
        with pytest.raises(Exception, match="Autobegin is disabled"):
            await tx.session.execute(text("SELECT 1"))


async def test_a_savepoint_undoes_its_block_only(async_database: AsyncDatabase) -> None:
    """A typed error inside a savepoint leaves the transaction usable, with its actor."""
    taken = UserFactory.build()
    async with async_database.begin(Actor.user(taken.id)) as tx:
        tx.session.add(taken)
        await tx.session.flush()
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                tx.session.add(UserFactory.build(email=taken.email))
                await tx.session.flush()
        assert (await tx.session.execute(CONTEXT)).one()[0] == str(taken.id)
        assert (await tx.users.get(taken.id)) is taken


async def test_a_violation_is_typed_and_tells_no_values(async_database: AsyncDatabase) -> None:
    """Point by point: constraint, table, columns; the other tenant's address appears nowhere."""
    taken = UserFactory.build()
    async with async_database.begin(Actor.service("auth")) as tx:
        tx.session.add(taken)
    with pytest.raises(UniqueViolation) as caught:
        async with async_database.begin(Actor.service("auth")) as tx:
            tx.session.add(UserFactory.build(email=taken.email.upper()))
    error = caught.value
    assert (error.constraint, error.table, error.columns) == (
        "uq_users_email_key",
        "auth.users",
        ("email",),
    )
    seen: list[BaseException | None] = [error, error.__cause__, error.__context__]
    assert taken.email.lower() not in " ".join(map(repr, seen)).lower()


async def test_a_statement_outside_repositories_raises_the_same_errors(async_database: AsyncDatabase) -> None:
    """Raw SQL on the session is translated too, while the block runs; the block cannot be committed then."""
    with pytest.raises(TransactionAborted):
        async with async_database.begin(Actor.service("auth")) as tx:
            with pytest.raises(DatabaseError) as caught:
                await tx.session.execute(text("SELECT 1 / 0"))
            assert caught.value.sqlstate == "22012"


async def test_a_lost_write_is_noticed(async_database: AsyncDatabase) -> None:
    """The second of two writers who read the same version is refused."""
    user = UserFactory.build()
    async with async_database.begin(Actor.service("auth")) as tx:
        tx.session.add(user)
    with pytest.raises(VersionConflict):
        async with async_database.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
            mine = await tx.users.get(user.id)
            async with async_database.begin(Actor.service("auth", on_behalf_of=user.id)) as other:
                (await other.users.get(user.id)).is_active = False
            mine.extra = {"theme": "dark"}


async def test_the_trigger_counts_versions_for_any_writer(async_database: AsyncDatabase) -> None:
    """A bulk statement moves `version` and `updated_at` as the ORM does."""
    user = UserFactory.build()
    async with async_database.begin(Actor.service("auth")) as tx:
        tx.session.add(user)
    before = user.updated_at
    async with async_database.begin(Actor.service("auth")) as tx:
        await tx.session.execute(
            text("UPDATE auth.users SET is_active = false WHERE id = :id"), {"id": user.id}
        )
    async with async_database.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        after = await tx.users.get(user.id)
    assert (after.version, after.updated_at > before) == (2, True)


async def test_dead_idle_connections_are_replaced_unnoticed(devmentor_url: str) -> None:
    """What the server closed is seen before it is used: without its idle connections work goes on."""
    name = f"idle-{uuid4().hex[:8]}"
    async with AsyncDatabase.from_url(devmentor_url, pool_min=2, application_name=name) as database:
        async with database.begin(Actor.service("auth")):
            pass
        async with AsyncDatabase.from_url(devmentor_url, pool_min=0, application_name="killer") as killer:
            await kill(killer, name)
        async with database.begin(Actor.service("auth")) as tx:
            assert (await tx.session.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_connection_lost_in_the_middle_is_retried_by_run(devmentor_url: str) -> None:
    """`run` repeats the whole callable when the connection broke before COMMIT."""
    name = f"run-{uuid4().hex[:8]}"
    calls: list[int] = []
    user = UserFactory.build()

    async def work(tx: AsyncTransaction) -> int:
        calls.append(1)
        await tx.session.merge(user)
        await tx.session.flush()
        if len(calls) == 1:
            await kill(killer, name)
            await tx.session.execute(text("SELECT 1"))
        return len(calls)

    async with AsyncDatabase.from_url(devmentor_url, application_name="killer") as killer:
        async with AsyncDatabase.from_url(devmentor_url, application_name=name) as database:
            assert await database.run(work, actor=Actor.service("auth")) == 2
            async with database.begin(Actor.service("auth")) as tx:
                assert await tx.session.get(User, user.id) is not None


async def test_run_repeats_a_serialization_failure(async_database: AsyncDatabase) -> None:
    """Two serializable transactions that read and write each other's row: the loser runs again."""
    user = UserFactory.build()
    async with async_database.begin(Actor.service("auth")) as tx:
        tx.session.add(user)
    calls: list[int] = []

    async def work(tx: AsyncTransaction) -> None:
        calls.append(1)
        await tx.users.get(user.id)
        if len(calls) == 1:
            async with async_database.begin(Actor.service("auth", on_behalf_of=user.id)) as other:
                (await other.users.get(user.id)).extra = {"by": "other"}
        await tx.session.execute(
            text("UPDATE auth.users SET is_active = false WHERE id = :id"), {"id": user.id}
        )

    await async_database.run(
        work, actor=Actor.service("auth", on_behalf_of=user.id), isolation="SERIALIZABLE"
    )
    assert len(calls) == 2
    async with async_database.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        after = await tx.users.get(user.id)
    assert (after.is_active, after.extra) == (False, {"by": "other"})


async def test_run_gives_up_after_its_attempts(async_database: AsyncDatabase) -> None:
    """The last conflict is raised, typed."""
    calls: list[int] = []

    async def work(tx: AsyncTransaction) -> None:
        calls.append(1)
        raise TransactionConflict

    with pytest.raises(TransactionConflict):
        await async_database.run(work, actor=Actor.service("auth"), attempts=3)
    assert len(calls) == 3


async def test_run_does_not_repeat_other_errors(async_database: AsyncDatabase) -> None:
    """An error of the work itself is raised at once."""
    calls: list[int] = []

    async def work(tx: AsyncTransaction) -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it carries no message on purpose
        await async_database.run(work, actor=Actor.service("auth"))
    assert len(calls) == 1


async def test_a_connection_lost_at_commit_is_unknown_and_never_retried(devmentor_url: str) -> None:
    """Trap 33: when the connection is gone at COMMIT nobody may guess, so `run` does not repeat it."""
    name = f"commit-{uuid4().hex[:8]}"
    calls: list[int] = []

    async def work(tx: AsyncTransaction) -> None:
        calls.append(1)
        await tx.session.execute(text("SELECT 1"))
        await kill(killer, name)

    async with AsyncDatabase.from_url(devmentor_url, application_name="killer") as killer:
        async with AsyncDatabase.from_url(devmentor_url, application_name=name) as database:
            with pytest.raises(CommitUnknown):
                await database.run(work, actor=Actor.service("auth"))
    assert len(calls) == 1


async def test_an_exhausted_pool_is_a_typed_error_in_time(devmentor_url: str) -> None:
    """Trap 34: waiting for a connection is bounded."""
    async with (
        AsyncDatabase.from_url(devmentor_url, pool_min=0, pool_max=1, pool_timeout_seconds=0.2) as database,
        database.begin(Actor.service("auth")),
    ):
        with pytest.raises(PoolTimeout):
            async with database.begin(Actor.service("auth")):
                pass


async def test_a_closed_database_says_so(devmentor_url: str) -> None:
    """After close() there is a typed error, and no new connection."""
    database = AsyncDatabase.from_url(devmentor_url)
    async with database.begin(Actor.service("auth")):
        pass
    await database.close()
    with pytest.raises(DatabaseClosed):
        async with database.begin(Actor.service("auth")):
            pass
    with pytest.raises(DatabaseClosed):
        async with database:
            pass


async def test_settings_are_checked_and_never_printed() -> None:
    """A bad URL or limit is a configuration error that names the setting, not the password."""
    with pytest.raises(ConfigurationError, match="DEVMENTOR_POOL_MAX") as caught:
        AsyncDatabase.from_url("postgresql://me:hunter2@db/x", pool_max=0)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        AsyncDatabase.from_url("hunter2 is no url")
    assert "hunter2" not in str(caught.value)


async def test_an_actor_with_a_bad_value_is_refused_before_any_transaction() -> None:
    """NUL and over-long context never reach the server."""
    with pytest.raises(InvalidValue, match="request_id"):
        Actor.user(uuid4(), request_id="a\x00b")
    with pytest.raises(InvalidValue, match="ip_address"):
        Actor.service("auth", ip_address="nowhere")
    with pytest.raises(InvalidValue, match="user_id"):
        Actor.user("1")  # type: ignore[arg-type] # the mistake under test
    with pytest.raises(InvalidValue, match="user_id"):
        Actor.user(None)  # type: ignore[arg-type] # the mistake under test


async def test_a_pool_that_cannot_connect_says_why() -> None:
    """Nobody listens there: the typed error carries the reason, which only the pool's workers met."""
    url = "postgresql://app:hunter2@127.0.0.1:1/devmentor"
    async with AsyncDatabase.from_url(url, pool_min=0, pool_timeout_seconds=0.5) as database:
        for ask in (database.verify_schema, database.begin(Actor.service("auth")).__aenter__):
            with pytest.raises(PoolTimeout, match="refused") as caught:
                await ask()
            assert "hunter2" not in str(caught.value)


async def test_an_unreachable_server_elsewhere_is_left_to_the_pool() -> None:
    """A server on another machine may be about to start: opening the database does not fail."""
    url = "postgresql://app@127.0.0.1:1/devmentor?sslmode=verify-full"
    async with AsyncDatabase.from_url(url, pool_min=0, pool_timeout_seconds=0.5) as database:
        with pytest.raises(PoolTimeout):
            await database.verify_schema()

"""Errors say what happened, in a class of their own, without values."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import (
    DatabaseError,
    InvalidValue,
    PermissionDenied,
    ReadOnlyTransaction,
    SessionMisused,
    TransactionAborted,
    TransactionOver,
    UniqueViolation,
    ValueRefused,
    ValueUnreadable,
)
from devmentor_models.projects.models import Project
from tests.support.hostile import MARK, quoted
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio


@pytest.fixture
def me(new_user: NewUser) -> UUID:
    """Return the id of a user of the test's own."""
    return new_user().id


async def test_after_a_failed_statement_the_transaction_says_so(
    async_database: AsyncDatabase, me: UUID
) -> None:
    """Whatever else is called in it; the way out is in the message."""
    async with async_database.begin(Actor.user(me)) as tx:
        with pytest.raises(DatabaseError):
            await tx.session.execute(text("SELECT 1 / 0"))
        with pytest.raises(TransactionAborted, match="savepoint"):
            await tx.projects.list()
        await tx.session.rollback()


async def test_after_a_failed_flush_the_transaction_says_so(async_database: AsyncDatabase, me: UUID) -> None:
    """SQLAlchemy speaks of a pending rollback then."""
    async with async_database.begin(Actor.user(me)) as tx:
        await tx.teams.create(name="Same")
        with pytest.raises(UniqueViolation) as caught:
            await tx.teams.create(name="SAME")
        assert caught.value.columns == ("user_id", "name")
        with pytest.raises(TransactionAborted, match="savepoint"):
            await tx.teams.list()
        await tx.session.rollback()


async def test_the_end_of_a_block_that_goes_on_after_an_error(
    async_database: AsyncDatabase, me: UUID
) -> None:
    """COMMIT of a transaction that failed is no success."""
    with pytest.raises(TransactionAborted):
        async with async_database.begin(Actor.user(me)) as tx:
            await tx.teams.create(name="Same")
            with pytest.raises(UniqueViolation):
                await tx.teams.create(name="SAME")


async def test_a_transaction_that_is_over_says_so(async_database: AsyncDatabase, me: UUID) -> None:
    """After a rollback by hand, and after its block."""
    async with async_database.begin(Actor.user(me)) as tx:
        await tx.session.rollback()
        with pytest.raises(TransactionOver, match="begin another"):
            await tx.projects.list()
    with pytest.raises(TransactionOver):
        await tx.projects.create(name="Late")
    with pytest.raises(TransactionOver):
        _ = tx.tasks  # not asked for before
    with pytest.raises(TransactionOver):
        _ = tx.session


async def test_a_transaction_that_has_not_begun_says_so(async_database: AsyncDatabase, me: UUID) -> None:
    """Whoever forgets the ``with``."""
    tx = async_database.begin(Actor.user(me))
    for get in (lambda: tx.session, lambda: tx.projects):
        with pytest.raises(SessionMisused, match="with statement"):
            get()


async def test_a_write_in_a_read_only_transaction(async_database: AsyncDatabase, me: UUID) -> None:
    """By a repository as well as by what is in its nature a write: a search that is logged."""
    for write in ("create", "search"):
        with pytest.raises(ReadOnlyTransaction, match="readonly=True"):
            async with async_database.begin(Actor.user(me), readonly=True) as tx:
                if write == "create":
                    await tx.projects.create(name="No")
                else:
                    await tx.memory.search("words", log=True)


async def test_a_refused_right_names_what_and_who(
    async_database: AsyncDatabase, database_url: str, me: UUID
) -> None:
    """Tables and functions, whether the server's message quotes, qualifies or only mentions them."""
    login = database_url.partition("://")[2].partition(":")[0]
    for statement, name in (
        ("SELECT * FROM devmentor.context_keys", "context_keys"),
        ("UPDATE auth.users SET role = 'admin'", "auth.users"),
        ("SELECT auth.accounts(NULL, NULL, NULL, 1)", "auth.accounts"),
        ("INSERT INTO auth.teams (user_id, name) VALUES (devmentor.uuidv7(), 'x')", "auth.teams"),
    ):
        with pytest.raises(PermissionDenied) as caught:
            async with async_database.begin(Actor.user(me)) as tx:
                await tx.session.execute(text(statement))
        assert (caught.value.object, caught.value.login) == (name, login)
        assert name in str(caught.value)
        assert login in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("SELECT CAST(:value AS uuid)", "22P02"),
        ("SELECT CAST(:value AS date)", "22007"),
        ("SELECT CAST(:value AS jsonb)", "22P02"),
        ("SELECT CAST('1' || repeat('0', 30) || substr(:value, 1, 0) AS bigint)", "22003"),
        ("INSERT INTO auth.teams (user_id, name) VALUES (devmentor.user_id(), repeat(:value, 99))", "22001"),
        ("SELECT CAST(:value || '2026-99-99' AS timestamptz)", "22007"),
        ("SELECT to_date(substr(:value, 1, 0) || '2026-99-99', 'YYYY-MM-DD')", "22008"),
    ],
)
async def test_a_value_that_the_server_refuses(
    async_database: AsyncDatabase, me: UUID, statement: str, sqlstate: str
) -> None:
    """In a statement of the caller's own: a refused value, by its code, and not quoted."""
    with pytest.raises(InvalidValue) as caught:
        async with async_database.begin(Actor.user(me)) as tx:
            await tx.session.execute(text(statement), {"value": MARK})
    assert isinstance(caught.value, ValueRefused)
    assert caught.value.sqlstate == sqlstate
    assert quoted(caught.value) is None


@pytest.mark.parametrize("value", [f"{MARK}\x00", f"{MARK}\ud800", object()], ids=["NUL", "lone", "other"])
async def test_a_value_that_cannot_be_sent(async_database: AsyncDatabase, me: UUID, value: object) -> None:
    """Python and psycopg refuse it, each in a way of its own."""
    with pytest.raises((InvalidValue, DatabaseError)) as caught:
        async with async_database.begin(Actor.user(me)) as tx:
            await tx.session.execute(text("SELECT :value"), {"value": value})
    assert quoted(caught.value) is None


@pytest.mark.parametrize("value", ["'infinity'::date", "'0044-03-15 BC'::date", "'12000-01-01'::timestamptz"])
async def test_a_value_that_cannot_be_read(async_database: AsyncDatabase, me: UUID, value: str) -> None:
    """PostgreSQL has dates that Python has not."""
    with pytest.raises(ValueUnreadable):
        async with async_database.begin(Actor.user(me)) as tx:
            (await tx.session.execute(text(f"SELECT {value}"))).all()


async def test_a_member_that_a_newer_release_has_added(
    devmentor_database_url: str, new_user: NewUser
) -> None:
    """Reading it says so, instead of a LookupError that quotes it."""
    async with AsyncDatabase.from_url(devmentor_database_url, pool_min=0) as database:
        async with database.begin(Actor.service("auth")) as tx:
            await tx.session.execute(text(f"ALTER TYPE projects.project_status ADD VALUE '{MARK}'"))
        async with database.begin(Actor.service("auth")) as tx:
            registered = await tx.users.register(email="a@example.com", username="a", password_hash="x")
            await tx.session.execute(text(f"UPDATE projects.projects SET status = '{MARK}'"))
        with pytest.raises(ValueUnreadable, match="newer release") as caught:
            async with database.begin(Actor.user(registered.user.id)) as tx:
                await tx.projects.list()
    assert quoted(caught.value) is None


async def test_a_misused_session_says_how(async_database: AsyncDatabase, me: UUID) -> None:
    """SQLAlchemy's errors of the block itself are translated where it ends."""
    with pytest.raises(SessionMisused, match="is not mapped"):
        async with async_database.begin(Actor.user(me)) as tx:
            tx.session.add(object())


async def test_errors_of_the_block_stay_what_they_are(async_database: AsyncDatabase, me: UUID) -> None:
    """A mistake in the caller's own code is none of ours, in a savepoint as little as in a transaction."""
    for kind in (KeyError, TypeError, ValueError, LookupError, OverflowError):
        with pytest.raises(kind) as caught:
            async with async_database.begin(Actor.user(me)) as tx, tx.savepoint():
                raise kind(MARK)
        assert caught.value.args == (MARK,)


async def test_after_a_failed_savepoint_objects_can_be_read(async_database: AsyncDatabase, me: UUID) -> None:
    """With what the rows hold: what the block changed, what it did not, and what was loaded with them."""
    async with async_database.begin(Actor.user(me)) as tx:
        project = await tx.projects.create(name="Before", slug="before")
        roadmap = await tx.roadmaps.create(title="Way", steps=[])
        other = await tx.projects.create(name="Other", slug="other")
        made: list[Project] = []
        for slug in ("before", "free"):
            with pytest.raises((UniqueViolation, RuntimeError)):
                async with tx.savepoint():
                    await tx.projects.update(project.id, name="After")
                    roadmap.title = "Lost"
                    made.append(await tx.projects.create(name="New", slug=slug))
                    raise RuntimeError
            assert (project.name, project.slug, other.name) == ("Before", "before", "Other")
            assert (roadmap.title, roadmap.steps) == ("Way", [])
        # Not in the database any more, but what it was can be read.
        assert [item.name for item in made] == ["New"]
        assert (await tx.projects.update(project.id, name="At last")).name == "At last"
    async with async_database.begin(Actor.user(me)) as tx:
        assert sorted(item.name for item in (await tx.projects.list()).items) == ["At last", "Other"]

"""A task that is cancelled, anywhere and in any way, takes nothing of the pool and runs on nowhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import anyio
import pytest
from sqlalchemy import select, text

from devmentor_models.auth.models import User
from devmentor_models.connecting_async import CANCEL_AGAIN_SECONDS, CANCEL_SECONDS
from tests.faults.balance_async import ACTOR, PATIENCE_SECONDS, SIZE, AsyncBalance, async_balanced
from tests.support.concurrency_async import until
from tests.support.proxy import Proxy

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.faults)]),
]
Work = Callable[[], Awaitable[None]]
#: Longer than anybody here waits.
FOREVER = "pg_sleep(600)"
#: After how many turns of the event loop to cancel: a whole transaction takes fewer.
TURNS = range(0, 240, 3)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail when something is logged as an error, or a cancellation at all."""
    caplog.set_level(logging.INFO)
    yield
    assert [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR
        or "CancelledError" in record.getMessage()
        or (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
    ] == []


async def once(work: Work, started: Callable[[], bool]) -> None:
    """Cancel a task."""
    task = asyncio.ensure_future(work())
    await until(started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def twice(work: Work, started: Callable[[], bool]) -> None:
    """Cancel a task again while it cleans up."""
    task = asyncio.ensure_future(work())
    await until(started)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def at_every_turn(work: Work, started: Callable[[], bool]) -> None:
    """Cancel a task as long as it lives."""
    task = asyncio.ensure_future(work())
    await until(started)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()


async def by_timeout(work: Work, started: Callable[[], bool]) -> None:
    """Run out of time."""
    limit = asyncio.timeout(None)

    async def expire() -> None:
        await until(started)
        limit.reschedule(0)

    expiring = asyncio.ensure_future(expire())
    with pytest.raises(TimeoutError):
        async with limit:
            await work()
    await expiring


async def by_scope(work: Work, started: Callable[[], bool]) -> None:
    """Leave a cancel scope of anyio, which cancels again and again."""
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as group:

        async def cancel() -> None:
            await until(started)
            scope.cancel()

        with scope:
            group.start_soon(cancel)
            await work()
    assert scope.cancelled_caught


async def by_group(work: Work, started: Callable[[], bool]) -> None:
    """Fail beside it in a task group."""

    async def fail() -> None:
        await until(started)
        raise RuntimeError("beside")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())  # type: ignore[arg-type] # it is a coroutine
            group.create_task(fail())
    assert [type(error) for error in caught.value.exceptions] == [RuntimeError]


WAYS = [once, twice, at_every_turn, by_timeout, by_scope, by_group]
Way = Callable[[Work, Callable[[], bool]], Awaitable[None]]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_statement_is_cancelled(way: Way, prepared: bool, devmentor_url: str) -> None:
    """The statement ends in the server, too, and at once."""
    async with async_balanced(devmentor_url, prepared_statements=prepared) as balance:

        async def work() -> None:
            async with balance.database.begin(ACTOR) as tx:
                await tx.session.execute(text(f"SELECT {FOREVER}"))

        for _ in range(SIZE + 1):
            await way(work, balance.waits)
            await balance.settle()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_commit_is_cancelled(way: Way, prepared: bool, devmentor_url: str) -> None:
    """COMMIT waits for a deferred trigger: nothing is committed and nothing stays."""
    deferred = (
        "CREATE TEMPORARY TABLE slow (id int) ON COMMIT DROP",
        f"""CREATE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN PERFORM {FOREVER}; RETURN NULL; END $$""",
        """CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.wait()""",
        "INSERT INTO slow VALUES (1)",
    )
    async with async_balanced(devmentor_url, prepared_statements=prepared) as balance:

        async def work() -> None:
            async with balance.database.begin(ACTOR) as tx:
                for statement in deferred:
                    await tx.session.execute(text(statement))

        for _ in range(SIZE + 1):
            await way(work, lambda: "COMMIT" in running(balance))
            await balance.settle()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_what_an_earlier_block_did_not_wait_for_is_cancelled(
    way: Way, prepared: bool, devmentor_url: str
) -> None:
    """A block that only read left the answer to COMMIT to the next one, which gives up before it comes."""
    with Proxy(devmentor_url) as proxy:
        async with async_balanced(
            devmentor_url, proxy.url, prepared_statements=prepared, pool_max=1
        ) as balance:

            async def read() -> None:
                async with balance.database.begin(ACTOR, readonly=True) as tx:
                    await tx.session.execute(select(User.id).limit(1))
                    proxy.holding = True

            def started() -> bool:
                asyncio.get_running_loop().call_later(0.05, setattr, proxy, "holding", False)
                return not balance.database.pool_stats().available

            for _ in range(2):
                await read()
                await until(lambda: balance.database.pool_stats().available == 1)
                await way(read, started)
                proxy.holding = False
                await balance.settle()


def running(balance: AsyncBalance) -> list[str]:
    """Return the statements that the server is at."""
    query = "SELECT query FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
    return [str(row[0]) for row in balance.ask(query, balance.name)]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_waiting_for_a_connection_is_cancelled(way: Way, prepared: bool, devmentor_url: str) -> None:
    """Who waits no longer is given none."""
    async with async_balanced(devmentor_url, prepared_statements=prepared, pool_max=1) as balance:

        async def work() -> None:
            async with balance.database.begin(ACTOR):
                raise AssertionError("there was none to be had")

        async with balance.database.begin(ACTOR):
            for _ in range(2):
                await way(work, lambda: balance.database.pool_stats().waiting == 1)


async def arriving(balance: AsyncBalance, work: Work, turns: int) -> asyncio.Future[None]:
    """Return a task that waited for the only connection, some turns of the loop after it has come free."""
    async with balance.database.begin(ACTOR):
        task = asyncio.ensure_future(work())
        await until(lambda: balance.database.pool_stats().waiting == 1)
        await asyncio.sleep(0.01)
    for _ in range(turns):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_comes_with_the_cancellation(
    turns: int, prepared: bool, devmentor_url: str
) -> None:
    """Python before 3.12 loses a cancellation when what was waited for has come in the same moment."""
    async with async_balanced(devmentor_url, prepared_statements=prepared, pool_max=1) as balance:

        async def work() -> None:
            async with balance.database.begin(ACTOR) as tx:
                await tx.session.execute(text("SELECT 1"))

        task = await arriving(balance, work, turns)
        if task.done():  # so few turns suffice for a transaction that is all in one message
            return
        assert task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_comes_with_the_end_of_a_scope(
    turns: int, prepared: bool, devmentor_url: str
) -> None:
    """Anyio knows its own cancellations by what they say, and lets every other one out of the scope."""
    async with async_balanced(devmentor_url, prepared_statements=prepared, pool_max=1) as balance:
        scope = anyio.CancelScope()

        async def work() -> None:
            with scope:
                async with balance.database.begin(ACTOR) as tx:
                    await tx.session.execute(text("SELECT 1"))

        task = await arriving(balance, work, turns)
        scope.cancel()
        await task


@pytest.mark.parametrize("way", [twice, at_every_turn, by_scope], ids=lambda way: way.__name__)
async def test_a_statement_far_away_is_cancelled(way: Way, prepared: bool, devmentor_url: str) -> None:
    """The request to cancel takes a while to arrive, and no second cancellation keeps it from arriving."""
    with Proxy(devmentor_url, delay=0.01) as proxy:
        async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared) as balance:

            async def work() -> None:
                async with balance.database.begin(ACTOR) as tx:
                    await tx.session.execute(text(f"SELECT {FOREVER}"))

            for _ in range(SIZE + 1):
                await way(work, balance.waits)
                await balance.settle()


@pytest.mark.parametrize("way", [once, by_timeout], ids=lambda way: way.__name__)
async def test_a_cancellation_overtakes_its_statement(way: Way, prepared: bool, devmentor_url: str) -> None:
    """The server has nothing to give up yet when it is asked to; so it is asked again."""
    with Proxy(devmentor_url, delay=0.04) as proxy:
        async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared) as balance:

            async def work() -> None:
                async with balance.database.begin(ACTOR) as tx:
                    await tx.session.execute(text(f"SELECT {FOREVER}"))

            await balance.assert_whole()
            await way(work, lambda: balance.database.pool_stats().available < SIZE)
            assert 1 < proxy.cancels < CANCEL_SECONDS / CANCEL_AGAIN_SECONDS


async def test_a_cancellation_that_nothing_answers(prepared: bool, devmentor_url: str) -> None:
    """The network has gone silent: the task ends all the same, and its connection with it."""
    with Proxy(devmentor_url) as proxy:
        async with async_balanced(devmentor_url, proxy.url, prepared_statements=prepared) as balance:

            async def work() -> None:
                async with balance.database.begin(ACTOR) as tx:
                    await tx.session.execute(text(f"SELECT {FOREVER}"))

            task = asyncio.ensure_future(work())
            await until(balance.waits)
            proxy.silent = True
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE_SECONDS)
            assert task.cancelled()
            assert proxy.silent
            proxy.silent = False
            await balance.settle()


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(None, id="once"),
        pytest.param(0, id="twice", marks=pytest.mark.faults),
        pytest.param(1, id="a turn later"),
        pytest.param(5, id="turns later", marks=pytest.mark.faults),
    ],
)
@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
async def test_a_transaction_is_cancelled_at_any_turn(
    again: int | None, fails: bool, prepared: bool, devmentor_url: str
) -> None:
    """Whatever it awaits: a connection, BEGIN, a statement, COMMIT, ROLLBACK. The cancellation arrives."""
    finished = 0
    async with async_balanced(devmentor_url, prepared_statements=prepared) as balance:

        async def work() -> None:
            with suppress(ZeroDivisionError):
                async with balance.database.begin(ACTOR) as tx:
                    await tx.session.execute(text("SELECT 1"))
                    if fails:
                        raise ZeroDivisionError

        for turns in TURNS:
            task = asyncio.ensure_future(work())
            for _ in range(turns):
                await asyncio.sleep(0)
            cancelled = task.cancel()
            if cancelled and again is not None:
                for _ in range(again):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() == cancelled, f"after {turns} turns"
            finished += not cancelled
        await balance.settle()
    assert finished < len(TURNS)

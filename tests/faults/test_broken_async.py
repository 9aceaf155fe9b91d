"""A connection that breaks, however a transaction ends, takes nothing of the pool with it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NoReturn

import pytest
from sqlalchemy import event, text

from devmentor_models import AsyncDatabase
from devmentor_models.errors import CommitUnknown, ConnectionLost, TransactionReused
from tests.faults.balance_async import ACTOR, SIZE, AsyncBalance, async_balanced

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unprepared"]),
]
ONE = text("SELECT 1")
SUICIDE = text("SELECT pg_terminate_backend(pg_backend_pid())")


async def killed_idle(balance: AsyncBalance) -> None:
    """Every idle connection dies, and nobody notices."""
    async with balance.database.begin(ACTOR):
        pass
    balance.kill()
    async with balance.database.begin(ACTOR) as tx:
        await tx.session.execute(ONE)


async def killed_between_statements(balance: AsyncBalance) -> None:
    """The next statement finds out."""
    with pytest.raises(ConnectionLost):
        async with balance.database.begin(ACTOR) as tx:
            balance.kill()
            await tx.session.execute(ONE)


async def killed_in_a_statement(balance: AsyncBalance) -> None:
    """The statement itself finds out."""
    with pytest.raises(ConnectionLost):
        async with balance.database.begin(ACTOR) as tx:
            await tx.session.execute(ONE)
            await tx.session.execute(SUICIDE)


async def killed_before_commit(balance: AsyncBalance) -> None:
    """COMMIT finds out."""
    with pytest.raises(CommitUnknown):
        async with balance.database.begin(ACTOR) as tx:
            await tx.session.execute(ONE)
            balance.kill()


async def killed_before_rollback(balance: AsyncBalance) -> None:
    """ROLLBACK finds out; what the block raised is what counts."""
    with pytest.raises(RuntimeError, match="of the block"):
        async with balance.database.begin(ACTOR) as tx:
            await tx.session.execute(ONE)
            balance.kill()
            raise RuntimeError("of the block")


async def killed_in_a_savepoint(balance: AsyncBalance) -> None:
    """So does a savepoint that would be undone."""
    with pytest.raises(ConnectionLost):
        async with balance.database.begin(ACTOR) as tx:
            async with tx.savepoint():
                await tx.session.execute(SUICIDE)


async def error_in_a_listener(balance: AsyncBalance) -> None:
    """The end of the block raises in the middle of its work."""

    def fail(*arguments: object) -> NoReturn:
        raise RuntimeError("of the listener")

    with pytest.raises(RuntimeError, match="of the listener"):
        async with balance.database.begin(ACTOR) as tx:
            await tx.session.execute(ONE)
            event.listen(tx.session.sync_session, "after_transaction_end", fail)
            event.listen(tx.session.sync_session, "after_rollback", fail)
            raise RuntimeError("of the block")


async def error_at_commit(balance: AsyncBalance) -> None:
    """A listener refuses the commit."""

    def fail(*arguments: object) -> NoReturn:
        raise RuntimeError("of the listener")

    with pytest.raises(RuntimeError, match="of the listener"):
        async with balance.database.begin(ACTOR) as tx:
            await tx.session.execute(ONE)
            event.listen(tx.session.sync_session, "before_commit", fail)


async def entered_twice(balance: AsyncBalance) -> None:
    """The second entry is refused; the first goes on."""
    async with balance.database.begin(ACTOR) as tx:
        with pytest.raises(TransactionReused):
            async with tx:
                pass
        await tx.session.execute(ONE)
    with pytest.raises(TransactionReused):
        async with tx:
            pass


async def generator_abandoned(balance: AsyncBalance) -> None:
    """Nobody reads a generator to its end, and it is collected."""

    async def rows(database: AsyncDatabase) -> AsyncIterator[int]:
        async with database.begin(ACTOR) as tx:
            yield (await tx.session.execute(ONE)).scalar_one()
            yield 2

    abandoned = rows(balance.database)
    assert await anext(abandoned) == 1
    del abandoned


FAULTS = [
    killed_idle,
    killed_between_statements,
    killed_in_a_statement,
    killed_before_commit,
    killed_before_rollback,
    killed_in_a_savepoint,
    error_in_a_listener,
    error_at_commit,
    entered_twice,
    generator_abandoned,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_the_pool_is_whole_after(
    fault: Callable[[AsyncBalance], Awaitable[None]],
    prepared: bool,
    devmentor_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As often as the pool is large, and once more; nothing is logged as an error."""
    async with async_balanced(devmentor_url, prepared_statements=prepared) as balance:
        for _ in range(SIZE + 1):
            await fault(balance)
        await balance.settle()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []

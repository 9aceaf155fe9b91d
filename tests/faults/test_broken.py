# Generated from test_broken_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""A connection that breaks, however a transaction ends, takes nothing of the pool with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from sqlalchemy import event, text

from devmentor_models import Database
from devmentor_models.errors import CommitUnknown, ConnectionLost, TransactionReused
from tests.faults.balance import ACTOR, SIZE, Balance, balanced

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unprepared"]),
]
ONE = text("SELECT 1")
SUICIDE = text("SELECT pg_terminate_backend(pg_backend_pid())")


def killed_idle(balance: Balance) -> None:
    """Every idle connection dies, and nobody notices."""
    with balance.database.begin(ACTOR):
        pass
    balance.kill()
    with balance.database.begin(ACTOR) as tx:
        tx.session.execute(ONE)


def killed_between_statements(balance: Balance) -> None:
    """The next statement finds out."""
    with pytest.raises(ConnectionLost):
        with balance.database.begin(ACTOR) as tx:
            balance.kill()
            tx.session.execute(ONE)


def killed_in_a_statement(balance: Balance) -> None:
    """The statement itself finds out."""
    with pytest.raises(ConnectionLost):
        with balance.database.begin(ACTOR) as tx:
            tx.session.execute(ONE)
            tx.session.execute(SUICIDE)


def killed_before_commit(balance: Balance) -> None:
    """COMMIT finds out."""
    with pytest.raises(CommitUnknown):
        with balance.database.begin(ACTOR) as tx:
            tx.session.execute(ONE)
            balance.kill()


def killed_before_rollback(balance: Balance) -> None:
    """ROLLBACK finds out; what the block raised is what counts."""
    with pytest.raises(RuntimeError, match="of the block"):
        with balance.database.begin(ACTOR) as tx:
            tx.session.execute(ONE)
            balance.kill()
            raise RuntimeError("of the block")


def killed_in_a_savepoint(balance: Balance) -> None:
    """So does a savepoint that would be undone."""
    with pytest.raises(ConnectionLost):
        with balance.database.begin(ACTOR) as tx:
            with tx.savepoint():
                tx.session.execute(SUICIDE)


def error_in_a_listener(balance: Balance) -> None:
    """The end of the block raises in the middle of its work."""

    def fail(*arguments: object) -> NoReturn:
        raise RuntimeError("of the listener")

    with pytest.raises(RuntimeError, match="of the listener"):
        with balance.database.begin(ACTOR) as tx:
            tx.session.execute(ONE)
            event.listen(tx.session, "after_transaction_end", fail)
            event.listen(tx.session, "after_rollback", fail)
            raise RuntimeError("of the block")


def error_at_commit(balance: Balance) -> None:
    """A listener refuses the commit."""

    def fail(*arguments: object) -> NoReturn:
        raise RuntimeError("of the listener")

    with pytest.raises(RuntimeError, match="of the listener"):
        with balance.database.begin(ACTOR) as tx:
            tx.session.execute(ONE)
            event.listen(tx.session, "before_commit", fail)


def entered_twice(balance: Balance) -> None:
    """The second entry is refused; the first goes on."""
    with balance.database.begin(ACTOR) as tx:
        with pytest.raises(TransactionReused):
            with tx:
                pass
        tx.session.execute(ONE)
    with pytest.raises(TransactionReused):
        with tx:
            pass


def generator_abandoned(balance: Balance) -> None:
    """Nobody reads a generator to its end, and it is collected."""

    def rows(database: Database) -> Iterator[int]:
        with database.begin(ACTOR) as tx:
            yield (tx.session.execute(ONE)).scalar_one()
            yield 2

    abandoned = rows(balance.database)
    assert next(abandoned) == 1
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
def test_the_pool_is_whole_after(
    fault: Callable[[Balance], None],
    prepared: bool,
    devmentor_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As often as the pool is large, and once more; nothing is logged as an error."""
    with balanced(devmentor_url, prepared_statements=prepared) as balance:
        for _ in range(SIZE + 1):
            fault(balance)
        balance.settle()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []

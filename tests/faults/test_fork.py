"""A forked process has a pool of its own, and leaves its parent's alone (sockets are shared after a fork)."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from tempfile import TemporaryFile
from typing import Any
from uuid import uuid4

import anyio
import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase, Database
from devmentor_models.errors import TransactionInherited
from tests.faults.balance import SIZE, Balance, balanced

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
CHILDREN = 4
#: How long children may take, on a machine that is busy.
ANSWER_SECONDS = 30
BUSY_ROUNDS = 5
#: The backend, and whose transaction it is.
WHO = text("SELECT pg_backend_pid(), current_setting('devmentor.user_id')")


@pytest.fixture
def balance(devmentor_url: str) -> Iterator[Balance]:
    """Yield a pool whose connections have all been made."""
    with balanced(devmentor_url) as made:
        made.assert_whole()
        yield made


def forked(work: Callable[[], Any], children: int = 1) -> list[Any]:
    """Return what some children answer, all forked before any of them works; or raise what they raised.

    A child that does not answer is ended, since it would keep the run's output open, and its stack is told.
    """
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(children)]

    def child(pipe: Connection) -> None:
        try:
            pipe.send((work(), None))
        except BaseException as error:  # noqa: BLE001 - for the parent to see
            pipe.send((None, repr(error)))

    processes = [context.Process(target=child, args=(theirs,)) for _, theirs in pipes]
    with TemporaryFile("w+") as stacks:
        faulthandler.register(signal.SIGUSR1, stacks)
        for process in processes:
            process.start()
        give_up = (
            time.monotonic() + ANSWER_SECONDS
        )  # for all of them: whoever waits for this waits twice that
        answers = [
            ours.recv() if ours.poll(max(0, give_up - time.monotonic())) else (None, "no answer")
            for ours, _ in pipes
        ]
        for process in processes:
            process.join(1)
            if process.exitcode is None:
                assert process.pid
                os.kill(process.pid, signal.SIGUSR1)
                process.join(1)
                process.kill()
                process.join()
        faulthandler.unregister(signal.SIGUSR1)
        stacks.seek(0)
        assert stacks.read() == ""
    assert [process.exitcode for process in processes] == [0] * children
    assert [raised for _, raised in answers if raised] == []
    return [answer for answer, _ in answers]


def who(database: Database, times: int = 20) -> set[int]:
    """Ask again and again who one is; return the backends that answered."""
    pids = set()
    for _ in range(times):
        user = uuid4()
        with database.begin(Actor.user(user)) as tx:
            pid, found = tx.session.execute(WHO).one()
        assert found == str(user)
        pids.add(pid)
    return pids


def test_children_have_connections_of_their_own(balance: Balance) -> None:
    """While threads of the parent hold all of its connections, and while they go on."""
    before = set(balance.states())
    with ExitStack() as stack:
        open_ones = [stack.enter_context(balance.database.begin(Actor.user(uuid4()))) for _ in range(SIZE)]
        answers = forked(lambda: who(balance.database), CHILDREN)
        for tx in open_ones:
            assert tx.session.execute(text("SELECT 1")).scalar_one() == 1
    backends = [pid for pids in answers for pid in pids]
    assert len(backends) == len(set(backends))
    assert not set(backends) & before
    assert set(balance.states()) == before


def busy_parent(url: str) -> None:
    """Fork while threads ask, answer and wait all the time, so that some lock is held at any moment."""
    stop = threading.Event()
    wrong: list[BaseException] = []

    def work(database: Database) -> None:
        try:
            while not stop.is_set():
                who(database, 1)
        except BaseException as error:  # noqa: BLE001 - for the test to see
            wrong.append(error)

    with balanced(url) as busy:
        database = busy.database
        threads = [threading.Thread(target=work, args=(database,)) for _ in range(SIZE * 2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(BUSY_ROUNDS):
                forked(lambda: who(database, 5), CHILDREN)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert wrong == []


def test_children_of_a_busy_parent(devmentor_url: str) -> None:
    """Neither the parent's threads nor the children notice each other.

    In a process of its own: whatever measures coverage holds a lock of its own, which a child never gets.
    """
    parent = multiprocessing.get_context("spawn").Process(target=busy_parent, args=(devmentor_url,))
    parent.start()
    parent.join(ANSWER_SECONDS * 2)
    parent.kill()  # it has ended, unless something is wrong
    parent.join()
    assert parent.exitcode == 0


def test_a_child_that_closes_and_exits_disturbs_nobody(balance: Balance) -> None:
    """Neither closing, nor collecting, nor the end of the child says farewell on the parent's connections."""
    before = set(balance.states())

    def close() -> None:
        balance.database.close()

    forked(close, CHILDREN)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert who(balance.database) <= before
    assert set(balance.states()) == before


def test_a_transaction_is_not_inherited(balance: Balance) -> None:
    """Whoever forks within a transaction cannot go on with it in the child; the parent can."""

    def use(tx: Any) -> None:
        with pytest.raises(TransactionInherited):
            tx.session.execute(text("SELECT 1"))
        with pytest.raises(TransactionInherited):
            tx.__exit__(None, None, None)
        who(balance.database)

    with balance.database.begin(Actor.user(uuid4())) as tx:
        forked(lambda: use(tx))
        assert tx.session.execute(text("SELECT 1")).scalar_one() == 1


def test_grandchildren(balance: Balance) -> None:
    """A child's child is no different."""

    def parent_and_child() -> list[set[int]]:
        return [who(balance.database), *forked(lambda: who(balance.database)), who(balance.database)]

    (found,) = forked(parent_and_child)
    assert len(set.union(*found)) >= 2
    assert not found[1] & found[2]


def test_an_async_database(devmentor_url: str) -> None:
    """Used before the fork, as a service that verifies the schema first; its loop stays with the parent."""
    database = AsyncDatabase.from_url(devmentor_url, pool_min=1, pool_max=1)

    async def work() -> int:
        async with database.begin(Actor.service("test")) as tx:
            pid: int = (await tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        return pid

    async def parent() -> tuple[list[int], int, int]:
        await database.verify_schema()
        first = await work()
        children = forked(lambda: anyio.run(work), CHILDREN)
        last = await work()
        await database.close()
        return children, first, last

    children, first, last = anyio.run(parent)
    assert first == last
    assert len({first, *children}) == CHILDREN + 1

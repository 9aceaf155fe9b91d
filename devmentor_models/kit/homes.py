"""Where a pool lives: for asyncio in one event loop, for threads anywhere; for both in one process.

The two classes have the same methods, so that the pool's code is written once (see `_sync`, which leaves out
those that say when something is done).
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from types import coroutine
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakSet

from devmentor_models.errors import WrongEventLoop

T = TypeVar("T")

#: How long `close` waits for an event loop that runs in another thread.
OTHER_LOOP_SECONDS = 10.0


class AsyncHome:
    """One event loop: that of the first use, and the next one's once that loop is closed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._last: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps weak references only

    def claim(self) -> bool:
        """Settle in the running loop. Returns True when the former home was closed.

        Raises:
            WrongEventLoop: The home is another loop, and it is still open.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return False
        with self._lock:
            moved = self._loop is not None
            if self._loop is not None and not self._loop.is_closed():
                raise WrongEventLoop
            self._loop = loop
            self._tasks = set()
        return moved

    def call(self, function: Callable[..., object], *arguments: object) -> bool:
        """Call a function at home: at once when this is home, else soon. Returns False when home is closed.

        Safe from any thread, and while garbage is collected.
        """
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        try:
            if here:
                function(*arguments)
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            if self._loop is None or not self._loop.is_closed():
                raise
        return self._loop is not None and not self._loop.is_closed()

    def at_once(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work up to where it would wait, and what is left in a task that nobody cancels."""
        try:
            awaited = work.send(None)
        except StopIteration:
            return
        self.start(cast("Coroutine[Any, Any, None]", _rest(work, awaited)))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work in a task that nobody cancels, without waiting for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Do all of the work: who waits for it may be cancelled, the work is not."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    def stay(self, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the farewell when the event loop ends.

        `asyncio.run` cancels the tasks that are left, and waits. psycopg_pool's workers may take this
        for a failure of what they are at, and wait for more to do: they must be told.
        """

        async def last() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                with suppress(asyncio.CancelledError):  # of a worker
                    await farewell()

        self._last = asyncio.get_running_loop().create_task(last())

    @staticmethod
    async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may take a moment, and hold up nobody meanwhile."""
        return await asyncio.to_thread(function, *arguments)

    async def leave(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Wait for what was started, then do the last work at home. Returns False when home runs no more."""

        async def last() -> None:
            await asyncio.gather(*self._tasks - {asyncio.current_task()}, return_exceptions=True)
            await work()
            if self._last:
                self._last.cancel()

        if self._loop is asyncio.get_running_loop():
            await self.finish(last())
            return True
        if self._loop is None or not self._loop.is_running():
            return False
        there = asyncio.run_coroutine_threadsafe(last(), self._loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(there), OTHER_LOOP_SECONDS)
        except TimeoutError:
            return False
        return True

    @staticmethod
    def cancellations() -> int:
        """Return how often the running task was asked to stop, for `raise_cancellation`."""
        task = asyncio.current_task()
        return task.cancelling() if task else 0

    @classmethod
    async def raise_cancellation(cls, since: int) -> None:
        """Raise a cancellation that came meanwhile and was lost, as `asyncio.wait_for` does before 3.12.

        Raises:
            CancelledError: There was one.
        """
        if cls.cancellations() > since:
            for _ in range(
                2
            ):  # a scope of anyio asks again, and knows its own cancellation when it comes out
                await asyncio.sleep(0)
            raise asyncio.CancelledError


@coroutine
def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Take over a coroutine that waits already."""
    yield awaited
    yield from work


class Home:
    """Any thread."""

    def claim(self) -> bool:
        """Return False: threads share a home."""
        return False

    def call(self, function: Callable[..., object], *arguments: object) -> bool:
        """Call a function at once."""
        function(*arguments)
        return True

    def stay(self, farewell: Callable[[], None]) -> None:
        """Do nothing: threads have no end to look out for."""

    @staticmethod
    def in_thread(function: Callable[..., T], *arguments: Any) -> T:
        """Call a function."""
        return function(*arguments)

    def leave(self, work: Callable[[], None]) -> bool:
        """Do the last work."""
        work()
        return True

    @staticmethod
    def cancellations() -> int:
        """Return 0: a thread cannot be cancelled."""
        return 0

    @staticmethod
    def raise_cancellation(since: int) -> None:
        """Do nothing."""


class Forkable(Protocol):
    """What must know when it has become a copy in a forked process."""

    def start_anew(self) -> None:
        """Let go of what belongs to the parent process. Called in the child before anything else runs."""


_forkable: WeakSet[Forkable] = WeakSet()


def survive_fork(thing: Forkable) -> None:
    """Call the thing's `start_anew` in every process that is forked from this one."""
    _forkable.add(thing)


def _start_anew() -> None:
    for thing in list(_forkable):
        thing.start_anew()


os.register_at_fork(after_in_child=_start_anew)

"""Begin work and wait for whichever is done first: with asyncio, and with threads.

The two differ in every word, so both are written by hand; what is built on them is generated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class AsyncSpawner(Generic[T]):
    """Begins coroutines as tasks.

    Args:
        limit: How many there are at a time, which only threads need to know.
    """

    def __init__(self, limit: int) -> None:
        pass

    def spawn(self, work: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Begin a piece of work."""
        return asyncio.ensure_future(work())

    async def done(self, running: Collection[asyncio.Future[T]]) -> AbstractSet[asyncio.Future[T]]:
        """Wait until at least one is done, and return those that are."""
        return (await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))[0]

    async def close(self, running: Collection[asyncio.Future[T]]) -> None:
        """Cancel what is still under way, and wait for it to end."""
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Spawner(Generic[T]):
    """Calls callables in threads.

    Args:
        limit: How many there are at a time.
    """

    def __init__(self, limit: int) -> None:
        self._threads = ThreadPoolExecutor(limit, "devmentor")

    def spawn(self, work: Callable[[], T]) -> Future[T]:
        """Begin a piece of work."""
        return self._threads.submit(work)

    def done(self, running: Collection[Future[T]]) -> AbstractSet[Future[T]]:
        """Wait until at least one is done, and return those that are."""
        return wait(running, return_when=FIRST_COMPLETED)[0]

    def close(self, running: Collection[Future[T]]) -> None:
        """Wait until what is still under way has ended; a thread cannot be interrupted."""
        self._threads.shutdown(cancel_futures=True)

"""Run callables at the same time; ``concurrency.py`` is the twin for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 10


async def run_concurrently(work: Sequence[Callable[[], Awaitable[T]]]) -> list[T | BaseException]:
    """Start every callable before any of them ends; return what each returned or raised, in order."""
    return await asyncio.gather(*(call() for call in work), return_exceptions=True)


def meeting(parties: int) -> Callable[[], Awaitable[object]]:
    """Return what each of some parties awaits to meet the others; it fails when they do not come."""
    barrier = asyncio.Barrier(parties)
    return lambda: asyncio.wait_for(barrier.wait(), PATIENCE_SECONDS)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true elsewhere: in the server, or another thread."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - nobody there sets an event of this loop
            await asyncio.sleep(0.002)

"""Work that is done side by side, a few pieces at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from devmentor_models.kit.spawning import AsyncSpawner

T = TypeVar("T")


class AsyncLanes(Generic[T]):
    """Does up to ``limit`` pieces of work at a time, and none beside another that shares a key with it.

    A context manager: it ends when all work has ended. When the block, a piece of work or ``settle`` raises,
    nothing more is settled; tasks that are under way are cancelled, threads are waited for.

    Args:
        limit: How many at a time. A single one is done at once, by whoever starts it.
        settle: Called with what each piece of work returned, one after the other, by whoever starts the work.
    """

    def __init__(self, limit: int, settle: Callable[[T], Awaitable[object]]) -> None:
        self._limit = limit
        self._settle = settle
        self._spawner: AsyncSpawner[T] = AsyncSpawner(limit)
        self._running: dict[Any, AbstractSet[Hashable]] = {}

    async def start(self, work: Callable[[], Awaitable[T]], keys: AbstractSet[Hashable]) -> None:
        """Begin a piece of work, as soon as there is room for it.

        Args:
            work: The work.
            keys: What it must not share with any that is under way.
        """
        if self._limit == 1:
            await self._settle(await work())
            return
        while len(self._running) >= self._limit or not all(map(keys.isdisjoint, self._running.values())):
            await self._settle_some()
        self._running[self._spawner.spawn(work)] = keys

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._running and error is None:
                await self._settle_some()
        finally:
            await self._spawner.close(self._running)

    async def _settle_some(self) -> None:
        for work in await self._spawner.done(self._running):
            del self._running[work]
            await self._settle(work.result())

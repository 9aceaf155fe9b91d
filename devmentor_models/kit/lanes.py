# Generated from lanes_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Work that is done side by side, a few pieces at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from devmentor_models.kit.spawning import Spawner

T = TypeVar("T")


class Lanes(Generic[T]):
    """Does up to ``limit`` pieces of work at a time, and none beside another that shares a key with it.

    A context manager: it ends when all work has ended. When the block, a piece of work or ``settle`` raises,
    nothing more is settled; tasks that are under way are cancelled, threads are waited for.

    Args:
        limit: How many at a time. A single one is done at once, by whoever starts it.
        settle: Called with what each piece of work returned, one after the other, by whoever starts the work.
    """

    def __init__(self, limit: int, settle: Callable[[T], object]) -> None:
        self._limit = limit
        self._settle = settle
        self._spawner: Spawner[T] = Spawner(limit)
        self._running: dict[Any, AbstractSet[Hashable]] = {}

    def start(self, work: Callable[[], T], keys: AbstractSet[Hashable]) -> None:
        """Begin a piece of work, as soon as there is room for it.

        Args:
            work: The work.
            keys: What it must not share with any that is under way.
        """
        if self._limit == 1:
            self._settle(work())
            return
        while len(self._running) >= self._limit or not all(map(keys.isdisjoint, self._running.values())):
            self._settle_some()
        self._running[self._spawner.spawn(work)] = keys

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._running and error is None:
                self._settle_some()
        finally:
            self._spawner.close(self._running)

    def _settle_some(self) -> None:
        for work in self._spawner.done(self._running):
            del self._running[work]
            self._settle(work.result())

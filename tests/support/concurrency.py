"""Run callables at the same time; ``concurrency_async.py`` is the twin for asyncio."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 10


def run_concurrently(work: Sequence[Callable[[], T]]) -> list[T | BaseException]:
    """Start every callable before any of them ends; return what each returned or raised, in order."""
    together = Barrier(len(work))

    def start(call: Callable[[], T]) -> T | BaseException:
        together.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - an outcome to return, as asyncio.gather does
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(start, work))


def meeting(parties: int) -> Callable[[], object]:
    """Return what each of some parties calls to wait for the others; it fails when they do not come."""
    return partial(Barrier(parties).wait, PATIENCE_SECONDS)


def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true elsewhere: in the server, or another thread."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError
        time.sleep(0.002)

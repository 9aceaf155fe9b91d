"""The same over a link that takes its time, where round trips are what counts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.logins import login_variants, measure_logins
from benchmarks.measure import Linked, Variant, take_turns
from benchmarks.server import Target, email
from tests.support.proxy import Proxy

#: How long every byte is on its way, in each direction.
DELAY_SECONDS = 0.0005
#: The same while round trips are counted, by the time that a call takes: it does little beside waiting.
COUNTING_SECONDS = 0.02
CLIENTS = 20
_WARM_UP = 12  # by then everything is prepared on every connection

Variants = Callable[[Target], AbstractContextManager[list[Variant]]]


def measure_linked(target: Target, title: str, variants: Variants, *, rounds: int, calls: int) -> Linked:
    """Measure variants that are called one at a time."""
    with Proxy(target.url, delay=COUNTING_SECONDS) as proxy, variants(_through(target, proxy.url)) as ways:
        round_trips = {way.name: _count(way, target) for way in ways}
    with _slow(target) as slow, variants(slow) as ways:
        return Linked(title, take_turns(ways, target.users, rounds=rounds, calls=calls), round_trips)


def measure_linked_logins(target: Target, *, rounds: int, logins: int) -> Linked:
    """Measure the login flow of several clients."""
    with Proxy(target.url, delay=COUNTING_SECONDS) as proxy:
        round_trips = asyncio.run(_count_logins(_through(target, proxy.url)))
    with _slow(target) as slow:
        measured = asyncio.run(measure_logins(slow, [CLIENTS], rounds=rounds, logins=logins))
    return Linked(f"Login flow, {CLIENTS} clients", measured[CLIENTS], round_trips)


def _through(target: Target, url: str) -> Target:
    return replace(target, url=url)


def _count(way: Variant, target: Target) -> int:
    began = 0.0
    for _ in range(_WARM_UP):
        began = time.perf_counter()
        way.call(target.users[0])
    return _round_trips(began)


def _round_trips(began: float) -> int:
    return round((time.perf_counter() - began) / (2 * COUNTING_SECONDS))


async def _count_logins(target: Target) -> dict[str, int]:
    counted = {}
    async with login_variants(target) as ways:
        for way in ways:
            began = 0.0
            for _ in range(_WARM_UP):
                began = time.perf_counter()
                await way.call(email(0))
            counted[way.name] = _round_trips(began)
    return counted


@contextmanager
def _slow(target: Target) -> Iterator[Target]:
    """Yield the same database behind a proxy, which has an interpreter of its own."""
    command = [sys.executable, "-m", "tests.support.proxy", target.url, str(DELAY_SECONDS)]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        yield _through(target, proxy.stdout.readline().strip())
        proxy.stdin.close()

"""Work side by side: how much at a time, what never meets, and what a failure leaves."""

from __future__ import annotations

from functools import partial

import pytest

from devmentor_models.kit.lanes_async import AsyncLanes
from tests.support.concurrency_async import meeting

pytestmark = pytest.mark.anyio


class Record:
    """What was settled."""

    def __init__(self) -> None:
        self.settled: list[int] = []

    async def settle(self, number: int) -> None:
        """Note a piece of work; the fourth is refused."""
        if number == 4:
            raise ValueError("four")
        self.settled.append(number)


async def test_as_many_run_beside_each_other() -> None:
    """Each of three waits for the two others, so fewer at a time would never end."""
    meet, record = meeting(3), Record()

    async def work(number: int) -> int:
        await meet()
        return number

    async with AsyncLanes(3, record.settle) as lanes:
        for number in (1, 2, 3):
            await lanes.start(partial(work, number), {number})
    assert sorted(record.settled) == [1, 2, 3]


@pytest.mark.parametrize("limit", [1, 3])
async def test_what_shares_a_key_follows(limit: int) -> None:
    """In the order in which it was started, whatever else there is room for."""
    record = Record()
    running: set[str] = set()

    async def work(number: int, key: str) -> int:
        assert key not in running
        running.add(key)
        await pause()
        running.remove(key)
        return number

    async def pause() -> None:
        """Let the others run."""
        meet = meeting(1)
        for _ in range(3):
            await meet()

    async with AsyncLanes(limit, record.settle) as lanes:
        for number, key in enumerate(["a", "b", "a"], start=1):
            await lanes.start(partial(work, number, key), {key, f"own {number}"})
    assert record.settled.index(1) < record.settled.index(3)
    assert sorted(record.settled) == [1, 2, 3]


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_failure_ends_it(limit: int) -> None:
    """Of the work, or of what is done with its result; what comes after it is not begun."""
    record = Record()
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise KeyError("two")
        return number

    for failing, error in (([1, 2, 3, 5, 6], KeyError), ([4, 1, 3, 5, 6], ValueError)):
        with pytest.raises(error):
            async with AsyncLanes(limit, record.settle) as lanes:
                for number in failing:
                    await lanes.start(partial(work, number), {number})
        assert 6 not in begun

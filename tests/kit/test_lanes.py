# Generated from test_lanes_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Work side by side: how much at a time, what never meets, and what a failure leaves."""

from __future__ import annotations

from functools import partial

import pytest

from devmentor_models.kit.lanes import Lanes
from tests.support.concurrency import meeting

pytestmark = pytest.mark.anyio


class Record:
    """What was settled."""

    def __init__(self) -> None:
        self.settled: list[int] = []

    def settle(self, number: int) -> None:
        """Note a piece of work; the fourth is refused."""
        if number == 4:
            raise ValueError("four")
        self.settled.append(number)


def test_as_many_run_beside_each_other() -> None:
    """Each of three waits for the two others, so fewer at a time would never end."""
    meet, record = meeting(3), Record()

    def work(number: int) -> int:
        meet()
        return number

    with Lanes(3, record.settle) as lanes:
        for number in (1, 2, 3):
            lanes.start(partial(work, number), {number})
    assert sorted(record.settled) == [1, 2, 3]


@pytest.mark.parametrize("limit", [1, 3])
def test_what_shares_a_key_follows(limit: int) -> None:
    """In the order in which it was started, whatever else there is room for."""
    record = Record()
    running: set[str] = set()

    def work(number: int, key: str) -> int:
        assert key not in running
        running.add(key)
        pause()
        running.remove(key)
        return number

    def pause() -> None:
        """Let the others run."""
        meet = meeting(1)
        for _ in range(3):
            meet()

    with Lanes(limit, record.settle) as lanes:
        for number, key in enumerate(["a", "b", "a"], start=1):
            lanes.start(partial(work, number, key), {key, f"own {number}"})
    assert record.settled.index(1) < record.settled.index(3)
    assert sorted(record.settled) == [1, 2, 3]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_failure_ends_it(limit: int) -> None:
    """Of the work, or of what is done with its result; what comes after it is not begun."""
    record = Record()
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise KeyError("two")
        return number

    for failing, error in (([1, 2, 3, 5, 6], KeyError), ([4, 1, 3, 5, 6], ValueError)):
        with pytest.raises(error):
            with Lanes(limit, record.settle) as lanes:
                for number in failing:
                    lanes.start(partial(work, number), {number})
        assert 6 not in begun

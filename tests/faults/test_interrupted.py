"""Ctrl-C between any two lines of a transaction takes nothing of the pool.

Some lines cannot be helped, and are left out. Those in which psycopg_pool decides to grow: the pool is full
before. Those of Python's own locks (threading, queue, logging), which Ctrl-C leaves locked. The end of a
``with`` and the beginning of a handler: lines for whoever traces, but no places where Python looks for
signals; an error raised at the latter leaves the interpreter with the wrong one in hand, its frames alive.
Where Ctrl-C meets SQLAlchemy in the middle of a change of its state, SQLAlchemy's clean-up may raise an error
of its own, with the KeyboardInterrupt as its context.
"""

from __future__ import annotations

import dis
import gc
import logging
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import pytest
from sqlalchemy import text

from tests.faults.balance import ACTOR, PATIENCE_SECONDS, SIZE, Balance, balanced

#: Every which line to try; a transaction takes some 1,800, SQLAlchemy's and psycopg's included.
SAMPLE = 67
ONE = text("SELECT 1")


LOCKS = {module.__file__ for module in (threading, queue, logging)}
LOAD_CONST, SWAP, PUSH_EXC_INFO = (dis.opmap[name] for name in ("LOAD_CONST", "SWAP", "PUSH_EXC_INFO"))


class Interruption:
    """Raises KeyboardInterrupt before one of the lines that this thread runs, whoever's line it is.

    Args:
        number: Before which, counted from 0.

    Attributes:
        place: Where that was; None when there were fewer lines.
    """

    def __init__(self, number: int) -> None:
        self._left = number
        self.place: str | None = None

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Self:
        """Count lines, as `sys.settrace` wants it; Python stops tracing when this raises."""
        if event == "line" and frame.f_code.co_filename not in LOCKS:
            self._left -= 1
            if self._left < 0 and not (ends_with(frame) or begins_handler(frame)):
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self


def ends_with(frame: FrameType) -> bool:
    """Say whether the line is that of a ``with`` that ends: three times None is what ``__exit__`` gets."""
    code, at = frame.f_code.co_code, frame.f_lasti
    at += 2 * (code[at] == SWAP)  # there is a value that the block returns
    return code[at] == LOAD_CONST and code[at : at + 2] * 3 == code[at : at + 6]


def begins_handler(frame: FrameType) -> bool:
    """Say whether an error has just led to the line, that of an ``except``, a ``finally`` or a ``with``."""
    return frame.f_code.co_code[frame.f_lasti] == PUSH_EXC_INFO


def transact(balance: Balance, *, fails: bool) -> None:
    """Begin, ask something, and commit or roll back."""
    with suppress(ZeroDivisionError):
        with balance.database.begin(ACTOR) as tx:
            tx.session.execute(ONE)
            if fails:
                raise ZeroDivisionError


def interrupt(balance: Balance, number: int, *, fails: bool) -> str | None:
    """Interrupt a transaction before one of its lines; return where, or None when it has fewer."""
    interruption, tracing = Interruption(number), sys.gettrace()
    came_of: set[type[BaseException]] = {KeyboardInterrupt}  # a finalizer may swallow it
    try:
        sys.settrace(interruption)
        transact(balance, fails=fails)
    except BaseException as error:  # noqa: BLE001 - see the module's docstring
        came_of = {type(cause) for cause in causes(error)}
    finally:
        sys.settrace(tracing)
    assert KeyboardInterrupt in came_of, interruption.place
    return interruption.place


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it came of."""
    while error is not None:
        yield error
        error = error.__context__


def until_whole(balance: Balance, place: str) -> None:
    """Wait until all connections are there; those in a cycle of garbage are missed until it is collected."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        stats = balance.database.pool_stats()
        if stats.size == stats.available == SIZE and not stats.waiting:
            return
        assert time.monotonic() < give_up, (place, stats)
        gc.collect()
        time.sleep(0.002)


@pytest.mark.parametrize("step", [SAMPLE, pytest.param(3, marks=pytest.mark.faults)])
@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
def test_ctrl_c_before_any_line(
    fails: bool, step: int, devmentor_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of begin, a statement or the end of a block: every connection comes back or is replaced."""
    # Python swallows what a finalizer raises, Ctrl-C as well, and tells of it here.
    swallowed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: swallowed.append(raised.exc_type))
    # A log record of an error keeps the traceback, and so the connection, as long as pytest keeps it.
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    number, places = 0, set()
    with balanced(devmentor_url, pool_min=SIZE) as balance:  # so that none is given up as idle
        balance.assert_whole()
        while place := interrupt(balance, number, fails=fails):
            until_whole(balance, place)
            places.add(place)
            number += step
        balance.assert_whole()
    assert len(places) > 1000 / step
    assert set(swallowed) <= {KeyboardInterrupt}

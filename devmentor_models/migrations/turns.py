"""One Alembic command at a time in a process: its ``context`` and ``op`` belong to the whole process.

Both speak for the command that entered last, in whichever thread. Two threads with a database each would run
one's revisions, with one's permission to lose data, on the other's.

So every command waits for its turn where it enters Alembic's environment, the one place that all of them
pass: those of `devmentor_models.migrate`, of ``devmentor-db``, of ``alembic``, and of whoever calls
`alembic.command`. A command may call another one, after which Alembic speaks for the outer one again.

It is the outermost lock: whoever has the turn may wait for locks of a database, never the other way round.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

from alembic import context, op
from alembic.runtime.environment import EnvironmentContext

from devmentor_models.errors import LockTimeout

WAIT_SECONDS = 600.0

_turn = threading.RLock()
#: What `context` and `op` spoke for before each command that has entered; whoever has the turn may touch it.
_before: list[list[Any]] = []

_enter, _exit = EnvironmentContext.__enter__, EnvironmentContext.__exit__


def install() -> None:
    """Make every command of this process wait for its turn."""
    # Alembic has no hook around a command, and its proxies are there before env.py is read.
    environment: Any = EnvironmentContext
    environment.__enter__, environment.__exit__ = _take_turn, _end_turn


def _take_turn(environment: EnvironmentContext) -> EnvironmentContext:
    if not _turn.acquire(timeout=WAIT_SECONDS):
        raise LockTimeout(
            f"Another thread of this process has been migrating for {WAIT_SECONDS:.0f} seconds."
        )
    # What an earlier command left in `op` when it failed is nobody's.
    outer = [_proxy(context), _proxy(op)] if _before else []
    _before.append([proxy for proxy in outer if proxy is not None])
    return _enter(environment)


def _end_turn(environment: EnvironmentContext, *error: Any) -> None:
    try:
        _exit(environment, *error)
        for proxy in _before[-1]:
            proxy._install_proxy()  # noqa: SLF001 - Alembic removes them without knowing of another command
    finally:
        _before.pop()
        _turn.release()


def _proxy(module: ModuleType) -> Any:
    return vars(module).get("_proxy")

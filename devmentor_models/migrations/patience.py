"""Wait for locks in short tries, so that no writer waits long behind a migration (DESIGN §5, M3).

Whoever waits for a table's lock makes everybody wait who comes after. A try therefore gives up after
``lock_timeout``, lets the queue behind it pass, and another one follows.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

from devmentor_models.errors import ConfigurationError, LockTimeout

T = TypeVar("T")

log = logging.getLogger("devmentor_models.migrations")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
#: A duration as PostgreSQL writes it, such as ``500ms``; zero would mean to wait for ever.
_DURATION = re.compile(r"[1-9][0-9]*(ms|s|min)")


@dataclass(frozen=True)
class Patience:
    """How long a migration waits for locks.

    Attributes:
        lock_timeout: How long one try waits, as PostgreSQL writes it: ``500ms``, ``2s``, ``1min``.
        lock_tries: How many tries there are.

    Raises:
        ConfigurationError: One of them cannot be read, or is not positive.
    """

    lock_timeout: str = "2s"
    lock_tries: int = 10

    def __post_init__(self) -> None:
        if not _DURATION.fullmatch(self.lock_timeout):
            raise ConfigurationError(f"lock-timeout is to be such as 500ms, 2s, 1min: {self.lock_timeout}")
        if self.lock_tries < 1:
            raise ConfigurationError(f"lock-tries is to be at least 1: {self.lock_tries}")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Patience:
        """Read ``lock-timeout`` and ``lock-tries`` of Alembic's ``-x``, where they are given.

        >>> Patience.of({"lock-timeout": "500ms", "lock-tries": "3"})
        Patience(lock_timeout='500ms', lock_tries=3)
        """
        tries = str(given.get("lock-tries", cls.lock_tries))
        if not tries.isdecimal():
            raise ConfigurationError(f"lock-tries is to be a number: {tries}")
        return cls(str(given.get("lock-timeout", cls.lock_timeout)), int(tries))

    def run(self, work: Callable[[], T], what: Callable[[], str]) -> T:
        """Do ``work``, again and again while it fails for a lock or a deadlock, and return its result.

        Args:
            work: May be called several times; a try that failed has left nothing half done.
            what: Names the work, for the log and the error.

        Raises:
            LockTimeout: The last try failed like those before.
        """
        for number in range(1, self.lock_tries + 1):
            try:
                return work()
            except DBAPIError as error:
                if not _is_contention(error):
                    raise
                if number == self.lock_tries:
                    raise LockTimeout(
                        f"{what()} did not get its locks in {number} tries of {self.lock_timeout}."
                        " What came before it is done; run it again when there is less going on."
                    ) from error
                pause = _pause(number)
                log.warning("%s: try %d did not get its locks; again in %.1f s", what(), number, pause)
                time.sleep(pause)
        raise AssertionError("unreachable: lock_tries is positive")


def _is_contention(error: DBAPIError) -> bool:
    return isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)


def _pause(number: int) -> float:
    """Return how many seconds to wait after try ``number``: longer each time, and never quite the same."""
    longest = min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads tries out, keeps no secret

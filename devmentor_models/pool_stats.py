"""What a pool of connections says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The state of a pool, and what it counted since the database was opened in this process.

    Attributes:
        size: Connections that there are now: free, in use, and being made.
        available: Those of them that are free.
        waiting: Callers who ask for a connection just now.
        requests: How often a connection was asked for.
        queued: How many of these requests had to wait, because none was free.
        wait_seconds: How long they waited, in all; divide by ``queued`` for the average.
        lost: Connections that came back broken, or were found broken; each was replaced.
        errors: Requests that got no connection: out of time, cancelled, or because none can be made.
        connection_errors: Attempts to connect that failed.
    """

    size: int
    available: int
    waiting: int
    requests: int
    queued: int
    wait_seconds: float
    lost: int
    errors: int
    connection_errors: int

    @classmethod
    def of(cls, counted: dict[str, int], waiting: int) -> PoolStats:
        """Return what psycopg_pool counted, in our words.

        >>> PoolStats.of({"pool_size": 2, "requests_wait_ms": 1500, "returns_bad": 1}, 0).wait_seconds
        1.5
        """
        count = counted.get
        return cls(
            size=count("pool_size", 0),
            available=count("pool_available", 0),
            waiting=waiting,
            requests=count("requests_num", 0),
            queued=count("requests_queued", 0),
            wait_seconds=count("requests_wait_ms", 0) / 1000,
            lost=count("connections_lost", 0) + count("returns_bad", 0),
            errors=count("requests_errors", 0),
            connection_errors=count("connections_errors", 0),
        )

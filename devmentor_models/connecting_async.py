"""How the pool's connections are made, and why the last one was not."""

from __future__ import annotations

from typing import Any, Self

from psycopg import AsyncConnection, OperationalError

from devmentor_models.errors import DevMentorError, PoolTimeout
from devmentor_models.opening import OpeningConnection
from devmentor_models.tls import explain


class AsyncAttempts:
    """What became of a pool's last attempt to connect.

    psycopg_pool connects in the background, and whoever waits learns only that the time is up.
    """

    def __init__(self) -> None:
        self.failure: OperationalError | None = None

    def timeout(self) -> DevMentorError:
        """Return the error for somebody who got no connection in time."""
        failure = self.failure
        if failure is None:
            return PoolTimeout()
        said = str(failure).partition("\n")[0]
        return explain(failure) or PoolTimeout(f"No connection came free in time; the last attempt: {said}")


class AsyncWatchedConnection(OpeningConnection, AsyncConnection[Any]):
    """A connection whose making is noted."""

    @classmethod
    async def connect(cls, conninfo: str = "", *, attempts: AsyncAttempts, **kwargs: Any) -> Self:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride] # only our pool calls it
        """Connect, as psycopg does, and note in ``attempts`` what became of it."""
        try:
            made = await super().connect(conninfo, **kwargs)
            await made.wait(made.know_gen())
        except OperationalError as error:
            attempts.failure = error
            raise
        attempts.failure = None
        return made


async def check_security(conninfo: str) -> None:
    """Connect once to a server on another machine, so that TLS which cannot work is told at once.

    Any other failure is left to the pool, which tries again: the server may be about to start.

    Raises:
        InsecureConnection: The connection could not be secured.
    """
    try:
        connection = await AsyncConnection.connect(conninfo)
    except OperationalError as error:
        if insecure := explain(error):
            raise insecure from None
        return
    await connection.close()

"""A proxy before PostgreSQL that knows where messages end: it cuts, counts round trips, and delays.

    with Proxy(url) as proxy:
        database = Database.from_url(proxy.url)
        proxy.cut_after(3, FRONTEND)     # the third message that a client sends from now on is its last
        ...
    assert proxy.round_trips == 2

It runs in a thread with an event loop of its own, so sync and async code are served alike. Clients connect to
it by TCP, and it connects to the server by TCP or socket, whatever the URL says. TLS is refused.

What is measured should not share its interpreter with the proxy: `python -m tests.support.proxy URL SECONDS`
prints the URL of one that delays, and runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import struct
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

Direction = Literal["frontend", "backend"]
FRONTEND: Direction = "frontend"  #: from the client to the server
BACKEND: Direction = "backend"  #: from the server to the client

_HEAD = 5  # a letter and four bytes of length
_CHUNK = 65536
_TLS_REQUESTS = {80877103, 80877104}  # SSLRequest and GSSENCRequest
_CANCEL_REQUEST = 80877102


class Proxy:
    """Forwards connections to the server of a URL, until the block ends.

    Args:
        url: The server and database, in SQLAlchemy's or libpq's form.
        delay: Seconds that every byte is on its way, in each direction.

    Attributes:
        messages: How many messages went each way since the last `reset`, not counting a client's very first.
        round_trips: How often clients had to wait: something was sent, and then something came back.
        cuts: How many connections were cut.
        cancels: How often the server was asked to give up a statement.
        holding: Set it, and what servers answer is kept back until it is taken away.
        lingering: How many seconds later clients are told that a server has closed their connection.
        silent: Nothing is forwarded either way, and new connections are accepted.
    """

    def __init__(self, url: str, *, delay: float = 0.0) -> None:
        self.delay = delay
        self._url = make_url(url)
        self._behind = conninfo_to_dict(self._url.set(drivername="postgresql").render_as_string(False))
        # select() takes microseconds, epoll() rounds up to milliseconds.
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._links: set[_Link] = set()
        self.plan: tuple[int, Direction, bool] | None = None
        self.cuts = self.cancels = 0
        self.refusing = self.holding = self.silent = False
        self.lingering = 0.0
        self.reset()

    def reset(self) -> None:
        """Count from nothing again."""
        self.messages: dict[Direction, int] = {FRONTEND: 0, BACKEND: 0}
        self.round_trips = 0

    def cut_after(self, message: int, direction: Direction, *, abruptly: bool = True) -> None:
        """Cut the connection that carries the n-th message from now on, right behind it, and only that one.

        With ``message`` 0 it is cut before the next one. Abruptly is by RST, otherwise by FIN.
        """
        self.reset()
        self.plan = (message, direction, abruptly)

    def refuse(self, *, refusing: bool) -> None:
        """Cut every connection and let no new one through, as a server that is down; or let them through."""
        self.refusing = refusing
        if refusing:
            self.cut_all()

    def cut_all(self, *, abruptly: bool = True) -> None:
        """Cut every connection there is."""
        self._run(self._cut_links(abruptly))

    @property
    def url(self) -> str:
        """The URL of the same database through the proxy."""
        through = self._url.difference_update_query(["host", "port"])
        return through.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close(self) -> None:
        self._server.close()
        await self._cut_links(abruptly=True)
        while self._links:  # noqa: ASYNC110 - each takes itself away
            await asyncio.sleep(0.001)

    async def _cut_links(self, abruptly: bool) -> None:
        tasks = [task for link in self._links for task in link.tasks]
        for link in list(self._links):
            link.cut(abruptly=abruptly)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refusing:
                raise ConnectionRefusedError
            behind = await self._connect()
        except OSError:  # the server is down
            _reset(writer)
            return
        link = _Link(self, (reader, writer), behind)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._behind.get("host") or "localhost"), self._behind.get("port") or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(os.path.join(host, f".s.PGSQL.{port}"))  # noqa: PTH118 - a name
        return await asyncio.open_connection(host, int(port))


class _Link:
    """One client, and its connection to the server."""

    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.proxy = proxy
        self.client, self.server = client, server
        self.asked = False  # the client has sent something that nothing came back for yet
        self.tasks: list[asyncio.Task[None]] = []
        for _, writer in (client, server):
            if (made := writer.get_extra_info("socket")).family != socket.AF_UNIX:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self) -> None:
        """Forward both ways until either side closes."""
        ways: tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter, Direction], ...]
        ways = ((self.client[0], self.server[1], FRONTEND), (self.server[0], self.client[1], BACKEND))
        self.tasks = [asyncio.ensure_future(self._forward(*way)) for way in ways]
        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(self.proxy.lingering)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for _, writer in (self.client, self.server):
            writer.close()

    def cut(self, *, abruptly: bool) -> None:
        """End both connections; what is on its way is lost."""
        self.proxy.cuts += 1
        for _, writer in (self.client, self.server):
            if abruptly:
                _reset(writer)
            else:
                writer.close()
        for task in self.tasks:
            task.cancel()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction
    ) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._hold(way)
            if way == FRONTEND and not await self._start(reader, writer):
                return
            buffer = b""
            while chunk := await reader.read(_CHUNK):
                buffer += chunk
                whole, buffer = self._count(buffer, way)
                if whole is None:
                    return
                await self._hold(way)
                if self.proxy.delay and whole:
                    loop.call_later(self.proxy.delay, writer.write, whole)
                elif whole:
                    writer.write(whole)
                    await writer.drain()
        await asyncio.sleep(self.proxy.delay)  # what is late comes before the end

    async def _hold(self, way: Direction) -> None:
        while self.proxy.silent or (self.proxy.holding and way == BACKEND):  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.001)

    async def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Forward what a client says first, which has no letter. Returns False when nothing follows."""
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code not in _TLS_REQUESTS:
                break
            self.client[1].write(b"N")
        writer.write(head + await reader.readexactly(length - 8))
        await writer.drain()
        self.proxy.cancels += code == _CANCEL_REQUEST
        return code != _CANCEL_REQUEST or not await reader.read()

    def _count(self, buffer: bytes, way: Direction) -> tuple[bytes | None, bytes]:
        """Split what came into whole messages and the rest. Returns None for them when the link was cut."""
        proxy, end = self.proxy, 0
        target = self.server[1] if way == FRONTEND else self.client[1]
        while True:
            if proxy.plan and proxy.plan[1] == way and proxy.messages[way] >= proxy.plan[0]:
                abruptly, proxy.plan = proxy.plan[2], None
                target.write(buffer[:end])
                self.cut(abruptly=abruptly)
                return None, b""
            if len(buffer) - end < _HEAD:
                break
            size = 1 + struct.unpack_from("!i", buffer, end + 1)[0]
            if len(buffer) - end < size:
                break
            end += size
            proxy.messages[way] += 1
        if end and way == FRONTEND:
            self.asked = True
        elif end and self.asked:
            self.asked = False
            proxy.round_trips += 1
        return buffer[:end], buffer[end:]


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by RST, as a machine that goes away and comes back does."""
    made = writer.get_extra_info("socket")
    if made is not None and made.family != socket.AF_UNIX:
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


if __name__ == "__main__":
    with Proxy(sys.argv[1], delay=float(sys.argv[2])) as running:
        print(running.url, flush=True)  # noqa: T201 - a command
        sys.stdin.read()

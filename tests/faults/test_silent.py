"""A network that has gone silent: whoever waits for an answer finds out by the kernel's probes."""

from __future__ import annotations

import socket

import psycopg
import pytest

from devmentor_models import Actor, Database
from tests.support.proxy import Proxy


@pytest.mark.parametrize(("query", "milliseconds"), [("", 25_000), ("?tcp_user_timeout=7000", 7_000)])
def test_silence_is_limited(devmentor_url: str, query: str, milliseconds: int) -> None:
    """To 25 seconds, for what was sent and for a connection that only waits; unless the URL says another."""
    with Proxy(devmentor_url) as proxy:
        with (
            Database.from_url(proxy.url + query, pool_max=1) as database,
            database.begin(Actor.service("test")) as tx,
        ):
            connection = tx.session.connection().connection.driver_connection
            assert isinstance(connection, psycopg.Connection)
            with socket.socket(fileno=socket.dup(connection.fileno())) as used:
                assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                probes = [
                    used.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                ]
                assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == milliseconds
    assert probes == [10, 5, 3]

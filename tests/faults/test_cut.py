# Generated from test_cut_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The network is cut after any protocol message, either way: the pool and the server get over it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import text

from devmentor_models import Database
from devmentor_models.errors import CommitUnknown, ConnectionLost, ServerUnreachable
from tests.faults.balance import ACTOR, Balance, balanced
from tests.support.proxy import BACKEND, FRONTEND, Direction, Proxy

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.faults)]),
]
#: The default run takes every so-manieth message, `nox -s faults` each.
SAMPLE = 12


def work(balance: Balance) -> None:
    """Do a bit of everything: statements with and without parameters, a savepoint, rows, a commit."""
    with balance.database.begin(ACTOR) as tx:
        tx.session.execute(text("CREATE TEMPORARY TABLE cut (id int) ON COMMIT DROP"))
        with tx.savepoint():
            tx.session.execute(text("INSERT INTO cut VALUES (:id)"), {"id": 1})
        rows = tx.session.execute(text("SELECT cast(:id AS int) FROM generate_series(1, 20)"), {"id": 1})
        assert len(rows.all()) == 20


def cut(balance: Balance, proxy: Proxy, message: int, way: Direction, *, abruptly: bool) -> bool:
    """Cut one transaction, and see what becomes of it and of the next. Returns whether it was cut."""
    cuts = proxy.cuts
    proxy.cut_after(message, way, abruptly=abruptly)
    try:
        work(balance)
    except (ConnectionLost, CommitUnknown):
        assert proxy.cuts > cuts
    proxy.plan = None
    work(balance)
    balance.settle()
    return proxy.cuts > cuts


#: Which way, and whether abruptly.
CUTS = [
    pytest.param(way, abruptly, id=f"{way}-{'RST' if abruptly else 'FIN'}")
    for way in (FRONTEND, BACKEND)
    for abruptly in (True, False)
]


@pytest.mark.parametrize("step", [SAMPLE, pytest.param(1, marks=pytest.mark.faults)])
@pytest.mark.parametrize(("way", "abruptly"), CUTS)
def test_a_transaction_is_cut(
    way: Direction, *, abruptly: bool, step: int, prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """At BEGIN it is begun again unnoticed; later it is lost, and at COMMIT unknown."""
    with balanced(devmentor_url, proxy.url, prepared_statements=prepared) as balance:
        for _ in range(4):  # until everything is prepared that is going to be
            work(balance)
        message = step // 2
        while cut(balance, proxy, message, way, abruptly=abruptly):
            message += step
    assert message > 10


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.faults)])
@pytest.mark.parametrize(("way", "abruptly"), CUTS)
def test_a_login_is_cut(
    way: Direction, *, abruptly: bool, step: int, prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """It is told at once, and the next attempt succeeds."""
    message = 0
    while True:
        proxy.cut_after(message, way, abruptly=abruptly)
        name = f"login-{message}"
        with Database.from_url(
            proxy.url, pool_min=0, application_name=name, prepared_statements=prepared
        ) as database:
            with suppress(ServerUnreachable, ConnectionLost):
                database.verify_schema()
            if proxy.plan:
                break
            database.verify_schema()
        message += step
    proxy.plan = None
    assert message > 1


@pytest.mark.parametrize("way", [FRONTEND, BACKEND])
def test_all_connections_are_cut_at_once(
    way: Direction, prepared: bool, devmentor_url: str, proxy: Proxy
) -> None:
    """Idle ones are replaced when they are wanted."""
    with balanced(devmentor_url, proxy.url, prepared_statements=prepared) as balance:
        balance.assert_whole()
        proxy.cut_all(abruptly=way == FRONTEND)
        work(balance)

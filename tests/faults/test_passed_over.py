# Generated from test_passed_over_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""A statement that the server passed over, since what stands before it in the message failed."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import func, select

from devmentor_models import Actor
from devmentor_models.errors import SignInFailed, StatementTimeout
from devmentor_models.settings import conninfo
from devmentor_models.sign_in import sign_in
from tests.faults.balance import ACTOR, Balance, balanced
from tests.support.concurrency import run_concurrently, until

pytestmark = pytest.mark.anyio

Work = Callable[[Balance], None]
_CANCEL_WAITING = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE application_name = %s AND wait_event_type = 'Lock'
"""


def begin(balance: Balance) -> None:
    """Begin for somebody, and run a statement."""
    with balance.database.begin(ACTOR) as tx:
        tx.session.execute(select(func.now()))


def look(balance: Balance) -> None:
    """Look for an account that is not there; the first statement is a transaction by itself."""
    with pytest.raises(SignInFailed):
        sign_in(balance.database, "nobody@example.com", "x", actor=Actor.service("auth"))


@pytest.mark.parametrize("work", [begin, look])
@pytest.mark.parametrize("before", range(4))
def test_it_is_not_taken_for_prepared(work: Work, before: int, devmentor_database_url: str) -> None:
    """Whenever a transaction fails to begin, the next one on the same connection is none the worse."""
    target = conninfo(devmentor_database_url)
    with balanced(devmentor_database_url, pool_max=1) as balance:
        for _ in range(before):
            work(balance)
        with psycopg.connect(target) as migration:
            migration.execute("LOCK TABLE auth.team_members")

            def begins() -> None:
                work(balance)

            def cancel() -> None:
                until(lambda: balance.ask(_CANCEL_WAITING, balance.name))

            outcomes = run_concurrently([begins, cancel])
        assert [type(outcome) for outcome in outcomes] == [StatementTimeout, type(None)]
        for _ in range(4):
            work(balance)
        assert balance.database.pool_stats().lost == 0

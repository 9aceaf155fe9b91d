"""A loan of a connection ends once, for whoever had it: nobody ends the next one's."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import event

from devmentor_models.errors import PoolTimeout
from tests.faults.balance import ACTOR, PID, balanced


def test_the_next_loan_begins_before_the_session_is_closed(devmentor_url: str) -> None:
    """A connection that is back, and lent anew at once, stays with its new holder."""
    with (
        balanced(devmentor_url, pool_max=1, pool_timeout_seconds=0.2) as balance,
        ExitStack() as later,
    ):
        with balance.database.begin(ACTOR) as first:

            def lend_anew(*_: object) -> None:
                holder = later.enter_context(balance.database.begin(ACTOR))
                holder.session.execute(PID)

            first.session.execute(PID)
            event.listen(first.session, "after_transaction_end", lend_anew, once=True)
        assert balance.database.pool_stats().available == 0
        with pytest.raises(PoolTimeout):
            later.enter_context(balance.database.begin(ACTOR))

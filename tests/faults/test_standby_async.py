"""A standby says that it is one; the next attempt goes to the primary, once there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from devmentor_models.errors import ReadOnlyTransaction, ServerReadOnly
from devmentor_models.migrate import upgrade
from tests.faults.balance_async import ACTOR, PID, async_balanced
from tests.faults.conftest import OwnServer, running

pytestmark = [pytest.mark.anyio, pytest.mark.faults]


@pytest.fixture
def standby() -> Iterator[OwnServer]:
    """Yield a standby with the schema."""
    with running(wal_level="replica", max_wal_senders="2") as server:
        upgrade(server.url())
        server.demote()
        yield server


async def test_a_standby_reads_and_says_that_it_cannot_write(standby: OwnServer) -> None:
    """Until it is promoted; the connection is given up, since a name may lead elsewhere by then."""
    async with async_balanced(standby.url()) as balance:
        database = balance.database
        with pytest.raises(ServerReadOnly, match=f"127.0.0.1:{standby.port} is a standby"):
            async with database.begin(ACTOR) as tx:
                await tx.session.execute(text("SELECT 1"))
        assert database.pool_stats().lost == 1
        with pytest.raises(ReadOnlyTransaction):
            async with database.begin(ACTOR, readonly=True) as tx:
                await tx.session.execute(text("CREATE TABLE t ()"))
        with pytest.raises(ServerReadOnly):
            upgrade(standby.url())
        standby.run("SELECT pg_promote()")
        async with database.begin(ACTOR) as tx:
            await tx.session.execute(PID)

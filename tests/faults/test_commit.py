# Generated from test_commit_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What is acknowledged is written, what was written is acknowledged as far as one can know."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Executable, Integer, cast, func, literal, make_url, select, text

from devmentor_models.errors import CommitUnknown, DatabaseError, TransactionAborted
from tests.faults.balance import ACTOR, balanced
from tests.support.proxy import BACKEND, Proxy

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("prepared", [True, pytest.param(False, marks=pytest.mark.faults)]),
]
#: Which answers of the server tell that COMMIT has succeeded: the fourth says so.
TOLD = 4
FAILING = {
    "foreign": text("SELECT 1 / 0"),
    "ours": select(literal(1) / cast(func.length(literal("")), Integer)),
}


@pytest.fixture
def table(devmentor_url: str) -> Iterator[str]:
    """Yield the name of a table of the test's own, with a column ``id``."""
    name = f"written_{uuid4().hex}"
    plain = make_url(devmentor_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} (id int)").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING)
def test_a_transaction_that_failed_is_not_acknowledged(
    failing: Executable, prepared: bool, devmentor_url: str, table: str
) -> None:
    """The server answers COMMIT with a rollback, and no error, when the block caught that of a statement."""
    with balanced(devmentor_url, prepared_statements=prepared) as balance:
        with pytest.raises(TransactionAborted):
            with balance.database.begin(ACTOR) as tx:
                tx.session.execute(text(f"INSERT INTO {table} VALUES (1)"))
                with pytest.raises(DatabaseError):
                    tx.session.execute(failing)
        assert balance.ask(f"SELECT FROM {table}") == []
        balance.settle()
        assert balance.database.pool_stats().lost == 0


def test_a_session_that_cannot_be_cleared_costs_nothing_written(
    prepared: bool, devmentor_url: str, table: str
) -> None:
    """A limit that the transaction has left ends what clears the session. The session is thrown away."""
    made = "EXECUTE 'CREATE TEMPORARY TABLE t' || i || ' (i serial)'"
    slow = f"DO $$ BEGIN FOR i IN 1..200 LOOP {made}; END LOOP; END $$"
    with balanced(devmentor_url, prepared_statements=prepared) as balance:
        with balance.database.begin(ACTOR) as tx:
            for statement in (slow, "COMMIT", "BEGIN", f"INSERT INTO {table} VALUES (1)"):
                tx.session.execute(text(statement))
            tx.session.execute(text("SET statement_timeout = 2"))
        assert balance.ask(f"SELECT id FROM {table}") == [(1,)]
        balance.settle()
        assert balance.database.pool_stats().lost == 1


def test_the_connection_ends_around_the_answer(prepared: bool, devmentor_url: str, table: str) -> None:
    """Before the answer to COMMIT nobody can know; behind it, it is known, whatever is missing then."""
    unknown = []
    with Proxy(devmentor_url) as proxy:
        with balanced(devmentor_url, proxy.url, prepared_statements=prepared) as balance:
            for number in range(10):
                balance.settle()  # or a connection that is being made would be cut
                cuts = proxy.cuts
                try:
                    with balance.database.begin(ACTOR) as tx:
                        tx.session.execute(text(f"INSERT INTO {table} VALUES (:number)"), {"number": number})
                        proxy.cut_after(number, BACKEND, abruptly=False)
                except CommitUnknown:
                    unknown.append(number)
                assert proxy.cuts == cuts + 1
            written = [number for (number,) in balance.ask(f"SELECT id FROM {table} ORDER BY id")]
    assert written == list(range(10))
    assert unknown == list(range(TOLD))

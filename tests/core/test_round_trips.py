"""What an actor's transaction costs on the wire, in round trips (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import Trace

from devmentor_models import Actor, Database
from devmentor_models.auth.models import User
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk
from tests.support.users import NewUser

#: What a client waits for an answer to: a simple query, and the end of an extended one.
ROUND_TRIPS = ("Query", "Sync")
#: psycopg prepares a statement at its third execution, which takes a message more, once.
WARM_UP = 4


@pytest.fixture
def single(database_url: str) -> Iterator[Database]:
    """Yield a database with one connection, so that all of its traffic can be seen."""
    with Database.from_url(database_url, pool_min=1, pool_max=1) as made:
        yield made


@pytest.fixture
def user(new_user: NewUser) -> User:
    """Return a committed user."""
    return new_user()


def sent_by(database: Database, work: Callable[[], object], path: Path) -> list[list[str]]:
    """Return what the database's connection sends while ``work`` runs, once everything is prepared.

    libpq itself writes the trace. One list per round trip: the messages sent before waiting for the server.
    """
    for _ in range(WARM_UP):
        work()
    with database.begin(Actor.service("test")) as tx:
        connection = tx.session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    with path.open("wb") as file:
        connection.pgconn.trace(file.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        work()
        connection.pgconn.untrace()
    round_trips: list[list[str]] = [[]]
    for line in path.read_text().splitlines():
        direction, _, message = line.split("\t", 2)
        if direction == "F":
            round_trips[-1].append(message)
            if message.split("\t")[0] in ROUND_TRIPS:
                round_trips.append([])
    assert round_trips.pop() == []
    return round_trips


def test_a_read_takes_three_round_trips(single: Database, user: User, tmp_path: Path) -> None:
    """BEGIN with the context, the query, COMMIT: no more, and BEGIN carries the context in its message."""

    def read() -> None:
        with single.begin(Actor.user(user.id)) as tx:
            tx.users.get()

    begin, query, commit = sent_by(single, read, tmp_path / "trace")
    (message,) = begin
    assert message.startswith(f"Query\t \"BEGIN; SET LOCAL devmentor.user_id = '{user.id}'; ")
    assert message.endswith('; SELECT devmentor.enter()"')
    assert [message.split("\t")[0] for message in query] == ["Bind", "Describe", "Execute", "Sync"]
    assert commit == ['Query\t "COMMIT"']


def test_a_login_takes_two_transactions_of_three_round_trips(
    single: Database, user: User, tmp_path: Path
) -> None:
    """Who the user is comes out in a transaction of nobody's; the session is opened on behalf of the user.

    The password is checked in between, with no transaction open.
    """
    actor = Actor.service("auth", request_id="r-1", ip_address="203.0.113.7", user_agent="test")

    def login() -> None:
        with single.begin(actor) as tx:
            found = tx.users.find_credentials(user.email)
        assert found is not None
        with single.begin(replace(actor, user_id=found.user_id)) as tx:
            tx.sessions.open(found.user_id)

    begin, find, commit, again, opened, end = sent_by(single, login, tmp_path / "trace")
    assert (len(begin), len(again)) == (1, 1)
    for setting in ("service", "request_id", "ip_address", "user_agent"):
        assert f"SET LOCAL devmentor.{setting} = " in begin[0]
    for query in (find, opened):
        assert [message.split("\t")[0] for message in query] == ["Bind", "Describe", "Execute", "Sync"]
    assert commit == end == ['Query\t "COMMIT"']


def test_a_token_costs_one_round_trip_more(single: Database, user: User, tmp_path: Path) -> None:
    """To find out whose it is: the statement that reads the session then sees that user's rows."""
    with single.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        token = tx.sessions.open(user.id).token

    def look() -> None:
        with single.begin(Actor.service("auth")) as tx:
            assert tx.sessions.find_active(token) is not None

    assert len(sent_by(single, look, tmp_path / "trace")) == 4


def test_a_search_takes_three_round_trips(single: Database, user: User, tmp_path: Path) -> None:
    """Model, both legs, hits with all that belongs to them, and the history are one statement (F5)."""
    with single.begin(Actor.user(user.id)) as tx:
        tx.documents.store(
            title="t", content="load_page", source=DocumentSource.CODE, chunks=[NewChunk("load_page")]
        )

    def search() -> None:
        with single.begin(Actor.user(user.id)) as tx:
            assert len(tx.memory.search("load_page", related=3)) == 1

    begin, query, commit = sent_by(single, search, tmp_path / "trace")
    assert [message.split("\t")[0] for message in query] == ["Bind", "Describe", "Execute", "Sync"]
    assert (len(begin), commit) == (1, ['Query\t "COMMIT"'])


def test_an_empty_transaction_takes_two_round_trips(single: Database, user: User, tmp_path: Path) -> None:
    """Neither the checkout of a connection nor its return sends anything."""

    def nothing() -> None:
        with single.begin(Actor.user(user.id)):
            pass

    assert len(sent_by(single, nothing, tmp_path / "trace")) == 2


def test_the_schema_is_verified_in_one_round_trip(single: Database, tmp_path: Path) -> None:
    """A start-up check must not hold up a start."""
    assert len(sent_by(single, single.verify_schema, tmp_path / "trace")) == 1

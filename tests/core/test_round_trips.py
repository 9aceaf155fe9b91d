"""What an actor's transaction costs on the wire, in round trips (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.pq import Trace
from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.auth.models import User
from devmentor_models.kit.keys import generate_key
from devmentor_models.kit.passwords import hash_password
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk
from devmentor_models.sign_in import sign_in
from tests.support.users import NewUser

#: What a client waits for an answer to: a simple query, and the end of an extended one.
ROUND_TRIPS = ("Query", "Sync")
#: psycopg prepares a statement at its third execution, which takes a message more, once.
WARM_UP = 4
PASSWORD = "correct horse battery"


@pytest.fixture
def single(database_url: str) -> Iterator[Database]:
    """Yield a database with one connection, so that all of its traffic can be seen."""
    with Database.from_url(database_url, pool_min=1, pool_max=1) as made:
        yield made


@pytest.fixture
def signing(database_url: str) -> Iterator[Database]:
    """Yield one that signs its contexts; the database believes it either way."""
    key = generate_key()
    with Database.from_url(database_url, pool_min=1, pool_max=1, context_key=key) as made:
        yield made


@pytest.fixture
def user(new_user: NewUser) -> User:
    """Return a committed user."""
    return new_user()


def sent_by(database: Database, work: Callable[[], object], path: Path) -> list[list[str]]:
    """Return what the database's connection sends while ``work`` runs, once everything is prepared.

    One list per round trip: the messages sent before waiting for the server.
    """
    round_trips: list[list[str]] = [[]]
    for direction, message in trace(database, work, path):
        if direction == "F":
            round_trips[-1].append(message)
            if message.split("\t")[0] in ROUND_TRIPS:
                round_trips.append([])
    assert round_trips.pop() == []
    return round_trips


def trace(database: Database, work: Callable[[], object], path: Path) -> list[tuple[str, str]]:
    """Return every message of the database's connection while ``work`` runs: its direction, and itself.

    libpq itself writes the trace.
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
    lines = [line.split("\t", 2) for line in path.read_text().splitlines()]
    return [(line[0], line[2]) for line in lines if len(line) > 2]  # the others go on with a statement's text


PREPARED = ["Bind", "Describe", "Execute"]
UNPREPARED = ["Parse", *PREPARED]
#: BEGIN, the actor's context and the first statement.
FIRST = [*PREPARED, *PREPARED, *PREPARED, "Sync"]


def kinds(messages: list[str]) -> list[str]:
    """Return the kinds of messages, without what is in them."""
    return [message.split("\t")[0] for message in messages]


@pytest.mark.parametrize("signed", [False, True])
def test_a_read_takes_two_round_trips(
    single: Database, signing: Database, user: User, tmp_path: Path, *, signed: bool
) -> None:
    """BEGIN, the context and the query travel together, signed or not; then COMMIT."""
    database = signing if signed else single

    def read() -> None:
        with database.begin(Actor.user(user.id)) as tx:
            tx.users.get()

    first, commit = sent_by(database, read, tmp_path / "trace")
    assert kinds(first) == FIRST
    assert commit == ['Query\t "COMMIT"']


def test_one_that_only_reads_waits_once(single: Database, user: User, tmp_path: Path) -> None:
    """COMMIT is sent as well, but nothing is left to hear of it when the block ends."""

    def read() -> None:
        with single.begin(Actor.user(user.id), readonly=True) as tx:
            tx.users.get()

    messages = trace(single, read, tmp_path / "trace")
    assert messages[-1] == ("F", 'Query\t "COMMIT"')
    awaited = [sent for (way, sent), (answers, _) in pairwise(messages) if (way, answers) == ("F", "B")]
    assert awaited == ["Sync"]


def test_what_a_transaction_says_of_its_actor_is_no_text_of_a_statement(
    single: Database, user: User, tmp_path: Path
) -> None:
    """It travels as parameters, so that pg_stat_activity shows it to nobody."""

    def read() -> None:
        with single.begin(Actor.service("test")) as tx:
            tx.session.execute(text("SELECT 1"))  # so that everything is prepared anew
        with single.begin(Actor.user(user.id, request_id="r-1")) as tx:
            tx.users.get()

    sent = [message for messages in sent_by(single, read, tmp_path / "trace") for message in messages]
    begin, enter, _ = [message for message in sent if message.startswith("Parse")][-3:]
    assert '"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE, NOT DEFERRABLE"' in begin
    assert "SELECT devmentor.begin_as($1" in enter
    saying = [message for message in sent if str(user.id) in message or "r-1" in message]
    assert set(kinds(saying)) == {"Bind"}


def test_a_login_takes_two_transactions_of_two_round_trips(
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

    find, commit, opened, end = sent_by(single, login, tmp_path / "trace")
    for query in (find, opened):
        assert kinds(query) == FIRST
    assert commit == end == ['Query\t "COMMIT"']


def test_a_sign_in_takes_four_round_trips(single: Database, user: User, tmp_path: Path) -> None:
    """One finds the account, a transaction by itself; two statements and COMMIT open the session."""
    actor = Actor.service("auth")
    with single.begin(actor) as tx:
        name = f"four-{uuid4().hex}"
        email = f"{name}@example.com"
        user_id = tx.users.register(email=email, username=name, password_hash=hash_password(PASSWORD)).user.id

    def login() -> None:
        assert sign_in(single, email, PASSWORD, actor=actor).user_id == user_id

    find, login_, opened, end = sent_by(single, login, tmp_path / "trace")
    assert kinds(find) == [*PREPARED, *PREPARED, "Sync"]
    assert kinds(login_) == FIRST
    assert kinds(opened) == [*PREPARED, "Sync"]
    assert end == ['Query\t "COMMIT"']


def test_a_token_costs_one_round_trip_more(single: Database, user: User, tmp_path: Path) -> None:
    """To find out whose it is: the statement that reads the session then sees that user's rows."""
    with single.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        token = tx.sessions.open(user.id).token

    def look() -> None:
        with single.begin(Actor.service("auth")) as tx:
            assert tx.sessions.find_active(token) is not None

    assert len(sent_by(single, look, tmp_path / "trace")) == 3


def test_a_search_takes_two_round_trips(single: Database, user: User, tmp_path: Path) -> None:
    """Model, both legs, hits with all that belongs to them, and the history are one statement (F5)."""
    with single.begin(Actor.user(user.id)) as tx:
        tx.documents.store(
            title="t", content="load_page", source=DocumentSource.CODE, chunks=[NewChunk("load_page")]
        )

    def search() -> None:
        with single.begin(Actor.user(user.id)) as tx:
            assert len(tx.memory.search("load_page", related=3)) == 1

    query, commit = sent_by(single, search, tmp_path / "trace")
    assert kinds(query) == FIRST
    assert commit == ['Query\t "COMMIT"']


def test_a_session_that_ran_text_is_cleared_with_the_commit(
    single: Database, user: User, tmp_path: Path
) -> None:
    """SQL that is not ours may have left something there: COMMIT takes DISCARD ALL along."""

    def run() -> None:
        with single.begin(Actor.user(user.id)) as tx:
            tx.session.execute(text("SELECT 1"))

    _, commit, discard = sent_by(single, run, tmp_path / "trace")
    assert kinds(commit) == kinds(discard) == [*UNPREPARED, "Sync"]
    assert '"COMMIT"' in commit[0]
    assert '"DISCARD ALL"' in discard[0]


def test_an_empty_transaction_sends_nothing(single: Database, user: User, tmp_path: Path) -> None:
    """Neither the checkout of a connection, nor BEGIN without a statement, nor its end sends anything."""

    def nothing() -> None:
        with single.begin(Actor.user(user.id)):
            pass

    assert sent_by(single, nothing, tmp_path / "trace") == []


def test_the_schema_is_verified_in_one_round_trip(single: Database, tmp_path: Path) -> None:
    """A start-up check must not hold up a start."""
    assert len(sent_by(single, single.verify_schema, tmp_path / "trace")) == 1

"""A revision waits for locks in short tries, so that no writer waits long behind it (requirement M3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from devmentor_models import migrate
from devmentor_models.errors import ConfigurationError, LockTimeout
from devmentor_models.migrations.patience import Patience
from devmentor_models.settings import conninfo
from tests.support.revision_folder import Revisions


@contextmanager
def locked(url: str, table: str, *, seconds: float | None = None) -> Iterator[None]:
    """Read ``table`` in a transaction that stays open for a while, or for the whole block."""
    with psycopg.connect(conninfo(url)) as reader:
        reader.execute(f"SELECT count(*) FROM {table}".encode())
        timer = threading.Timer(seconds or 0, reader.rollback)
        if seconds:
            timer.start()
        yield
        if seconds:
            timer.join()


@pytest.fixture
def add_column(revisions: Revisions) -> list[str]:
    """Return revisions that make a table, change it, and make another."""
    return [
        revisions.add("op.execute('CREATE TABLE t (id integer)')"),
        revisions.add("op.add_column('t', sa.Column('a', sa.Integer))"),
        revisions.add("op.add_column('t', sa.Column('b', sa.Integer))"),
        revisions.add("op.execute('CREATE TABLE u (id integer)')"),
    ]


def test_a_revision_is_tried_again(revisions: Revisions, add_column: list[str], empty_url: str) -> None:
    """A reader in the way for longer than one try delays the revision, and nobody else."""
    revisions.upgrade(empty_url, add_column[0])
    with locked(empty_url, "t", seconds=0.8):
        revisions.upgrade(empty_url, lock_timeout="100ms", lock_tries="20")
    assert migrate.current(empty_url) == add_column[3]


def test_a_relative_goal_is_the_same_on_every_try(
    revisions: Revisions, add_column: list[str], empty_url: str
) -> None:
    """+2 means two revisions, also when the second was tried three times."""
    revisions.upgrade(empty_url, add_column[0])
    revisions.upgrade(empty_url, "+1")
    with locked(empty_url, "t", seconds=0.5):
        revisions.upgrade(empty_url, "+1", lock_timeout="100ms")
    assert migrate.current(empty_url) == add_column[2]


def test_steps_before_a_failed_one_are_not_repeated(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection
) -> None:
    """Of +2, the first is done once, and the second as soon as it gets its lock."""
    connection.execute("CREATE TABLE t (id integer)")
    first = revisions.add("op.execute('CREATE TABLE u ()')", "op.execute('DROP TABLE u')")
    second = revisions.add("op.add_column('t', sa.Column('a', sa.Integer))", "op.drop_column('t', 'a')")
    revisions.add("op.execute('CREATE TABLE v ()')", "op.execute('DROP TABLE v')")
    with locked(empty_url, "t", seconds=0.5):
        revisions.upgrade(empty_url, "+2", lock_timeout="100ms")
    assert migrate.current(empty_url) == second
    revisions.upgrade(empty_url)
    with locked(empty_url, "t", seconds=0.5):
        revisions.downgrade(empty_url, "-2", lock_timeout="100ms")
    assert migrate.current(empty_url) == first


def test_the_last_try_ends_in_a_typed_error(
    revisions: Revisions, add_column: list[str], empty_url: str
) -> None:
    """It names the revision and says how long it tried; revisions before it stay done."""
    revisions.upgrade(empty_url, add_column[1])
    with locked(empty_url, "t"), pytest.raises(LockTimeout) as failed:
        revisions.upgrade(empty_url, lock_timeout="50ms", lock_tries="2")
    assert str(failed.value).startswith(f"Revision {add_column[2]} did not get its locks in 2 tries of 50ms.")
    assert migrate.current(empty_url) == add_column[1]


def test_a_writer_waits_for_one_try_at_most(
    revisions: Revisions, add_column: list[str], empty_url: str
) -> None:
    """Between two tries the queue behind the revision passes."""
    revisions.upgrade(empty_url, add_column[0])
    waits: list[float] = []
    done = threading.Event()

    def write() -> None:
        with psycopg.connect(conninfo(empty_url), autocommit=True) as writer:
            while not done.is_set():
                started = time.monotonic()
                writer.execute("INSERT INTO t VALUES (1)")
                waits.append(time.monotonic() - started)

    thread = threading.Thread(target=write)
    with locked(empty_url, "t"):
        thread.start()
        with pytest.raises(LockTimeout):
            revisions.upgrade(empty_url, lock_timeout="200ms", lock_tries="4")
        done.set()
        thread.join()
    assert max(waits) < 4 * 0.2
    assert sum(wait > 0.1 for wait in waits) == 4, "one wait for each try"


def test_a_deadlock_is_tried_again(
    revisions: Revisions,
    empty_url: str,
    connection: psycopg.Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server ends one of two that wait for each other; when it is the revision, it runs again."""
    connection.execute("CREATE TABLE t (id integer); CREATE TABLE u (id integer)")
    revisions.add("op.execute('LOCK TABLE t')\nop.execute('LOCK TABLE u')")

    def cross() -> None:
        """Wait second: whoever waited first looks for a deadlock first, finds it and is ended."""
        with psycopg.connect(conninfo(empty_url)) as other:
            other.execute("LOCK TABLE u")
            ready.set()
            waiting = "SELECT 1 FROM pg_locks WHERE relation = 'u'::regclass AND NOT granted"
            while connection.execute(waiting.encode()).fetchone() is None:
                time.sleep(0.01)
            other.execute("LOCK TABLE t")

    ready = threading.Event()
    thread = threading.Thread(target=cross)
    thread.start()
    ready.wait()
    revisions.upgrade(empty_url, lock_timeout="10s")
    thread.join()
    assert migrate.current(empty_url) == revisions.last
    assert "try 1 did not get its locks" in caplog.text


@pytest.mark.parametrize(
    "options", [{"lock-timeout": "0"}, {"lock-timeout": "2h; x"}, {"lock-tries": "0"}, {"lock-tries": "-1"}]
)
def test_limits_are_read_strictly(options: dict[str, str]) -> None:
    """Zero would wait for ever."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Patience.of(options)


def test_other_errors_are_not_repeated() -> None:
    """Only locks come free by waiting."""
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ValueError

    work: Callable[[], None] = fail
    with pytest.raises(ValueError, match=r"^$"):
        Patience().run(work, lambda: "it")
    assert calls == [1]

"""Commands of several threads: each works on its own database, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from alembic import command

from devmentor_models import migrate
from devmentor_models.errors import LockTimeout
from devmentor_models.migrations import turns
from devmentor_models.migrations.environment import LOCK_KEY
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask
from tests.support.revision_folder import Revisions

#: How long a command that need not wait takes at most to reach another's database.
HEAD_START_SECONDS = 1.0
#: Two revisions with a table each; the way back loses the second table, and says so.
FIRST = "op.execute('CREATE TABLE public.first (id integer)')"
SECOND = "op.execute('CREATE TABLE public.second (id integer)')"


@pytest.fixture
def folder(revisions: Revisions) -> Revisions:
    """Return two revisions, the way back from which loses data."""
    revisions.add(FIRST, "op.drop_table('first')", loses="the table first")
    revisions.add(SECOND, "op.drop_table('second')", loses="the table second")
    return revisions


@pytest.fixture
def other_url(devmentor_server: DatabaseServer, empty_url: str) -> Iterator[str]:
    """Yield another database like ``empty_url``."""
    name = f"{conninfo(empty_url).split('dbname=')[1].split()[0]}_other"
    with devmentor_server.database(name, drop=True) as url:
        migrate.bootstrap(url)
        ask(url, "GRANT CREATE ON SCHEMA public TO devmentor_owner")
        yield url


def tables(url: str) -> list[str]:
    """Return the tables of the schema public."""
    return [
        str(name)
        for (name,) in ask(
            url,
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND"
            " relnamespace = 'public'::regnamespace ORDER BY 1",
        )
    ]


def until_waiting(url: str) -> None:
    """Return when a migrator has asked for the migrators' lock of a database, which somebody else holds."""
    asking = "datname = current_database() AND query LIKE '%try_advisory%' AND pid <> pg_backend_pid()"
    for _ in range(200):
        if ask(url, f"SELECT 1 FROM pg_stat_activity WHERE {asking}"):
            return
        threading.Event().wait(0.05)
    raise AssertionError("no migrator came")


@contextmanager
def held(url: str) -> Iterator[Callable[[], object]]:
    """Hold whoever migrates a database, until the end or until what is yielded is called."""
    with psycopg.connect(conninfo(url), autocommit=True) as lock:
        lock.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        yield partial(lock.execute, "SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


def held_then_other(url: str, first: Callable[[], None], other: Callable[[], None]) -> list[Future[None]]:
    """Hold one command at the lock of its database, start the other, let both end, return how they did."""
    with ThreadPoolExecutor(2) as pool, held(url) as release:
        outcomes = [pool.submit(first)]
        until_waiting(url)
        outcomes.append(pool.submit(other))
        wait(outcomes[1:], timeout=HEAD_START_SECONDS)
        release()
        wait(outcomes)
    return outcomes


def test_a_downgrade_of_another_thread(empty_url: str, other_url: str, folder: Revisions) -> None:
    """While an upgrade is held, a downgrade that may lose data begins: it loses its own database's alone."""
    folder.upgrade(empty_url, "+1")
    folder.upgrade(other_url)
    down = partial(folder.downgrade, other_url, "base", allow_data_loss="yes")
    for outcome in held_then_other(empty_url, partial(folder.upgrade, empty_url), down):
        outcome.result()
    assert tables(empty_url) == ["first", "second"]
    assert tables(other_url) == []
    assert migrate.current(empty_url) == folder.last
    assert migrate.current(other_url) is None


def test_two_downgrades(empty_url: str, other_url: str, folder: Revisions) -> None:
    """Both may lose data, both are held inside: the one that goes on first goes as far as it was told to."""
    folder.upgrade(empty_url)
    folder.upgrade(other_url)
    allowed = {"allow_data_loss": "yes"}
    with ThreadPoolExecutor(2) as pool, held(other_url) as let_other, held(empty_url) as let_first:
        first = pool.submit(folder.downgrade, empty_url, "-1", **allowed)
        until_waiting(empty_url)
        other = pool.submit(folder.downgrade, other_url, "base", **allowed)
        wait([other], timeout=HEAD_START_SECONDS)
        let_first()
        wait([first])
        let_other()
        wait([other])
    assert tables(empty_url) == ["first"]
    assert tables(other_url) == []
    assert [first.exception(), other.exception()] == [None, None]


def test_an_upgrade_while_a_downgrade_is_held(empty_url: str, other_url: str, folder: Revisions) -> None:
    """The other way round: the permission to lose data stays with the command that has it."""
    folder.upgrade(empty_url)
    folder.upgrade(other_url)
    down = partial(folder.downgrade, empty_url, "-1", allow_data_loss="yes")
    refused = partial(folder.downgrade, other_url, "base")
    first, second = held_then_other(empty_url, down, refused)
    first.result()
    assert "loses" in str(second.exception())
    assert tables(empty_url) == ["first"]
    assert tables(other_url) == ["first", "second"]


def test_the_real_commands(devmentor_database_url: str, other_url: str) -> None:
    """`migrate.upgrade` is held on an empty database, `migrate.downgrade` empties another one."""
    down = partial(migrate.downgrade, devmentor_database_url, "base", allow_data_loss=True)
    for outcome in held_then_other(other_url, partial(migrate.upgrade, other_url), down):
        outcome.result()
    assert migrate.current(other_url) == migrate.head()
    assert migrate.check(other_url) == []
    assert migrate.current(devmentor_database_url) is None


def test_a_script_is_printed_meanwhile(empty_url: str, folder: Revisions) -> None:
    """What needs no database waits as well, since it works through the same names."""
    config = folder.config("postgresql://nowhere")
    script = partial(command.upgrade, config, "head", sql=True)
    for outcome in held_then_other(empty_url, partial(folder.upgrade, empty_url), script):
        outcome.result()
    assert tables(empty_url) == ["first", "second"]


def test_a_command_inside_another(empty_url: str, other_url: str, folder: Revisions, tmp_path: Path) -> None:
    """A revision that migrates another database goes on with its own afterwards."""
    outer = Revisions.from_nothing(tmp_path / "outer")
    outer.add(
        f"""
        op.execute('CREATE TABLE public.before (id integer)')
        from alembic import command
        from devmentor_models import migrate
        config = migrate.config({other_url!r})
        config.set_main_option("script_location", {str(folder.folder)!r})
        command.upgrade(config, "head")
        op.execute('CREATE TABLE public.after (id integer)')
        """
    )
    outer.add("op.execute('CREATE TABLE public.third (id integer)')")
    outer.upgrade(empty_url)
    assert tables(empty_url) == ["after", "before", "third"]
    assert tables(other_url) == ["first", "second"]
    assert migrate.current(empty_url) == outer.last


def test_a_command_that_fails_gives_its_turn_back(empty_url: str, folder: Revisions, tmp_path: Path) -> None:
    """Inside another one, too; and another thread has its turn then."""
    failing = Revisions.from_nothing(tmp_path / "failing")
    failing.add("op.execute('SELECT 1 / 0')")
    with pytest.raises(Exception, match="division by zero"):
        failing.upgrade(empty_url)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(folder.upgrade, empty_url).result()
    assert tables(empty_url) == ["first", "second"]


def test_it_does_not_wait_for_ever(
    empty_url: str, other_url: str, folder: Revisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that never gets its turn says who has it."""
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.1)
    first, second = held_then_other(
        empty_url, partial(folder.upgrade, empty_url), partial(folder.upgrade, other_url)
    )
    first.result()
    assert isinstance(second.exception(), LockTimeout)
    assert tables(other_url) == []

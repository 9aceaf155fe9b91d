"""Rotation of the ring: everything under its first key, whatever happens meanwhile (Z5)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from devmentor_models import Actor, Database, key_rotation
from devmentor_models.ai.enums import Provider
from devmentor_models.auth.models import User
from devmentor_models.cli.app import app
from devmentor_models.errors import ConfigurationError, EncryptionKeyMissing
from devmentor_models.key_rotation import KeyRotation, Rotated
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.transaction import Transaction
from tests.support.logins import login

OLD, NEW = KeyRing.generate(), KeyRing.generate()
AUTH = Actor.service("auth")
NOTHING = Rotated(keys=0, texts=0, unreadable=0, locked=0)
USERS = 20

#: A rotation that is killed while it is in its third batch of keys.
KILLED = """
import os, signal, sys
from devmentor_models import key_rotation, registry
calls, rewrap = [], key_rotation.rewrap
def rewrap_or_die(*arguments):
    calls.append(arguments)
    if len(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return rewrap(*arguments)
key_rotation.rewrap = rewrap_or_die
with key_rotation.KeyRotation(sys.argv[1], batch=3) as rotation:
    rotation.run()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with the old ring, and do not wait long for locked rows."""
    monkeypatch.setenv(KEYS_VARIABLE, OLD)
    monkeypatch.setattr(key_rotation, "PAUSE_SECONDS", 0.02)


@pytest.fixture
def rotated_database(devmentor_database_url: str) -> Iterator[Database]:
    """Yield a database of the test's own, since a rotation is about every row."""
    with Database.from_url(devmentor_database_url, pool_min=0) as made:
        yield made


@pytest.fixture
def owner_url(devmentor_database_url: str) -> Iterator[str]:
    """Yield its URL for a login with the rights of migrations; row security binds it."""
    with login(devmentor_database_url, member_of="devmentor_owner") as made:
        yield made


@pytest.fixture
def named(rotated_database: Database) -> list[UUID]:
    """Commit users with names and API keys under the old ring."""
    made = []
    for number in range(USERS):
        with rotated_database.begin(AUTH) as tx:
            user = UserFactory.insert(tx.session, full_name=f"Name {number}")
        with rotated_database.begin(Actor.user(user.id)) as tx:
            tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=f"sk-{number}")
        made.append(user.id)
    return made


def all_read(database: Database, users: list[UUID]) -> None:
    """Assert that every name and API key is what it was."""
    for number, user_id in enumerate(users):
        with database.begin(Actor.user(user_id)) as tx:
            config = tx.provider_configs.find_by_name("main")
            assert config is not None
            assert (tx.users.get().full_name, config.api_key) == (f"Name {number}", f"sk-{number}")


def make_old(url: str, users: list[UUID]) -> None:
    """Turn names and API keys into texts of an older release: under the ring, without keys of users."""
    ring = KeyRing.from_text(OLD)
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("DELETE FROM auth.user_keys")
        for number, user_id in enumerate(users):
            name = ring.encrypt(f"Name {number}".encode(), "auth.users.full_name")
            connection.execute("UPDATE auth.users SET full_name = %s WHERE id = %s", [name, user_id])
            key = ring.encrypt(f"sk-{number}".encode(), "ai.provider_configs.api_key")
            change = "UPDATE ai.provider_configs SET api_key = %s WHERE user_id = %s"
            connection.execute(change, [key, user_id])


def rotate(url: str, *, batch: int = 7) -> Rotated:
    """Run a rotation."""
    with KeyRotation(url, batch=batch) as rotation:
        return rotation.run()


def test_afterwards_the_old_key_is_of_no_use(
    rotated_database: Database, owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it everything is readable; a second run finds nothing to do."""
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    with KeyRotation(owner_url, batch=7) as rotation:
        assert rotation.pending() == USERS
        steps: list[int] = []
        assert rotation.run(steps.append) == Rotated(keys=USERS, texts=0, unreadable=0, locked=0)
        assert (sum(steps), max(steps)) == (USERS, 7)
        assert rotation.pending() == 0
        assert rotation.run() == NOTHING
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    all_read(rotated_database, named)
    monkeypatch.setenv(KEYS_VARIABLE, OLD)
    with pytest.raises(EncryptionKeyMissing):
        all_read(rotated_database, named)


def test_texts_of_an_older_release_get_their_users_key(
    rotated_database: Database, owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are made for whom there is none, one for all texts of a user."""
    make_old(rotated_database.settings.database_url.get_secret_value(), named)
    all_read(rotated_database, named)
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    assert rotate(owner_url) == Rotated(keys=0, texts=2 * USERS, unreadable=0, locked=0)
    assert rotate(owner_url) == NOTHING
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    all_read(rotated_database, named)


def test_a_killed_rotation_is_finished_by_the_next(
    rotated_database: Database, owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it committed stays done; all is readable in between."""
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    command = [sys.executable, "-c", KILLED, owner_url]
    killed = subprocess.run(command, env=os.environ, check=False, capture_output=True)  # noqa: S603 - ours
    assert killed.returncode == -signal.SIGKILL
    all_read(rotated_database, named)
    with KeyRotation(owner_url, batch=7) as rotation:
        assert rotation.pending() == USERS - 6
        assert rotation.run().keys == USERS - 6
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    all_read(rotated_database, named)


def test_writers_go_on(
    rotated_database: Database, owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts that change, and users that come, while two rotations run: nothing is lost or left behind."""
    make_old(rotated_database.settings.database_url.get_secret_value(), named)
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    stop = threading.Event()
    failed: list[Exception] = []
    new: list[UUID] = []

    def write(users: list[UUID]) -> None:
        while not stop.is_set():
            for user_id in users:
                try:
                    rotated_database.run(_touch(named.index(user_id)), actor=Actor.user(user_id))
                    new.append(rotated_database.run(_register, actor=AUTH))
                except Exception as error:  # noqa: BLE001 - told below
                    failed.append(error)
                    return

    writers = [threading.Thread(target=write, args=(named[place::2],)) for place in range(2)]
    other = threading.Thread(target=rotate, args=(owner_url,), kwargs={"batch": 2})
    for thread in (*writers, other):
        thread.start()
    done = rotate(owner_url, batch=2)
    other.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert failed == []
    assert done.unreadable == 0
    assert rotate(owner_url).complete  # what the writers may have kept locked
    assert rotate(owner_url) == NOTHING
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    all_read(rotated_database, named)
    with rotated_database.begin(AUTH) as tx:
        found = tx.session.execute(select(User).where(User.id.in_(new))).scalars().all()
        assert {user.full_name for user in found} == {"New"}


def _touch(number: int) -> Callable[[Transaction], None]:
    """Return work that writes a user's texts as they are."""

    def work(tx: Transaction) -> None:
        tx.users.update_profile(full_name=f"Name {number}")
        tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=f"sk-{number}")

    return work


def _register(tx: Transaction) -> UUID:
    return UserFactory.insert(tx.session, full_name="New").id


def test_locked_rows_are_passed_over(
    rotated_database: Database, owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are done, what is left is told, and the next run does it."""
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    target = conninfo(rotated_database.settings.database_url.get_secret_value())
    with psycopg.connect(target) as holder:
        holder.execute("SELECT FROM auth.user_keys WHERE user_id = %s FOR UPDATE", [named[3]])
        done = rotate(owner_url)
        assert (done.keys, done.locked, done.complete) == (USERS - 1, 1, False)
    assert rotate(owner_url).keys == 1


def test_a_value_without_a_key_is_told_and_left(
    rotated_database: Database, owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring that lacks a key does not stop the rest, and does not count as done."""
    lost = KeyRing.generate()
    monkeypatch.setenv(KEYS_VARIABLE, lost)
    with rotated_database.begin(AUTH) as tx:
        user = UserFactory.insert(tx.session, full_name="Lost")
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    done = rotate(owner_url)
    assert done == Rotated(keys=USERS, texts=0, unreadable=1, locked=0)
    assert not done.complete
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{lost}")
    assert rotate(owner_url).keys == 1
    with rotated_database.begin(Actor.user(user.id)) as tx:
        assert tx.users.get().full_name == "Lost"


def test_who_would_miss_rows_may_not_rotate(rotated_database: Database, owner_url: str) -> None:
    """A login without the owner's rights, and an owner without the policies that show every row."""
    url = rotated_database.settings.database_url.get_secret_value()
    with login(url) as stranger, pytest.raises(ConfigurationError, match="member of devmentor_owner"):
        rotate(stranger)
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("DROP POLICY definer_update ON auth.users")
    with pytest.raises(ConfigurationError, match=r"auth\.users: row security hides rows"):
        rotate(owner_url)


def command(url: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["rotate-keys", "--url", url])


def test_the_command_says_what_it_did(
    owner_url: str, named: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And fails when something is left, or without a ring."""
    assert command(owner_url).output.startswith("Nothing to do")
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    failed = command(owner_url)
    assert failed.exit_code == 1
    assert f"{len(named)} values fit no key of the ring" in failed.output
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW},{OLD}")
    done = command(owner_url)
    assert (done.exit_code, f"{len(named)} keys of users" in done.output) == (0, True)
    assert command(owner_url).output.startswith("Nothing to do")
    monkeypatch.delenv(KEYS_VARIABLE)
    assert "set DEVMENTOR_ENCRYPTION_KEYS" in command(owner_url).output

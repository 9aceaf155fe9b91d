"""Migrations beside writers and a long reader: nobody fails, nobody waits long (requirement M3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from devmentor_models import migrate
from devmentor_models.settings import conninfo
from tests.support.revision_folder import Revisions

LOCK_TIMEOUT = 0.4
LOCK_TRIES = 30
#: How long somebody may have to wait for a processor, on a busy machine.
MARGIN = 1.0
WRITERS = 4

STATEMENTS = (
    "INSERT INTO auth.teams (user_id, name) SELECT id, gen_random_uuid()::text FROM auth.users LIMIT 1",
    "UPDATE auth.teams SET description = 'now' WHERE created_at = (SELECT max(created_at) FROM auth.teams)",
    "UPDATE auth.users SET last_login_at = now() WHERE id = (SELECT id FROM auth.users LIMIT 1)",
)


@dataclass
class Load:
    """Writers, and how long each of their statements took, in seconds."""

    url: str
    waits: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        """Write until stopped."""
        with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
            while not self.stopped.is_set():
                for statement in STATEMENTS:
                    started = time.monotonic()
                    connection.execute(statement.encode())
                    self.waits.append(time.monotonic() - started)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write from several threads; whatever fails there fails the block's end."""
        with ThreadPoolExecutor(WRITERS) as pool:
            futures: list[Future[None]] = [pool.submit(self.write) for _ in range(WRITERS)]
            try:
                yield
            finally:
                self.stopped.set()
            for future in futures:
                future.result()


@contextmanager
def long_reader(url: str, seconds: float) -> Iterator[None]:
    """Read a table in a transaction that stays open for a while, and once more at its end."""
    with psycopg.connect(conninfo(url)) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before = connection.execute("SELECT count(*) FROM auth.teams").fetchone()

        def read_again() -> None:
            time.sleep(seconds)
            assert connection.execute("SELECT count(*) FROM auth.teams").fetchone() == before
            connection.commit()

        reading = pool.submit(read_again)
        yield
        reading.result()


@pytest.fixture
def under_way(later_revisions: Revisions) -> Revisions:
    """Return revisions that change tables in use, one of every sort."""
    later_revisions.add(
        "op.add_column('teams', sa.Column('motto', sa.Text), schema='auth')",
        "op.drop_column('teams', 'motto', schema='auth')",
        loses="the column auth.teams.motto.",
    )
    later_revisions.add(
        "op.create_index_concurrently('ix_teams_motto', 'teams', ['motto'], schema='auth')",
        "op.drop_index_concurrently('ix_teams_motto', 'teams', schema='auth')",
    )
    later_revisions.add(
        """
        op.create_check_constraint(
            op.f('ck_motto'), 'teams', "motto <> ''", schema='auth', postgresql_not_valid=True
        )
        op.create_foreign_key(
            'fk_motto', 'teams', 'users', ['user_id'], ['id'], source_schema='auth',
            referent_schema='auth', postgresql_not_valid=True,
        )
        """,
        """
        op.drop_constraint('fk_motto', 'teams', schema='auth')
        op.drop_constraint(op.f('ck_motto'), 'teams', schema='auth')
        """,
    )
    later_revisions.add(
        """
        op.validate_constraint('fk_motto', 'teams', schema='auth')
        op.validate_constraint('ck_motto', 'teams', schema='auth')
        """
    )
    return later_revisions


@pytest.mark.long
def test_nobody_waits_long(
    under_way: Revisions, devmentor_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Up and down again under load: every wait ends with the try it waits for, and all is applied."""
    url = devmentor_database_url
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute(
            "INSERT INTO auth.users (email, username, password_hash) VALUES ('load@example.com', 'load', 'x')"
        )
        connection.execute(STATEMENTS[0].encode())
    limits = {"lock_timeout": f"{LOCK_TIMEOUT * 1000:.0f}ms", "lock_tries": str(LOCK_TRIES)}
    load = Load(url)
    with load.running():
        with long_reader(url, seconds=2):
            under_way.upgrade(url, **limits)
        assert migrate.current(url) == under_way.last
        assert "did not get its locks" in caplog.text, "the reader was in the way"
        caplog.clear()
        with long_reader(url, seconds=2):
            under_way.downgrade(url, migrate.head(), allow_data_loss="yes", **limits)
    assert migrate.current(url) == migrate.head()
    assert "did not get its locks" in caplog.text, "the reader was in the way"
    assert len(load.waits) > 100
    assert max(load.waits) < LOCK_TIMEOUT + MARGIN
    quick = sum(wait < LOCK_TIMEOUT / 4 for wait in load.waits) / len(load.waits)
    assert quick > 0.9, "most of them notice nothing"

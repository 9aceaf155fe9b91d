"""Several migrators at once, and migrators that are killed (requirement M3)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from devmentor_models import migrate
from devmentor_models.security.roles import OWNER
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.migrators import Migrators
from tests.support.revision_folder import Revisions

#: What can differ between two databases at the same revision.
STATE = """
    SELECT 'column', attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod),
            attnotnull::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
     WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v')
       AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'index', indrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text, NULL
      FROM pg_index WHERE indexrelid >= 16384 AND indexrelid::regclass::text NOT LIKE 'pg_toast%'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid),
            convalidated::text FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT 'function', oid::regprocedure::text, prosrc, proowner::regrole::text, proacl::text
      FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid), NULL, NULL
      FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'policy', tablename::text, policyname::text, qual, with_check FROM pg_policies
    UNION ALL SELECT 'relation', oid::regclass::text, relkind::text, relowner::regrole::text, relacl::text
      FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'enum', enumtypid::regtype::text, enumlabel::text, enumsortorder::text, NULL FROM pg_enum
    UNION ALL SELECT 'revision', version_num, NULL, NULL, NULL FROM devmentor.alembic_version
    ORDER BY 1, 2, 3, 4, 5
"""


def state(url: str) -> list[tuple[object, ...]]:
    """Return what is in a database."""
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(STATE.encode()).fetchall()


def rows(url: str) -> list[tuple[object, ...]]:
    """Return the rows of the table that the revisions below fill."""
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute("SELECT * FROM child ORDER BY id").fetchall()


@pytest.fixture
def mixed(revisions: Revisions) -> Revisions:
    """Return a revision of every sort: plain, rows, concurrent, NOT VALID, validation, NOT NULL, drop."""
    revisions.add(
        """
        op.create_table('parent', sa.Column('id', sa.Integer, primary_key=True))
        op.create_table('child', sa.Column('id', sa.Integer), sa.Column('parent_id', sa.Integer))
        op.execute("INSERT INTO parent SELECT generate_series(1, 3)")
        op.execute("INSERT INTO child SELECT n, 1 FROM generate_series(1, 3) AS n")
        """
    )
    revisions.add("op.add_column('child', sa.Column('label', sa.Text))")
    revisions.add(
        """
        op.expect_rows('public.child', "UPDATE child SET label = coalesce(label, '') || id", rows=3)
        """
    )
    revisions.add(
        """
        op.create_index_concurrently('ix_child_label', 'child', ['label'], unique=True)
        op.create_index_concurrently('ix_child_parent', 'child', ['parent_id'])
        op.execute("UPDATE child SET parent_id = parent_id + 1")
        """
    )
    revisions.add(
        "op.create_foreign_key('fk', 'child', 'parent', ['parent_id'], ['id'], postgresql_not_valid=True)"
    )
    revisions.add("op.validate_constraint('fk', 'child')\nop.set_not_null('child', 'label')")
    revisions.add("op.drop_index_concurrently('ix_child_parent', 'child')")
    return revisions


@pytest.fixture(scope="module")
def bootstrapped(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the name of a database with nothing but what bootstrap makes, to be copied."""
    name = f"devmentor_test_{uuid4().hex}"
    with devmentor_server.database(name, drop=True) as url:
        migrate.bootstrap(url)
        with psycopg.connect(conninfo(url), autocommit=True) as administrator:
            administrator.execute(f"GRANT CREATE ON SCHEMA public TO {OWNER.name}".encode())
        yield name


@contextmanager
def copied(server: DatabaseServer, template: str) -> Iterator[str]:
    """Yield the URL of a copy that is dropped afterwards."""
    with server.database(f"devmentor_test_{uuid4().hex}", template=template, drop=True) as url:
        yield url


@pytest.mark.long
def test_killed_at_every_place(mixed: Revisions, devmentor_server: DatabaseServer, bootstrapped: str) -> None:
    """Wherever a run ends, the next one brings the database to where an undisturbed run does.

    Killed before every statement and COMMIT that follows one which may have changed something.
    """
    with Migrators(mixed.folder) as migrators:
        with copied(devmentor_server, bootstrapped) as url:
            (undisturbed,) = migrators.upgrade(url)
            expected = state(url), rows(url)
        assert len(undisturbed["ran"]) == len(mixed.names)
        for place in range(1, undisturbed["places"] + 1):
            with copied(devmentor_server, bootstrapped) as url:
                (first,) = migrators.upgrade(url, kill_at=place)
                (second,) = migrators.upgrade(url)
                assert first["killed"], place
                assert not second["failed"], place
                assert (state(url), rows(url)) == expected, place


@pytest.mark.long
def test_the_real_revisions_killed(
    tmp_path: Path, devmentor_server: DatabaseServer, bootstrapped: str
) -> None:
    """The same with the library's own revisions, at places that differ from run to run."""
    seed = random.randrange(2**32)  # noqa: S311 - chooses places, keeps no secret
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    real = Revisions.after_head(tmp_path / "real")
    with Migrators(real.folder) as migrators:
        with copied(devmentor_server, bootstrapped) as url:
            (undisturbed,) = migrators.upgrade(url)
            expected = state(url)
        choice = random.Random(seed)  # noqa: S311 - likewise
        for place in choice.sample(range(1, undisturbed["places"] + 1), 5):
            with copied(devmentor_server, bootstrapped) as url:
                (first,) = migrators.upgrade(url, kill_at=place)
                (second,) = migrators.upgrade(url)
                assert first["killed"]
                assert not second["failed"]
                assert state(url) == expected, f"killed at {place} of {undisturbed['places']}, seed {seed}"


BUILDING = (
    "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
    " AND wait_event_type = 'Lock' AND datname = current_database()"
)
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix')"


def answer(connection: psycopg.Connection, query: str, *, until: object = None) -> object:
    """Return the first value of a query; with ``until``, wait until there is one, or it is that."""
    give_up = time.monotonic() + 20
    while True:
        row = connection.execute(query.encode()).fetchone()
        found = row[0] if row else None
        if until is None or found == until or (until is any and found is not None):
            return found
        assert time.monotonic() < give_up, query
        time.sleep(0.02)


@pytest.mark.parametrize("server_knows", [True, False])
def test_killed_in_the_middle_of_a_build(
    revisions: Revisions, empty_url: str, connection: psycopg.Connection, server_knows: bool
) -> None:
    """The session may end with the build, or go on with it, unaware that nobody is there any more."""
    connection.execute("RESET ROLE; CREATE TABLE t (a integer); ALTER TABLE t OWNER TO devmentor_owner")
    revisions.add("op.create_index_concurrently('ix', 't', ['a'])")
    with psycopg.connect(conninfo(empty_url)) as writer, psycopg.connect(conninfo(empty_url)) as orphan:
        writer.execute("INSERT INTO t VALUES (1)")
        orphan.autocommit = True
        with ThreadPoolExecutor() as pool:
            build = pool.submit(orphan.execute, "CREATE INDEX CONCURRENTLY ix ON t (a)")
            process = answer(connection, BUILDING, until=any)
            assert answer(connection, VALID) is False
            if server_knows:
                connection.execute("SELECT pg_terminate_backend(%s)", [process])
                with pytest.raises(psycopg.OperationalError):
                    build.result()
            rerun = pool.submit(revisions.upgrade, empty_url)
            answer(
                connection, "SELECT count(*) FROM pg_locks WHERE NOT granted", until=1 + (not server_knows)
            )
            writer.commit()
            rerun.result()
    assert answer(connection, VALID) is True
    assert migrate.current(empty_url) == revisions.last


def test_ten_migrators_at_once(revisions: Revisions, empty_url: str) -> None:
    """One runs everything; the others wait, in the way of no concurrent build, and do nothing."""
    revisions.add("op.create_table('t', sa.Column('a', sa.Integer), sa.Column('sessions', sa.Integer))")
    revisions.add("op.execute('SELECT pg_sleep(1)')")
    revisions.add(
        """
        op.create_index_concurrently('ix', 't', ['a'], lock_timeout='1s')
        op.execute(
            "INSERT INTO t SELECT 1, count(*) FROM pg_stat_activity WHERE datname = current_database()"
        )
        """
    )
    with Migrators(revisions.folder) as migrators:
        fared = migrators.upgrade(empty_url, migrators=10)
    assert not any(migrator["failed"] for migrator in fared)
    assert sorted(len(migrator["ran"]) for migrator in fared) == [0] * 9 + [3]
    with psycopg.connect(conninfo(empty_url)) as connection:
        (sessions,) = connection.execute("SELECT sessions FROM t").fetchone() or (0,)
    assert sessions >= 10, "the others were waiting"
    assert migrate.current(empty_url) == revisions.last

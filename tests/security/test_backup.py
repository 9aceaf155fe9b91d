"""Backups: a role that reads every row, and changes none (DESIGN §4; trap 13)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest

from devmentor_models import Actor, Database, migrate
from devmentor_models.embedded.account import installed
from devmentor_models.errors import ConfigurationError, ContextRefused
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.registry import target_metadata
from devmentor_models.security.signing import ContextKeys
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.concurrency import run_concurrently
from tests.support.every_model import insert_rows_everywhere
from tests.support.logins import ask
from tests.support.users import committed

#: What a backup leaves out: keys that a copy of the database must not have.
LEFT_OUT = "--exclude-table=devmentor.context_keys"
#: What a backup by a superuser leaves out.
EMPTIED = "--exclude-table-data=devmentor.context_keys"

#: The newest revision without signed contexts.
BEFORE_SIGNING = "0d1c5a6e0008"

#: The table of keys as PostgreSQL describes it.
DESCRIBED = """
    SELECT relowner::regrole::text, relacl::text, relrowsecurity, relforcerowsecurity,
           obj_description(c.oid, 'pg_class'),
           array(SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attacl,
                                  pg_get_expr(adbin, adrelid), col_description(c.oid, attnum))
                 FROM pg_attribute a LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
           array(SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE conrelid = c.oid ORDER BY 1),
           array(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid ORDER BY 1),
           array(SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = c.oid ORDER BY 1)
    FROM pg_class c WHERE oid = 'devmentor.context_keys'::regclass
"""


def counts(url: str) -> dict[str, int]:
    """Return how many rows each table has, as superuser."""
    with psycopg.connect(conninfo(url)) as connection:
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchall()[0][0]
            for name in target_metadata.tables
        }


def run(program: str, *options: str, given: bytes = b"") -> bytes:
    """Run a program of PostgreSQL's and return what it printed."""
    command = [str(installed() / "bin" / program), *options]
    done = subprocess.run(command, check=False, input=given, capture_output=True)  # noqa: S603 - PostgreSQL's
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def restored(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database to restore to."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


def restore(dump: bytes, url: str) -> None:
    """Restore a plain dump, and stop at the first error."""
    run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", conninfo(url), given=dump)


def test_a_dump_is_complete(
    devmentor_server: DatabaseServer, devmentor_database_url: str, restored: str
) -> None:
    """Dumped by a member of devmentor_backup under row security, and restored: every row of every table."""
    committed(devmentor_database_url, insert_rows_everywhere)
    with devmentor_server.login(devmentor_database_url, "devmentor_backup") as backup:
        dump = run("pg_dump", "--enable-row-security", LEFT_OUT, "--format=plain", conninfo(backup))
    restore(dump, restored)
    before, after = counts(devmentor_database_url), counts(restored)
    assert min(before.values()) > 0
    assert after == before


@dataclass(frozen=True, slots=True)
class Signed:
    """A database that accepts signed contexts only, with a user who has a project."""

    server: DatabaseServer
    url: str
    key: str
    user: UUID

    def dump(self, form: str, *, by_superuser: bool) -> bytes:
        """Return a dump as SECURITY.md prescribes."""
        with self.server.login(self.url, "devmentor_backup") as backup:
            of_backup = ("--enable-row-security", LEFT_OUT, conninfo(backup))
            return run(
                "pg_dump", f"--format={form}", *((EMPTIED, conninfo(self.url)) if by_superuser else of_backup)
            )

    def serves(self, url: str) -> bool:
        """Tell whether a copy of it lets the user see the project through the service."""
        with (
            self.server.login(url, "devmentor_projects") as login,
            Database.from_url(login, pool_min=0, pool_max=1, context_key=self.key) as database,
        ):
            database.verify_schema()
            with database.begin(Actor.user(self.user)) as tx:
                return len(tx.projects.list().items) == 1


@pytest.fixture
def signed(devmentor_server: DatabaseServer, devmentor_database_url: str) -> Signed:
    """Return a database that accepts signed contexts only."""
    url, key = devmentor_database_url, generate_key()
    context_keys.install(url, ContextKeys.from_text(key))
    user = committed(url, lambda session: ProjectFactory.insert(session).user_id)
    return Signed(devmentor_server, url, key, user)


@pytest.mark.parametrize(
    ("form", "by_superuser", "then"),
    [
        pytest.param("plain", False, "context-key", marks=pytest.mark.long),
        pytest.param("custom", False, "off", marks=pytest.mark.long),
        pytest.param("custom", True, "context-key", marks=pytest.mark.long),
        ("plain", False, "upgrade and context-key"),
    ],
)
def test_a_signed_database_serves_after_its_restore(
    signed: Signed, restored: str, form: str, then: str, *, by_superuser: bool
) -> None:
    """Keys are in no dump, whoever made it; check says what is missing, and each command repairs it."""
    dump = signed.dump(form, by_superuser=by_superuser)
    if form == "plain":
        assert ContextKeys.from_text(signed.key).signing.pads()[0].hex().encode() not in dump
        restore(dump, restored)
    else:
        run("pg_restore", "--exit-on-error", "--dbname", conninfo(restored), given=dump)
    with pytest.raises(ContextRefused, match="no key to check them with"):
        signed.serves(restored)
    wrong = [
        line.removeprefix("table devmentor.context_keys: ").split()[1] for line in migrate.check(restored)
    ]
    assert wrong == (["no"] if by_superuser else ["missing.", "no"])
    if "upgrade" in then:
        migrate.upgrade(restored)
        (left,) = migrate.check(restored)
        assert "devmentor-db context-key" in left
    if "context-key" in then:
        context_keys.install(restored, ContextKeys.from_text(signed.key))
    else:
        context_keys.remove(restored)
    assert signed.serves(restored)
    assert migrate.check(restored) == []
    assert migrate.repair(restored) == []
    assert ask(restored, DESCRIBED) == ask(signed.url, DESCRIBED)


def test_a_restored_database_goes_down_as_well(devmentor_database_url: str) -> None:
    """A downgrade drops the table, so it is made again first; an older database has none to miss."""
    url = devmentor_database_url
    ask(url, "DROP TABLE devmentor.context_keys")
    migrate.downgrade(url, BEFORE_SIGNING, allow_data_loss=True)
    assert migrate.faults_of_signing(url) == []
    with pytest.raises(ConfigurationError, match="devmentor-db upgrade"):
        context_keys.install(url, ContextKeys.from_text(generate_key()))
    with pytest.raises(ConfigurationError, match="devmentor-db upgrade"):
        context_keys.remove(url)
    migrate.upgrade(url)
    assert migrate.check(url) == []


def test_several_bring_the_keys_at_once(devmentor_database_url: str) -> None:
    """All may find the table missing; one makes it, and the keys of one of them are there."""
    url = devmentor_database_url
    ask(url, "DROP TABLE devmentor.context_keys")
    keys = [ContextKeys.from_text(generate_key()) for _ in range(4)]
    found = run_concurrently([partial(context_keys.install, url, each) for each in keys])
    assert [outcome for outcome in found if isinstance(outcome, BaseException)] == []
    (fingerprint,) = ask(url, "SELECT fingerprint FROM devmentor.context_keys")
    assert fingerprint[0] in {each.signing.fingerprint() for each in keys}


def test_any_role_learns_what_is_missing(
    devmentor_server: DatabaseServer, devmentor_database_url: str
) -> None:
    """A role that may not read the keys is told as much as one that may."""
    url = devmentor_database_url
    context_keys.install(url, ContextKeys.from_text(generate_key()))
    ask(url, "TRUNCATE devmentor.context_keys")
    with devmentor_server.login(url) as stranger:
        (line,) = migrate.faults_of_signing(stranger)
        assert "has no key" in line
        (remark,) = migrate.repair(url)
        assert remark.startswith("-- table devmentor.context_keys: has no key")


@pytest.mark.parametrize("role", ["devmentor_backup", "devmentor_readonly", "devmentor_monitor"])
def test_it_changes_nothing(devmentor_url: str, role: str) -> None:
    """None of the roles that read may write to any table."""
    with psycopg.connect(conninfo(devmentor_url)) as connection:
        query = "SELECT has_table_privilege(%s, %s, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')"
        for table in target_metadata.tables:
            assert connection.execute(query, [role, table]).fetchall() == [(False,)], table

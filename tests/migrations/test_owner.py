"""Migrations run as the owner, who is no superuser, and looking needs no right to write (M4, Z2)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from devmentor_models import migrate
from devmentor_models.errors import ConfigurationError, LockTimeout
from devmentor_models.migrations.environment import make_engine, migration_lock
from devmentor_models.migrations.ownership import foreign_objects
from devmentor_models.security.roles import OWNER, READONLY
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.logins import ask, login, name_of

#: Every object in our schemas, and who owns it.
OWNERS = """
    WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname IN
                  ('devmentor', 'auth', 'projects', 'ai', 'memory', 'learning'))
    SELECT 'schema', oid::regnamespace::text, nspowner::regrole::text FROM pg_namespace
     WHERE oid IN (SELECT oid FROM ours)
    UNION ALL SELECT 'relation', oid::regclass::text, relowner::regrole::text FROM pg_class
     WHERE relnamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT 'type', oid::regtype::text, typowner::regrole::text FROM pg_type
     WHERE typnamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT 'function', oid::regprocedure::text, proowner::regrole::text FROM pg_proc
     WHERE pronamespace IN (SELECT oid FROM ours)
"""


@pytest.fixture
def empty_url(devmentor_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test's own, as superuser."""
    with devmentor_server.database(f"devmentor_test_{uuid4().hex}", drop=True) as url:
        yield url


def foreign(url: str) -> list[tuple[object, ...]]:
    """Return what in our schemas somebody else than the owner has; not more than ten."""
    return [row for row in ask(url, OWNERS) if row[2] != OWNER.name][:10]


def test_everything_belongs_to_the_owner(devmentor_database_url: str) -> None:
    """Schemas, tables, partitions made later, indexes, types, functions and alembic_version."""
    ask(devmentor_database_url, "SELECT devmentor.ensure_partitions(12)")
    assert len(ask(devmentor_database_url, OWNERS)) > 300
    assert foreign(devmentor_database_url) == []


def test_partitions_are_made_by_who_was_allowed_to(devmentor_database_url: str) -> None:
    """The function works with its owner's rights, so not everybody may call it."""
    url = devmentor_database_url
    make = "SELECT devmentor.ensure_partitions(4)"
    with login(url) as stranger, login(url) as janitor:
        for name in (name_of(stranger), name_of(janitor)):
            ask(url, f"GRANT USAGE ON SCHEMA devmentor TO {name}")
        ask(url, f"GRANT EXECUTE ON FUNCTION devmentor.ensure_partitions(integer) TO {name_of(janitor)}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(stranger, make)
        assert len(ask(janitor, make)) == 4
    assert foreign(url) == []


def test_a_member_of_the_owner_migrates_both_ways(empty_url: str) -> None:
    """A login that is neither superuser nor free of row security is enough, once bootstrap was run."""
    with login(empty_url, "NOSUPERUSER NOBYPASSRLS") as url:
        migrate.bootstrap(empty_url, login=name_of(url))
        migrate.upgrade(url)
        assert migrate.current(url) == migrate.head()
        assert migrate.check(url) == []
        assert foreign(url) == []
        migrate.downgrade(url, "base", allow_data_loss=True)
        assert migrate.current(url) is None
        assert ask(url, OWNERS) == []


def test_an_administrators_url_alone_is_enough(empty_url: str) -> None:
    """`upgrade` on a fresh database does itself what bootstrap would do."""
    migrate.upgrade(empty_url)
    assert migrate.check(empty_url) == []
    assert migrate.plan_bootstrap(empty_url) == []


def test_what_only_an_administrator_can_do_is_named(empty_url: str) -> None:
    """A login without rights learns what is missing and what to run; nothing was changed."""
    with login(empty_url) as url:
        with pytest.raises(ConfigurationError) as caught:
            migrate.upgrade(url)
        message = str(caught.value)
        assert "extension vector" in message
        assert f"devmentor-db bootstrap --login {name_of(url)} --url" in message
        assert ask(url, OWNERS) == []


def test_the_role_outlasts_commits_rollbacks_and_autocommit(devmentor_url: str) -> None:
    """It is a setting of the session, as are the limits: nothing in a revision can lose it."""
    query = text(
        "SELECT concat_ws(' ', current_user, current_setting('row_security'),"
        " current_setting('lock_timeout'), current_setting('timezone'))"
    )
    with make_engine(devmentor_url, owner=True).connect() as connection:
        seen = [connection.scalar(query)]
        connection.rollback()
        seen.append(connection.scalar(query))
        connection.commit()
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        seen.append(autocommit.scalar(query))
        autocommit.execute(text("RESET ROLE"))
        seen.append(autocommit.scalar(query))
    assert seen == ["devmentor_owner off 2s UTC"] * 4


def test_options_in_the_url_do_not_replace_ours(devmentor_url: str) -> None:
    """A URL may shorten the limits; the role and the time zone stay."""
    options = "-c lock_timeout=1s -c timezone=Asia/Tokyo"
    url = f"{devmentor_url}{'&' if '?' in devmentor_url else '?'}options={quote(options)}"
    query = text(
        "SELECT concat_ws(' ', current_user, current_setting('lock_timeout'), current_setting('timezone'))"
    )
    with make_engine(url, owner=True).connect() as connection:
        assert connection.scalar(query) == "devmentor_owner 1s UTC"


def test_a_read_only_role_looks(devmentor_database_url: str) -> None:
    """`current` and `check` need no membership in the owner, and no right to a single table."""
    with login(devmentor_database_url, member_of=READONLY.name) as url:
        assert migrate.current(url) == migrate.head()
        assert migrate.check(url) == []


def test_looking_waits_for_no_migrator(devmentor_url: str) -> None:
    """`check` and `current` take no lock: they answer while somebody migrates."""
    with migration_lock(make_engine(devmentor_url)):
        assert migrate.current(devmentor_url) == migrate.head()
        assert migrate.check(devmentor_url) == []


def test_looking_leaves_an_empty_database_empty(empty_url: str) -> None:
    """Alembic would make its version table even to compare."""
    assert migrate.current(empty_url) is None
    assert any("table auth.users: is missing" in line for line in migrate.check(empty_url))
    assert ask(empty_url, OWNERS) == []


def test_a_session_that_looks_cannot_write(devmentor_url: str) -> None:
    """Whatever a comparison does, PostgreSQL refuses that it writes."""
    with (
        make_engine(devmentor_url, readonly=True).connect() as connection,
        pytest.raises(DBAPIError, match="read-only transaction"),
    ):
        connection.execute(text("CREATE TABLE public.never (id integer)"))


def test_stamping_works_as_the_owner(empty_url: str) -> None:
    """`stamp` changes the database, so it takes the lock and the role as upgrade does."""
    command.stamp(migrate.config(empty_url), "head")
    assert migrate.current(empty_url) == migrate.head()
    assert foreign(empty_url) == []


def test_what_an_earlier_owner_made_is_taken_over(devmentor_database_url: str) -> None:
    """Upgrade names what somebody else has; bootstrap takes it over, and nothing else changes."""
    url = devmentor_database_url
    with login(url) as earlier, login(url, member_of=OWNER.name) as migrator:
        database = make_url(url).database
        ask(url, f"GRANT CREATE, TEMPORARY ON DATABASE {database} TO {OWNER.name}")
        ask(url, f"REASSIGN OWNED BY {OWNER.name} TO {name_of(earlier)}")
        ask(
            url,
            "CREATE VIEW projects.seen AS SELECT 1 AS one; CREATE SEQUENCE ai.numbers;"
            "CREATE TYPE ai.pair AS (a integer, b integer); CREATE DOMAIN ai.digit AS integer;"
            "CREATE STATISTICS auth.both ON email, username FROM auth.users",
        )
        with pytest.raises(ConfigurationError, match=f"ownership of .* {name_of(earlier)}"):
            migrate.upgrade(migrator)
        (step,) = migrate.bootstrap(url)
        assert "ownership" in step.what
        assert foreign(url) == []
        ask(
            url,
            "DROP VIEW projects.seen; DROP SEQUENCE ai.numbers; DROP STATISTICS auth.both;"
            "DROP TYPE ai.pair; DROP DOMAIN ai.digit",
        )
        migrate.upgrade(migrator)
        assert migrate.check(migrator) == []
        migrate.downgrade(migrator, "base", allow_data_loss=True)


def test_a_takeover_waits_briefly_and_leaves_nothing_half_done(devmentor_database_url: str) -> None:
    """A table in use costs its users no more than lock_timeout; everything stays with the earlier owner."""
    url = devmentor_database_url
    with login(url) as earlier:
        ask(url, f"REASSIGN OWNED BY {OWNER.name} TO {name_of(earlier)}")
        before = ask(url, OWNERS)
        with psycopg.connect(conninfo(url)) as reader:
            reader.execute("SELECT count(*) FROM auth.teams")
            options = quote("-c lock_timeout=200ms")
            with pytest.raises(LockTimeout, match="run it again"):
                migrate.bootstrap(f"{url}{'&' if '?' in url else '?'}options={options}")
        assert ask(url, OWNERS) == before
        migrate.bootstrap(url)
        assert foreign(url) == []


def test_objects_of_our_other_roles_stay_theirs(devmentor_database_url: str) -> None:
    """A function that a declared role owns on purpose is not taken over, and stops no migration."""
    ask(devmentor_database_url, f"ALTER FUNCTION devmentor.touch() OWNER TO {READONLY.name}")
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert foreign_objects(connection) == []


def test_a_stray_table_stops_no_migration(devmentor_database_url: str) -> None:
    """Somebody's table in one of our schemas is bootstrap's to take over, not a reason to refuse."""
    url = devmentor_database_url
    with login(url) as migrator:
        migrate.bootstrap(url, login=name_of(migrator))
        ask(url, "CREATE TABLE auth.stray (id integer)")
        migrate.upgrade(migrator)
        (step,) = migrate.plan_bootstrap(url)
        assert step.statements == ("ALTER TABLE auth.stray OWNER TO devmentor_owner",)


def test_a_script_says_whose_work_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`--sql` sets the role first, and writes percent signs as they are."""
    command.upgrade(migrate.config("postgresql://nowhere"), "head", sql=True)
    script = capsys.readouterr().out
    assert script.index("SET role = devmentor_owner") < script.index("CREATE SCHEMA")
    assert "GRANT SELECT ON devmentor.alembic_version" in script
    assert "format('%I.%I'" in script

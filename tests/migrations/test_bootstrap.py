"""What an administrator does once: from nothing, again, at once, and where something is wrong (M4, Z2)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url

from devmentor_models import migrate
from devmentor_models.embedded import EmbeddedServer
from devmentor_models.errors import ConfigurationError
from devmentor_models.migrations.bootstrap import Step, script
from devmentor_models.security.roles import EXTENSIONS, OWNER, ROLES
from devmentor_models.testing import plugin
from tests.support.concurrency import run_concurrently
from tests.support.logins import ask, login, name_of

MakeDatabase = Callable[[], str]
#: Its roles and their memberships, which belong to a whole cluster.
DROP_ROLES = "; ".join(
    ["SET client_min_messages = error", *(f"DROP ROLE IF EXISTS {role.name}" for role in reversed(ROLES))]
)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """Yield a cluster of its own: roles belong to all databases of one, and other tests need them."""
    base = Path(tempfile.mkdtemp(prefix="dm-", dir=plugin._base()))
    base.chmod(0o755)
    (base / "pg").mkdir()
    server = EmbeddedServer.start(base / "pg", durable=False)
    yield server
    server.stop()
    shutil.rmtree(base)


@pytest.fixture
def make(server: EmbeddedServer) -> Iterator[MakeDatabase]:
    """Yield what makes another empty database; afterwards databases and roles are gone."""
    made: list[str] = []

    def make() -> str:
        made.append(f"empty_{len(made)}")
        server.create_database(made[-1])
        return server.url(made[-1])

    yield make
    for name in made:
        ask(server.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
    ask(server.url("postgres"), DROP_ROLES)


def of_role(url: str, name: str) -> tuple[object, ...]:
    """Return what a role may."""
    (row,) = ask(
        url,
        "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles"
        f" WHERE rolname = '{name}'",
    )
    return row


def whats(steps: list[Step]) -> str:
    """Return what steps are about, in one text."""
    return "; ".join(step.what for step in steps)


def test_from_nothing_and_again(make: MakeDatabase) -> None:
    """The first run makes every role and extension, the second finds nothing to do."""
    url = make()
    done = whats(migrate.bootstrap(url))
    for role in ROLES:
        assert f"role {role.name};" in done
        assert of_role(url, role.name) == (False,) * 5
    assert {name for (name,) in ask(url, "SELECT extname FROM pg_extension")} >= set(EXTENSIONS)
    assert ask(url, "SELECT pg_has_role('devmentor_monitor', 'pg_monitor', 'USAGE')") == [(True,)]
    (comment,) = ask(url, f"SELECT shobj_description('{OWNER.name}'::regrole, 'pg_authid')")
    assert comment == (OWNER.comment,)
    assert migrate.bootstrap(url) == []


def test_a_second_database_needs_its_own_part_only(make: MakeDatabase) -> None:
    """Roles are there already; the database's extensions and the owner's right are not."""
    migrate.bootstrap(make())
    done = whats(migrate.bootstrap(make()))
    assert "role devmentor" not in done
    assert done.endswith("extension btree_gist; extension pg_trgm; extension vector")


def test_many_at_once_on_one_cluster(make: MakeDatabase) -> None:
    """Several databases race for the same roles, two runs for the same database: all are ready."""
    urls = [make() for _ in range(5)]
    ready = run_concurrently([partial(migrate.bootstrap, url) for url in (*urls, urls[0], urls[1])])
    assert [outcome for outcome in ready if isinstance(outcome, BaseException)] == []
    assert [migrate.plan_bootstrap(url) for url in urls] == [[]] * 5
    assert all(of_role(urls[0], role.name) == (False,) * 5 for role in ROLES)


@pytest.mark.parametrize("option", ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION"])
def test_a_role_that_may_too_much_is_put_right(make: MakeDatabase, option: str) -> None:
    """Row security and grants would be void, so bootstrap takes it away, and says so."""
    url = make()
    ask(url, f"CREATE ROLE {OWNER.name} LOGIN {option}")
    assert f"NO{option} for role {OWNER.name}" in whats(migrate.bootstrap(url))
    assert of_role(url, OWNER.name) == (True, False, False, False, False)


def test_the_owner_cannot_be_the_superuser_that_bootstraps(make: MakeDatabase) -> None:
    """It is told to log in as another one, before anything is done."""
    url = make()
    ask(url, f"CREATE ROLE {OWNER.name} LOGIN SUPERUSER")
    with pytest.raises(ConfigurationError, match="log in as another one"):
        migrate.upgrade(url.replace("postgres@", f"{OWNER.name}@"))
    assert migrate.current(url) is None


def test_the_owner_may_log_in_itself(make: MakeDatabase) -> None:
    """Whoever lets devmentor_owner log in needs no other login for migrations."""
    url = make()
    migrate.bootstrap(url)
    ask(url, f"ALTER ROLE {OWNER.name} LOGIN")
    migrate.upgrade(url.replace("postgres@", f"{OWNER.name}@"))
    assert migrate.current(url) == migrate.head()


def test_an_administrator_without_superuser(make: MakeDatabase) -> None:
    """CREATEROLE and the database are enough where the extensions are there, as in a managed cloud."""
    url = make()
    ask(url, "CREATE EXTENSION vector")
    with login(url, "CREATEROLE") as administrator:
        name = url.split("?")[0].rsplit("/", 1)[1]
        ask(url, f"ALTER DATABASE {name} OWNER TO {name_of(administrator)}")
        migrate.upgrade(administrator)
        assert migrate.current(administrator) == migrate.head()
        (left,) = migrate.plan_bootstrap(administrator)
        assert left.what == "membership of devmentor_monitor in pg_monitor"
        assert not left.needed
        ask(url, f"ALTER DATABASE {name} OWNER TO postgres")
        ask(url, f"DROP OWNED BY {OWNER.name}, devmentor_memory CASCADE")
        ask(url, DROP_ROLES)


def test_what_an_administrator_may_not_do_is_named(make: MakeDatabase) -> None:
    """The extension vector is not trusted: without it and without a superuser nothing can be done."""
    url = make()
    with login(url, "CREATEROLE") as administrator:
        name = url.split("?")[0].rsplit("/", 1)[1]
        ask(url, f"ALTER DATABASE {name} OWNER TO {name_of(administrator)}")
        with pytest.raises(ConfigurationError, match=r"Not done: extension vector\..*superuser"):
            migrate.upgrade(administrator)
        ask(url, f"ALTER DATABASE {name} OWNER TO postgres")
        ask(url, f"DROP OWNED BY {OWNER.name}, devmentor_memory CASCADE")
        ask(url, DROP_ROLES)


def test_the_printed_sql_does_the_same(make: MakeDatabase) -> None:
    """An administrator who runs no programs of ours gets statements to read and run."""
    url = make()
    with login(url) as migrator:
        statements = script(migrate.plan_bootstrap(migrator, login=name_of(migrator)))
        ask(url, statements)
        assert migrate.plan_bootstrap(migrator) == []
        migrate.upgrade(migrator)
        migrate.downgrade(migrator, "base", allow_data_loss=True)


def test_a_login_must_exist(make: MakeDatabase) -> None:
    """Bootstrap makes no logins: they have passwords. It says so before it does anything."""
    url = make()
    with pytest.raises(ConfigurationError, match="no role nobody_here"):
        migrate.bootstrap(url, login="nobody_here")
    assert ask(url, f"SELECT count(*) FROM pg_roles WHERE rolname = '{OWNER.name}'") == [(0,)]


def temporary(url: str) -> dict[str, bool]:
    """Return who may make temporary tables, the servers' administrators apart."""
    names = ("public", *(role.name for role in ROLES))
    query = ", ".join(f"has_database_privilege('{name}', current_database(), 'TEMPORARY')" for name in names)
    (row,) = ask(url, f"SELECT {query}")
    return dict(zip(names, map(bool, row), strict=True))


def test_temporary_tables_are_for_who_needs_them(make: MakeDatabase) -> None:
    """Two roles do; what others make there could act in a later transaction of somebody else."""
    url = make()
    migrate.bootstrap(url)
    may = temporary(url)
    assert {name for name, granted in may.items() if granted} == {OWNER.name, "devmentor_memory"}
    ask(url, f"REVOKE TEMPORARY ON DATABASE {make_url(url).database} FROM devmentor_memory")
    (step,) = migrate.bootstrap(url)
    assert step.what.startswith("right of devmentor_memory to make temporary tables")
    assert temporary(url) == may
    assert migrate.bootstrap(url) == []


def test_a_database_of_an_earlier_release_loses_them_with_the_next_upgrade(make: MakeDatabase) -> None:
    """Its administrator takes the right away, in one step with granting it to who needs it."""
    url = make()
    migrate.bootstrap(url)
    database = make_url(url).database
    ask(url, f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC")
    ask(url, f"REVOKE TEMPORARY ON DATABASE {database} FROM {OWNER.name}, devmentor_memory")
    (step,) = migrate.plan_bootstrap(url)
    assert f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;" in script([step])
    with login(url, member_of=OWNER.name) as migrator:  # may do without, and change nothing
        migrate.upgrade(migrator, "+1")
        assert migrate.plan_bootstrap(migrator) == [step]
    migrate.upgrade(url, "+1")
    assert migrate.plan_bootstrap(url) == []
    assert {name for name, granted in temporary(url).items() if granted} == {OWNER.name, "devmentor_memory"}
    ask(url, f"DROP OWNED BY {OWNER.name} CASCADE")


def test_an_administrator_who_may_not_take_them_away(make: MakeDatabase) -> None:
    """PostgreSQL only warns there; the step is left to somebody else, and everything works meanwhile."""
    url = make()
    migrate.bootstrap(url)
    ask(url, f"GRANT TEMPORARY ON DATABASE {make_url(url).database} TO PUBLIC")
    with login(url, "CREATEROLE", member_of=OWNER.name) as administrator:
        assert migrate.bootstrap(administrator) == []
        (left,) = migrate.plan_bootstrap(administrator)
        assert not left.needed
    assert temporary(url)["public"]

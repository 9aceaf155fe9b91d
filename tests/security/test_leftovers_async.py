"""Whatever SQL one actor's transaction leaves in a session, the next actor's does not meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg import sql
from sqlalchemy import make_url, text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.security.context import PINNED_SETTINGS
from devmentor_models.security.signing import ContextKeys
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.users import committed

pytestmark = pytest.mark.anyio

#: Settings that change what a statement means, or whether it runs at all.
HOSTILE = {
    "search_path": "pg_temp, pg_catalog",
    "TimeZone": "Asia/Kolkata",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "gin_fuzzy_search_limit": "1",
    "row_security": "off",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "500ms",  # for what sets it, COMMIT included, is hurried too
    "lock_timeout": "500ms",
    "client_encoding": "LATIN1",
    "devmentor.user_id": "00000000-0000-7000-8000-000000000000",
    "devmentor.shared_projects": "{00000000-0000-7000-8000-000000000000}",
}
#: What stays in a session beside settings, and what tells that it is still there.
LEFT = {
    "prepared statement": (
        "PREPARE planted AS SELECT 1",
        "SELECT name FROM pg_prepared_statements WHERE from_sql",
    ),
    "advisory lock": (
        "SELECT pg_advisory_lock(7)",
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    ),
    "cursor": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "SELECT name FROM pg_cursors WHERE is_holdable"),
    "channel": ("LISTEN somebody", "SELECT pg_listening_channels()"),
    "table": (
        "CREATE TEMP TABLE left_behind ()",
        "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname = 'left_behind'",
    ),
    "domain": (
        "CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid CHECK (VALUE IS NULL)",
        "SELECT typname FROM pg_type WHERE typnamespace = pg_my_temp_schema() AND typname = 'uuid'",
    ),
    "role": ("SET ROLE devmentor_memory", "SELECT 1 WHERE current_user <> session_user"),
}


def install_key(url: str) -> str:
    """Have a database believe signed contexts only; return the key."""
    key = generate_key()
    context_keys.install(url, ContextKeys.from_text(key))
    return key


@pytest.fixture(params=["unsigned", "signed"])
async def single(
    request: pytest.FixtureRequest, devmentor_server: DatabaseServer, devmentor_database_url: str
) -> AsyncIterator[AsyncDatabase]:
    """Yield a Database with one connection, as a login that may do much, temporary tables included."""
    key = install_key(devmentor_database_url) if request.param == "signed" else None
    with devmentor_server.login(devmentor_database_url, "devmentor_projects", "devmentor_memory") as url:
        async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1, context_key=key) as made:
            yield made


@pytest.fixture
def tenants(devmentor_database_url: str) -> tuple[UUID, UUID]:
    """Return two users with a project each."""
    mine, theirs = (
        committed(devmentor_database_url, lambda session: ProjectFactory.insert(session).user_id)
        for _ in range(2)
    )
    return mine, theirs


async def leave(database: AsyncDatabase, actor: UUID, statement: str) -> None:
    """Run SQL as an actor, and commit."""
    async with database.begin(Actor.user(actor)) as tx:
        await tx.session.execute(text(statement))


async def test_settings_do_not_outlive_their_transaction(
    single: AsyncDatabase, tenants: tuple[UUID, UUID]
) -> None:
    """All of them at once: the next transaction has ours, and reads and writes its own rows."""
    mine, theirs = tenants
    settings = [f"SET {name} = {sql.Literal(value).as_string(None)}" for name, value in HOSTILE.items()]
    await leave(single, theirs, "; ".join(settings))
    async with single.begin(Actor.user(mine)) as tx:
        assert {project.user_id for project in (await tx.projects.list()).items} == {mine}
        await tx.projects.create(name="Grüße")
        for name, value in {**PINNED_SETTINGS, "statement_timeout": "0", "lock_timeout": "0"}.items():
            assert (await tx.session.execute(text(f"SHOW {name}"))).scalar_one() == value
        shown = (await tx.session.execute(text("SHOW search_path"))).scalar_one()
        assert shown == "pg_catalog, public, pg_temp"


@pytest.mark.parametrize("kind", LEFT)
async def test_nothing_outlives_its_transaction(
    single: AsyncDatabase, tenants: tuple[UUID, UUID], kind: str
) -> None:
    """Whatever it is, it is gone, also from the view of SQL that looks for it."""
    statement, probe = LEFT[kind]
    mine, theirs = tenants
    await leave(single, theirs, statement)
    async with single.begin(Actor.user(mine)) as tx:
        assert (await tx.session.execute(text(probe))).all() == []
        assert {project.user_id for project in (await tx.projects.list()).items} == {mine}


async def test_statements_under_the_drivers_names_are_gone(
    single: AsyncDatabase, tenants: tuple[UUID, UUID]
) -> None:
    """Planted over a statement that the driver has prepared, it would run as whoever comes next."""
    mine, theirs = tenants
    for _ in range(4):  # until the driver has prepared it
        async with single.begin(Actor.user(theirs)) as tx:
            await tx.projects.list()
    async with single.begin(Actor.user(theirs)) as tx:
        names = (await tx.session.execute(text("SELECT name FROM pg_prepared_statements"))).scalars().all()
        assert names
        for name in names:
            await tx.session.execute(text(f"DEALLOCATE {name}"))
            await tx.session.execute(text(f"PREPARE {name} AS SELECT 1 / 0"))
    for _ in range(4):
        async with single.begin(Actor.user(mine)) as tx:
            assert {project.user_id for project in (await tx.projects.list()).items} == {mine}


async def test_sql_that_ends_its_transaction_itself_leaves_nothing(
    single: AsyncDatabase, tenants: tuple[UUID, UUID]
) -> None:
    """What it prepared after its own COMMIT is no longer seen by the end of the block."""
    mine, theirs = tenants
    async with single.begin(Actor.user(theirs)) as tx:
        await tx.session.execute(text("SELECT 1"))
        await tx.session.execute(text("COMMIT; PREPARE planted AS SELECT 1"))
    async with single.begin(Actor.user(mine)) as tx:
        probe = "SELECT name FROM pg_prepared_statements WHERE from_sql"
        assert (await tx.session.execute(text(probe))).all() == []


@pytest.mark.parametrize("signed", [False, True])
async def test_what_a_login_sets_for_itself_does_not_count(
    devmentor_server: DatabaseServer, devmentor_database_url: str, tenants: tuple[UUID, UUID], *, signed: bool
) -> None:
    """Every login may ALTER its own ROLE; connections made afterwards have such settings from the start."""
    mine, theirs = tenants
    settings = {  # PostgreSQL itself refuses those of ours; limits may be an operator's
        name: value
        for name, value in HOSTILE.items()
        if not name.startswith("devmentor.") and not name.endswith("_timeout")
    }
    key = install_key(devmentor_database_url) if signed else None
    with devmentor_server.login(devmentor_database_url, "devmentor_projects") as url:
        login = make_url(url).username
        async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1, context_key=key) as first:
            for name, value in settings.items():
                literal = value if name == "search_path" else sql.Literal(value).as_string(None)
                await leave(first, theirs, f"ALTER ROLE {login} SET {name} = {literal}")
        async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1, context_key=key) as second:
            async with second.begin(Actor.user(mine)) as tx:
                made = await tx.projects.create(name="Grüße", slug="gruesse")
                assert {project.user_id for project in (await tx.projects.list()).items} == {mine}
            async with second.begin(Actor.user(mine), readonly=True) as tx:
                assert (await tx.projects.get(made.id)).name == "Grüße"
                assert (await tx.projects.get(made.id)).created_at.utcoffset() is not None

"""What a service learns about the schema before it serves (DESIGN §5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.util.exc import CommandError
from psycopg.conninfo import make_conninfo

from devmentor_models import AsyncDatabase, migrate
from devmentor_models.errors import (
    DatabaseClosed,
    PermissionDenied,
    SchemaBehind,
    SchemaEmpty,
    SchemaIncompatible,
    SchemaMismatch,
    SchemaUnknown,
)
from devmentor_models.handshake import SchemaStatus
from devmentor_models.security.roles import ROLES
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.revisions import Revisions

pytestmark = pytest.mark.anyio


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    """Yield the checkout's revisions, to which the test may add."""
    with pytest.MonkeyPatch.context() as patch:
        yield Revisions(tmp_path, patch)


@pytest.fixture
async def own(devmentor_database_url: str, anyio_backend: str) -> AsyncIterator[AsyncDatabase]:
    """Yield a database of the test's own, at head."""
    async with AsyncDatabase.from_url(devmentor_database_url, pool_min=0) as made:
        yield made


async def test_the_newest_revision_is_current(async_database: AsyncDatabase) -> None:
    """A database at head can be used."""
    state = await async_database.verify_schema()
    assert (state.status, state.found, state.expected) == (
        SchemaStatus.CURRENT,
        migrate.head(),
        migrate.head(),
    )


async def test_a_login_that_row_security_does_not_bind_is_named(
    own: AsyncDatabase,
    devmentor_server: DatabaseServer,
    devmentor_database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A superuser, or who may act as the owner: services must not be either, and the log says so."""
    assert (await own.verify_schema()).unbound_role is not None
    assert "Row security does not bind" in caplog.text
    for role, bound in (("devmentor_owner", False), ("devmentor_memory", True)):
        with devmentor_server.login(devmentor_database_url, role) as url:
            async with AsyncDatabase.from_url(url, pool_min=0) as database:
                state = await database.verify_schema()
        assert (state.unbound_role is None) == bound


async def test_an_older_database_is_behind(own: AsyncDatabase, devmentor_database_url: str) -> None:
    """Migrating comes first, and the error says so."""
    migrate.downgrade(devmentor_database_url, "-1", allow_data_loss=True)
    with pytest.raises(
        SchemaBehind, match=r"behind this installation's .* Run `devmentor-db upgrade`"
    ) as caught:
        await own.verify_schema()
    assert caught.value.found == migrate.current(devmentor_database_url)
    assert caught.value.expected == migrate.head()


async def test_an_empty_database_is_told_from_an_old_one(
    own: AsyncDatabase, devmentor_database_url: str
) -> None:
    """Nothing was migrated: perhaps it is the wrong database."""
    migrate.downgrade(devmentor_database_url, "base", allow_data_loss=True)
    with pytest.raises(SchemaEmpty, match="has no schema of DevMentor") as caught:
        await own.verify_schema()
    assert caught.value.found is None


async def test_ahead_but_compatible(
    own: AsyncDatabase, devmentor_database_url: str, revisions: Revisions
) -> None:
    """An expand step leaves older code alone, and so does what follows it."""
    revisions.add("f1", "op.execute('ALTER TABLE auth.teams ADD COLUMN motto text')")
    newest = revisions.add("f2")
    migrate.upgrade(devmentor_database_url)
    revisions.forget()
    state = await own.verify_schema()
    assert (state.status, state.found) == (SchemaStatus.AHEAD, newest)
    assert "compatible" in state.message


async def test_ahead_and_incompatible(
    own: AsyncDatabase, devmentor_database_url: str, revisions: Revisions
) -> None:
    """A contract step says from which revision on code works with it; later steps inherit that."""
    expand = revisions.add("f1")
    revisions.add("f2", compatible_from=expand)
    newest = revisions.add("f3")
    migrate.upgrade(devmentor_database_url)
    revisions.forget()
    with pytest.raises(SchemaIncompatible, match="no longer works") as caught:
        await own.verify_schema()
    assert caught.value.found == newest
    assert isinstance(caught.value, SchemaMismatch)


async def test_going_back_makes_it_compatible_again(
    own: AsyncDatabase, devmentor_database_url: str, revisions: Revisions
) -> None:
    """A downgrade takes back what its revision declared."""
    revisions.add("f1")
    revisions.add("f2", compatible_from="f1")
    migrate.upgrade(devmentor_database_url)
    migrate.downgrade(devmentor_database_url, "-1", allow_data_loss=True)
    revisions.forget()
    assert (await own.verify_schema()).found == "f1"


async def test_code_of_the_expand_step_works_after_the_contract_step(
    own: AsyncDatabase, devmentor_database_url: str, revisions: Revisions
) -> None:
    """The release in between, whose newest revision is the expand step, keeps working."""
    revisions.add("f1")
    migrate.upgrade(devmentor_database_url)
    revisions.add("f2", compatible_from="f1")
    migrate.upgrade(devmentor_database_url)
    revisions.remove_head()
    state = await own.verify_schema()
    assert (state.status, state.found, state.expected) == (SchemaStatus.AHEAD, "f2", "f1")


async def test_a_revision_from_elsewhere_is_unknown(
    own: AsyncDatabase, devmentor_database_url: str, revisions: Revisions
) -> None:
    """Another line of revisions is neither ahead nor behind."""
    migrate.downgrade(devmentor_database_url, "-1", allow_data_loss=True)
    revisions.remove_head()
    revisions.add("f9")
    migrate.upgrade(devmentor_database_url)
    revisions.forget()
    with pytest.raises(SchemaUnknown, match="does not know"):
        await own.verify_schema()


async def test_stamping_is_noticed(own: AsyncDatabase, devmentor_database_url: str) -> None:
    """The list follows alembic_version also when that is set by hand."""
    from alembic import command  # noqa: PLC0415 - this test alone

    first = "0d1c5a6e0001"
    command.stamp(migrate.config(devmentor_database_url), first)
    with pytest.raises(SchemaBehind) as caught:
        await own.verify_schema()
    assert caught.value.found == first
    command.stamp(migrate.config(devmentor_database_url), "head")
    assert (await own.verify_schema()).status is SchemaStatus.CURRENT


async def test_a_database_from_before_the_list_gets_it(
    own: AsyncDatabase, devmentor_database_url: str, revisions: Revisions
) -> None:
    """The next step writes the whole list."""
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        connection.execute("DROP TABLE devmentor.revisions")
    with pytest.raises(SchemaEmpty):
        await own.verify_schema()
    revisions.add("f1")
    migrate.upgrade(devmentor_database_url)
    revisions.forget()
    assert (await own.verify_schema()).status is SchemaStatus.AHEAD


async def test_any_of_the_roles_may_ask(devmentor_database_url: str) -> None:
    """A login that is in none of the roles is told what it lacks; in any of them it learns the state."""
    role = f"stranger_{uuid4().hex}"
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        try:
            url = make_conninfo(conninfo(devmentor_database_url), options=f"-c role={role}")
            async with AsyncDatabase.from_url(url, pool_min=0) as stranger:
                with pytest.raises(PermissionDenied, match=r"GRANT devmentor_readonly TO"):
                    await stranger.verify_schema()
                for group in ROLES:
                    connection.execute(f"GRANT {group.name} TO {role}".encode())
                    assert (await stranger.verify_schema()).status is SchemaStatus.CURRENT
                    connection.execute(f"REVOKE {group.name} FROM {role}".encode())
        finally:
            connection.execute(f"DROP ROLE {role}".encode())


async def test_a_closed_database_says_so(devmentor_url: str) -> None:
    """Like every other call."""
    made = AsyncDatabase.from_url(devmentor_url, pool_min=0)
    await made.close()
    with pytest.raises(DatabaseClosed):
        await made.verify_schema()


async def test_a_window_must_lie_behind_its_revision(
    devmentor_database_url: str, revisions: Revisions
) -> None:
    """A revision cannot promise to work with code from after it; nothing is applied."""
    revisions.add("f1", compatible_from="f2")
    with pytest.raises(CommandError, match="compatible_from is 'f2'"):
        migrate.upgrade(devmentor_database_url)
    assert migrate.current(devmentor_database_url) == revisions.released

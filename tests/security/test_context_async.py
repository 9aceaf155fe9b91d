"""The context of a transaction is what it began with: nothing is left from before, nothing for after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import DatabaseError
from devmentor_models.security.actor import SIGNED_SETTINGS
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.users import committed

pytestmark = pytest.mark.anyio

CONTEXT = ", ".join(f"current_setting('devmentor.{name}', true)" for name in SIGNED_SETTINGS)


@pytest.fixture
async def single(
    devmentor_service_url: Callable[..., str], anyio_backend: str
) -> AsyncIterator[AsyncDatabase]:
    """Yield a Database for the projects service with one connection, which every transaction gets."""
    url = devmentor_service_url("projects")
    async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1) as made:
        yield made


@pytest.fixture
def owner(devmentor_url: str) -> UUID:
    """Return a user with a project."""
    return committed(devmentor_url, lambda session: ProjectFactory.insert(session).user_id)


@pytest.fixture
def stranger(devmentor_url: str) -> UUID:
    """Return another user."""
    return committed(devmentor_url, lambda session: UserFactory.insert(session).id)


async def test_nothing_is_left_for_the_next_transaction(single: AsyncDatabase, owner: UUID) -> None:
    """After COMMIT and after ROLLBACK no setting of the context has a value."""
    for commit in (True, False):
        async with single.begin(Actor.user(owner, request_id="r", ip_address="::1", user_agent="a")) as tx:
            if not commit:
                await tx.session.rollback()
        async with single.begin(Actor.service("projects")) as tx:
            row = (await tx.session.execute(text(f"SELECT {CONTEXT}"))).one()
            assert dict(zip(SIGNED_SETTINGS, row, strict=True)) == dict.fromkeys(SIGNED_SETTINGS, "") | {
                "service": "projects"
            }


@pytest.mark.parametrize("actor", [Actor.service("projects"), None])
async def test_what_a_session_has_set_does_not_count(
    single: AsyncDatabase, owner: UUID, stranger: UUID, actor: Actor | None
) -> None:
    """Settings of the session outlive their transaction; the next one begins with its own, all of them."""
    async with single.begin(Actor.service("projects")) as tx:
        for name in SIGNED_SETTINGS:
            value = f"{{{owner}}}" if name.startswith(("owners", "shared", "edited")) else str(owner)
            await tx.session.execute(
                text("SELECT set_config(:name, :value, false)"), {"name": f"devmentor.{name}", "value": value}
            )
    async with single.begin(actor or Actor.user(stranger)) as tx:
        seen = await tx.session.execute(text("SELECT count(*) FROM projects.projects"))
        assert seen.scalar_one() == 0


async def test_a_savepoint_keeps_the_context(single: AsyncDatabase, owner: UUID) -> None:
    """What is set within one that is rolled back is gone with it."""
    async with single.begin(Actor.user(owner)) as tx:
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                await tx.session.execute(text("SELECT set_config('devmentor.user_id', '', true)"))
                raise ZeroDivisionError
        assert len((await tx.projects.list()).items) == 1


@pytest.mark.parametrize("value", ["x", "'; SELECT 1; --", "{}"])
async def test_a_user_that_is_no_key_is_an_error(single: AsyncDatabase, owner: UUID, value: str) -> None:
    """Rather than a reason to show anything."""
    async with single.begin(Actor.service("projects")) as tx:
        forged = text("SELECT set_config('devmentor.user_id', :value, true)")
        await tx.session.execute(forged, {"value": value})
        with pytest.raises(DatabaseError, match="invalid input syntax for type uuid"):
            await tx.session.execute(text("SELECT count(*) FROM projects.projects"))
        await tx.session.rollback()

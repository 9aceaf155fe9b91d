"""Repositories over sessions that a service opened itself (DESIGN §4)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from devmentor_models import Actor, AsyncDatabase, bind_actor
from devmentor_models.auth.repositories_async import AsyncUserRepository
from devmentor_models.errors import ActorChanged, ActorMissing, InvalidValue, UniqueViolation
from devmentor_models.memory.documents_async import AsyncDocumentRepository
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.memory_async import AsyncMemoryRepository
from devmentor_models.memory.values import NewChunk
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory

pytestmark = pytest.mark.anyio

USER_ID = text("SELECT nullif(current_setting('devmentor.user_id', true), '')")


async def test_a_repository_works_over_a_plain_session(async_session: AsyncSession) -> None:
    """Without an actor row security would hide every row, so that it says so; with one it works."""
    user = await async_session.run_sync(UserFactory.insert)
    users = AsyncUserRepository(async_session)
    for whom in (user.id, None):
        with pytest.raises(ActorMissing):
            await users.get(whom)
    user_id = user.id
    await async_session.commit()
    bind_actor(async_session, Actor.user(user_id))
    assert (await users.get()).id == user_id


async def test_a_bound_actor_reaches_every_transaction(async_session: AsyncSession) -> None:
    """Trap 3: after a commit and after a rollback the next transaction has the context again."""
    actor = Actor.user(uuid4())
    bind_actor(async_session, actor)
    for end in (async_session.commit, async_session.rollback, async_session.commit):
        assert (await async_session.execute(USER_ID)).scalar_one() == str(actor.user_id)
        await end()


async def test_a_bound_actor_is_fixed(async_session: AsyncSession) -> None:
    """Trap 4: another tenant would be served what the identity map holds of the first."""
    actor = Actor.user(uuid4())
    bind_actor(async_session, actor)
    bind_actor(async_session, actor)
    with pytest.raises(ActorChanged):
        bind_actor(async_session, Actor.user(uuid4()))


async def test_an_actor_is_bound_before_the_first_statement(async_session: AsyncSession) -> None:
    """A transaction that began without an actor does not get one half-way."""
    await async_session.execute(USER_ID)
    with pytest.raises(ActorChanged):
        bind_actor(async_session, Actor.user(uuid4()))


async def test_errors_are_typed_over_a_foreign_engine(async_session: AsyncSession) -> None:
    """Repositories translate themselves, whoever made the engine."""
    bind_actor(async_session, Actor.service("auth"))
    user = await async_session.run_sync(UserFactory.insert)
    users = AsyncUserRepository(async_session)
    with pytest.raises(UniqueViolation) as caught:
        await users.register(email=user.email, username="somebody else", password_hash="x")
    assert caught.value.columns == ("email",)
    assert user.email not in str(caught.value)
    with pytest.raises(ActorMissing):
        await users.get(uuid4())


async def test_a_bad_lookup_is_refused_by_name(async_database: AsyncDatabase) -> None:
    """Also an argument that is only compared is checked before it is sent."""
    async with async_database.begin(Actor.service("auth")) as tx:
        with pytest.raises(InvalidValue, match="NUL"):
            await tx.users.find_credentials("a\x00@example.com")


async def test_without_prepared_statements_none_are_made(devmentor_url: str) -> None:
    """Trap 32: behind an old PgBouncer nothing may depend on the session."""
    async with AsyncDatabase.from_url(
        devmentor_url, pool_min=1, pool_max=1, prepared_statements=False
    ) as database:
        for _ in range(10):
            async with database.begin(Actor.service("auth")) as tx:
                await tx.users.find_credentials("nobody@example.com")
        async with database.begin(Actor.service("auth")) as tx:
            left = await tx.session.execute(text("SELECT count(*) FROM pg_prepared_statements"))
            assert left.scalar_one() == 0


async def test_a_vector_is_searched_over_a_plain_session(async_session: AsyncSession) -> None:
    """An engine that connected before this library was imported knows no packed vectors."""
    model = await async_session.run_sync(EmbeddingModelFactory.insert, dimensions=3)
    user = await async_session.run_sync(UserFactory.insert)
    name, user_id = model.name, user.id
    await async_session.commit()
    bind_actor(async_session, Actor.user(user_id))
    chunk = NewChunk("text", [0.25, 0, 1])
    await AsyncDocumentRepository(async_session).store(
        title="t", content="text", source=DocumentSource.NOTE, chunks=[chunk], model=name
    )
    (hit,) = await AsyncMemoryRepository(async_session).search(embedding=[0.25, 0, 1], model=name)
    assert hit.distance == pytest.approx(0, abs=1e-6)

"""The catalog of embedding models, and the vectors of projects (F7, F8)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.ai.models import EmbeddingModel
from devmentor_models.errors import InvalidValue, NotFound, UniqueViolation
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio

GATEWAY = Actor.service("ai")


def _name() -> str:
    return f"model-{uuid7().hex}"


async def test_register_is_idempotent(async_database: AsyncDatabase) -> None:
    """Registering the same model again returns the same row."""
    name = _name()
    async with async_database.begin(GATEWAY) as tx:
        first = await tx.embedding_models.register(name=name, dimensions=256)
        assert (first.metric, first.active, first.is_default) == (DistanceMetric.COSINE, True, False)
        assert await tx.embedding_models.register(name=name, dimensions=256) is first
        assert await tx.embedding_models.get(first.id) is first
        assert await tx.embedding_models.find_by_name(name) is first
        assert await tx.embedding_models.find_by_name(_name()) is None


async def test_register_refuses_another_model_of_the_name(async_database: AsyncDatabase) -> None:
    """A name keeps its dimensions and its metric."""
    name = _name()
    async with async_database.begin(GATEWAY) as tx:
        await tx.embedding_models.register(name=name, dimensions=256)
        with pytest.raises(UniqueViolation) as caught:
            await tx.embedding_models.register(name=name, dimensions=384)
        assert caught.value.constraint == "uq_embedding_models_name"
        with pytest.raises(UniqueViolation):
            await tx.embedding_models.register(name=name, dimensions=256, metric=DistanceMetric.L2)


@pytest.mark.parametrize("dimensions", [0, -1, 4001, True, 2.5])
async def test_register_refuses_impossible_dimensions(async_database: AsyncDatabase, dimensions: int) -> None:
    """A model has 1 to 4,000 dimensions, what halfvec can index."""
    async with async_database.begin(GATEWAY) as tx:
        with pytest.raises(InvalidValue, match="dimensions"):
            await tx.embedding_models.register(name=_name(), dimensions=dimensions)


async def test_registering_at_once(async_database: AsyncDatabase) -> None:
    """Services that start together register one row."""
    name = _name()

    async def register() -> UUID:
        async with async_database.begin(GATEWAY) as tx:
            return (await tx.embedding_models.register(name=name, dimensions=3)).id

    assert len(set(await run_concurrently([register] * 8))) == 1


async def test_default_moves(async_database: AsyncDatabase) -> None:
    """Making a model the default unmakes the one before, also in objects at hand."""
    async with async_database.begin(GATEWAY) as tx:
        first = await tx.embedding_models.register(name=_name(), dimensions=3, default=True)
        assert first.is_default
        second = await tx.embedding_models.register(name=_name(), dimensions=3)
        await tx.embedding_models.set_default(second.id)
        assert await tx.embedding_models.get_default() is second
        assert not first.is_default


async def test_default_must_be_active(async_database: AsyncDatabase) -> None:
    """An inactive or missing model cannot become the default, and the one before stays it."""
    async with async_database.begin(GATEWAY) as tx:
        kept = await tx.embedding_models.register(name=_name(), dimensions=3, default=True)
        inactive: EmbeddingModel = await tx.session.run_sync(EmbeddingModelFactory.insert, active=False)
        for model_id in (inactive.id, uuid7()):
            with pytest.raises(NotFound):
                await tx.embedding_models.set_default(model_id)
        assert await tx.embedding_models.get_default() is kept


async def test_default_changes_hands_at_once(async_database: AsyncDatabase) -> None:
    """Eight changes of the default at once all succeed, and leave one default."""
    async with async_database.begin(GATEWAY) as tx:
        models: list[EmbeddingModel] = [
            await tx.embedding_models.register(name=_name(), dimensions=3) for _ in range(8)
        ]

    async def change(model_id: UUID) -> UUID:
        async with async_database.begin(GATEWAY) as tx:
            return (await tx.embedding_models.set_default(model_id)).id

    changed = await run_concurrently([partial(change, model.id) for model in models])
    assert changed == [model.id for model in models]
    async with async_database.begin(GATEWAY) as tx:
        assert (await tx.embedding_models.get_default()).is_default


async def test_deactivate(async_database: AsyncDatabase) -> None:
    """A deactivated model is no default, is not listed among the active ones, and can come back."""
    async with async_database.begin(GATEWAY) as tx:
        model = await tx.embedding_models.register(name=_name(), dimensions=3, default=True)
        await tx.embedding_models.deactivate(model.id)
        assert (model.active, model.is_default) == (False, False)
        await tx.embedding_models.activate(model.id)
        assert (model.active, model.is_default) == (True, False)
        with pytest.raises(NotFound):
            await tx.embedding_models.deactivate(uuid7())


async def test_list_pages(async_database: AsyncDatabase) -> None:
    """Every model appears once over all pages, inactive ones on request."""
    async with async_database.begin(GATEWAY) as tx:
        active = await tx.embedding_models.register(name=_name(), dimensions=3)
        inactive: EmbeddingModel = await tx.session.run_sync(EmbeddingModelFactory.insert, active=False)
        for active_only, expected in [(True, {active.id}), (False, {active.id, inactive.id})]:
            seen: list[UUID] = []
            cursor = None
            while True:
                page = await tx.embedding_models.list(active_only=active_only, cursor=cursor, limit=3)
                seen += [model.id for model in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert len(seen) == len(set(seen))
            assert set(seen) & {active.id, inactive.id} == expected

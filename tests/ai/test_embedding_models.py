# Generated from test_embedding_models_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The catalog of embedding models, and the vectors of projects (F7, F8)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from devmentor_models import Actor, Database
from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.ai.models import EmbeddingModel
from devmentor_models.errors import InvalidValue, NotFound, UniqueViolation
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio

GATEWAY = Actor.service("ai")


def _name() -> str:
    return f"model-{uuid7().hex}"


def test_register_is_idempotent(database: Database) -> None:
    """Registering the same model again returns the same row."""
    name = _name()
    with database.begin(GATEWAY) as tx:
        first = tx.embedding_models.register(name=name, dimensions=256)
        assert (first.metric, first.active, first.is_default) == (DistanceMetric.COSINE, True, False)
        assert tx.embedding_models.register(name=name, dimensions=256) is first
        assert tx.embedding_models.get(first.id) is first
        assert tx.embedding_models.find_by_name(name) is first
        assert tx.embedding_models.find_by_name(_name()) is None


def test_register_refuses_another_model_of_the_name(database: Database) -> None:
    """A name keeps its dimensions and its metric."""
    name = _name()
    with database.begin(GATEWAY) as tx:
        tx.embedding_models.register(name=name, dimensions=256)
        with pytest.raises(UniqueViolation) as caught:
            tx.embedding_models.register(name=name, dimensions=384)
        assert caught.value.constraint == "uq_embedding_models_name"
        with pytest.raises(UniqueViolation):
            tx.embedding_models.register(name=name, dimensions=256, metric=DistanceMetric.L2)


@pytest.mark.parametrize("dimensions", [0, -1, 4001, True, 2.5])
def test_register_refuses_impossible_dimensions(database: Database, dimensions: int) -> None:
    """A model has 1 to 4,000 dimensions, what halfvec can index."""
    with database.begin(GATEWAY) as tx:
        with pytest.raises(InvalidValue, match="dimensions"):
            tx.embedding_models.register(name=_name(), dimensions=dimensions)


def test_registering_at_once(database: Database) -> None:
    """Services that start together register one row."""
    name = _name()

    def register() -> UUID:
        with database.begin(GATEWAY) as tx:
            return (tx.embedding_models.register(name=name, dimensions=3)).id

    assert len(set(run_concurrently([register] * 8))) == 1


def test_default_moves(database: Database) -> None:
    """Making a model the default unmakes the one before, also in objects at hand."""
    with database.begin(GATEWAY) as tx:
        first = tx.embedding_models.register(name=_name(), dimensions=3, default=True)
        assert first.is_default
        second = tx.embedding_models.register(name=_name(), dimensions=3)
        tx.embedding_models.set_default(second.id)
        assert tx.embedding_models.get_default() is second
        assert not first.is_default


def test_default_must_be_active(database: Database) -> None:
    """An inactive or missing model cannot become the default, and the one before stays it."""
    with database.begin(GATEWAY) as tx:
        kept = tx.embedding_models.register(name=_name(), dimensions=3, default=True)
        inactive: EmbeddingModel = EmbeddingModelFactory.insert(tx.session, active=False)
        for model_id in (inactive.id, uuid7()):
            with pytest.raises(NotFound):
                tx.embedding_models.set_default(model_id)
        assert tx.embedding_models.get_default() is kept


def test_default_changes_hands_at_once(database: Database) -> None:
    """Eight changes of the default at once all succeed, and leave one default."""
    with database.begin(GATEWAY) as tx:
        models: list[EmbeddingModel] = [
            tx.embedding_models.register(name=_name(), dimensions=3) for _ in range(8)
        ]

    def change(model_id: UUID) -> UUID:
        with database.begin(GATEWAY) as tx:
            return (tx.embedding_models.set_default(model_id)).id

    changed = run_concurrently([partial(change, model.id) for model in models])
    assert changed == [model.id for model in models]
    with database.begin(GATEWAY) as tx:
        assert (tx.embedding_models.get_default()).is_default


def test_deactivate(database: Database) -> None:
    """A deactivated model is no default, is not listed among the active ones, and can come back."""
    with database.begin(GATEWAY) as tx:
        model = tx.embedding_models.register(name=_name(), dimensions=3, default=True)
        tx.embedding_models.deactivate(model.id)
        assert (model.active, model.is_default) == (False, False)
        tx.embedding_models.activate(model.id)
        assert (model.active, model.is_default) == (True, False)
        with pytest.raises(NotFound):
            tx.embedding_models.deactivate(uuid7())


def test_list_pages(database: Database) -> None:
    """Every model appears once over all pages, inactive ones on request."""
    with database.begin(GATEWAY) as tx:
        active = tx.embedding_models.register(name=_name(), dimensions=3)
        inactive: EmbeddingModel = EmbeddingModelFactory.insert(tx.session, active=False)
        for active_only, expected in [(True, {active.id}), (False, {active.id, inactive.id})]:
            seen: list[UUID] = []
            cursor = None
            while True:
                page = tx.embedding_models.list(active_only=active_only, cursor=cursor, limit=3)
                seen += [model.id for model in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert len(seen) == len(set(seen))
            assert set(seen) & {active.id, inactive.id} == expected

"""Lookup of embedding models, which the ``ai`` schema owns."""

from __future__ import annotations

from typing import Any

from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.memory import queries
from devmentor_models.memory.checks import no_model
from devmentor_models.memory.values import ModelInfo


class AsyncModelLookup(AsyncRepository):
    """The active embedding models, read only."""

    async def get(self, name: str | None) -> ModelInfo:
        """Return the active model of that name (None: the default one).

        Raises:
            NotFound: There is none.
        """
        row: Any = (await self._execute(queries.embedding_model(), {"name": name})).one_or_none()
        if row is None:
            raise no_model(name)
        return ModelInfo(row[0], row[1], row[2], str(row[3]), row[4])

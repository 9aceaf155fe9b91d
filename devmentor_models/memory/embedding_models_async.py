"""Lookup of embedding models, which the ``ai`` schema owns."""

from __future__ import annotations

from typing import Any

from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.memory import queries
from devmentor_models.memory.checks import MAX_NAME_CHARACTERS, no_model, optional_text
from devmentor_models.memory.values import ModelInfo


class AsyncModelLookup(AsyncRepository):
    """The active embedding models, read only."""

    async def get(self, name: str | None) -> ModelInfo:
        """Return the active model of that name (None: the default one).

        Raises:
            NotFound: There is none.
            InvalidValue: No model can have that name.
        """
        parameters = {"name": optional_text("model", name, MAX_NAME_CHARACTERS)}
        row: Any = (await self._execute(queries.embedding_model(), parameters)).one_or_none()
        if row is None:
            raise no_model(name)
        return ModelInfo(row[0], row[1], row[2], str(row[3]), row[4])

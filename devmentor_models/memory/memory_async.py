"""Repository of the search over everything that a user remembered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from devmentor_models.kit.arguments import member, moment, whole_number
from devmentor_models.kit.pagination import check_limit
from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.memory import queries
from devmentor_models.memory.checks import (
    MAX_NAME_CHARACTERS,
    MAX_QUERY_CHARACTERS,
    check_model,
    check_search,
    mode_of,
    optional_key,
    optional_text,
)
from devmentor_models.memory.enums import DocumentSource, SearchMode, SearchPlan, TextLanguage
from devmentor_models.memory.ingest import pack_vector
from devmentor_models.memory.matching import RANKED_AT_MOST
from devmentor_models.memory.nearest import MAX_SCAN
from devmentor_models.memory.search import MADE, Shape, search
from devmentor_models.memory.values import AuthorActivity, Hit, Related, SearchResult

#: How far each leg of a hybrid search looks beyond the limit, so that the two can agree on more.
DEPTH_FACTOR = 4
MIN_DEPTH = 50

VECTORS_CUT = f"The model's index was searched up to {MAX_SCAN} vectors, too few of which match."
TEXT_CUT = f"More than {RANKED_AT_MOST} chunks match the words; so many were ranked."


class AsyncMemoryRepository(AsyncRepository):
    """Search in what a user remembered (requirements F5, F8).

    Args:
        session: The session in whose transaction the repository takes part.
        readonly: The transaction refuses writes, so searches are not logged unless asked to be.
    """

    def __init__(self, session: AsyncSession, *, readonly: bool = False) -> None:
        super().__init__(session)
        self._readonly = readonly

    async def search(
        self,
        query: str | None = None,
        embedding: Sequence[float] | None = None,
        *,
        model: str | None = None,
        project_id: UUID | None = None,
        since: datetime | timedelta | None = None,
        source: DocumentSource | None = None,
        max_distance: float | None = None,
        language: TextLanguage | None = None,
        limit: int = 10,
        related: int = 3,
        log: bool | None = None,
        plan: SearchPlan | None = None,
    ) -> SearchResult:
        """Return the best hits for words, for a vector, or for both together, in one statement (F5).

        Exactly as many hits as match, up to ``limit``; or fewer, and then the result says that it is
        ``truncated`` and why. Equal hits are ordered by key.

        Only chunks of live documents are hits, and of those in a project only where the project is live and
        active. Both legs of a search for both are fused by reciprocal rank; a hit of either leg is kept.

        Args:
            query: Words as in a web search: ``"a phrase"``, ``or``, ``-without``. Chunks with all of the
                words come first, then those with some. Identifiers, paths and error codes are found as they
                stand, also as parts of longer ones, in the text, the title and the address of a document.
            embedding: The vector to be near to.
            model: Name of the model that made it; None: the default model.
            project_id: Only documents of this project.
            since: Only documents stored since then, or in that span of time until now.
            source: Only documents from there.
            max_distance: Only vectors at most so far away. A hit by its words stays, however far.
            language: The query's words are read as being in that language; None: in that of each document.
            limit: Hits at most, 1 to 500.
            related: How many of the nearest other memories of its project come with each hit, 0 to 20.
            log: Record the search in the history; None: unless the transaction is read-only.
            plan: Find the nearest vectors in this way; None: in the cheaper one. Through the index, which not
                every model has, the very nearest may be missed.

        Raises:
            InvalidValue: Neither words nor vector, or an argument is not valid, such as a vector that is
                not one of the model.
            NotFound: There is a vector, but no such embedding model is active.
        """
        mode = mode_of(query, embedding)
        check_search(embedding, max_distance, related)
        check_limit(limit)
        start = None if since is None else _start(since)
        vector = None if embedding is None else pack_vector(embedding, "embedding")
        parameters: dict[str, Any] = {
            "tenant_id": self.user_id,
            "query": optional_text("query", query, MAX_QUERY_CHARACTERS),
            "language": language if language is None else member("language", TextLanguage, language),
            "embedding": vector,
            "length": vector and vector.dimensions,
            "model": optional_text("model", model, MAX_NAME_CHARACTERS),
            "project_id": optional_key("project_id", project_id),
            "since": start,
            "source": source if source is None else member("source", DocumentSource, source),
            "max_distance": max_distance,
            "related": related,
            "limit": limit,
            "depth": max(limit * DEPTH_FACTOR, MIN_DEPTH) if mode is SearchMode.HYBRID else limit,
            "mode": mode,
            "plan": plan if plan is None else member("plan", SearchPlan, plan),
        }
        log = not self._readonly if log is None else log
        filters: dict[str, Any] = {"limit": limit, "source": source, "max_distance": max_distance}
        filters["since"] = start.isoformat() if start else None
        parameters["filters"] = {name: value for name, value in filters.items() if value is not None}
        statement = search(Shape(mode, related=related > 0, log=log))
        rows = (await self._execute(statement, parameters)).all()
        check_model(rows[0], model, vector)
        return _result(rows)

    async def active_authors(
        self,
        *,
        min_memories: int = 5,
        since: datetime | timedelta = timedelta(days=30),
        limit: int = 50,
    ) -> Sequence[AuthorActivity]:
        """Return who stored more than ``min_memories`` documents in a project, most first (F8).

        A user, or a service acting for one, sees that user's projects; the memory service alone everybody's.

        Args:
            min_memories: How many are not enough.
            since: From when on documents count, or in which span of time until now.
            limit: Rows at most, 1 to 500.

        Raises:
            InvalidValue: An argument is not valid.
            PermissionDenied: Another service than memory asks for everybody's.
        """
        tenant = self.actor.user_id
        parameters: dict[str, Any] = {
            "min_memories": whole_number("min_memories", min_memories),
            "since": _start(since),
            "limit": check_limit(limit),
        }
        if tenant is None:
            rows: Any = await self._execute(queries.ALL_ACTIVE_AUTHORS, parameters)
        else:
            rows = await self._execute(queries.active_authors(), parameters | {"tenant_id": tenant})
        return [AuthorActivity(*row) for row in rows]


def _start(since: datetime | timedelta) -> datetime:
    return datetime.now(UTC) - since if isinstance(since, timedelta) else moment("since", since)


def _result(rows: Sequence[Any]) -> SearchResult:
    """Return the hits of the statement's rows, and how they were found."""
    made = rows[0]
    reasons = [
        reason
        for cut, reason in ((made.vector_truncated, VECTORS_CUT), (made.text_truncated, TEXT_CUT))
        if cut
    ]
    return SearchResult(
        [_hit(row) for row in rows if row.chunk_id is not None],
        bool(reasons),
        " ".join(reasons) or None,
        SearchPlan(made.plan) if made.plan else None,
    )


def _hit(row: Any) -> Hit:
    *values, related = row[len(MADE) :]
    memories = tuple(_related(*memory) for memory in related or ())
    return Hit(*values, memories)  # type: ignore[call-arg] # the columns are named as the fields, in their order


def _related(document_id: str, title: str, chunk_id: str, *rest: Any) -> Related:
    return Related(UUID(document_id), title, UUID(chunk_id), *rest)

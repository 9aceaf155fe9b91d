# Generated from history_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repository of the search history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page, check_limit
from devmentor_models.kit.repository import Repository
from devmentor_models.memory import queries
from devmentor_models.memory.models import SearchEntry
from devmentor_models.memory.values import QueryCount


class SearchHistoryRepository(Repository):
    """What a user searched for (requirements S4, F5). `memory.search` writes it."""

    def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[SearchEntry]:
        """Return searches, newest first.

        Args:
            cursor: `Page.next_cursor` of the page before.
            limit: Searches per page, 1 to 500.
        """
        statement = queries.HISTORY.params(tenant_id=self.user_id)
        return self._page(statement, [SearchEntry.id], cursor=cursor, limit=limit)

    def top_queries(self, *, since: timedelta = timedelta(days=30), limit: int = 10) -> Sequence[QueryCount]:
        """Return what was searched for most often, most often first.

        Args:
            since: The span of time until now that counts.
            limit: Queries at most, 1 to 500.
        """
        parameters = {
            "tenant_id": self.user_id,
            "since": datetime.now(UTC) - since,
            "limit": check_limit(limit),
        }
        rows: Any = self._execute(queries.TOP_QUERIES, parameters)
        return [QueryCount(*row) for row in rows]

    def purge_older_than(self, age: timedelta) -> int:
        """Delete the user's searches that are older than ``age``; return how many there were.

        Raises:
            InvalidValue: ``age`` is negative.
        """
        if age < timedelta(0):
            raise InvalidValue("age", "is negative")
        parameters = {"tenant_id": self.user_id, "before": datetime.now(UTC) - age}
        return len((self._execute(queries.PURGE_HISTORY, parameters)).all())

"""Repository of the queue towards the vector mirror."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.pagination import Count, check_limit
from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.memory import queries
from devmentor_models.memory.models import OutboxEntry

MAX_ERROR_CHARACTERS = 2000


class AsyncVectorOutboxRepository(AsyncRepository):
    """Work for the vector mirror (requirement S4). A service alone works for all users.

    A worker claims entries, commits, does what they say, and acknowledges them. Delivery is at least once:
    what a worker held that died is claimed again when its lease ends.
    """

    async def claim(
        self, *, limit: int = 100, lease: timedelta = timedelta(minutes=5)
    ) -> Sequence[OutboxEntry]:
        """Return due entries, oldest first, that no other worker gets until ``lease`` has passed.

        Args:
            limit: Entries at most, 1 to 500.
            lease: How long the worker may take.

        Raises:
            InvalidValue: ``limit`` or ``lease`` is not valid.
        """
        if lease <= timedelta(0):
            raise InvalidValue("lease", "must be longer than nothing")
        tenant = self.actor.user_id
        parameters = {"limit": check_limit(limit), "lease": lease}
        if tenant is not None:
            parameters["tenant_id"] = tenant
        statement = queries.claim(one_tenant=tenant is not None).execution_options(
            populate_existing=True, synchronize_session=False
        )
        entries: Sequence[OutboxEntry] = (await self._execute(statement, parameters)).scalars().all()
        return sorted(entries, key=lambda entry: entry.id)

    async def acknowledge(self, entry_ids: Sequence[UUID]) -> int:
        """Remove entries that are done; return how many there still were."""
        rows = await self._execute(queries.ACKNOWLEDGE, {"ids": [*entry_ids]})
        return len(rows.all())

    async def fail(self, entry_id: UUID, error: str) -> None:
        """Put an entry back; it is due again after a pause that doubles each time (2 s to 1 h).

        Args:
            entry_id: The entry.
            error: Why it failed; its first 2,000 characters are kept. It must not contain secrets.

        Raises:
            NotFound: There is no such entry any more.
        """
        parameters = {"entry_id": entry_id, "error": error[:MAX_ERROR_CHARACTERS]}
        statement = queries.FAIL.execution_options(synchronize_session=False)
        if (await self._execute(statement, parameters)).first() is None:
            raise NotFound("outbox entry", entry_id)

    async def count(self, *, up_to: int = 1000) -> Count:
        """Count entries, due or not, reading ``up_to`` of them at most."""
        tenant = self.actor.user_id
        statement = queries.WAITING
        if tenant is not None:
            statement = statement.where(OutboxEntry.user_id == tenant)
        return await self._count(statement, up_to)

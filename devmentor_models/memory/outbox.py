# Generated from outbox_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repository of the queue towards the vector mirror."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.pagination import Count, check_limit
from devmentor_models.kit.repository import Repository
from devmentor_models.memory import outbox_queries as queries
from devmentor_models.memory.mirror_values import PointState
from devmentor_models.memory.models import OutboxEntry
from devmentor_models.memory.values import ModelInfo

MAX_ERROR_CHARACTERS = 2000


class VectorOutboxRepository(Repository):
    """Work for the vector mirror (requirement S4). A service alone works for all users.

    A worker claims entries, commits, does what the newest state of their points asks for, and acknowledges
    them. Delivery is at least once: what a worker held that died is claimed again when its lease ends.
    `devmentor_models.memory.mirror` is that worker.
    """

    def claim(self, *, limit: int = 100, lease: timedelta = timedelta(minutes=5)) -> Sequence[OutboxEntry]:
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
        entries: Sequence[OutboxEntry] = (self._execute(statement, parameters)).scalars().all()
        return sorted(entries, key=lambda entry: entry.id)

    def states(self, entry_ids: Sequence[UUID], *, vectors: bool = True) -> dict[UUID, PointState | None]:
        """Return, by entry, what the mirror is to have of its point now; None: there is to be no such point.

        Entries that are no longer in the queue are left out.

        Args:
            entry_ids: The entries.
            vectors: Read the vectors too; False when states are only compared.

        Raises:
            PermissionDenied: The actor is not the memory service, acting for nobody.
        """
        rows: Any = self._execute(queries.STATES, {"ids": [*entry_ids], "vectors": vectors})
        return {
            entry_id: None if payload is None else PointState(payload, vector)
            for entry_id, payload, vector in rows
        }

    def acknowledge(self, entry_ids: Sequence[UUID]) -> int:
        """Remove entries that are done; return how many there still were."""
        rows = self._execute(queries.ACKNOWLEDGE, {"ids": [*entry_ids]})
        return len(rows.all())

    def fail(self, entry_ids: Sequence[UUID], error: str) -> int:
        """Put entries back; return how many there still were.

        Each is due again after a pause of its own, up to 2 s at first and up to twice as long each time, to
        1 h at most.

        Args:
            entry_ids: The entries.
            error: Why they failed; its first 2,000 characters are kept. It must not contain secrets.
        """
        parameters = {"ids": [*entry_ids], "error": error[:MAX_ERROR_CHARACTERS]}
        statement = queries.FAIL.execution_options(synchronize_session=False)
        return len((self._execute(statement, parameters)).all())

    def add(self, collection: str, point_ids: Sequence[UUID]) -> None:
        """Queue points of a collection, whatever changed or did not.

        Raises:
            PermissionDenied: The actor is not the memory service, acting for nobody.
        """
        self._execute(queries.QUEUE, {"collection": collection, "ids": [*point_ids]})

    def mirrored_models(self) -> Sequence[ModelInfo]:
        """Return the models that are mirrored, by name."""
        rows: Any = self._execute(queries.mirrored_models())
        return [ModelInfo(row[0], row[1], row[2], str(row[3]), row[4]) for row in rows]

    def points(self, collection: str, *, after: UUID, limit: int = 500) -> Sequence[tuple[UUID, PointState]]:
        """Return what the mirror is to have in a collection, without vectors, a page in the order of ids.

        Args:
            collection: Name of the collection.
            after: Last id of the page before; zeros for the first page.
            limit: Points at most, 1 to 500.

        Raises:
            InvalidValue: ``limit`` is not valid.
            PermissionDenied: The actor is not the memory service, acting for nobody.
        """
        parameters = {"collection": collection, "after": after, "limit": check_limit(limit)}
        rows: Any = self._execute(queries.POINTS, parameters)
        return [(point_id, PointState(payload)) for point_id, payload in rows]

    def count(self, *, up_to: int = 1000) -> Count:
        """Count entries, due or not, reading ``up_to`` of them at most."""
        tenant = self.actor.user_id
        statement = queries.WAITING
        if tenant is not None:
            statement = statement.where(OutboxEntry.user_id == tenant)
        return self._count(statement, up_to)

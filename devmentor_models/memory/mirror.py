"""The worker of the vector mirror (requirement S4): brings changes of vectors to Qdrant.

PostgreSQL is the authority, Qdrant a copy. Triggers queue every change in its own transaction; a worker

1. claims entries of the queue for a while, and commits;
2. reads the *newest* state of their points, whatever the entries asked for;
3. writes that state to Qdrant, and waits until it is written;
4. reads the states again: what is unchanged is done, what is not is queued anew, in one transaction.

Any number of workers may run, and be killed anywhere. The last write to a point is followed by a look at the
database; if that shows another state, the point is queued again, and if the state changes later, the change
has queued it by itself. So an older state that a slow worker writes over a newer one does not stay.

Importing this module raises `ExtraMissing` unless the extra ``qdrant`` is installed.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from devmentor_models.errors import (
    CommitUnknown,
    ConnectionLost,
    LockTimeout,
    PoolTimeout,
    StatementTimeout,
    TransactionConflict,
)
from devmentor_models.memory.mirror_client import MirrorClient, describe
from devmentor_models.memory.mirror_values import Delivered, PointState, Reconciled
from devmentor_models.memory.outbox import VectorOutboxRepository
from devmentor_models.memory.values import ModelInfo
from devmentor_models.security.actor import Actor

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

log = logging.getLogger(__name__)

BATCH = 200
LEASE = timedelta(minutes=5)
#: Points per page of a comparison.
PAGE = 500
#: After this share of the lease nothing is written any more: another worker may have the entries soon.
SAFE_SHARE = 0.5
LONGEST_PAUSE_SECONDS = 60.0
#: What goes by while a worker keeps watching; entries that it held are due again after their lease.
PASSING = (
    CommitUnknown,
    ConnectionLost,
    LockTimeout,
    PoolTimeout,
    StatementTimeout,
    TransactionConflict,
)

#: A point: its collection and its id.
Place = tuple[str, UUID]


class WithSession(Protocol):
    """What the mirror needs of a transaction."""

    @property
    def session(self) -> Session:
        """Its session."""
        ...


class Transactions(Protocol):
    """What the mirror needs of a `devmentor_models.Database`."""

    def begin(self, actor: Actor) -> AbstractContextManager[WithSession]:
        """Return a context manager for a transaction."""
        ...


class VectorMirror:
    """A worker of the vector mirror. It acts as the memory service, for nobody.

    Args:
        database: The database; its login is a member of ``devmentor_memory``.
        client: Where the copies go. Its timeout must be well below half of ``lease``.
        batch: Entries to claim at a time, 1 to 500.
        lease: How long other workers leave claimed entries alone.

    Example:
        ::

            mirror = VectorMirror(db, QdrantClient(url="http://qdrant:6333", timeout=60))
            mirror.prepare()
            mirror.watch(stop)
    """

    def __init__(
        self, database: Transactions, client: QdrantClient, *, batch: int = BATCH, lease: timedelta = LEASE
    ) -> None:
        self._database = database
        self._client = MirrorClient(client)
        self._batch = batch
        self._lease = lease
        self._ensured: set[str] = set()

    def prepare(self) -> Sequence[ModelInfo]:
        """Make the collections that are missing; return the models that are mirrored.

        Raises:
            CollectionMismatch: A collection cannot hold its model's vectors.
            MirrorRefused: Qdrant cannot be reached, or refused.
        """
        with self._queue() as queue:
            models = queue.mirrored_models()
        for model in models:
            self._client.ensure(model)
        return models

    def deliver(self) -> Delivered:
        """Claim one batch of due entries and deliver it; return what was done, nothing when nothing is due.

        What Qdrant does not take is due again after a pause, with the error in ``last_error``.

        Raises:
            DevMentorError: Something is wrong with the database. Nothing is lost, some may be done again.
        """
        expires = time.monotonic() + self._lease.total_seconds() * SAFE_SHARE
        work = self._claim()
        if not work:
            return Delivered()
        wanted, models = self._read(work)
        refused = self._write(wanted, models, expires)
        return self._settle(work, wanted, refused)

    def drain(self, stop: threading.Event | None = None) -> Delivered:
        """Deliver until nothing is due, until Qdrant takes nothing at all, or until ``stop`` is set."""
        total = Delivered()
        while stop is None or not stop.is_set():
            done = self.deliver()
            total += done
            if not done or done.stuck:
                break
        return total

    def watch(self, stop: threading.Event, *, poll_seconds: float = 1.0) -> Delivered:
        """Deliver until ``stop`` is set, through outages of both sides.

        Args:
            stop: Ends the work after the batch that is under way.
            poll_seconds: How long to wait when nothing is due.

        Raises:
            DevMentorError: Something is wrong that does not go by, such as a missing right.
        """
        total, troubles = Delivered(), 0
        while not stop.is_set():
            try:
                done = self.deliver()
            except PASSING as error:
                log.warning("The database: %s", error)
                done = None
            total += done or Delivered()
            if done is None or done.stuck:
                troubles += 1
                longest = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(troubles, 10))
                stop.wait(random.uniform(longest / 2, longest))  # noqa: S311 - jitter is no secret
            else:
                troubles = 0
                if not done:
                    stop.wait(poll_seconds)
        return total

    def reconcile(self, advance: Callable[[int], object] = lambda _: None) -> Sequence[Reconciled]:
        """Compare every collection with the database and queue what differs; `drain` then repairs it.

        Both sides are read in the order of ids, page by page, while others write. What is under way is
        queued once more, which changes nothing. Payloads are compared, which name the version of the
        vector; vectors are not.

        Args:
            advance: Called after each page, with how many points it had.

        Raises:
            CollectionMismatch: A collection cannot hold its model's vectors.
            MirrorRefused: Qdrant cannot be reached, or refused.
        """
        return [self._reconcile(model, advance) for model in self.prepare()]

    @contextmanager
    def _queue(self) -> Iterator[VectorOutboxRepository]:
        """Yield the queue, in a transaction of the memory service on its own account."""
        with self._database.begin(Actor.service("memory")) as tx:
            yield VectorOutboxRepository(tx.session)

    def _claim(self) -> dict[Place, list[UUID]]:
        """Return claimed entries by their points: several of a point are one piece of work."""
        with self._queue() as queue:
            entries = queue.claim(limit=self._batch, lease=self._lease)
        work: dict[Place, list[UUID]] = {}
        for entry in entries:
            work.setdefault((entry.collection, entry.point_id), []).append(entry.id)
        return work

    def _read(
        self, work: dict[Place, list[UUID]]
    ) -> tuple[dict[Place, PointState | None], dict[str, ModelInfo]]:
        """Return what the points are to be, and the models of the collections."""
        with self._queue() as queue:
            states = queue.states([entries[0] for entries in work.values()])
            models = {str(model.collection): model for model in queue.mirrored_models()}
        # Without a state of its own, an entry is somebody else's by now.
        wanted = {place: states[entries[0]] for place, entries in work.items() if entries[0] in states}
        return wanted, models

    def _write(
        self, wanted: dict[Place, PointState | None], models: dict[str, ModelInfo], expires: float
    ) -> dict[str, str]:
        """Bring points to Qdrant; return, by collection, why that failed."""
        refused: dict[str, str] = {}
        for collection, places in groupby(sorted(wanted), key=lambda place: place[0]):
            states = {place[1]: wanted[place] for place in places}
            if time.monotonic() >= expires:
                refused[collection] = "the lease ran out"
                continue
            try:
                self._write_collection(collection, models.get(collection), states)
            except Exception as error:  # noqa: BLE001 - of HTTP, gRPC or validation: it is tried again
                self._ensured.discard(collection)
                refused[collection] = describe(error)
                log.warning("%s: %s", collection, refused[collection])
        return refused

    def _write_collection(
        self, collection: str, model: ModelInfo | None, states: dict[UUID, PointState | None]
    ) -> None:
        if model is None:
            # No longer mirrored: the points go, if the collection has not gone with them.
            if self._client.exists(collection):
                self._client.delete(collection, list(states))
            return
        if collection not in self._ensured:
            self._client.ensure(model)
            self._ensured.add(collection)
        if present := {key: state for key, state in states.items() if state is not None}:
            self._client.upsert(collection, present)
        if absent := [key for key, state in states.items() if state is None]:
            self._client.delete(collection, absent)

    def _settle(
        self,
        work: dict[Place, list[UUID]],
        wanted: dict[Place, PointState | None],
        refused: dict[str, str],
    ) -> Delivered:
        """Look again, in the transaction that acknowledges: what changed since is queued anew."""
        written = [place for place in wanted if place[0] not in refused]
        failed = 0
        with self._queue() as queue:
            states = queue.states([work[place][0] for place in written], vectors=False)
            # An entry that is gone was another worker's as well, whose write may have come before ours.
            changed = [
                place
                for place in written
                if work[place][0] not in states or states[work[place][0]] != wanted[place]
            ]
            for collection, places in groupby(sorted(changed), key=lambda place: place[0]):
                queue.add(collection, [place[1] for place in places])
            queue.acknowledge([entry for place in written for entry in work[place]])
            for collection, reason in refused.items():
                entries = [entry for place in work if place[0] == collection for entry in work[place]]
                failed += queue.fail(entries, reason)
        upserted = sum(1 for place in written if wanted[place] is not None)
        return Delivered(upserted, len(written) - upserted, len(changed), failed)

    def _reconcile(self, model: ModelInfo, advance: Callable[[int], object]) -> Reconciled:
        collection = str(model.collection)
        counts = {"compared": 0, "missing": 0, "extra": 0, "stale": 0}
        differing: list[UUID] = []
        pairs = _merged(self._wanted_points(collection, advance), self._client.points(collection))
        for point_id, mine, theirs in pairs:
            if mine is not None and theirs is not None:
                counts["compared"] += 1
            if mine == theirs:
                continue
            kind = "missing" if theirs is None else "extra" if mine is None else "stale"
            counts[kind] += 1
            differing.append(point_id)
            if len(differing) == PAGE:
                self._add(collection, differing)
                differing = []
        self._add(collection, differing)
        return Reconciled(collection, **counts)

    def _add(self, collection: str, point_ids: Sequence[UUID]) -> None:
        if point_ids:
            with self._queue() as queue:
                queue.add(collection, point_ids)

    def _wanted_points(
        self, collection: str, advance: Callable[[int], object]
    ) -> Iterator[tuple[UUID, dict[str, Any]]]:
        """Yield what the collection is to have, in the order of ids; each page is a transaction."""
        last = UUID(int=0)
        while True:
            with self._queue() as queue:
                page = queue.points(collection, after=last, limit=PAGE)
            for point_id, state in page:
                yield point_id, state.payload
            advance(len(page))
            if len(page) < PAGE:
                return
            last = page[-1][0]


def _merged(
    ours: Iterator[tuple[UUID, dict[str, Any]]], theirs: Iterator[tuple[UUID, dict[str, Any]]]
) -> Iterator[tuple[UUID, dict[str, Any] | None, dict[str, Any] | None]]:
    """Yield each id once, with what either side has of it; both are in the order of ids."""
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine[0] < other[0]):
            assert mine is not None  # noqa: S101 - for the type checkers: one of them is there
            yield mine[0], mine[1], None
            mine = next(ours, None)
        elif mine is None or other[0] < mine[0]:
            yield other[0], None, other[1]
            other = next(theirs, None)
        else:
            yield mine[0], mine[1], other[1]
            mine, other = next(ours, None), next(theirs, None)

"""The worker of the vector mirror: whatever happens, both sides end up equal (S4, trap 37)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from qdrant_client import models as qdrant

from devmentor_models import Actor
from devmentor_models.errors import CollectionMismatch
from devmentor_models.memory.mirror import Place, VectorMirror
from devmentor_models.memory.mirror_client import MirrorClient
from devmentor_models.memory.mirror_values import Delivered, PointState
from devmentor_models.memory.outbox import VectorOutboxRepository
from devmentor_models.memory.values import ModelInfo
from tests.support.mirroring import Mirrored, new_documents, one_at_a_time


def test_points_carry_vector_and_payload(mirrored: Mirrored) -> None:
    """A search of the mirror can filter by whose they are, project, source and time."""
    user = mirrored.new_user()
    project = mirrored.new_project(user)
    (document,) = mirrored.store(user, chunks=1, project=project)
    assert mirrored.worker().drain() == Delivered(upserted=1)
    ((point, payload),) = mirrored.found().items()
    (row,) = mirrored.execute(
        "SELECT e.chunk_id, e.qdrant_point_id, e.qdrant_collection, e.id, d.created_at"
        " FROM memory.embeddings_meta e JOIN memory.documents d ON d.id = e.document_id"
        " WHERE e.document_id = %s",
        document,
    )
    assert row[:3] == (point, point, mirrored.collection)
    assert payload == {
        "user_id": str(user),
        "document_id": str(document),
        "chunk_id": str(point),
        "project_id": str(project),
        "source": "note",
        "created_at": row[4].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "embedding_id": str(row[3]),
        "version": 1,
    }
    mine = qdrant.FieldCondition(key="user_id", match=qdrant.MatchValue(value=str(user)))
    hits = mirrored.client.query_points(
        mirrored.collection, [1.0, 0.0, 0.0], query_filter=qdrant.Filter(must=[mine]), with_vectors=True
    ).points
    assert [hit.id for hit in hits] == [str(point)]
    assert hits[0].score == pytest.approx(1)


class Slow(VectorMirror):
    """A worker to which something happens before or after its writing."""

    def __init__(
        self, mirrored: Mirrored, meanwhile: Callable[[], object], *, after: bool = False, **options: Any
    ) -> None:
        super().__init__(mirrored.database, mirrored.client, **options)
        self._meanwhile = meanwhile
        self._after = after

    def _write(
        self, wanted: dict[Place, PointState | None], models: dict[str, ModelInfo], expires: float
    ) -> dict[str, str]:
        if not self._after:
            self._meanwhile()
        refused = super()._write(wanted, models, expires)
        if self._after:
            self._meanwhile()
        return refused


class KilledError(BaseException):
    """The process ended here; BaseException, so that nothing catches it."""


def _dies(method: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    """Return the method of a process that dies before or after it."""

    def die(*arguments: Any, **options: Any) -> Any:
        if not before:
            method(*arguments, **options)
        raise KilledError

    return die


STEPS = [
    (VectorMirror, "_claim", False),
    (VectorMirror, "_read", False),
    (MirrorClient, "ensure", False),
    (MirrorClient, "upsert", True),
    (MirrorClient, "upsert", False),
    (MirrorClient, "delete", False),
    (VectorMirror, "_settle", True),
    (VectorOutboxRepository, "add", False),
    (VectorOutboxRepository, "acknowledge", True),
    (VectorOutboxRepository, "acknowledge", False),
    (VectorMirror, "_settle", False),
]


@pytest.mark.parametrize(
    ("owner", "name", "before"),
    STEPS,
    ids=[f"{'before' if before else 'after'} {name}" for _, name, before in STEPS],
)
def test_a_worker_may_die_anywhere(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, before: bool
) -> None:
    """Between any two steps; once its lease is over, another one ends its work."""
    user = mirrored.new_user()
    gone, moving = mirrored.store(user, 2, chunks=1)
    mirrored.worker().drain()
    mirrored.store(user, 2)
    mirrored.soft_delete(user, gone)

    mirrored.soft_delete(user, moving)
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.restore(moving)
    # A point of the batch changes while it is under way, so that it is queued anew.
    dying = Slow(mirrored, lambda: mirrored.soft_delete(user, moving), after=True)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, _dies(getattr(owner, name), before=before))
        with pytest.raises(KilledError):
            dying.deliver()
    mirrored.end_leases()
    mirrored.worker().drain()
    assert mirrored.is_whole()
    assert len(mirrored.found()) in {4, 5}


def test_a_late_commit_is_not_lost(mirrored: Mirrored) -> None:
    """A transaction that was first to queue and last to commit is delivered when it commits (trap 37)."""
    user, other = mirrored.new_user(), mirrored.new_user()
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.store_many(new_documents(1, 1), model=mirrored.model)
        mirrored.store(other, chunks=1)
        assert mirrored.worker().drain() == Delivered(upserted=1)
        assert mirrored.queued() == []
    assert mirrored.worker().drain() == Delivered(upserted=1)
    assert mirrored.is_whole()
    assert len(mirrored.found()) == 2


def test_an_older_state_does_not_stay(mirrored: Mirrored) -> None:
    """A slow worker writes what another one has deleted meanwhile; it notices, and queues the point."""
    user = mirrored.new_user()
    (document,) = mirrored.store(user, chunks=1)

    def meanwhile() -> None:
        mirrored.soft_delete(user, document)
        assert mirrored.worker().drain() == Delivered(deleted=1)

    assert Slow(mirrored, meanwhile).deliver() == Delivered(upserted=1, changed=1)
    assert len(mirrored.found()) == 1
    assert mirrored.worker().drain() == Delivered(deleted=1)
    assert mirrored.is_whole()
    assert mirrored.found() == {}


@pytest.mark.parametrize("restored", [False, True])
def test_an_older_state_does_not_stay_after_the_lease(mirrored: Mirrored, *, restored: bool) -> None:
    """Even if another worker was done with its very entry, so that only the slow one knows of the point."""
    user = mirrored.new_user()
    (document,) = mirrored.store(user, chunks=1)
    if restored:
        mirrored.worker().drain()
        mirrored.soft_delete(user, document)

    def meanwhile() -> None:
        mirrored.end_leases()
        assert mirrored.worker().drain() == Delivered(deleted=1) if restored else Delivered(upserted=1)
        if restored:
            with mirrored.database.begin(Actor.user(user)) as tx:
                tx.documents.restore(document)
        else:
            mirrored.soft_delete(user, document)
        mirrored.worker().drain()
        assert mirrored.is_whole()

    assert Slow(mirrored, meanwhile).deliver().changed == 1
    assert mirrored.wanted() != mirrored.found()
    mirrored.worker().drain()
    assert mirrored.is_whole()


def test_nothing_is_written_when_the_lease_is_nearly_over(mirrored: Mirrored) -> None:
    """Others may have the entries by then; they are tried again."""
    mirrored.store(mirrored.new_user(), chunks=1)
    slow = Slow(mirrored, lambda: time.sleep(0.03), lease=timedelta(milliseconds=50))
    assert slow.deliver() == Delivered(failed=1)
    assert not mirrored.client.collection_exists(mirrored.collection)
    assert mirrored.execute("SELECT last_error FROM memory.vector_outbox") == [("the lease ran out",)]


def test_several_entries_of_a_point_are_one_write(mirrored: Mirrored) -> None:
    """The newest state counts, however often it has changed."""
    user = mirrored.new_user()
    (document,) = mirrored.store(user, chunks=1)
    for _ in range(3):
        with mirrored.database.begin(Actor.user(user)) as tx:
            tx.documents.soft_delete(document)
            tx.documents.restore(document)
    assert len(mirrored.queued()) == 7
    assert mirrored.worker().drain() == Delivered(upserted=1)
    assert mirrored.is_whole()


def test_two_workers_share_the_work(mirrored: Mirrored) -> None:
    """While documents come and go, until both sides are equal."""
    user = mirrored.new_user()
    client, stop = one_at_a_time(mirrored.client), threading.Event()
    workers = [VectorMirror(mirrored.database, client, batch=7) for _ in range(2)]
    threads = [
        threading.Thread(target=worker.watch, args=(stop,), kwargs={"poll_seconds": 0.01})
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            first, second, *_ = mirrored.store(user, 6)
            mirrored.soft_delete(user, first)
            with mirrored.database.begin(Actor.user(user)) as tx:
                tx.documents.purge(second)
        until = time.monotonic() + 20
        while mirrored.queued() and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert mirrored.is_whole()
    assert len(mirrored.found()) == 4 * 4 * 2


def test_an_outage_loses_nothing(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Qdrant does not take stays, with a reason that quotes nothing, and is due again later."""
    mirrored.store(mirrored.new_user())
    worker = mirrored.worker()
    with monkeypatch.context() as patch:

        def refuse(*_: Any, **__: Any) -> None:
            raise ConnectionError("https://user:secret@qdrant is away")

        patch.setattr(mirrored.client, "upsert", refuse)
        assert worker.drain() == Delivered(failed=2)
    rows = mirrored.execute("SELECT last_error, attempts, available_at > now() FROM memory.vector_outbox")
    assert rows == [("ConnectionError", 1, True)] * 2
    assert worker.drain() == Delivered()
    mirrored.end_leases()
    assert worker.drain() == Delivered(upserted=2)
    assert mirrored.is_whole()


def test_a_collection_that_does_not_fit_is_refused(mirrored: Mirrored) -> None:
    """Of another length or metric; nothing is written to it, and the queue says why."""
    mirrored.store(mirrored.new_user(), chunks=1)
    for params in (
        qdrant.VectorParams(size=4, distance=qdrant.Distance.COSINE),
        qdrant.VectorParams(size=3, distance=qdrant.Distance.DOT),
        {"text": qdrant.VectorParams(size=3, distance=qdrant.Distance.COSINE)},
    ):
        mirrored.client.delete_collection(mirrored.collection)
        mirrored.client.create_collection(mirrored.collection, vectors_config=params)
        with pytest.raises(CollectionMismatch, match=mirrored.collection):
            mirrored.worker().prepare()
        assert mirrored.worker().drain() == Delivered(failed=1)
        mirrored.end_leases()
    ((reason,),) = mirrored.execute("SELECT last_error FROM memory.vector_outbox")
    assert reason.startswith(f"The collection {mirrored.collection} of the vector mirror has named vectors")


def test_a_collection_that_is_gone_is_made_again(mirrored: Mirrored) -> None:
    """At the next try, also by a worker that has seen it."""
    user = mirrored.new_user()
    mirrored.store(user)
    worker = mirrored.worker()
    worker.drain()
    mirrored.client.delete_collection(mirrored.collection)
    mirrored.store(user)
    assert worker.drain() == Delivered(failed=2)
    mirrored.end_leases()
    assert worker.drain() == Delivered(upserted=2)


def test_reconcile_finds_and_repairs(mirrored: Mirrored) -> None:
    """What the mirror lacks, what it has too much, and what is older; a second time finds nothing."""
    user = mirrored.new_user()
    mirrored.store(user, 3)
    worker = mirrored.worker()
    worker.drain()
    first, second, third, *_ = mirrored.found()
    client = mirrored.client
    client.delete(mirrored.collection, qdrant.PointIdsList(points=[str(first)]))
    client.set_payload(mirrored.collection, {"version": 0}, points=[str(second), str(third)])
    for key in (uuid4(), UUID(int=1), UUID(int=2**128 - 1), 7):
        point = qdrant.PointStruct(
            id=key if isinstance(key, int) else str(key), vector=[1.0, 1.0, 1.0], payload={}
        )
        client.upsert(mirrored.collection, [point])
    pages: list[int] = []
    (found,) = worker.reconcile(pages.append)
    assert (found.compared, found.missing, found.extra, found.stale) == (5, 1, 3, 2)
    assert (found.differing, pages) == (6, [6])
    assert worker.drain() == Delivered(upserted=3, deleted=3)
    assert mirrored.is_whole()
    (found,) = worker.reconcile()
    assert (found.compared, found.differing) == (6, 0)


def test_reconcile_goes_page_by_page(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of either side need not fit together; a mirror that is empty is filled, however large."""
    for module in ("mirror", "mirror_client"):
        monkeypatch.setattr(f"devmentor_models.memory.{module}.PAGE", 2 if module == "mirror" else 3)
    user = mirrored.new_user()
    documents = mirrored.store(user, 4)
    worker = mirrored.worker()
    worker.drain()
    mirrored.client.delete_collection(mirrored.collection)
    (found,) = mirrored.worker().reconcile()
    assert (found.compared, found.missing) == (0, 8)
    mirrored.worker().drain()
    assert mirrored.is_whole()
    mirrored.execute("ALTER TABLE memory.documents DISABLE TRIGGER queue_update")
    mirrored.soft_delete(user, documents[0])
    mirrored.execute("ALTER TABLE memory.documents ENABLE TRIGGER queue_update")
    (found,) = mirrored.worker().reconcile()
    assert (found.compared, found.extra) == (6, 2)
    mirrored.worker().drain()
    assert mirrored.is_whole()


def test_points_of_a_model_that_is_no_longer_mirrored_go(mirrored: Mirrored) -> None:
    """Entries that are left over delete their points, and are done where the collection is gone as well."""
    user = mirrored.new_user()
    mirrored.store(user, chunks=1)
    mirrored.worker().drain()
    (document,) = mirrored.store(user, chunks=1)
    mirrored.execute("UPDATE ai.embedding_models SET qdrant_collection = NULL")
    mirrored.worker().drain()
    assert (mirrored.queued(), len(mirrored.found())) == ([], 1)
    mirrored.execute(
        "UPDATE ai.embedding_models SET qdrant_collection = %s WHERE name = %s",
        mirrored.collection,
        mirrored.model,
    )
    mirrored.soft_delete(user, document)
    mirrored.execute("UPDATE ai.embedding_models SET qdrant_collection = NULL")
    mirrored.client.delete_collection(mirrored.collection)
    assert mirrored.worker().drain() == Delivered(deleted=1)
    assert mirrored.queued() == []


def test_watch_outlives_an_outage_of_the_database(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that the server ends costs one batch, not the worker."""
    monkeypatch.setattr("devmentor_models.memory.mirror.LONGEST_PAUSE_SECONDS", 0.01)
    mirrored.store(mirrored.new_user())
    stop, calls = threading.Event(), []
    acknowledge = VectorOutboxRepository.acknowledge

    def interrupted(outbox: VectorOutboxRepository, entries: Sequence[UUID]) -> int:
        calls.append(entries)
        if len(calls) == 1:
            mirrored.end_leases()
            mirrored.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        else:
            stop.set()
        return acknowledge(outbox, entries)

    monkeypatch.setattr(VectorOutboxRepository, "acknowledge", interrupted)
    assert mirrored.worker().watch(stop, poll_seconds=0.01) == Delivered(upserted=2)
    assert len(calls) == 2
    assert mirrored.is_whole()

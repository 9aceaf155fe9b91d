# Generated from ingest_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Storing any number of documents, a batch to a transaction (requirement F5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from devmentor_models.database import Database
from devmentor_models.errors import CommitUnknown, ConstraintViolation, InvalidValue
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.lanes import Lanes
from devmentor_models.memory.streams import BATCH_BYTES, Documents, batches
from devmentor_models.memory.values import IngestResult, NewDocument, StoreResult
from devmentor_models.memory.writer import DocumentWriter
from devmentor_models.security.actor import Actor
from devmentor_models.transaction import Transaction

Refused = InvalidValue | ConstraintViolation

#: Documents after which the tables are analysed for the first time.
FIRST_ANALYZE = 1000
MAX_WORKERS = 64


def ingest(
    database: Database,
    documents: Documents,
    *,
    actor: Actor,
    model: str | None = None,
    on_batch: Callable[[StoreResult], None] | None = None,
    on_error: Callable[[NewDocument, Refused], None] | None = None,
    batch_bytes: int = BATCH_BYTES,
    workers: int = 1,
) -> IngestResult:
    """Store documents, each as `tx.documents.store` does; a batch to a transaction, so each all or nothing.

    It may be called again after whatever ended it: what is stored already is recognised by its content and
    passed over. Memory is bounded by a batch for each worker, or by the largest documents. After a conflict,
    or on another connection when one broke, the batch is repeated.

    After the first thousand documents, and whenever it has stored twice as many, the tables are analysed.
    Without statistics of a new tenant PostgreSQL checks keys by indexes that read all of that tenant's
    documents; autovacuum comes a minute later, when storing takes several times as long.

    Args:
        database: Where to.
        documents: The documents, of any iterable; a generator is taken as it goes.
        actor: Whose documents they become: a user, or a service on their behalf.
        model: Name of the embedding model that made the chunks' vectors; None: the default model. When it is
            named, chunks without a vector wait for one.
        on_batch: Called after each COMMIT with what it stored; with several workers not for batches that
            were under way when the ingest failed.
        on_error: Called with each document that is refused, and why; the others are stored. Without it the
            first such document ends the ingest; what came before it is stored, with several workers also
            batches that were under way.
        batch_bytes: About how much text and vectors are stored at a time, in bytes; 500 documents at most.
        workers: Batches that are stored at a time, 1 to 64, each on a connection of its own, while the next
            ones are taken. It pays up to the number of the server's processors. They end in any order, but
            none is stored beside another one with the same address or content.

    Raises:
        InvalidValue: A document cannot be stored, and there is no ``on_error``; or ``workers`` is not valid.
        ConstraintViolation: The same; `ForeignKeyViolation` where the user has no such project.
        NotFound: No such embedding model is active.
        DevMentorError: A conflict or a lost connection that repeating did not help against.
    """
    limit = whole_number("workers", workers, at_least=1, at_most=MAX_WORKERS)
    ingestion = _Ingestion(database, actor, model, on_batch, on_error, FIRST_ANALYZE)
    with (
        closing(batches(documents, batch_bytes)) as stream,
        Lanes(limit, ingestion.settle) as lanes,
    ):
        for batch in stream:
            # One worker has nobody to keep apart from, and hashing the texts takes a while.
            keys = _keys(batch) if limit > 1 else set()
            lanes.start(partial(ingestion.store, batch), keys)
    return ingestion.total


@dataclass(slots=True)
class _Outcome:
    """What became of a batch; with a ``failure`` it was the last."""

    stored: list[StoreResult] = field(default_factory=list)
    refused: list[tuple[NewDocument, Refused]] = field(default_factory=list)
    failure: Refused | None = None


@dataclass(slots=True)
class _Ingestion:
    """An ingest: `store` runs beside itself, `settle` does not."""

    database: Database
    actor: Actor
    model: str | None
    on_batch: Callable[[StoreResult], None] | None
    on_error: Callable[[NewDocument, Refused], None] | None
    analyze_at: int
    total: IngestResult = field(default_factory=IngestResult)

    def store(self, batch: Sequence[NewDocument]) -> _Outcome:
        """Store a batch in a transaction of its own; document by document where one of them is refused."""
        try:
            return _Outcome([self._store(batch)])
        except (InvalidValue, ConstraintViolation):
            # The database does not always say which of them it was.
            return self._store_each(batch)

    def settle(self, outcome: _Outcome) -> None:
        """Count and tell what became of a batch; raise the error that ends the ingest."""
        for stored in outcome.stored:
            self.total.add(stored)
            if self.on_batch is not None:
                self.on_batch(stored)
        for new, error in outcome.refused:
            self.total.refused += 1
            if self.on_error is not None:
                self.on_error(new, error)
        if outcome.failure is not None:
            raise outcome.failure
        if self.total.created >= self.analyze_at:
            self.analyze_at = 2 * self.total.created
            self.database.run(lambda tx: DocumentWriter(tx.session).renew_statistics(), actor=self.actor)

    def _store_each(self, batch: Sequence[NewDocument]) -> _Outcome:
        outcome = _Outcome()
        for new in batch:
            try:
                outcome.stored.append(self._store([new]))
            except (InvalidValue, ConstraintViolation) as error:
                if self.on_error is None:
                    outcome.failure = error
                    break
                outcome.refused.append((new, error))
        return outcome

    def _store(self, batch: Sequence[NewDocument]) -> StoreResult:
        def work(tx: Transaction) -> StoreResult:
            return tx.documents.store_many(batch, model=self.model)

        try:
            return self.database.run(work, actor=self.actor)
        except CommitUnknown:
            # Storing again what is stored changes nothing.
            return self.database.run(work, actor=self.actor)


def _keys(batch: Iterable[NewDocument]) -> set[tuple[str, int]]:
    """Return what two batches share that speak of the same document; hashes, for texts are long."""
    return {
        (str(new.project_id), hash(text))
        for new in batch
        for text in (new.content, new.source_uri)
        if isinstance(text, str)  # what is not is refused when it is stored
    }

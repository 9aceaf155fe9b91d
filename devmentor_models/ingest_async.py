"""Storing any number of documents, a batch to a transaction (requirement F5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

from devmentor_models.database_async import AsyncDatabase
from devmentor_models.errors import CommitUnknown, ConstraintViolation, InvalidValue
from devmentor_models.memory.streams import BATCH_BYTES, AsyncDocuments, batches_async
from devmentor_models.memory.values import IngestResult, NewDocument, StoreResult
from devmentor_models.memory.writer_async import AsyncDocumentWriter
from devmentor_models.security.actor import Actor

Refused = InvalidValue | ConstraintViolation

#: Documents after which the tables are analysed for the first time.
FIRST_ANALYZE = 1000


async def ingest(
    database: AsyncDatabase,
    documents: AsyncDocuments,
    *,
    actor: Actor,
    model: str | None = None,
    on_batch: Callable[[StoreResult], None] | None = None,
    on_error: Callable[[NewDocument, Refused], None] | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> IngestResult:
    """Store documents, each as `tx.documents.store` does; a batch to a transaction, so each all or nothing.

    It may be called again after whatever ended it: what is stored already is recognised by its content and
    passed over. Memory is bounded by a batch, or by the largest document. After a conflict, or
    on another connection when one broke, the batch is repeated.

    After the first thousand documents, and whenever it has stored twice as many, the tables are analysed.
    Without statistics of a new tenant PostgreSQL checks keys by indexes that read all of that tenant's
    documents; autovacuum comes a minute later, when storing takes several times as long.

    Args:
        database: Where to.
        documents: The documents, of any iterable; a generator is taken as it goes.
        actor: Whose documents they become: a user, or a service on their behalf.
        model: Name of the embedding model that made the chunks' vectors; None: the default model. When it is
            named, chunks without a vector wait for one.
        on_batch: Called after each COMMIT with what it stored.
        on_error: Called with each document that is refused, and why; the others are stored. Without it the
            first such document ends the ingest; what came before it is stored.
        batch_bytes: About how much text and vectors are stored at a time, in bytes; 500 documents at most.

    Raises:
        InvalidValue: A document cannot be stored, and there is no ``on_error``.
        ConstraintViolation: The same; `ForeignKeyViolation` where the user has no such project.
        NotFound: No such embedding model is active.
        DevMentorError: A conflict or a lost connection that repeating did not help against.
    """
    total = IngestResult()
    analyze_at = FIRST_ANALYZE

    async def store(batch: Sequence[NewDocument]) -> None:
        nonlocal analyze_at
        stored = await _store(database, batch, actor, model)
        total.add(stored)
        if on_batch is not None:
            on_batch(stored)
        if total.created >= analyze_at:
            analyze_at = 2 * total.created
            await database.run(lambda tx: AsyncDocumentWriter(tx.session).renew_statistics(), actor=actor)

    async with aclosing(batches_async(documents, batch_bytes)) as stream:
        async for batch in stream:
            try:
                await store(batch)
            except (InvalidValue, ConstraintViolation):
                # One by one: the database does not always say which of them it was.
                for new in batch:
                    try:
                        await store([new])
                    except (InvalidValue, ConstraintViolation) as error:
                        if on_error is None:
                            raise
                        total.refused += 1
                        on_error(new, error)
    return total


async def _store(
    database: AsyncDatabase, batch: Sequence[NewDocument], actor: Actor, model: str | None
) -> StoreResult:
    """Store a batch in a transaction of its own."""
    try:
        return await database.run(lambda tx: tx.documents.store_many(batch, model=model), actor=actor)
    except CommitUnknown:
        # Storing again what is stored changes nothing.
        return await database.run(lambda tx: tx.documents.store_many(batch, model=model), actor=actor)

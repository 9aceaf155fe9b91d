"""Store a corpus: cut, embed and write it, as a stream of whole documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, text

from devmentor_models.cli.chunks import pieces
from devmentor_models.cli.corpus import Text
from devmentor_models.ingest import ingest as store
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.models import Document
from devmentor_models.memory.values import NewChunk, NewDocument, StoreResult

if TYPE_CHECKING:
    from devmentor_models.cli.embedder import Embedder
    from devmentor_models.database import Database
    from devmentor_models.security.actor import Actor
    from devmentor_models.transaction import Transaction

#: Chunks that are embedded at a time: few enough for a lively progress bar.
CHUNKS_PER_BATCH = 128
#: Bytes that are stored at a time: about as much.
BYTES_PER_BATCH = 256 * 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text and its pieces, not embedded yet."""

    text: Text
    chunks: list[NewChunk]


def prepare(texts: Sequence[Text]) -> list[Prepared]:
    """Cut texts into pieces; those without words have none and are left out."""
    prepared = [
        Prepared(
            text,
            [
                NewChunk(content=piece.content, start_offset=piece.start, end_offset=piece.end)
                for piece in pieces(text.content)
            ],
        )
        for text in texts
    ]
    return [item for item in prepared if item.chunks]


def unknown(tx: Transaction, texts: Sequence[Text], project_id: UUID) -> list[Text]:
    """Return the texts that the acting user's project does not have yet."""
    stored = select(Document.content_hash).where(
        Document.user_id == tx.actor.user_id, Document.project_id == project_id, Document.deleted_at.is_(None)
    )
    hashes = {bytes(found) for found in tx.session.execute(stored).scalars()}
    return [text for text in texts if text.content_hash not in hashes]


def ingest(
    database: Database,
    actor: Actor,
    project_id: UUID,
    prepared: Sequence[Prepared],
    *,
    embedder: Embedder,
    model: str,
    advance: Callable[[int], None],
) -> int:
    """Embed and store documents; an interruption leaves whole ones, and the next time goes on from there.

    Args:
        database: Where to.
        actor: Whose documents they become.
        project_id: The project that they belong to.
        prepared: What to store.
        embedder: Makes the vectors.
        model: Name of its model.
        advance: Called after each batch with about the number of its chunks.

    Returns:
        How many chunks were written.
    """
    embedded = 0

    def documents() -> Iterator[NewDocument]:
        nonlocal embedded
        for batch in _batches(prepared):
            yield from _embedded(batch, project_id, embedder)
            embedded += sum(len(item.chunks) for item in batch)

    def stored(_: StoreResult) -> None:
        nonlocal embedded
        advance(embedded)
        embedded = 0

    written = store(
        database, documents(), actor=actor, model=model, on_batch=stored, batch_bytes=BYTES_PER_BATCH
    ).chunks
    with database.begin(actor) as tx:
        # Autovacuum would do it in a minute; until then the planner believes that the tables are empty.
        tx.session.execute(text("ANALYZE memory.documents, memory.chunks, memory.embeddings_meta"))
    return written


def _batches(prepared: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    """Yield documents in groups of about `CHUNKS_PER_BATCH` chunks."""
    batch: list[Prepared] = []
    size = 0
    for item in prepared:
        if batch and size + len(item.chunks) > CHUNKS_PER_BATCH:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.chunks)
    if batch:
        yield batch


def _embedded(batch: list[Prepared], project_id: UUID, embedder: Embedder) -> list[NewDocument]:
    contents = [chunk.content for item in batch for chunk in item.chunks]
    numbers = iter(zip(embedder.embed(contents), embedder.count_tokens(contents), strict=True))
    documents = []
    for item in batch:
        chunks = []
        for chunk in item.chunks:
            vector, tokens = next(numbers)
            chunks.append(replace(chunk, embedding=vector, token_count=tokens))
        documents.append(
            NewDocument(
                title=item.text.title,
                content=item.text.content,
                source=DocumentSource.UPLOAD,
                source_uri=item.text.uri,
                project_id=project_id,
                chunks=chunks,
            )
        )
    return documents

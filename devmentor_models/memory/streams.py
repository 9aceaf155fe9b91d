"""Cut a stream of documents into batches of bounded size, so that none is ever held as a whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence

from devmentor_models.memory.values import NewDocument

Documents = Iterable[NewDocument]
AsyncDocuments = Iterable[NewDocument] | AsyncIterable[NewDocument]

#: A batch is full at this size: larger ones are hardly faster, and take memory and longer transactions.
BATCH_BYTES = 4 * 1024 * 1024
MAX_BATCH_DOCUMENTS = 500

#: What a number of a vector takes, as PostgreSQL receives it, and what a row takes beside text and numbers.
_NUMBER_BYTES = 2
_ROW_BYTES = 200


class Batcher:
    """Collects documents until they are a batch.

    Args:
        max_bytes: At which size it is one.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._documents: list[NewDocument] = []
        self._bytes = 0

    def add(self, new: NewDocument) -> Sequence[NewDocument] | None:
        """Add a document; return the batch when it is full, with the document, which may be of any size."""
        self._documents.append(new)
        self._bytes += weight(new)
        if self._bytes < self._max_bytes and len(self._documents) < MAX_BATCH_DOCUMENTS:
            return None
        return self.rest()

    def rest(self) -> Sequence[NewDocument]:
        """Return what was added since the last batch."""
        batch, self._documents, self._bytes = self._documents, [], 0
        return batch


def weight(new: NewDocument) -> int:
    """Return about how many bytes a document takes; one that is not valid is measured when it is refused."""
    try:
        chunks = new.chunks or ()
        return (
            len(new.content)
            + _ROW_BYTES * (1 + len(chunks))
            + sum(
                len(chunk.content)
                + (_NUMBER_BYTES * len(chunk.embedding) if chunk.embedding is not None else 0)
                for chunk in chunks
            )
        )
    except (AttributeError, TypeError):
        return _ROW_BYTES


def batches(
    documents: Documents, max_bytes: int = BATCH_BYTES
) -> Generator[Sequence[NewDocument], None, None]:
    """Yield documents in batches, in their order."""
    batcher = Batcher(max_bytes)
    for new in documents:
        if full := batcher.add(new):
            yield full
    if rest := batcher.rest():
        yield rest


async def batches_async(
    documents: AsyncDocuments, max_bytes: int = BATCH_BYTES
) -> AsyncGenerator[Sequence[NewDocument], None]:
    """Yield documents in batches, in their order, of either kind of iterable."""
    if isinstance(documents, Iterable):
        for batch in batches(documents, max_bytes):
            yield batch
        return
    batcher = Batcher(max_bytes)
    async for new in documents:
        if full := batcher.add(new):
            yield full
    if rest := batcher.rest():
        yield rest

"""What distinguishes two versions of a document: chunks that stay, move, go and come (F5)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from devmentor_models.memory.enums import EmbeddingStatus
from devmentor_models.memory.ingest import Draft, Piece, Placed, Row, embedding_row, unpack
from devmentor_models.memory.values import ModelInfo


class StoredChunk(NamedTuple):
    """A chunk as it is stored; ``status`` is that of its vector by the model in question, if it has one."""

    document_id: UUID
    id: UUID
    content_hash: bytes
    ordinal: int
    token_count: int | None
    start_offset: int | None
    end_offset: int | None
    language: str
    status: str | None


class Move(NamedTuple):
    """What is to be said about a chunk that stays."""

    id: UUID
    ordinal: int
    token_count: int | None
    start_offset: int | None
    end_offset: int | None
    language: str


@dataclass(slots=True)
class Changes:
    """What makes the stored chunks of some documents those of their new versions.

    Attributes:
        user_id: Whose they are.
        gone: Chunks that are no part of their document any more.
        moves: Chunks that stay with their vectors, at another place or described otherwise.
        new: Chunks that were not there.
        vectors: Rows of vectors that chunks lacked that stay.
        kept: How many chunks stay.
    """

    user_id: UUID
    gone: list[UUID] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    new: list[Placed] = field(default_factory=list)
    vectors: list[Row] = field(default_factory=list)
    kept: int = 0

    def create(self, draft: Draft, model: ModelInfo | None) -> None:
        """Add the chunks of a document that is new."""
        language = str(draft.values["language"])
        self.new.extend(
            Placed(draft.id, ordinal, piece, language) for ordinal, piece in enumerate(draft.prepare(model))
        )

    def replace(
        self, draft: Draft, document_id: UUID, stored: Iterable[StoredChunk], model: ModelInfo | None
    ) -> None:
        """Add what makes stored chunks those of a draft.

        Chunks with the same text are the same, the first with the first: they keep their key, and with it
        the vectors of every model.
        """
        spare: defaultdict[bytes, deque[StoredChunk]] = defaultdict(deque)
        for chunk in stored:
            spare[chunk.content_hash].append(chunk)
        language = str(draft.values["language"])
        for ordinal, piece in enumerate(draft.prepare(model)):
            same = spare.get(piece.content_hash)
            if same:
                self._keep(same.popleft(), ordinal, piece, language, model)
            else:
                self.new.append(Placed(document_id, ordinal, piece, language))
        self.gone.extend(chunk.id for chunks in spare.values() for chunk in chunks)

    def _keep(
        self, chunk: StoredChunk, ordinal: int, piece: Piece, language: str, model: ModelInfo | None
    ) -> None:
        self.kept += 1
        wanted = (ordinal, piece.token_count, piece.start_offset, piece.end_offset, language)
        if wanted != chunk[3:8]:
            self.moves.append(Move(chunk.id, *wanted))
        lacks = chunk.status is None or (piece.packed is not None and chunk.status != EmbeddingStatus.INDEXED)
        if model is not None and lacks:
            self.vectors.append(
                embedding_row({**chunk._asdict(), "user_id": self.user_id}, unpack(piece.packed), model)
            )


def by_document(rows: Iterable[Any]) -> Mapping[UUID, Sequence[StoredChunk]]:
    """Return stored chunks by their document."""
    found: defaultdict[UUID, list[StoredChunk]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(StoredChunk(row[0], row[1], bytes(row[2]), *row[3:]))
    return found

"""The corpus in one database, divided among tenants of very different sizes, and what is right there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.corpus import Corpus
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk, NewDocument
from devmentor_models.settings import conninfo

MODEL: Final = "wordllama-256"
PIECES_OF_A_DOCUMENT: Final = 20
SMALLEST: Final = 100

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who stores what.

    Attributes:
        user_id: The user.
        places: Numbers of the corpus' texts that are theirs, document by document.
    """

    user_id: UUID
    places: Numbers

    @property
    def size(self) -> int:
        """How many texts are theirs."""
        return len(self.places)


def divide(corpus: Corpus, sizes: Sequence[int]) -> list[Tenant]:
    """Give a tenant each of the sizes, and the rest to tenants of a hundred texts.

    Neighbours in a file stay together, as in a document, so that each tenant remembers some things well.
    """
    places = groupby(range(len(corpus.texts)), key=lambda place: (corpus.files[place], place // 20))
    documents = [list(group) for _, group in places]
    Random(2).shuffle(documents)  # noqa: S311 - the same division in every run
    ordered = np.array([place for document in documents for place in document])
    rest = len(ordered) - sum(sizes)
    every = [*sizes, *[SMALLEST] * (rest // SMALLEST)]
    ends = np.cumsum(every)
    return [Tenant(uuid7(), ordered[end - size : end]) for end, size in zip(ends, every, strict=True)]


def documents(corpus: Corpus, tenant: Tenant) -> Iterator[NewDocument]:
    """Yield a tenant's documents, each with its pieces and their vectors."""
    places = tenant.places.tolist()
    for start in range(0, len(places), PIECES_OF_A_DOCUMENT):
        own = places[start : start + PIECES_OF_A_DOCUMENT]
        texts = [corpus.texts[place] for place in own]
        yield NewDocument(
            title=f"{corpus.files[own[0]][-80:]} {start}",
            content="\n\n".join(texts),
            source=DocumentSource.CODE,
            chunks=[
                NewChunk(text, corpus.vectors[place].tolist()) for text, place in zip(texts, own, strict=True)
            ],
            metadata={"first": own[0]},
        )


def register(url: str, tenants: Sequence[Tenant], dimensions: int) -> UUID:
    """Insert the users and the embedding model as superuser; return the model's key."""
    model = uuid7()
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute(
            "INSERT INTO ai.embedding_models (id, name, dimensions, is_default) VALUES (%s, %s, %s, true)",
            [model, MODEL, dimensions],
        )
        columns = "id, email, username, password_hash"
        with connection.cursor() as cursor, cursor.copy(f"COPY auth.users ({columns}) FROM STDIN") as copy:
            for number, tenant in enumerate(tenants):
                copy.write_row((tenant.user_id, f"t{number}@bench.example", f"t{number}", "$argon2id$x"))
    return model


def index(url: str, model: UUID, dimensions: int) -> None:
    """Build the model's HNSW index, and let the planner know the tables; as superuser."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("SET synchronous_commit = on")  # VACUUM waits for commits to be in the log
        connection.execute(
            f"CREATE INDEX ix_embeddings_meta_hnsw_{model.hex} ON memory.embeddings_meta"
            f" USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)"
            f" WHERE model_id = '{model}'::uuid".encode()
        )
        connection.execute(
            "VACUUM ANALYZE memory.documents, memory.chunks, memory.embeddings_meta, auth.users"
        )


class Exact:
    """What the nearest texts of a tenant really are, computed outside of the database.

    Args:
        corpus: The texts.
        tenant: Whose are searched.
        k: How many are wanted.
        half: Whether vectors are stored, and compared, in half precision.
    """

    def __init__(self, corpus: Corpus, tenant: Tenant, k: int, *, half: bool) -> None:
        self.wanted = min(k, tenant.size)
        stored, asked = corpus.vectors[tenant.places], corpus.query_vectors
        precision = np.float16 if half else np.float32
        self._distances = 1 - _unit(asked.astype(precision)) @ _unit(stored.astype(precision)).T
        self._limits = np.partition(self._distances, self.wanted - 1, axis=1)[:, self.wanted - 1]
        self._columns = {place: column for column, place in enumerate(tenant.places.tolist())}

    def recall(self, query: int, found: Sequence[int]) -> float:
        """Return which part of the nearest texts was found; one as near as the last of them is as good.

        Args:
            query: Number of the query.
            found: Numbers of the texts that were found; those of other tenants count as wrong.
        """
        columns = [self._columns[place] for place in set(found) if place in self._columns]
        good = int((self._distances[query, columns] <= self._limits[query] + 1e-6).sum())
        return min(good, self.wanted) / self.wanted


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    numbers = vectors.astype(np.float64)
    unit: NDArray[np.float64] = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    return unit

"""The corpus in one database, divided among tenants of very different sizes, and what is right there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from time import perf_counter
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.corpus import Corpus
from devmentor_models import Actor, Database
from devmentor_models.ingest import ingest
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk, NewDocument
from devmentor_models.memory.vector_indexes import index_column, index_condition, index_name
from devmentor_models.settings import conninfo

MODEL: Final = "wordllama-256"
PIECES_OF_A_DOCUMENT: Final = 20
SMALLEST: Final = 100
#: Batches that are stored at a time: as many as the machine has processors.
WORKERS: Final = 2

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


def store(database: Database, corpus: Corpus, tenants: Sequence[Tenant]) -> tuple[int, float]:
    """Store all texts of tenants, one tenant after the other; return rows and seconds."""
    began = perf_counter()
    for tenant in tenants:
        actor = Actor.user(tenant.user_id)
        ingest(database, documents(corpus, tenant), actor=actor, workers=WORKERS)
    return sum(tenant.size for tenant in tenants), perf_counter() - began


def newcomer(tenant: Tenant, size: int) -> Tenant:
    """Return a new tenant with the first of another one's texts."""
    return Tenant(uuid7(), tenant.places[:size])


def register(url: str, dimensions: int) -> UUID:
    """Insert the embedding model as superuser; return its key."""
    model = uuid7()
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute(
            "INSERT INTO ai.embedding_models (id, name, dimensions, is_default) VALUES (%s, %s, %s, true)",
            [model, MODEL, dimensions],
        )
    return model


def enlist(url: str, tenants: Sequence[Tenant]) -> None:
    """Insert the users as superuser."""
    columns = "id, email, username, password_hash"
    with (
        psycopg.connect(conninfo(url)) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY auth.users ({columns}) FROM STDIN") as copy,
    ):
        for tenant in tenants:
            name = f"t{tenant.user_id.hex}"
            copy.write_row((tenant.user_id, f"{name}@bench.example", name, "$argon2id$x"))


def index(url: str, model: UUID, dimensions: int) -> None:
    """Build the model's HNSW index, and let the planner know the tables; as superuser."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("SET synchronous_commit = on")  # VACUUM waits for commits to be in the log
        name, column = index_name(model), index_column(dimensions, "cosine")
        connection.execute(
            f"CREATE INDEX {name} ON memory.embeddings_meta USING hnsw ({column})"
            f" WHERE {index_condition(model)}".encode()
        )
        connection.execute(
            "VACUUM ANALYZE memory.documents, memory.chunks, memory.embeddings_meta, auth.users"
        )


def drop_index(url: str, model: UUID) -> None:
    """Drop the model's HNSW index again."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute(f"DROP INDEX memory.{index_name(model)}".encode())


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

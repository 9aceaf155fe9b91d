"""``python -m benchmarks.ingest``: storing documents beside a bare binary COPY of the same rows.

The bare COPY is what psycopg does at best: a superuser, past row security, straight into the same three
tables with their indexes, keys and triggers; nothing is checked, nothing recognised, nothing replaced. Both
get the same texts and lists of numbers, and take turns on one server.

Fails when ours reaches less than `LEAST_RATIO` of its rows a second, or when ten times the chunks take much
more memory. ``--quick`` only shows that everything runs.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from pgvector import HalfVector
from sqlalchemy import make_url

from benchmarks.measure import SEED
from benchmarks.server import Target, serve
from devmentor_models import Actor, Database
from devmentor_models.ingest import ingest
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk, NewDocument

LEAST_RATIO = 0.7
#: How much the peak may grow from a tenth of the chunks to all of them: the allocator's own noise.
MOST_GROWTH_MB = 20.0
MODEL = "bench"
LOGIN = "bench_memory"
DIMENSIONS = 256
CHUNKS_PER_DOCUMENT = 10
WORDS_PER_CHUNK = 120

_DOCUMENT = "id, user_id, title, content, source, content_hash, language"
_DOCUMENT_TYPES = ["uuid", "uuid", "text", "text", "text", "bytea", "text"]
_CHUNK = "id, user_id, document_id, ordinal, content, content_hash, language"
_CHUNK_TYPES = ["uuid", "uuid", "uuid", "int4", "text", "bytea", "text"]
_VECTOR = "id, user_id, document_id, chunk_id, model_id, dimensions, content_hash, status, embedding"
_VECTOR_TYPES = ["uuid", "uuid", "uuid", "uuid", "uuid", "int4", "bytea", "text", "bytea"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        documents: Documents per turn, each of `CHUNKS_PER_DOCUMENT` chunks.
        rounds: Turns.
        stream: Chunks of the stream whose memory is measured; before it goes a tenth of them.
    """

    documents: int
    rounds: int
    stream: int


FULL = Size(documents=400, rounds=9, stream=100_000)
QUICK = Size(documents=12, rounds=1, stream=200)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        bare: Rows a second of the bare COPY, the median.
        ours: Rows a second through the library, the median.
        two: The same with two workers.
        again: Documents a second that are passed over, because they are stored already.
        ratio: Ours relative to the bare COPY of the same round, the median.
        tenth_mb: The process's peak of memory after a tenth of the stream, in MB.
        whole_mb: The same after all of the stream.
    """

    bare: float
    ours: float
    two: float
    again: float
    ratio: float
    tenth_mb: float
    whole_mb: float

    @property
    def good(self) -> bool:
        """Whether what must be reached is."""
        return self.ratio >= LEAST_RATIO and self.whole_mb - self.tenth_mb <= MOST_GROWTH_MB


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 when something that must be reached is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    quick: bool = parser.parse_args(arguments).quick
    figures = measure_ingest(QUICK if quick else FULL)
    print(table(figures))
    return int(not (quick or figures.good))


def measure_ingest(size: Size) -> Figures:
    """Measure on a server of its own."""
    with serve(1, durable=False) as target:
        model = _provide(target)
        login = make_url(target.url).set(username=LOGIN).render_as_string(hide_password=False)
        with Database.from_url(login, pool_min=1) as database:
            # First: a peak remains for as long as the process does.
            peaks = _peaks(target, database, size)
            rates = _rates(target, database, model, size)
    return Figures(*rates, *peaks)


def table(figures: Figures) -> str:
    """Return the figures as a table in Markdown."""
    tenth, whole = f"{figures.tenth_mb:.0f}", f"{figures.whole_mb:.0f}"
    return "\n".join(
        [
            "| What | Rate | Relative |",
            "| --- | ---: | ---: |",
            f"| Bare binary COPY of the same rows, as superuser | {figures.bare:,.0f} rows/s | 1.00 |",
            f"| `ingest`, as the memory service | {figures.ours:,.0f} rows/s | {figures.ratio:.2f} |",
            f"| `ingest`, two workers | {figures.two:,.0f} rows/s | {figures.two / figures.bare:.2f} |",
            f"| `ingest` of what is stored already | {figures.again:,.0f} documents/s | |",
            "",
            f"Peak of memory: {tenth} MB after a tenth of a stream, {whole} MB after all of it.",
        ]
    )


def documents(count: int, random: Random) -> Iterator[NewDocument]:
    """Yield documents of random words and vectors, each another one."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(random.choices(letters, k=random.randint(3, 10))) for _ in range(8000)]
    for number in range(count):
        chunks = [
            NewChunk(
                " ".join(random.choices(words, k=WORDS_PER_CHUNK)),
                [random.gauss(0, 1) for _ in range(DIMENSIONS)],
            )
            for _ in range(CHUNKS_PER_DOCUMENT)
        ]
        content = "\n".join(chunk.content for chunk in chunks)
        yield NewDocument(
            title=f"Document {number}", content=content, source=DocumentSource.NOTE, chunks=chunks
        )


def bare_copy(
    connection: psycopg.Connection[Any], batch: Sequence[NewDocument], user: UUID, model: UUID
) -> None:
    """Write documents as their bare rows, in one transaction."""
    rows: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for new in batch:
        document, content = uuid7(), new.content
        rows[0].append((document, user, new.title, content, new.source.value, _digest(content), "english"))
        for ordinal, chunk in enumerate(new.chunks or ()):
            key, digest = uuid7(), _digest(chunk.content)
            vector = HalfVector(list(chunk.embedding or ())).to_binary()
            rows[1].append((key, user, document, ordinal, chunk.content, digest, "english"))
            rows[2].append((uuid7(), user, document, key, model, DIMENSIONS, digest, "indexed", vector))
    targets = (
        (f"memory.documents ({_DOCUMENT})", _DOCUMENT_TYPES),
        (f"memory.chunks ({_CHUNK})", _CHUNK_TYPES),
        (f"memory.embeddings_meta ({_VECTOR})", _VECTOR_TYPES),
    )
    with connection.transaction(), connection.cursor() as cursor:
        for (target, types), items in zip(targets, rows, strict=True):
            with cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)".encode()) as copy:
                copy.set_types(types)
                for row in items:
                    copy.write_row(row)


def _digest(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()


def _provide(target: Target) -> UUID:
    """Make the service's login and an embedding model; return the model's key."""
    model = uuid7()
    with psycopg.connect(target.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {LOGIN} LOGIN IN ROLE devmentor_memory")
        connection.execute(
            "INSERT INTO ai.embedding_models (id, name, dimensions, metric) VALUES (%s, %s, %s, 'cosine')",
            [model, MODEL, DIMENSIONS],
        )
    return model


def _rates(
    target: Target, database: Database, model: UUID, size: Size
) -> tuple[float, float, float, float, float]:
    """Return the rates, and ours relative to the other's."""
    user = target.users[0]
    random = Random(SEED)  # noqa: S311 - the same texts each time
    rows = size.documents * (1 + 2 * CHUNKS_PER_DOCUMENT)
    bare: list[float] = []
    ours: list[float] = []
    two: list[float] = []
    again: list[float] = []

    def store(batch: Sequence[NewDocument], workers: int) -> float:
        began = perf_counter()
        ingest(database, iter(batch), actor=Actor.user(user), model=MODEL, workers=workers)
        return perf_counter() - began

    with psycopg.connect(target.conninfo, autocommit=True) as connection:
        for _ in range(size.rounds):
            batch = list(documents(size.documents, random))
            began = perf_counter()
            bare_copy(connection, batch, user, model)
            bare.append(rows / (perf_counter() - began))
            batch = list(documents(size.documents, random))
            ours.append(rows / store(batch, 1))
            again.append(size.documents / store(batch, 1))
            two.append(rows / store(list(documents(size.documents, random)), 2))
    ratio = median(mine / other for mine, other in zip(ours, bare, strict=True))
    return median(bare), median(ours), median(two), median(again), ratio


def _peaks(target: Target, database: Database, size: Size) -> tuple[float, float]:
    """Return the process's peaks of memory after a tenth of a stream and after the whole of it, in MB."""
    peaks = []
    random = Random(SEED + 1)  # noqa: S311 - as above
    for chunks in (size.stream // 10, size.stream):
        stream = documents(chunks // CHUNKS_PER_DOCUMENT, random)
        ingest(database, stream, actor=Actor.user(target.users[0]), model=MODEL)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return peaks[0], peaks[1]


if __name__ == "__main__":
    sys.exit(main())

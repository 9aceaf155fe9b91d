"""New versions of documents, batches and streams (F5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, text

from devmentor_models import AsyncDatabase
from devmentor_models.errors import (
    ConstraintViolation,
    ForeignKeyViolation,
    InvalidValue,
    UniqueViolation,
)
from devmentor_models.ingest_async import ingest
from devmentor_models.memory import streams
from devmentor_models.memory.enums import DocumentSource, EmbeddingStatus, TextLanguage
from devmentor_models.memory.models import Chunk, Document, Embedding
from devmentor_models.memory.values import NewChunk, NewDocument, StoreResult
from devmentor_models.transaction_async import AsyncTransaction
from tests.memory.conftest import Tenant
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio

NOTE = DocumentSource.NOTE


def _version(uri: str | None, *pieces: str, vectors: bool = True, **values: Any) -> NewDocument:
    """Return a document whose chunks have a vector that only depends on their text."""
    chunks = [
        NewChunk(piece, [1.0, float(len(piece)), float(ord(piece[0]))] if vectors else None)
        for piece in pieces
    ]
    given = {"title": uri or "none", "content": "\n".join(pieces), "source": NOTE, "source_uri": uri}
    return NewDocument(**{**given, "chunks": chunks, **values})


_plain = partial(_version, vectors=False)


async def _chunks(tx: AsyncTransaction, document_id: UUID) -> list[Chunk]:
    return list((await tx.documents.chunks_of(document_id)).items)


async def _texts(tx: AsyncTransaction, document_id: UUID) -> list[str]:
    return [chunk.content for chunk in await _chunks(tx, document_id)]


async def _count(tx: AsyncTransaction, entity: type[Document | Chunk | Embedding], tenant: Tenant) -> int:
    statement = select(func.count()).where(entity.user_id == tenant.user_id)
    return (await tx.session.execute(statement)).scalar_one()


@pytest.mark.parametrize("filler", [0, 30], ids=["few", "many"])
async def test_a_new_version_keeps_what_is_the_same(
    async_database: AsyncDatabase, tenant: Tenant, model: str, filler: int
) -> None:
    """The document keeps its key; chunks with the same text keep theirs, and with it their vectors."""
    first = _version("a.md", "one", "two", "two", "three", *(f"old {n}" for n in range(filler)))
    second = _version(
        "a.md",
        "two",
        "new",
        "three",
        "two",
        "two",
        *(f"new {n}" for n in range(filler)),
        title="Second",
        metadata={"n": 2},
    )
    async with async_database.begin(tenant.actor) as tx:
        (key,) = (await tx.documents.store_many([first], model=model)).document_ids
        before = await _chunks(tx, key)
        result = await tx.documents.store_many([second], model=model)
        assert result == StoreResult([key], 0, 2 + filler, 1, 3, 1 + filler)
        after = await _chunks(tx, key)
        # What the session knew of chunks that moved is right again.
        assert [chunk.content for chunk in after[:5]] == ["two", "new", "three", "two", "two"]
        # The first "two" is the first one of before, the third is new.
        assert [chunk.id for chunk in (after[0], after[2], after[3])] == [before[n].id for n in (1, 3, 2)]
        assert [chunk.ordinal for chunk in after] == list(range(5 + filler))
        assert await _count(tx, Embedding, tenant) == len(after)
        document = await tx.documents.store(
            title="Third", content="again", source=NOTE, source_uri="a.md", metadata={"n": 3}
        )
        assert (document.id, document.title, document.extra, document.version) == (key, "Third", {"n": 3}, 3)
        assert await _texts(tx, key) == ["again"]


async def test_kept_chunks_keep_the_vectors_of_every_model(
    async_database: AsyncDatabase, tenant: Tenant, model: str, any_model: str
) -> None:
    """And get one of the model at hand where they lack it."""
    async with async_database.begin(tenant.actor) as tx:
        (key,) = (await tx.documents.store_many([_version("a", "one", "two")], model=model)).document_ids
        # Of another model the chunk that stays has none yet, and then waits for one.
        await tx.documents.store_many([_version("a", "one", "3", vectors=False)], model=any_model)
        await tx.documents.store_many([_version("a", "one", "4")], model=any_model)
        (one, four) = await _chunks(tx, key)
        statement = (
            select(Embedding.chunk_id, Embedding.status, Embedding.embedding)
            .where(Embedding.user_id == tenant.user_id)
            .order_by(Embedding.id)
        )
        indexed = EmbeddingStatus.INDEXED
        rows = [tuple(row) for row in (await tx.session.execute(statement)).all()]
        vector = [1.0, 3.0, 111.0]
        assert rows == [(one.id, indexed, vector)] * 2 + [(four.id, indexed, [1.0, 1.0, 52.0])]


async def test_language_and_offsets_follow(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """A chunk that stays is described as the new version does."""
    async with async_database.begin(tenant.actor) as tx:
        values: dict[str, Any] = {"title": "t", "source": NOTE, "source_uri": "a"}
        first = await tx.documents.store(
            content="Häuser", chunks=[NewChunk("Häuser", None, 1, 0, 6)], **values
        )
        chunks = [NewChunk("Am"), NewChunk("Häuser", None, 2, 3, 9)]
        await tx.documents.store(content="Am Häuser", chunks=chunks, language=TextLanguage.GERMAN, **values)
        stayed = (await _chunks(tx, first.id))[1]
        await tx.session.refresh(stayed)
        assert (stayed.ordinal, stayed.token_count, stayed.start_offset, stayed.end_offset) == (1, 2, 3, 9)
        assert stayed.language is TextLanguage.GERMAN
        found = await tx.session.execute(
            text("SELECT fts @@ websearch_to_tsquery('german', 'Haus') FROM memory.chunks WHERE id = :id"),
            {"id": stayed.id},
        )
        assert found.scalar_one()


async def test_content_that_is_there_already_takes_the_place_of_an_old_version(
    async_database: AsyncDatabase, tenant: Tenant
) -> None:
    """One document of that content remains; the old one goes, with its chunks."""
    async with async_database.begin(tenant.actor) as tx:
        stored = await tx.documents.store_many([_plain("a", "1"), _plain("b", "2"), _plain("c", "3")])
        one, two, three = stored.document_ids
        result = await tx.documents.store_many([_plain("b", "1"), _plain("d", "3")])
        assert (list(result.document_ids), result.unchanged) == ([one, three], 2)
        assert [document.id for document in (await tx.documents.list()).items] == [three, one]
        assert await _count(tx, Chunk, tenant) == 2
        assert two not in {document.id for document in (await tx.documents.list()).items}


@pytest.mark.parametrize(
    ("stored", "batch", "expected"),
    [
        ([], [("a", "1"), ("a", "2"), ("a", "3")], {"a": "3"}),
        ([], [("a", "1"), ("b", "1"), ("c", "1")], {"a": "1"}),
        ([], [("a", "1"), ("b", "2"), ("a", "2")], {"b": "2"}),
        ([("a", "1")], [("a", "2"), ("b", "1")], {"a": "2", "b": "1"}),
        ([("a", "1"), ("b", "2")], [("a", "3"), ("b", "3")], {"a": "3"}),
        ([("a", "1"), ("b", "2")], [("a", "1"), ("b", "1"), ("a", "2")], {"a": "2"}),
        ([("a", "1")], [("a", "2"), ("a", "1")], {"a": "1"}),
    ],
)
async def test_a_batch_is_stored_as_one_after_the_other(
    async_database: AsyncDatabase,
    tenant: Tenant,
    stored: list[tuple[str | None, str]],
    batch: list[tuple[str | None, str]],
    expected: dict[str | None, str],
) -> None:
    """Documents of one batch may be versions, or copies, of each other."""
    async with async_database.begin(tenant.actor) as tx:
        await tx.documents.store_many([_plain(*pair) for pair in stored])
        result = await tx.documents.store_many([_plain(*pair) for pair in batch])
        assert len(result.document_ids) == len(batch)
        found = {document.source_uri: document for document in (await tx.documents.list()).items}
        assert {uri: (await _texts(tx, found[uri].id))[0] for uri in found} == expected


async def test_an_address_belongs_to_one_document_of_a_project(
    async_database: AsyncDatabase, tenant: Tenant
) -> None:
    """Live ones: of no project and of one, they are others."""
    async with async_database.begin(tenant.actor) as tx:
        batch = [_plain("a", "1"), _plain("a", "1", project_id=tenant.project_id), _plain("b", "2")]
        none, inside, other = (await tx.documents.store_many(batch)).document_ids
        assert none != inside
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.documents.update(other, source_uri="a")
        await tx.documents.soft_delete(none)
        (new,) = (await tx.documents.store_many([_plain("a", "3")])).document_ids
        assert new != none
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.documents.restore(none)
        with pytest.raises(InvalidValue, match="bytes long"):
            await tx.documents.store_many([_plain("ä" * 1001, "4", title="t")])


async def test_any_iterable_is_worked_through_in_batches(
    async_database: AsyncDatabase, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a generator no more is held than a batch, and nothing is taken that is not stored."""
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 20)
    stored: list[int] = []
    taken = 0

    def documents() -> Iterator[NewDocument]:
        nonlocal taken
        for number in range(50):
            assert taken - sum(stored) < 20
            taken += 1
            yield _version(f"{number}", f"text {number}")

    async def asynchronous() -> AsyncIterator[NewDocument]:
        for number, new in enumerate(documents()):
            assert number == taken - 1
            yield new

    def note(batch: StoreResult) -> None:
        stored.append(len(batch.document_ids))

    total = await ingest(async_database, asynchronous(), actor=tenant.actor, model=model, on_batch=note)
    assert (total.created, total.chunks, stored) == (50, 50, [20, 20, 10])
    stored.clear()
    taken = 0
    total = await ingest(async_database, documents(), actor=tenant.actor, model=model, on_batch=note)
    assert (total.created, total.chunks, total.unchanged) == (0, 0, 50)
    async with async_database.begin(tenant.actor) as tx:
        result = await tx.documents.store_many(_plain(None, f"text {number}") for number in range(49, 60))
        assert (result.created, result.unchanged) == (10, 1)


@pytest.mark.parametrize("workers", [2, 5])
async def test_several_workers_store_the_same(
    async_database: AsyncDatabase, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """As one: versions of a document in their order, everything counted and told once, refusals too."""
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 3)
    monkeypatch.setattr("devmentor_models.ingest_async.FIRST_ANALYZE", 10)
    bad = _version("bad", "x", chunks=[NewChunk("bad", [0, 0, 0])])
    documents = [
        _version(f"{number}", f"text {number} {edition}", f"same {number}")
        for edition in range(3)
        for number in range(20)
    ]
    told: list[StoreResult] = []
    refused: list[NewDocument] = []
    total = await ingest(
        async_database,
        iter([*documents[:30], bad, *documents[30:]]),
        actor=tenant.actor,
        model=model,
        on_batch=told.append,
        on_error=lambda new, _: refused.append(new),
        workers=workers,
    )
    assert (total.created, total.replaced, total.kept_chunks) == (20, 40, 40)
    assert (total.refused, refused) == (1, [bad])
    assert sum(len(batch.document_ids) for batch in told) == 60
    async with async_database.begin(tenant.actor) as tx:
        for document in (await tx.documents.list(limit=60)).items:
            number = document.source_uri
            assert await _texts(tx, document.id) == [f"text {number} 2", f"same {number}"]
    again = await ingest(async_database, documents[-20:], actor=tenant.actor, model=model, workers=workers)
    assert (again.created, again.replaced, again.unchanged) == (0, 0, 20)


async def test_an_error_ends_several_workers(
    async_database: AsyncDatabase, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a callback for refusals: nothing is taken after it but what there was room for."""
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 1)
    taken: list[int] = []

    def documents() -> Iterator[NewDocument]:
        for number in range(50):
            taken.append(number)
            vector = [0.0, 0.0, float(number != 2)]
            yield _version(f"{number}", f"{number}", chunks=[NewChunk(f"{number}", vector)])

    with pytest.raises(InvalidValue, match="zero vector"):
        await ingest(async_database, documents(), actor=tenant.actor, model=model, workers=2)
    assert len(taken) < 20
    with pytest.raises(InvalidValue, match="workers"):
        await ingest(async_database, [], actor=tenant.actor, workers=0)


async def test_a_refused_document_is_told_or_ends_the_ingest(
    async_database: AsyncDatabase, tenant: Tenant, stranger: Tenant, model: str
) -> None:
    """Whether the library or the database refuses it; what came before it is stored."""
    bad = _version("bad", "x", chunks=[NewChunk("fine", [1, 1, 1]), NewChunk("bad", [0, 0, 0])])
    foreign = _version("foreign", "y", project_id=stranger.project_id)
    first, last = _version("first", "1"), _version("last", "2")
    with pytest.raises(InvalidValue, match="zero vector"):
        await ingest(async_database, [first, bad, last], actor=tenant.actor, model=model)
    async with async_database.begin(tenant.actor) as tx:
        assert [document.title for document in (await tx.documents.list()).items] == ["first"]
    refused: list[tuple[NewDocument, type[Exception]]] = []

    def note(new: NewDocument, error: InvalidValue | ConstraintViolation) -> None:
        refused.append((new, type(error)))

    total = await ingest(
        async_database, [first, bad, foreign, last], actor=tenant.actor, model=model, on_error=note
    )
    assert (total.created, total.unchanged, total.refused) == (1, 1, 2)
    assert refused == [(bad, InvalidValue), (foreign, ForeignKeyViolation)]


async def test_ingests_of_the_same_documents_at_once(
    async_database: AsyncDatabase, tenant: Tenant, model: str
) -> None:
    """In opposite orders, of two versions: one copy of each remains, whole, of either version."""

    def version(number: int, edition: str) -> NewDocument:
        return _version(
            f"{number}", f"same {number}", *(f"{edition} {number} {n}" for n in range(number % 3))
        )

    async def run(edition: str, step: int) -> None:
        documents = [version(number, edition) for number in range(60)]
        await ingest(async_database, documents[::step], actor=tenant.actor, model=model)

    for _ in range(2):
        outcomes = await run_concurrently([partial(run, "x", 1), partial(run, "y", -1)] * 2)
        assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    async with async_database.begin(tenant.actor) as tx:
        assert await _count(tx, Document, tenant) == 60
        for document in (await tx.documents.list(limit=60)).items:
            number = int(str(document.source_uri))
            texts = await _texts(tx, document.id)
            assert texts in [
                [chunk.content for chunk in version(number, edition).chunks or ()] for edition in "xy"
            ]
        assert await _count(tx, Embedding, tenant) == await _count(tx, Chunk, tenant)


async def test_a_connection_that_breaks_leaves_whole_documents(
    async_database: AsyncDatabase, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a batch, during COPY: nothing of it is there, the batch is repeated, and the ingest goes on."""
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 20)
    broken: list[int] = []
    documents = [_version(f"{number}", f"text {number}", f"more {number}") for number in range(40)]

    async def break_once(tx: AsyncTransaction) -> None:
        if not broken:
            broken.append((await tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one())
            statement = text("SELECT pg_terminate_backend(pg_backend_pid())")
            await tx.session.execute(statement)

    original = type(async_database).run

    async def run(database: AsyncDatabase, work: Any, **how: Any) -> Any:
        async def broken_off(tx: AsyncTransaction) -> Any:
            result = await work(tx)
            await break_once(tx)
            return result

        return await original(database, broken_off, **how)

    monkeypatch.setattr(type(async_database), "run", run)
    total = await ingest(async_database, documents, actor=tenant.actor, model=model)
    assert broken
    assert (total.created, total.chunks) == (40, 80)
    async with async_database.begin(tenant.actor) as tx:
        assert await _count(tx, Document, tenant) == 40
        assert await _count(tx, Embedding, tenant) == 80


@pytest.mark.parametrize("inside", [False, True], ids=["of no project", "of a project"])
async def test_what_is_stored_is_found_without_statistics(
    *, async_database: AsyncDatabase, tenant: Tenant, inside: bool
) -> None:
    """Nobody has analysed a new tenant's documents; each costs a look or two all the same."""
    project = tenant.project_id if inside else None
    documents = [_plain(f"{number}", f"text {number}", project_id=project) for number in range(300)]
    fetched = text(
        "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'memory.documents'::regclass"
    )
    async with async_database.begin(tenant.actor) as tx:
        await tx.documents.store_many(documents)
        before = (await tx.session.execute(fetched)).scalar_one()
        assert (await tx.documents.store_many(documents)).unchanged == 300
        assert (await tx.session.execute(fetched)).scalar_one() - before <= 2 * 300


async def test_a_large_ingest_renews_the_statistics(
    async_database: AsyncDatabase, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service may have it done, and the planner knows the tenant's documents afterwards."""
    monkeypatch.setattr("devmentor_models.ingest_async.FIRST_ANALYZE", 60)
    documents = [_plain(None, f"text {number}") for number in range(60)]
    analyses = text(
        "SELECT analyze_count FROM pg_stat_user_tables WHERE relid = 'memory.documents'::regclass"
    )
    counts = []
    for _ in range(2):
        async with async_database.begin(tenant.actor) as tx:
            counts.append((await tx.session.execute(analyses)).scalar_one())
        await ingest(async_database, documents, actor=tenant.actor)
        async with async_database.begin(tenant.actor) as tx:
            await tx.session.execute(text("SELECT pg_stat_force_next_flush()"))
    async with async_database.begin(tenant.actor) as tx:
        counts.append((await tx.session.execute(analyses)).scalar_one())
    # Once, and not for documents that were there.
    assert counts == [counts[0], counts[0] + 1, counts[0] + 1]


@pytest.mark.parametrize("pieces", [3, 15], ids=["by INSERT", "by COPY"])
async def test_vectors_of_a_mirrored_model_are_queued(
    *, async_database: AsyncDatabase, devmentor_engine: Engine, tenant: Tenant, model: str, pieces: int
) -> None:
    """However they are written, and again when their chunks go."""
    with devmentor_engine.begin() as connection:
        mirrored = text("UPDATE ai.embedding_models SET qdrant_collection = name WHERE name = :name")
        connection.execute(mirrored, {"name": model})
    queued = text(
        "SELECT operation, count(*) FROM memory.vector_outbox WHERE user_id = :key GROUP BY 1 ORDER BY 1"
    )
    for words, expected in (
        ("first", [("upsert", pieces)]),
        ("second", [("upsert", 2 * pieces), ("delete", pieces)]),
    ):
        document = _version("a", *(f"{words} {number}" for number in range(pieces)))
        await ingest(async_database, [document], actor=tenant.actor, model=model)
        with devmentor_engine.connect() as connection:
            found = connection.execute(queued, {"key": tenant.user_id}).all()
        assert [tuple(row) for row in found] == expected

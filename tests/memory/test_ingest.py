# Generated from test_ingest_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""New versions of documents, batches and streams (F5)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, text

from devmentor_models import Database
from devmentor_models.errors import (
    ConstraintViolation,
    ForeignKeyViolation,
    InvalidValue,
    UniqueViolation,
)
from devmentor_models.ingest import ingest
from devmentor_models.memory import streams
from devmentor_models.memory.enums import DocumentSource, EmbeddingStatus, TextLanguage
from devmentor_models.memory.models import Chunk, Document, Embedding
from devmentor_models.memory.values import NewChunk, NewDocument, StoreResult
from devmentor_models.transaction import Transaction
from tests.memory.conftest import Tenant
from tests.support.concurrency import run_concurrently

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


def _chunks(tx: Transaction, document_id: UUID) -> list[Chunk]:
    return list((tx.documents.chunks_of(document_id)).items)


def _texts(tx: Transaction, document_id: UUID) -> list[str]:
    return [chunk.content for chunk in _chunks(tx, document_id)]


def _count(tx: Transaction, entity: type[Document | Chunk | Embedding], tenant: Tenant) -> int:
    statement = select(func.count()).where(entity.user_id == tenant.user_id)
    return (tx.session.execute(statement)).scalar_one()


@pytest.mark.parametrize("filler", [0, 30], ids=["few", "many"])
def test_a_new_version_keeps_what_is_the_same(
    database: Database, tenant: Tenant, model: str, filler: int
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
    with database.begin(tenant.actor) as tx:
        (key,) = (tx.documents.store_many([first], model=model)).document_ids
        before = _chunks(tx, key)
        result = tx.documents.store_many([second], model=model)
        assert result == StoreResult([key], 0, 2 + filler, 1, 3, 1 + filler)
        after = _chunks(tx, key)
        # What the session knew of chunks that moved is right again.
        assert [chunk.content for chunk in after[:5]] == ["two", "new", "three", "two", "two"]
        # The first "two" is the first one of before, the third is new.
        assert [chunk.id for chunk in (after[0], after[2], after[3])] == [before[n].id for n in (1, 3, 2)]
        assert [chunk.ordinal for chunk in after] == list(range(5 + filler))
        assert _count(tx, Embedding, tenant) == len(after)
        document = tx.documents.store(
            title="Third", content="again", source=NOTE, source_uri="a.md", metadata={"n": 3}
        )
        assert (document.id, document.title, document.extra, document.version) == (key, "Third", {"n": 3}, 3)
        assert _texts(tx, key) == ["again"]


def test_kept_chunks_keep_the_vectors_of_every_model(
    database: Database, tenant: Tenant, model: str, any_model: str
) -> None:
    """And get one of the model at hand where they lack it."""
    with database.begin(tenant.actor) as tx:
        (key,) = (tx.documents.store_many([_version("a", "one", "two")], model=model)).document_ids
        # Of another model the chunk that stays has none yet, and then waits for one.
        tx.documents.store_many([_version("a", "one", "3", vectors=False)], model=any_model)
        tx.documents.store_many([_version("a", "one", "4")], model=any_model)
        (one, four) = _chunks(tx, key)
        statement = (
            select(Embedding.chunk_id, Embedding.status, Embedding.embedding)
            .where(Embedding.user_id == tenant.user_id)
            .order_by(Embedding.id)
        )
        indexed = EmbeddingStatus.INDEXED
        rows = [tuple(row) for row in (tx.session.execute(statement)).all()]
        vector = [1.0, 3.0, 111.0]
        assert rows == [(one.id, indexed, vector)] * 2 + [(four.id, indexed, [1.0, 1.0, 52.0])]


def test_language_and_offsets_follow(database: Database, tenant: Tenant) -> None:
    """A chunk that stays is described as the new version does."""
    with database.begin(tenant.actor) as tx:
        values: dict[str, Any] = {"title": "t", "source": NOTE, "source_uri": "a"}
        first = tx.documents.store(content="Häuser", chunks=[NewChunk("Häuser", None, 1, 0, 6)], **values)
        chunks = [NewChunk("Am"), NewChunk("Häuser", None, 2, 3, 9)]
        tx.documents.store(content="Am Häuser", chunks=chunks, language=TextLanguage.GERMAN, **values)
        stayed = (_chunks(tx, first.id))[1]
        tx.session.refresh(stayed)
        assert (stayed.ordinal, stayed.token_count, stayed.start_offset, stayed.end_offset) == (1, 2, 3, 9)
        assert stayed.language is TextLanguage.GERMAN
        found = tx.session.execute(
            text("SELECT fts @@ websearch_to_tsquery('german', 'Haus') FROM memory.chunks WHERE id = :id"),
            {"id": stayed.id},
        )
        assert found.scalar_one()


def test_content_that_is_there_already_takes_the_place_of_an_old_version(
    database: Database, tenant: Tenant
) -> None:
    """One document of that content remains; the old one goes, with its chunks."""
    with database.begin(tenant.actor) as tx:
        stored = tx.documents.store_many([_plain("a", "1"), _plain("b", "2"), _plain("c", "3")])
        one, two, three = stored.document_ids
        result = tx.documents.store_many([_plain("b", "1"), _plain("d", "3")])
        assert (list(result.document_ids), result.unchanged) == ([one, three], 2)
        assert [document.id for document in (tx.documents.list()).items] == [three, one]
        assert _count(tx, Chunk, tenant) == 2
        assert two not in {document.id for document in (tx.documents.list()).items}


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
def test_a_batch_is_stored_as_one_after_the_other(
    database: Database,
    tenant: Tenant,
    stored: list[tuple[str | None, str]],
    batch: list[tuple[str | None, str]],
    expected: dict[str | None, str],
) -> None:
    """Documents of one batch may be versions, or copies, of each other."""
    with database.begin(tenant.actor) as tx:
        tx.documents.store_many([_plain(*pair) for pair in stored])
        result = tx.documents.store_many([_plain(*pair) for pair in batch])
        assert len(result.document_ids) == len(batch)
        found = {document.source_uri: document for document in (tx.documents.list()).items}
        assert {uri: (_texts(tx, found[uri].id))[0] for uri in found} == expected


def test_an_address_belongs_to_one_document_of_a_project(database: Database, tenant: Tenant) -> None:
    """Live ones: of no project and of one, they are others."""
    with database.begin(tenant.actor) as tx:
        batch = [_plain("a", "1"), _plain("a", "1", project_id=tenant.project_id), _plain("b", "2")]
        none, inside, other = (tx.documents.store_many(batch)).document_ids
        assert none != inside
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.documents.update(other, source_uri="a")
        tx.documents.soft_delete(none)
        (new,) = (tx.documents.store_many([_plain("a", "3")])).document_ids
        assert new != none
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.documents.restore(none)
        with pytest.raises(InvalidValue, match="bytes long"):
            tx.documents.store_many([_plain("ä" * 1001, "4", title="t")])


def test_any_iterable_is_worked_through_in_batches(
    database: Database, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch
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

    def asynchronous() -> Iterator[NewDocument]:
        for number, new in enumerate(documents()):
            assert number == taken - 1
            yield new

    def note(batch: StoreResult) -> None:
        stored.append(len(batch.document_ids))

    total = ingest(database, asynchronous(), actor=tenant.actor, model=model, on_batch=note)
    assert (total.created, total.chunks, stored) == (50, 50, [20, 20, 10])
    stored.clear()
    taken = 0
    total = ingest(database, documents(), actor=tenant.actor, model=model, on_batch=note)
    assert (total.created, total.chunks, total.unchanged) == (0, 0, 50)
    with database.begin(tenant.actor) as tx:
        result = tx.documents.store_many(_plain(None, f"text {number}") for number in range(49, 60))
        assert (result.created, result.unchanged) == (10, 1)


@pytest.mark.parametrize("workers", [2, 5])
def test_several_workers_store_the_same(
    database: Database, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """As one: versions of a document in their order, everything counted and told once, refusals too."""
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 3)
    monkeypatch.setattr("devmentor_models.ingest.FIRST_ANALYZE", 10)
    bad = _version("bad", "x", chunks=[NewChunk("bad", [0, 0, 0])])
    documents = [
        _version(f"{number}", f"text {number} {edition}", f"same {number}")
        for edition in range(3)
        for number in range(20)
    ]
    told: list[StoreResult] = []
    refused: list[NewDocument] = []
    total = ingest(
        database,
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
    with database.begin(tenant.actor) as tx:
        for document in (tx.documents.list(limit=60)).items:
            number = document.source_uri
            assert _texts(tx, document.id) == [f"text {number} 2", f"same {number}"]
    again = ingest(database, documents[-20:], actor=tenant.actor, model=model, workers=workers)
    assert (again.created, again.replaced, again.unchanged) == (0, 0, 20)


def test_an_error_ends_several_workers(
    database: Database, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch
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
        ingest(database, documents(), actor=tenant.actor, model=model, workers=2)
    assert len(taken) < 20
    with pytest.raises(InvalidValue, match="workers"):
        ingest(database, [], actor=tenant.actor, workers=0)


def test_a_refused_document_is_told_or_ends_the_ingest(
    database: Database, tenant: Tenant, stranger: Tenant, model: str
) -> None:
    """Whether the library or the database refuses it; what came before it is stored."""
    bad = _version("bad", "x", chunks=[NewChunk("fine", [1, 1, 1]), NewChunk("bad", [0, 0, 0])])
    foreign = _version("foreign", "y", project_id=stranger.project_id)
    first, last = _version("first", "1"), _version("last", "2")
    with pytest.raises(InvalidValue, match="zero vector"):
        ingest(database, [first, bad, last], actor=tenant.actor, model=model)
    with database.begin(tenant.actor) as tx:
        assert [document.title for document in (tx.documents.list()).items] == ["first"]
    refused: list[tuple[NewDocument, type[Exception]]] = []

    def note(new: NewDocument, error: InvalidValue | ConstraintViolation) -> None:
        refused.append((new, type(error)))

    total = ingest(database, [first, bad, foreign, last], actor=tenant.actor, model=model, on_error=note)
    assert (total.created, total.unchanged, total.refused) == (1, 1, 2)
    assert refused == [(bad, InvalidValue), (foreign, ForeignKeyViolation)]


def test_ingests_of_the_same_documents_at_once(database: Database, tenant: Tenant, model: str) -> None:
    """In opposite orders, of two versions: one copy of each remains, whole, of either version."""

    def version(number: int, edition: str) -> NewDocument:
        return _version(
            f"{number}", f"same {number}", *(f"{edition} {number} {n}" for n in range(number % 3))
        )

    def run(edition: str, step: int) -> None:
        documents = [version(number, edition) for number in range(60)]
        ingest(database, documents[::step], actor=tenant.actor, model=model)

    for _ in range(2):
        outcomes = run_concurrently([partial(run, "x", 1), partial(run, "y", -1)] * 2)
        assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    with database.begin(tenant.actor) as tx:
        assert _count(tx, Document, tenant) == 60
        for document in (tx.documents.list(limit=60)).items:
            number = int(str(document.source_uri))
            texts = _texts(tx, document.id)
            assert texts in [
                [chunk.content for chunk in version(number, edition).chunks or ()] for edition in "xy"
            ]
        assert _count(tx, Embedding, tenant) == _count(tx, Chunk, tenant)


def test_a_connection_that_breaks_leaves_whole_documents(
    database: Database, tenant: Tenant, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a batch, during COPY: nothing of it is there, the batch is repeated, and the ingest goes on."""
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 20)
    broken: list[int] = []
    documents = [_version(f"{number}", f"text {number}", f"more {number}") for number in range(40)]

    def break_once(tx: Transaction) -> None:
        if not broken:
            broken.append((tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one())
            statement = text("SELECT pg_terminate_backend(pg_backend_pid())")
            tx.session.execute(statement)

    original = type(database).run

    def run(database: Database, work: Any, **how: Any) -> Any:
        def broken_off(tx: Transaction) -> Any:
            result = work(tx)
            break_once(tx)
            return result

        return original(database, broken_off, **how)

    monkeypatch.setattr(type(database), "run", run)
    total = ingest(database, documents, actor=tenant.actor, model=model)
    assert broken
    assert (total.created, total.chunks) == (40, 80)
    with database.begin(tenant.actor) as tx:
        assert _count(tx, Document, tenant) == 40
        assert _count(tx, Embedding, tenant) == 80


@pytest.mark.parametrize("inside", [False, True], ids=["of no project", "of a project"])
def test_what_is_stored_is_found_without_statistics(
    *, database: Database, tenant: Tenant, inside: bool
) -> None:
    """Nobody has analysed a new tenant's documents; each costs a look or two all the same."""
    project = tenant.project_id if inside else None
    documents = [_plain(f"{number}", f"text {number}", project_id=project) for number in range(300)]
    fetched = text(
        "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'memory.documents'::regclass"
    )
    with database.begin(tenant.actor) as tx:
        tx.documents.store_many(documents)
        before = (tx.session.execute(fetched)).scalar_one()
        assert (tx.documents.store_many(documents)).unchanged == 300
        assert (tx.session.execute(fetched)).scalar_one() - before <= 2 * 300


def test_a_large_ingest_renews_the_statistics(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service may have it done, and the planner knows the tenant's documents afterwards."""
    monkeypatch.setattr("devmentor_models.ingest.FIRST_ANALYZE", 60)
    documents = [_plain(None, f"text {number}") for number in range(60)]
    analyses = text(
        "SELECT analyze_count FROM pg_stat_user_tables WHERE relid = 'memory.documents'::regclass"
    )
    counts = []
    for _ in range(2):
        with database.begin(tenant.actor) as tx:
            counts.append((tx.session.execute(analyses)).scalar_one())
        ingest(database, documents, actor=tenant.actor)
        with database.begin(tenant.actor) as tx:
            tx.session.execute(text("SELECT pg_stat_force_next_flush()"))
    with database.begin(tenant.actor) as tx:
        counts.append((tx.session.execute(analyses)).scalar_one())
    # Once, and not for documents that were there.
    assert counts == [counts[0], counts[0] + 1, counts[0] + 1]


@pytest.mark.parametrize("pieces", [3, 15], ids=["by INSERT", "by COPY"])
def test_vectors_of_a_mirrored_model_are_queued(
    *, database: Database, devmentor_engine: Engine, tenant: Tenant, model: str, pieces: int
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
        ingest(database, [document], actor=tenant.actor, model=model)
        with devmentor_engine.connect() as connection:
            found = connection.execute(queued, {"key": tenant.user_id}).all()
        assert [tuple(row) for row in found] == expected

# Generated from test_documents_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Documents with chunks and vectors (S4, F5)."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import InvalidRequestError

from devmentor_models import Actor, Database
from devmentor_models.errors import (
    ActorMissing,
    ForeignKeyViolation,
    InvalidValue,
    NotFound,
    UniqueViolation,
    VersionConflict,
)
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import DocumentSource, EmbeddingStatus, TextLanguage
from devmentor_models.memory.models import Chunk, Document, Embedding
from devmentor_models.memory.values import NewChunk, NewDocument
from tests.memory.conftest import Tenant
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio

NOTE = DocumentSource.NOTE


def _document(number: int, chunks: int = 2) -> NewDocument:
    pieces = [NewChunk(f"piece {place} of {number}", [1.0, place, number]) for place in range(chunks)]
    return NewDocument(title=f"Document {number}", content=f"text {number}", source=NOTE, chunks=pieces)


def test_store_keeps_document_chunks_and_vectors(database: Database, tenant: Tenant, model: str) -> None:
    """One call stores everything."""
    with database.begin(tenant.actor) as tx:
        stored = tx.documents.store(
            title="UUIDs",
            content="first second",
            source=DocumentSource.UPLOAD,
            chunks=[NewChunk("first", [1, 0, 0], 1, 0, 5), NewChunk("second", [0, 1, 0], 1, 6, 12)],
            model=model,
            project_id=tenant.project_id,
            source_uri="docs/uuid.md",
            metadata={"pages": 2},
            language=TextLanguage.GERMAN,
        )
        assert stored.content_hash == hashlib.sha256(b"first second").digest()
    with database.begin(tenant.actor) as tx:
        found = tx.documents.get(stored.id, with_chunks=True)
        assert (found.title, found.content, found.source_uri) == ("UUIDs", "first second", "docs/uuid.md")
        assert (found.extra, found.language, found.version) == ({"pages": 2}, TextLanguage.GERMAN, 1)
        assert [(chunk.ordinal, chunk.content, chunk.start_offset) for chunk in found.chunks] == [
            (0, "first", 0),
            (1, "second", 6),
        ]
        statement = select(Embedding).where(Embedding.user_id == tenant.user_id).order_by(Embedding.id)
        vectors = (tx.session.execute(statement)).scalars().all()
        assert [vector.embedding for vector in vectors] == [[1, 0, 0], [0, 1, 0]]
        assert {vector.status for vector in vectors} == {EmbeddingStatus.INDEXED}


def test_the_same_content_is_stored_once(database: Database, tenant: Tenant, stranger: Tenant) -> None:
    """Per project (or none) and tenant; what is there is not touched."""
    values: dict[str, Any] = {"content": "the same", "source": NOTE}
    with database.begin(tenant.actor) as tx:
        first = tx.documents.store(title="First", **values)
        again = tx.documents.store(title="Again", **values)
        inside = tx.documents.store(title="Inside", project_id=tenant.project_id, **values)
        assert (again.id, again.title) == (first.id, "First")
        assert inside.id != first.id
        assert (tx.documents.chunks_of(first.id)).items[0].content == "the same"
        assert tx.documents.find_by_hash(first.content_hash, project_id=tenant.project_id) is inside
        assert tx.documents.find_by_hash(bytes(32)) is None
    with database.begin(stranger.actor) as tx:
        assert (tx.documents.store(title="Other", **values)).id != first.id


def test_storing_the_same_content_at_once(database: Database, tenant: Tenant) -> None:
    """Whoever comes first stores it; all get the same document."""

    def store() -> Document:
        with database.begin(tenant.actor) as tx:
            return tx.documents.store(title="Race", content="raced", source=NOTE)

    stored = run_concurrently([store] * 8)
    assert len({document.id for document in stored if isinstance(document, Document)}) == 1
    assert not any(isinstance(outcome, BaseException) for outcome in stored)


def test_a_text_without_chunks_is_cut(database: Database, tenant: Tenant) -> None:
    """Chunks that nobody made are slices of the greatest length, and nothing is lost between them."""
    with database.begin(tenant.actor) as tx:
        content = "".join(f"word{number} " for number in range(10_000))
        stored = tx.documents.store(title="Long", content=content, source=NOTE)
        chunks = (tx.documents.chunks_of(stored.id)).items
        assert "".join(chunk.content for chunk in chunks) == content
        assert [chunk.end_offset for chunk in chunks] == [50_000, len(content)]
        empty = tx.documents.store(title="Empty", content="", source=NOTE)
        assert (tx.documents.chunks_of(empty.id)).items == []


def test_store_many_is_idempotent(database: Database, tenant: Tenant, model: str) -> None:
    """A batch with duplicates, and then again: what is there stays, keys come in the batch's order."""
    batch = [_document(number) for number in (*range(120), 5)]
    with database.begin(tenant.actor) as tx:
        first = tx.documents.store_many(batch, model=model)
        assert (first.created, first.chunks) == (120, 240)
        assert first.document_ids[5] == first.document_ids[120]
        assert len(set(first.document_ids)) == 120
        again = tx.documents.store_many([*batch, _document(200, chunks=0)], model=model)
        assert (again.created, again.chunks) == (1, 0)
        assert list(again.document_ids[:-1]) == list(first.document_ids)
        assert (tx.documents.get(first.document_ids[7])).title == "Document 7"
        assert tx.documents.store_many([]) == type(first)([], 0, 0)


def test_batches_that_overlap_do_not_deadlock(database: Database, tenant: Tenant) -> None:
    """Two batches with the same documents in opposite orders wait for each other, not in a circle."""
    batch = [NewDocument(title="D", content=f"overlap {number}", source=NOTE) for number in range(150)]

    def store(documents: list[NewDocument]) -> int:
        with database.begin(tenant.actor) as tx:
            return (tx.documents.store_many(documents)).created

    outcomes = run_concurrently([partial(store, batch), partial(store, batch[::-1])] * 2)
    assert sum(created for created in outcomes if isinstance(created, int)) == 150


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([1.0, 0.0], "has 2 dimensions; the vectors of"),
        ([0.0, 0.0, 0.0], "zero vector"),
        ([1.0, math.nan, 0.0], "NaN"),
        ([1.0, math.inf, 0.0], "infinity"),
        ([1e6, 0.0, 0.0], "half precision"),
        ("abc", "sequence of numbers"),
        ([], "0 dimensions"),
    ],
)
def test_a_bad_vector_is_refused_by_name(
    database: Database, tenant: Tenant, model: str, vector: Any, reason: str
) -> None:
    """Nothing of the batch is written, neither the good document before it nor the good chunk."""
    bad = NewDocument(
        title="Bad", content="bad", source=NOTE, chunks=[NewChunk("x", [1, 0, 0]), NewChunk("y", vector)]
    )
    with database.begin(tenant.actor) as tx:
        with pytest.raises(InvalidValue, match=reason) as caught:
            tx.documents.store_many([_document(1), bad], model=model)
        assert caught.value.field == "memory.embeddings_meta.embedding"
        statement = select(func.count()).where(Document.user_id == tenant.user_id)
        assert (tx.session.execute(statement)).scalar_one() == 0


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("memory.documents.title", {"title": "x" * 501}),
        ("memory.documents.title", {"title": "nul \x00"}),
        ("memory.documents.content", {"content": "\ud800"}),
        ("memory.documents.source_uri", {"source_uri": "x" * 2001}),
        ("memory.documents.metadata", {"metadata": {"n": math.nan}}),
        ("memory.chunks.content", {"chunks": [NewChunk("x" * 50_001)]}),
        ("memory.chunks.content", {"chunks": [NewChunk("\x00")]}),
        ("memory.chunks.token_count", {"chunks": [NewChunk("x", token_count=-1)]}),
        ("memory.chunks.start_offset", {"chunks": [NewChunk("x", start_offset=True)]}),
        ("memory.chunks.end_offset", {"chunks": [NewChunk("x", end_offset=2**31)]}),
    ],
)
def test_a_bad_value_is_refused_by_name(
    database: Database, tenant: Tenant, field: str, values: dict[str, Any]
) -> None:
    """Before anything is sent, so the transaction goes on."""
    with database.begin(tenant.actor) as tx:
        with pytest.raises(InvalidValue) as caught:
            tx.documents.store(**({"title": "t", "content": "c", "source": NOTE} | values))
        assert caught.value.field == field
        assert (tx.documents.list()).items == []


def test_vectors_need_a_known_model(database: Database, tenant: Tenant) -> None:
    """A model that is not registered is not found."""
    with database.begin(tenant.actor) as tx:
        with pytest.raises(NotFound, match="embedding model"):
            tx.documents.store_many([_document(1)], model="no such model")


def test_another_tenants_project_is_refused(database: Database, tenant: Tenant, stranger: Tenant) -> None:
    """Trap 7: the key to the project carries the tenant."""
    with database.begin(tenant.actor) as tx:
        with pytest.raises(ForeignKeyViolation):
            with tx.savepoint():
                tx.documents.store(title="t", content="c", source=NOTE, project_id=stranger.project_id)


def test_a_stranger_sees_nothing(database: Database, tenant: Tenant, stranger: Tenant, model: str) -> None:
    """Every method that takes a document's id answers NotFound, or nothing, for another tenant's."""
    with database.begin(tenant.actor) as tx:
        stored = tx.documents.store(title="Mine", content="mine", source=NOTE)
        chunk = (tx.documents.chunks_of(stored.id)).items[0]
    with database.begin(stranger.actor) as tx:
        documents = tx.documents
        for call in (documents.get, documents.update, documents.soft_delete, documents.purge):
            with pytest.raises(NotFound):
                call(stored.id)
        assert (documents.chunks_of(stored.id)).items == []
        with pytest.raises(NotFound, match="chunk"):
            documents.put_embeddings({chunk.id: [1, 0, 0]}, model=model)
    with database.begin(Actor.service("memory")) as tx:
        with pytest.raises(ActorMissing):
            tx.documents.get(stored.id)


def test_list_filters_and_pages(database: Database, tenant: Tenant) -> None:
    """Newest first, by keyset, with every filter; contents are left out."""
    with database.begin(tenant.actor) as tx:
        store = tx.documents.store
        plain = store(title="100% Plain", content="1", source=NOTE)
        code = store(
            title="Main",
            content="2",
            source=DocumentSource.CODE,
            source_uri="src/App/main.py",
            metadata={"tags": ["x"], "size": 3},
        )
        inside = store(title="Inside", content="3", source=NOTE, project_id=tenant.project_id)
    with database.begin(tenant.actor) as tx:

        def titles(**filters: Any) -> list[str]:
            return [document.title for document in (tx.documents.list(**filters)).items]

        assert titles() == [inside.title, code.title, plain.title]
        assert titles(source=DocumentSource.CODE) == ["Main"]
        assert titles(project_id=tenant.project_id) == ["Inside"]
        assert titles(matching="src/app") == ["Main"]
        assert titles(matching="100%") == ["100% Plain"]
        assert titles(metadata={"tags": ["x"]}) == ["Main"]
        assert titles(since=datetime.now(UTC) + timedelta(hours=1)) == []
        page = tx.documents.list(limit=2)
        rest = tx.documents.list(limit=2, cursor=page.next_cursor)
        assert [document.id for document in (*page.items, *rest.items)] == [inside.id, code.id, plain.id]
        assert rest.next_cursor is None
        with pytest.raises(InvalidRequestError):
            _ = rest.items[0].content
        with pytest.raises(InvalidValue, match="since"):
            tx.documents.list(since=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_update_changes_what_is_given(database: Database, tenant: Tenant) -> None:
    """The rest stays; the version counts."""
    with database.begin(tenant.actor) as tx:
        stored = tx.documents.store(title="Old", content="c", source=NOTE, source_uri="a", metadata={"a": 1})
        changed = tx.documents.update(stored.id, title="New")
        assert (changed.title, changed.source_uri, changed.extra, changed.version) == (
            "New",
            "a",
            {"a": 1},
            2,
        )
        changed = tx.documents.update(stored.id, source_uri="b", metadata={})
        assert (changed.title, changed.source_uri, changed.extra, changed.version) == ("New", "b", {}, 3)


def test_a_lost_update_is_noticed(database: Database, tenant: Tenant) -> None:
    """A document that somebody else changed since it was read is not overwritten."""
    with database.begin(tenant.actor) as tx:
        stored = tx.documents.store(title="Old", content="c", source=NOTE)
    with pytest.raises(VersionConflict):
        with database.begin(tenant.actor) as mine:
            read = mine.documents.get(stored.id)
            with database.begin(tenant.actor) as other:
                other.documents.update(stored.id, title="Theirs")
            assert read.title == "Old"
            mine.documents.update(stored.id, title="Mine")


def test_soft_delete_restore_and_purge(database: Database, tenant: Tenant, model: str) -> None:
    """Each step happens once."""
    with database.begin(tenant.actor) as tx:
        documents = tx.documents
        stored = (documents.store_many([_document(1)], model=model)).document_ids[0]
        assert (documents.soft_delete(stored)).deleted_at is not None
        for call in (documents.get, documents.soft_delete):
            with pytest.raises(NotFound):
                call(stored)
        assert (documents.list()).items == []
        assert (documents.restore(stored)).deleted_at is None
        with pytest.raises(NotFound):
            documents.restore(stored)
        assert (documents.get(stored)).id == stored
        documents.purge(stored)
        with pytest.raises(NotFound):
            documents.purge(stored)
        for entity in (Chunk, Embedding):
            statement = select(func.count()).where(entity.user_id == tenant.user_id)
            assert (tx.session.execute(statement)).scalar_one() == 0


def test_restore_collides_with_the_same_content(database: Database, tenant: Tenant) -> None:
    """A deleted document makes room for the same content; then it cannot come back."""
    with database.begin(tenant.actor) as tx:
        first = tx.documents.store(title="t", content="c", source=NOTE)
        tx.documents.soft_delete(first.id)
        assert (tx.documents.store(title="t", content="c", source=NOTE)).id != first.id
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.documents.restore(first.id)


def test_chunks_wait_for_their_vectors(database: Database, tenant: Tenant, model: str) -> None:
    """A named model without vectors leaves work; putting the vectors ends it, and again replaces them."""
    with database.begin(tenant.actor) as tx:
        documents = tx.documents
        documents.store(title="t", content="later", source=NOTE, model=model)
        (chunk,) = (documents.pending_chunks(model=model)).items
        assert documents.put_embeddings({chunk.id: [1, 2, 3]}, model=model) == 1
        assert (documents.pending_chunks(model=model)).items == []
        assert documents.put_embeddings({chunk.id: [3, 2, 1]}, model=model) == 1
        assert documents.put_embeddings({}, model=model) == 0
        statement = select(Embedding).where(Embedding.chunk_id == chunk.id)
        vector = (tx.session.execute(statement)).scalar_one()
        assert vector.embedding == [3, 2, 1]
        assert vector.version == 3
        with pytest.raises(NotFound):
            documents.put_embeddings({uuid7(): [1, 0, 0]}, model=model)
        with pytest.raises(InvalidValue):
            documents.put_embeddings({chunk.id: [1, 0]}, model=model)

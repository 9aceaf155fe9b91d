"""Every change of a vector is queued for the mirror, whoever makes it (S4)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from devmentor_models import Actor
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.settings import conninfo
from tests.support.mirroring import Mirrored, new_documents


def drained(mirrored: Mirrored) -> list[UUID]:
    """Deliver what is queued; return the points that are in the mirror now."""
    mirrored.worker().drain()
    assert mirrored.is_whole()
    return sorted(mirrored.found())


def test_repositories_queue_what_they_change(mirrored: Mirrored) -> None:
    """In the transaction of the change: stored, hidden, brought back, embedded again, deleted."""
    user = mirrored.new_user()
    (document,) = mirrored.store(user)
    points = sorted(mirrored.wanted())
    assert mirrored.queued() == [(point, "upsert") for point in points]
    assert drained(mirrored) == points
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.update(document, title="another title")
    assert mirrored.queued() == []
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.soft_delete(document)
    assert mirrored.queued() == [(point, "delete") for point in points]
    assert drained(mirrored) == []
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.restore(document)
        tx.documents.put_embeddings({points[0]: [3, 2, 1]}, model=mirrored.model)
    assert drained(mirrored) == points
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.purge(document)
    assert mirrored.queued() == [(point, "delete") for point in points]
    assert drained(mirrored) == []


def _move(mirrored: Mirrored, user: UUID, document: UUID) -> None:
    project = mirrored.new_project(user)
    mirrored.execute("UPDATE memory.documents SET project_id = %s WHERE id = %s", project, document)


def _stale(mirrored: Mirrored, user: UUID, document: UUID) -> None:
    statement = "UPDATE memory.embeddings_meta SET status = 'stale' WHERE document_id = %s"
    mirrored.execute(statement, document)


def _cascade_from_user(mirrored: Mirrored, user: UUID, document: UUID) -> None:
    mirrored.execute("DELETE FROM auth.users WHERE id = %s", user)


def _cascade_from_chunks(mirrored: Mirrored, user: UUID, document: UUID) -> None:
    mirrored.execute("DELETE FROM memory.chunks WHERE document_id = %s AND ordinal = 0", document)


@pytest.mark.parametrize(
    ("change", "left"), [(_move, 2), (_stale, 0), (_cascade_from_user, 0), (_cascade_from_chunks, 1)]
)
def test_psql_and_cascades_queue(
    mirrored: Mirrored, change: Callable[[Mirrored, UUID, UUID], None], left: int
) -> None:
    """Nothing has to go through this library."""
    user = mirrored.new_user()
    (document,) = mirrored.store(user)
    drained(mirrored)
    change(mirrored, user, document)
    assert len(mirrored.queued()) in {1, 2}
    assert len(drained(mirrored)) == left


def test_the_cascade_of_a_project_queues(mirrored: Mirrored) -> None:
    """And only what belonged to it."""
    user = mirrored.new_user()
    project = mirrored.new_project(user)
    mirrored.store(user, 3, project=project)
    mirrored.store(user, 1)
    assert len(drained(mirrored)) == 8
    mirrored.execute("DELETE FROM projects.projects WHERE id = %s", project)
    assert [operation for _, operation in mirrored.queued()] == ["delete"] * 6
    assert len(drained(mirrored)) == 2


def test_copy_queues(mirrored: Mirrored) -> None:
    """COPY fires triggers of statements once, with all of its rows."""
    user = mirrored.new_user()
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.store_many(new_documents(2, 2), model=mirrored.model)
    mirrored.execute("DELETE FROM memory.embeddings_meta")
    mirrored.execute("DELETE FROM memory.vector_outbox")
    rows = mirrored.execute(
        "SELECT c.user_id, c.document_id, c.id, m.id, c.content_hash FROM memory.chunks c,"
        " ai.embedding_models m WHERE m.name = %s AND c.user_id = %s",
        mirrored.model,
        user,
    )
    copy = (
        "COPY memory.embeddings_meta (user_id, document_id, chunk_id, model_id, content_hash, dimensions,"
        " status, embedding) FROM STDIN"
    )
    with psycopg.connect(conninfo(mirrored.url)) as connection, connection.cursor() as cursor:
        with cursor.copy(copy.encode()) as into:
            for row in rows:
                into.write_row([*row, 3, "indexed", "[1,2,3]"])
    assert len(rows) == 4
    assert drained(mirrored) == sorted(row[2] for row in rows)


def test_what_is_not_mirrored_is_not_queued(mirrored: Mirrored) -> None:
    """Neither vectors of other models nor those that are still to be computed."""
    user = mirrored.new_user()
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.store(title="t", content="later", source=DocumentSource.NOTE, model=mirrored.model)
    mirrored.execute("UPDATE ai.embedding_models SET qdrant_collection = NULL")
    mirrored.store(user)
    mirrored.execute("DELETE FROM auth.users WHERE id = %s", user)
    assert mirrored.queued() == []


def test_what_is_rolled_back_is_not_queued(mirrored: Mirrored) -> None:
    """The queue belongs to the transaction."""
    user = mirrored.new_user()
    with pytest.raises(RuntimeError), mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.store_many(new_documents(1, 1), model=mirrored.model)
        raise RuntimeError
    assert mirrored.queued() == []

"""The factories of the ``memory`` schema make rows that the database accepts."""

from __future__ import annotations

from sqlalchemy.orm import Session

from devmentor_models.testing.factories.memory import (
    ChunkFactory,
    DocumentFactory,
    EmbeddingFactory,
    OutboxEntryFactory,
    SearchEntryFactory,
)
from devmentor_models.testing.factories.projects import ProjectFactory


def test_parents_are_made(session: Session) -> None:
    """A row alone brings its parents, all of one tenant."""
    embedding = EmbeddingFactory.insert(session)
    assert (embedding.dimensions, embedding.qdrant_point_id) == (3, embedding.chunk_id)
    assert SearchEntryFactory.insert(session).hit_count == 0
    assert OutboxEntryFactory.insert(session).attempts == 0


def test_parents_that_are_given_are_used(session: Session) -> None:
    """A document goes into the project, a chunk into the document, a vector to the chunk."""
    project = ProjectFactory.insert(session)
    document = DocumentFactory.insert(session, project=project)
    assert (document.user_id, document.project_id) == (project.user_id, project.id)
    chunk = ChunkFactory.insert(session, document=document)
    assert (chunk.user_id, chunk.document_id) == (project.user_id, document.id)
    embedding = EmbeddingFactory.insert(session, chunk=chunk)
    assert (embedding.user_id, embedding.chunk_id) == (project.user_id, chunk.id)
    assert embedding.content_hash == chunk.content_hash

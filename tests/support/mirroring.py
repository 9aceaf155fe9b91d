"""A database with a mirrored model, its mirror on Qdrant's local engine, and what tests do to both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
from qdrant_client import QdrantClient

from devmentor_models import Actor, Database
from devmentor_models.embeddings import mirror_switch
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.mirror import VectorMirror
from devmentor_models.memory.mirror_client import MirrorClient
from devmentor_models.memory.values import NewChunk, NewDocument
from devmentor_models.settings import conninfo

DIMENSIONS = 3
LEASE = timedelta(minutes=5)


class Mirrored:
    """A model that is mirrored, alone in its database.

    Args:
        url: The database, for whoever may do everything.
        worker_url: The same, for the memory service.
        client: The mirror.
    """

    def __init__(self, url: str, worker_url: str, client: QdrantClient) -> None:
        self.url = url
        self.client = client
        self.database = Database.from_url(worker_url, pool_min=0)
        self.model = f"model-{uuid4().hex}"
        self.execute("UPDATE ai.embedding_models SET qdrant_collection = NULL")
        self.execute("DELETE FROM memory.vector_outbox")
        self.execute(
            "INSERT INTO ai.embedding_models (name, dimensions) VALUES (%s, %s)", self.model, DIMENSIONS
        )
        self.collection = mirror_switch.enable(url, self.model)

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as whoever may do everything, as from psql; return its rows."""
        with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def new_user(self) -> UUID:
        """Return the id of a new user."""
        user = uuid7()
        self.execute(
            "INSERT INTO auth.users (id, email, username, password_hash) VALUES (%s, %s, %s, 'x')",
            user,
            f"{user}@example.org",
            user.hex,
        )
        return user

    def new_project(self, user: UUID) -> UUID:
        """Return the id of a new project."""
        project = uuid7()
        statement = "INSERT INTO projects.projects (id, user_id, name, slug) VALUES (%s, %s, 'p', %s)"
        self.execute(statement, project, user, project.hex)
        return project

    def store(
        self, user: UUID, documents: int = 1, *, chunks: int = 2, project: UUID | None = None
    ) -> list[UUID]:
        """Store documents with vectors; return their ids."""
        with self.database.begin(Actor.user(user)) as tx:
            made = tx.documents.store_many(new_documents(documents, chunks, project), model=self.model)
        return list(made.document_ids)

    def soft_delete(self, user: UUID, document: UUID) -> None:
        """Soft-delete a document."""
        with self.database.begin(Actor.user(user)) as tx:
            tx.documents.soft_delete(document)

    def worker(self, *, batch: int = 200, lease: timedelta = LEASE) -> VectorMirror:
        """Return a new worker."""
        return VectorMirror(self.database, self.client, batch=batch, lease=lease)

    def queued(self) -> list[tuple[UUID, str]]:
        """Return point and operation of the entries of the queue, in the order of points."""
        statement = "SELECT point_id, operation::text FROM memory.vector_outbox ORDER BY point_id, id"
        return [(point, operation) for point, operation in self.execute(statement)]

    def end_leases(self) -> None:
        """Let time pass for the entries that are claimed, or that wait."""
        self.execute("UPDATE memory.vector_outbox SET available_at = now() - interval '1 second'")

    def wanted(self) -> dict[UUID, dict[str, Any]]:
        """Return the payloads that the mirror is to have."""
        found: dict[UUID, dict[str, Any]] = {}
        last: UUID | None = UUID(int=0)
        while last is not None:
            with self.database.begin(Actor.service("memory")) as tx:
                page = tx.outbox.points(self.collection, after=last)
            found |= {key: state.payload for key, state in page}
            last = page[-1][0] if page else None
        return found

    def found(self) -> dict[UUID, dict[str, Any]]:
        """Return the payloads that the mirror has."""
        return dict(MirrorClient(self.client).points(self.collection))

    def is_whole(self) -> bool:
        """Say whether nothing is queued and both sides are equal."""
        return self.queued() == [] and self.wanted() == self.found()


def new_documents(count: int, chunks: int, project: UUID | None = None) -> list[NewDocument]:
    """Return documents with vectors of 3 dimensions."""
    return [
        NewDocument(
            title="t",
            content=uuid4().hex,
            source=DocumentSource.NOTE,
            project_id=project,
            chunks=[NewChunk(f"piece {place}", [1.0, place, number]) for place in range(chunks)],
        )
        for number in range(count)
    ]


class _OneAtATime:
    """Qdrant's local engine is not made for several threads; its server is."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                return method(*arguments, **options)

        return call


def one_at_a_time(client: QdrantClient) -> QdrantClient:
    """Return the client for several threads."""
    return cast("QdrantClient", _OneAtATime(client))

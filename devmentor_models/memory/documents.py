# Generated from documents_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repository of documents, their chunks and their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable

from devmentor_models.errors import NotFound, TransactionConflict
from devmentor_models.kit.arguments import member, moment
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.repository import Repository
from devmentor_models.memory import queries
from devmentor_models.memory.checks import optional_key
from devmentor_models.memory.embedding_models import ModelLookup
from devmentor_models.memory.enums import DocumentSource, TextLanguage
from devmentor_models.memory.ingest import Rows, embedding_row, rows_of, wants_model
from devmentor_models.memory.models import Chunk, Document
from devmentor_models.memory.values import NewChunk, NewDocument, StoreResult

#: Documents per INSERT: they carry their whole text.
DOCUMENTS_PER_INSERT = 50


class DocumentRepository(Repository):
    """What a user remembered (requirements S4, F5)."""

    def store(
        self,
        *,
        title: str,
        content: str,
        source: DocumentSource,
        chunks: Sequence[NewChunk] | None = None,
        model: str | None = None,
        project_id: UUID | None = None,
        source_uri: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        language: TextLanguage = TextLanguage.ENGLISH,
    ) -> Document:
        """Store a document with its chunks and their vectors, all or nothing (F5).

        The same content again, for the same project, changes nothing and returns the document that is there.

        Args:
            title: Title or file name, at most 500 characters.
            content: The whole text.
            source: Where it comes from.
            chunks: Its pieces, in order. None cuts the content into as few as possible.
            model: Name of the embedding model that made the chunks' vectors; None: the default model. When it
                is named, chunks without a vector wait for one (see `pending_chunks`).
            project_id: The project it belongs to, if any.
            source_uri: Address or path of the original.
            metadata: Additional data.
            language: How its words are stemmed.

        Raises:
            InvalidValue: Some value cannot be stored, such as a vector of a wrong length.
            NotFound: No such embedding model is active.
            ForeignKeyViolation: The user has no such project.
        """
        new = NewDocument(
            title=title,
            content=content,
            source=source,
            chunks=chunks,
            project_id=project_id,
            source_uri=source_uri,
            metadata=metadata if metadata is not None else {},
            language=language,
        )
        (rows,) = self._prepare([new], model)
        self._insert([rows])
        found = self.find_by_hash(rows.document["content_hash"], project_id=project_id)
        if found is None:
            raise TransactionConflict("The document was deleted by somebody else while it was stored again.")
        return found

    def store_many(self, documents: Iterable[NewDocument], *, model: str | None = None) -> StoreResult:
        """Store many documents in few statements; each as `store` does.

        Args:
            documents: The documents. All are checked before the first is written, so all are held in memory.
            model: As for `store`.

        Raises:
            InvalidValue: Some value cannot be stored; nothing is written.
            NotFound: No such embedding model is active.
            ForeignKeyViolation: The user has no such project.
        """
        batch = self._prepare(list(documents), model)
        created = self._insert(batch)
        hashes = [rows.document["content_hash"] for rows in batch]
        result: Any = self._execute(
            queries.DOCUMENT_KEYS_BY_HASH, {"tenant_id": self.user_id, "hashes": hashes}
        )
        keys = {(project_id, content_hash): key for project_id, content_hash, key in result}
        return StoreResult(
            [keys.get(rows.identity, rows.id) for rows in batch],
            len(created),
            sum(len(rows.chunks) for rows in batch if rows.id in created),
        )

    def get(self, document_id: UUID, *, with_chunks: bool = False) -> Document:
        """Return a live document, on request with its ``chunks``.

        Raises:
            NotFound: The user has no such document, or it is soft-deleted.
        """
        statement = queries.DOCUMENT_WITH_CHUNKS if with_chunks else queries.DOCUMENT_BY_ID
        parameters = {"tenant_id": self.user_id, "document_id": document_id}
        return self._get(statement, parameters, entity="document", key=document_id)

    def find_by_hash(self, content_hash: bytes, *, project_id: UUID | None = None) -> Document | None:
        """Return the live document with this content in a project (or in none), if there is one.

        Args:
            content_hash: SHA-256 of the content in UTF-8.
            project_id: The project; None for documents without one.
        """
        return self._find(
            queries.DOCUMENT_BY_HASH,
            {"tenant_id": self.user_id, "project_id": project_id, "content_hash": content_hash},
        )

    def list(
        self,
        *,
        project_id: UUID | None = None,
        source: DocumentSource | None = None,
        since: datetime | None = None,
        matching: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Document]:
        """Return live documents, newest first, without their content (`get` has it).

        Args:
            project_id: Only those of this project.
            source: Only those from there.
            since: Only those stored since then.
            matching: Only those with this text in title or address, in any case.
            metadata: Only those whose metadata contains all of this.
            cursor: `Page.next_cursor` of the page before.
            limit: Documents per page, 1 to 500.

        Raises:
            InvalidValue: ``cursor``, ``limit`` or a filter is not valid.
        """
        statement = queries.documents(
            project_id=optional_key("project_id", project_id),
            source=source if source is None else member("source", DocumentSource, source),
            since=since if since is None else moment("since", since),
            matching=matching,
            metadata=dict(metadata) if metadata is not None else None,
        ).params(tenant_id=self.user_id)
        return self._page(statement, [Document.id], cursor=cursor, limit=limit)

    def chunks_of(
        self, document_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[Chunk]:
        """Return a document's chunks in their order.

        Args:
            document_id: The document, live or soft-deleted.
            cursor: `Page.next_cursor` of the page before.
            limit: Chunks per page, 1 to 500.
        """
        statement = queries.CHUNKS_OF.params(tenant_id=self.user_id, document_id=document_id)
        return self._page(statement, [Chunk.ordinal], cursor=cursor, limit=limit, descending=False)

    def update(
        self,
        document_id: UUID,
        *,
        title: str | None = None,
        source_uri: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        """Change what is said about a document; None leaves a value as it is. The content never changes.

        Raises:
            InvalidValue: A value cannot be stored.
            NotFound: The user has no such live document.
            VersionConflict: Somebody else changed it in between.
        """
        document = self.get(document_id)
        if title is not None:
            document.title = title
        if source_uri is not None:
            document.source_uri = source_uri
        if metadata is not None:
            document.extra = dict(metadata)
        self._flush()
        return document

    def soft_delete(self, document_id: UUID) -> Document:
        """Hide a document from everything but `restore` and `purge`.

        Raises:
            NotFound: The user has no such live document.
        """
        return self._change(queries.SOFT_DELETE, document_id)

    def restore(self, document_id: UUID) -> Document:
        """Bring a soft-deleted document back.

        Raises:
            NotFound: The user has no such soft-deleted document.
            UniqueViolation: The same content was stored again in the meantime.
        """
        return self._change(queries.RESTORE, document_id)

    def purge(self, document_id: UUID) -> None:
        """Delete a document, live or soft-deleted, with chunks and vectors, for ever.

        Raises:
            NotFound: The user has no such document.
        """
        parameters = {"tenant_id": self.user_id, "document_id": document_id}
        if (self._execute(queries.PURGE, parameters)).first() is None:
            raise NotFound("document", document_id)

    def pending_chunks(
        self, *, model: str | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[Chunk]:
        """Return live chunks that wait for a vector of a model, oldest first.

        Args:
            model: Name of the embedding model; None: the default model.
            cursor: `Page.next_cursor` of the page before.
            limit: Chunks per page, 1 to 500.

        Raises:
            NotFound: No such embedding model is active.
        """
        found = ModelLookup(self.session).get(model)
        statement = queries.PENDING_CHUNKS.params(tenant_id=self.user_id, model_id=found.id)
        return self._page(statement, [Chunk.id], cursor=cursor, limit=limit, descending=False)

    def put_embeddings(self, vectors: Mapping[UUID, Sequence[float]], *, model: str | None = None) -> int:
        """Store the vectors of chunks, in place of those of the same model; return how many.

        Args:
            vectors: Vectors by chunk id.
            model: Name of the model that made them; None: the default model.

        Raises:
            InvalidValue: A vector is not one of the model; nothing is written.
            NotFound: No such embedding model is active, or the user has not all of the chunks.
        """
        if not vectors:
            return 0
        found = ModelLookup(self.session).get(model)
        parameters = {"tenant_id": self.user_id, "ids": [*vectors]}
        result = self._execute(queries.CHUNK_KEYS, parameters)
        chunks = {row["id"]: dict(row) for row in result.mappings()}
        if missing := vectors.keys() - chunks.keys():
            raise NotFound("chunk", min(missing))
        rows = [
            embedding_row(chunks[chunk_id], vector, found) for chunk_id, vector in sorted(vectors.items())
        ]
        return len((self._execute(queries.PUT_EMBEDDINGS, rows)).all())

    def _prepare(self, documents: Sequence[NewDocument], model: str | None) -> Sequence[Rows]:
        """Check all documents and return their rows."""
        found = None
        if model is not None or wants_model(documents):
            found = ModelLookup(self.session).get(model)
        user_id = self.user_id
        return [rows_of(new, user_id, found) for new in documents]

    def _insert(self, batch: Sequence[Rows]) -> set[UUID]:
        """Insert the documents that are not there yet, and what belongs to them; return their keys."""
        # In one order everywhere: two batches that share documents wait for each other, not in a circle.
        ordered = sorted(batch, key=lambda rows: (str(rows.identity[0]), rows.identity[1]))
        created: set[UUID] = set()
        for start in range(0, len(ordered), DOCUMENTS_PER_INSERT):
            some = [rows.document for rows in ordered[start : start + DOCUMENTS_PER_INSERT]]
            created.update((self._execute(queries.INSERT_DOCUMENTS, some)).scalars())
        new = [rows for rows in batch if rows.id in created]
        if chunks := [chunk for rows in new for chunk in rows.chunks]:
            self._execute(queries.INSERT_CHUNKS, chunks)
        if embeddings := [embedding for rows in new for embedding in rows.embeddings]:
            self._execute(queries.INSERT_EMBEDDINGS, embeddings)
        return created

    def _change(self, statement: Executable, document_id: UUID) -> Document:
        """Run an UPDATE of one document that returns it."""
        result = self._execute(
            statement.execution_options(populate_existing=True, synchronize_session=False),
            {"tenant_id": self.user_id, "document_id": document_id},
        )
        document: Document | None = result.scalars().one_or_none()
        if document is None:
            raise NotFound("document", document_id)
        return document

"""Repository of documents, their chunks and their vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable

from devmentor_models.errors import NotFound, TransactionConflict
from devmentor_models.kit.arguments import member, moment
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.repository_async import AsyncRepository
from devmentor_models.memory import queries
from devmentor_models.memory.checks import optional_key
from devmentor_models.memory.embedding_models_async import AsyncModelLookup
from devmentor_models.memory.enums import DocumentSource, TextLanguage
from devmentor_models.memory.ingest import embedding_row
from devmentor_models.memory.models import Chunk, Document
from devmentor_models.memory.streams import AsyncDocuments, batches_async
from devmentor_models.memory.values import NewChunk, NewDocument, StoreResult
from devmentor_models.memory.writer_async import AsyncDocumentWriter


class AsyncDocumentRepository(AsyncRepository):
    """What a user remembered (requirements S4, F5)."""

    async def store(
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

        The same content again, for the same project, changes nothing and returns the document that is there,
        also where it came from another address. Other content from an address that the project has a document
        of is a new version of that document: it keeps its key, and chunks whose text is the same keep theirs,
        with the vectors of every model.

        Args:
            title: Title or file name, at most 500 characters.
            content: The whole text.
            source: Where it comes from.
            chunks: Its pieces, in order. None cuts the content into as few as possible.
            model: Name of the embedding model that made the chunks' vectors; None: the default model. When it
                is named, chunks without a vector wait for one (see `pending_chunks`).
            project_id: The project it belongs to, if any.
            source_uri: Address or path of the original, at most 2,000 bytes.
            metadata: Additional data.
            language: How its words are stemmed.

        Raises:
            InvalidValue: Some value cannot be stored, such as a vector of a wrong length.
            NotFound: No such embedding model is active.
            ForeignKeyViolation: The user has no such project.
            TransactionConflict: Others stored, or deleted, the same document at the same time.
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
        result = await AsyncDocumentWriter(self.session).write([new], model=model)
        parameters = {"tenant_id": self.user_id, "document_id": result.document_ids[0]}
        # A new version was not written through the session, which may know the old one.
        refreshing = queries.DOCUMENT_BY_ID.execution_options(populate_existing=True)
        found = await self._find(refreshing, parameters)
        if found is None:
            raise TransactionConflict("The document was deleted by somebody else while it was stored again.")
        return found

    async def store_many(self, documents: AsyncDocuments, *, model: str | None = None) -> StoreResult:
        """Store many documents by COPY; each as `store` does.

        They are worked through in batches, so a generator is never held as a whole. For more than fits a
        transaction there is `devmentor_models.ingest`.

        Args:
            documents: The documents, of any iterable.
            model: As for `store`.

        Raises:
            InvalidValue: Some value cannot be stored. Roll back, or keep the batches before this one.
            NotFound: No such embedding model is active.
            ForeignKeyViolation: The user has no such project.
            TransactionConflict: As for `store`.
        """
        writer, result = AsyncDocumentWriter(self.session), StoreResult([])
        async with aclosing(batches_async(documents)) as stream:
            async for batch in stream:
                result += await writer.write(batch, model=model)
        return result

    async def get(self, document_id: UUID, *, with_chunks: bool = False) -> Document:
        """Return a live document, on request with its ``chunks``.

        Raises:
            NotFound: The user has no such document, or it is soft-deleted.
        """
        statement = queries.DOCUMENT_WITH_CHUNKS if with_chunks else queries.DOCUMENT_BY_ID
        parameters = {"tenant_id": self.user_id, "document_id": document_id}
        return await self._get(statement, parameters, entity="document", key=document_id)

    async def find_by_hash(self, content_hash: bytes, *, project_id: UUID | None = None) -> Document | None:
        """Return the live document with this content in a project (or in none), if there is one.

        Args:
            content_hash: SHA-256 of the content in UTF-8.
            project_id: The project; None for documents without one.
        """
        return await self._find(
            queries.DOCUMENT_BY_HASH,
            {"tenant_id": self.user_id, "project_id": project_id, "content_hash": content_hash},
        )

    async def list(
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
        return await self._page(statement, [Document.id], cursor=cursor, limit=limit)

    async def chunks_of(
        self, document_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[Chunk]:
        """Return a document's chunks in their order.

        Args:
            document_id: The document, live or soft-deleted.
            cursor: `Page.next_cursor` of the page before.
            limit: Chunks per page, 1 to 500.
        """
        statement = queries.CHUNKS_OF.params(tenant_id=self.user_id, document_id=document_id)
        return await self._page(statement, [Chunk.ordinal], cursor=cursor, limit=limit, descending=False)

    async def update(
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
            UniqueViolation: The project has another document of that address.
            VersionConflict: Somebody else changed it in between.
        """
        document = await self.get(document_id)
        if title is not None:
            document.title = title
        if source_uri is not None:
            document.source_uri = source_uri
        if metadata is not None:
            document.extra = dict(metadata)
        await self._flush()
        return document

    async def soft_delete(self, document_id: UUID) -> Document:
        """Hide a document from everything but `restore` and `purge`.

        Raises:
            NotFound: The user has no such live document.
        """
        return await self._change(queries.SOFT_DELETE, document_id)

    async def restore(self, document_id: UUID) -> Document:
        """Bring a soft-deleted document back.

        Raises:
            NotFound: The user has no such soft-deleted document.
            UniqueViolation: The same content, or other content of the same address, was stored meanwhile.
        """
        return await self._change(queries.RESTORE, document_id)

    async def purge(self, document_id: UUID) -> None:
        """Delete a document, live or soft-deleted, with chunks and vectors, for ever.

        Raises:
            NotFound: The user has no such document.
        """
        parameters = {"tenant_id": self.user_id, "document_id": document_id}
        if (await self._execute(queries.PURGE, parameters)).first() is None:
            raise NotFound("document", document_id)

    async def pending_chunks(
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
        found = await AsyncModelLookup(self.session).get(model)
        statement = queries.PENDING_CHUNKS.params(tenant_id=self.user_id, model_id=found.id)
        return await self._page(statement, [Chunk.id], cursor=cursor, limit=limit, descending=False)

    async def put_embeddings(
        self, vectors: Mapping[UUID, Sequence[float]], *, model: str | None = None
    ) -> int:
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
        found = await AsyncModelLookup(self.session).get(model)
        parameters = {"tenant_id": self.user_id, "ids": [*vectors]}
        result = await self._execute(queries.CHUNK_KEYS, parameters)
        chunks = {row["id"]: dict(row) for row in result.mappings()}
        if missing := vectors.keys() - chunks.keys():
            raise NotFound("chunk", min(missing))
        rows = [
            embedding_row(chunks[chunk_id], vector, found) for chunk_id, vector in sorted(vectors.items())
        ]
        return len((await self._execute(queries.PUT_EMBEDDINGS, rows)).all())

    async def _change(self, statement: Executable, document_id: UUID) -> Document:
        """Run an UPDATE of one document that returns it."""
        result = await self._execute(
            statement.execution_options(populate_existing=True, synchronize_session=False),
            {"tenant_id": self.user_id, "document_id": document_id},
        )
        document: Document | None = result.scalars().one_or_none()
        if document is None:
            raise NotFound("document", document_id)
        return document

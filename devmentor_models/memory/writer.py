# Generated from writer_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Writing documents in bulk, by COPY, each of them all or nothing (F5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any
from uuid import UUID

from devmentor_models.errors import TransactionConflict, UniqueViolation
from devmentor_models.kit.driver import driver_connection, driver_errors
from devmentor_models.kit.repository import Repository
from devmentor_models.memory import ingest_queries, queries
from devmentor_models.memory.embedding_models import ModelLookup
from devmentor_models.memory.ingest import (
    CHUNK_COLUMNS,
    Draft,
    chunk_rows,
    document_rows,
    draft_of,
    embedding_row,
    unpack,
    wants_model,
)
from devmentor_models.memory.models import Chunk, Document, Embedding
from devmentor_models.memory.plan import Plan, Standing
from devmentor_models.memory.values import ModelInfo, NewDocument, StoreResult
from devmentor_models.memory.versions import Changes, by_document

#: So few rows are inserted sooner than a temporary table is made for COPY (measured: 2 ms to 5 ms for one).
FEW = 10

#: How often a batch yields to others that store the same documents, before it gives up.
ATTEMPTS = 5


class DocumentWriter(Repository):
    """Writes batches of documents, in the session's transaction."""

    def write(self, documents: Sequence[NewDocument], *, model: str | None) -> StoreResult:
        """Store a batch as if its documents came one after the other; all are checked before any is written.

        Raises:
            InvalidValue: Some value cannot be stored.
            NotFound: No such embedding model is active.
            ForeignKeyViolation: The user has no such project.
            TransactionConflict: Others kept storing, or deleting, the same documents.
        """
        drafts = [draft_of(new) for new in documents]
        found = None
        if model is not None or wants_model(documents):
            found = ModelLookup(self.session).get(model)
        result = StoreResult([])
        keys: dict[UUID, UUID] = {}
        pending: Sequence[Draft] = drafts
        attempts = ATTEMPTS
        while pending:
            plan = self._plan(pending)
            for draft in pending:
                if draft.id not in plan.keys:
                    draft.prepare(found)
            done = self._carry_out(plan, found)
            result += done
            keys |= plan.keys
            later = [draft for draft in pending if draft.id not in keys]
            attempts = attempts - 1 if len(later) == len(pending) else ATTEMPTS
            if not attempts:
                raise TransactionConflict
            pending = later
        return replace(result, document_ids=[keys[draft.id] for draft in drafts])

    def renew_statistics(self) -> None:
        """Tell the planner what was stored; it takes a sample of each table, of whatever size."""
        self._execute(ingest_queries.RENEW_STATISTICS)

    def _plan(self, pending: Sequence[Draft]) -> Plan:
        """Look at what is stored, lock what is to change, and say what is to be done."""
        rows: Any = self._execute(
            ingest_queries.PROBE,
            {
                "tenant_id": self.user_id,
                "projects": [draft.values["project_id"] for draft in pending],
                "hashes": [draft.content_hash for draft in pending],
                "uris": [draft.values["source_uri"] for draft in pending],
            },
        )
        plan = Plan.of(pending, [Standing(*row) for row in rows])
        if plan.changing:
            parameters = {"tenant_id": self.user_id, "ids": plan.changing}
            locked: Any = self._execute(ingest_queries.LOCK, parameters)
            plan.keep_only({row[0]: (row[1], bytes(row[2]), row[3]) for row in locked})
        return plan

    def _carry_out(self, plan: Plan, model: ModelInfo | None) -> StoreResult:
        """Write what a plan says, and note the keys of what was stored."""
        if plan.purged:
            parameters = {"tenant_id": self.user_id, "ids": list(plan.purged.values())}
            self._execute(ingest_queries.PURGE, parameters)
        changes = Changes(self.user_id)
        created = self._create(plan.new)
        for draft in created:
            changes.create(draft, model)
            plan.keys[draft.id] = draft.id
        if plan.replaced:
            self._replace(plan, changes, model)
        self._change_chunks(changes, model)
        self._refresh({*plan.replaced.values()}, {*changes.gone})
        return StoreResult(
            [],
            len(created),
            len(changes.new),
            replaced=len(plan.replaced),
            kept_chunks=changes.kept,
            removed_chunks=len(changes.gone),
        )

    def _create(self, drafts: Iterable[Draft]) -> Sequence[Draft]:
        """Insert documents; return those that nobody else has stored in the meantime."""
        ordered = sorted(drafts, key=lambda draft: draft.order)
        if not ordered:
            return []
        if len(ordered) <= FEW:
            rows = [{"id": draft.id, "user_id": self.user_id, **draft.values} for draft in ordered]
            inserted = self._execute(queries.INSERT_DOCUMENTS, rows)
        else:
            self._copy(ingest_queries.STAGED_DOCUMENTS, document_rows(ordered))
            inserted = self._execute(ingest_queries.INSERT_DOCUMENTS, {"tenant_id": self.user_id})
        keys = set(inserted.scalars())
        return [draft for draft in ordered if draft.id in keys]

    def _replace(self, plan: Plan, changes: Changes, model: ModelInfo | None) -> None:
        """Update documents that are locked, and add to the changes what becomes of their chunks."""
        rows = [
            {**draft.values, "tenant_id": self.user_id, "document_id": key}
            for draft, key in plan.replaced.items()
        ]
        try:
            self._execute(ingest_queries.UPDATE_DOCUMENT, rows)
        except UniqueViolation:
            # Somebody else has stored the same content since it was looked for.
            raise TransactionConflict from None
        parameters = {
            "tenant_id": self.user_id,
            "ids": list(plan.replaced.values()),
            "model_id": model.id if model is not None else None,
        }
        stored = by_document(self._execute(ingest_queries.STORED_CHUNKS, parameters))
        for draft, key in plan.replaced.items():
            changes.replace(draft, key, stored.get(key, ()), model)
            plan.keys[draft.id] = key

    def _change_chunks(self, changes: Changes, model: ModelInfo | None) -> None:
        """Delete, move and insert chunks, and insert their vectors."""
        tenant = {"tenant_id": self.user_id}
        if changes.gone:
            self._execute(ingest_queries.DELETE_CHUNKS, {**tenant, "ids": changes.gone})
        if changes.moves:
            names = ("ids", "ordinals", "tokens", "starts", "ends", "languages")
            columns = dict(zip(names, map(list, zip(*changes.moves, strict=True)), strict=True))
            self._execute(ingest_queries.MOVE_CHUNKS, {**tenant, **columns})
        if changes.new:
            self._insert_chunks(chunk_rows(changes.new), model, few=len(changes.new) <= FEW)
        if changes.vectors:
            self._execute(queries.PUT_EMBEDDINGS, changes.vectors)

    def _refresh(self, replaced: AbstractSet[UUID], gone: AbstractSet[UUID]) -> None:
        """Bring what the session knows of replaced documents up to date; it took no part in the writing."""
        for item in [*self.session] if replaced else ():
            known = vars(item)
            if isinstance(item, Document) and known.get("id") in replaced:
                self.session.refresh(item)
            elif isinstance(item, Chunk | Embedding) and known.get("document_id") in replaced:
                if gone.isdisjoint({known.get("id"), known.get("chunk_id")}):
                    self.session.refresh(item)
                else:
                    self.session.expunge(item)

    def _insert_chunks(self, rows: Iterable[Sequence[Any]], model: ModelInfo | None, *, few: bool) -> None:
        """Insert chunks, and their vectors where there is a model."""
        if few:
            chunks, vectors = [], []
            for *values, packed in rows:
                chunk = {**dict(zip(CHUNK_COLUMNS, values, strict=True)), "user_id": self.user_id}
                chunks.append(chunk)
                if model is not None:
                    vectors.append(embedding_row(chunk, unpack(packed), model))
            self._execute(queries.INSERT_CHUNKS, chunks)
            if vectors:
                self._execute(queries.INSERT_EMBEDDINGS, vectors)
            return
        tenant = {"tenant_id": self.user_id}
        self._copy(ingest_queries.STAGED_CHUNKS, rows)
        self._execute(ingest_queries.INSERT_CHUNKS, tenant)
        if model is not None:
            parameters = {
                "model_id": model.id,
                "dimensions": model.dimensions,
                "collection": model.collection,
            }
            self._execute(ingest_queries.INSERT_EMBEDDINGS, {**tenant, **parameters})

    def _copy(self, staged: ingest_queries.Staged, rows: Iterable[Sequence[Any]]) -> None:
        """Bring rows into a temporary table."""
        driver: Any = driver_connection(self.session)
        with driver_errors(), driver.cursor() as cursor:
            cursor.trusted = True  # its tables go with the transaction
            # Never prepared: a prepared statement cannot hold several commands.
            cursor.execute(staged.create, prepare=False)
            with cursor.copy(staged.copy) as copy:
                copy.set_types(staged.types)
                for row in rows:
                    copy.write_row(row)

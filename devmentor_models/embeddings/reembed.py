"""Go over from one embedding model to another while services go on; ``devmentor-db reembed`` (F5).

Every live chunk of every tenant gets a vector of the new model beside the old one, so both stay searchable.
In batches: the embedder is called outside any transaction, then one statement writes the batch. What a killed
run did stays done, and several runs at once share the work. The switch is one transaction: while nobody is at
work who has looked up the old default, no chunk is left without a vector and the default changes.

It runs as the owner of the tables, whom ``__security__.definer`` lets see and change everybody's rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

from psycopg import Rollback
from psycopg import errors as pg

from devmentor_models.embeddings.catalog import CatalogModel, IndexState, find_default, get_model, index_of
from devmentor_models.errors import DevMentorError, InvalidValue, LockTimeout, NotFound
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.ingest import check_vector
from devmentor_models.memory.values import ModelInfo
from devmentor_models.owner_session import connect_as_owner

Embedder = Callable[[Sequence[str]], Sequence[Sequence[float]]]

NEEDS = {
    "ai.embedding_models": ("SELECT", "UPDATE"),
    "memory.documents": ("SELECT",),
    "memory.chunks": ("SELECT",),
    "memory.embeddings_meta": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}
BATCH_TEXTS = 256
#: How many chunks are looked at together; those that lack a vector are read and embedded.
PAGE_ROWS = 1000
#: So many chunks may be embedded during the switch, while searches wait.
SWITCH_TEXTS = 64
SWITCH_LOCK_TIMEOUT = "1s"
SWITCH_STATEMENT_TIMEOUT = "60s"
SWITCH_TRIES = 20
PAUSE_SECONDS = 0.5
#: Texts that cannot be embedded are odd ones out. So many of them mean that the embedder is broken.
MOST_REFUSED = 1000
DELETE_ROWS = 5000

#: What another session's locks or deletes can end a batch with; then it is done again.
_COLLISIONS = (pg.DeadlockDetected, pg.LockNotAvailable, pg.SerializationFailure, pg.ForeignKeyViolation)

_LIVE = "d.user_id = c.user_id AND d.id = c.document_id AND d.deleted_at IS NULL"
_CURRENT = """e.user_id = c.user_id AND e.document_id = c.document_id AND e.chunk_id = c.id
    AND e.model_id = %(model)s AND e.status = 'indexed' AND e.content_hash = c.content_hash"""
# For all chunks: one pass over each table.
_ALL = f"""
    FROM memory.chunks c JOIN memory.documents d ON {_LIVE}
    WHERE NOT c.id = ANY (%(refused)s) AND NOT EXISTS (SELECT FROM memory.embeddings_meta e WHERE {_CURRENT})
"""
_COUNT = f"SELECT count(*) {_ALL}"
_IDS = f"SELECT coalesce(array_agg(c.id), '{{}}') {_ALL}"
# For a few: looked up one by one. As joins they would be planned by statistics, which know nothing yet of the
# vectors that were just written, and every page would read all of them.
_EACH = f"""
    NOT c.id = ANY (%(refused)s) AND (SELECT true FROM memory.documents d WHERE {_LIVE})
    AND (SELECT true FROM memory.embeddings_meta e WHERE {_CURRENT}) IS NULL
"""
# A page along the primary key, whatever the planner believes about how many lack a vector.
_PAGE = f"""
    WITH page AS MATERIALIZED (
        SELECT id, user_id, document_id, content_hash FROM memory.chunks
         WHERE id > %(last)s ORDER BY id LIMIT %(rows)s)
    SELECT (SELECT id FROM page ORDER BY id LIMIT 1), (SELECT id FROM page ORDER BY id DESC LIMIT 1),
        (SELECT coalesce(array_agg(c.id ORDER BY c.id), '{{}}') FROM page c WHERE {_EACH})
"""
_READ = f"SELECT c.id, c.content, c.content_hash FROM memory.chunks c WHERE c.id = ANY (%(ids)s) AND {_EACH}"
# Joined with the chunks as they are now: one deleted or changed meanwhile gets no vector of its past.
_STORE = """
    INSERT INTO memory.embeddings_meta AS old
        (id, user_id, document_id, chunk_id, model_id, dimensions, content_hash, status, embedding)
    SELECT new.id, c.user_id, c.document_id, c.id, %(model)s, %(dimensions)s, c.content_hash, 'indexed',
        new.vector::halfvec
      FROM unnest(%(ids)s::uuid[], %(chunks)s::uuid[], %(hashes)s::bytea[], %(vectors)s::text[])
        AS new (id, chunk_id, content_hash, vector)
      JOIN memory.chunks c ON c.id = new.chunk_id AND c.content_hash = new.content_hash
    ON CONFLICT (user_id, document_id, chunk_id, model_id) DO UPDATE
        SET embedding = excluded.embedding, content_hash = excluded.content_hash, status = excluded.status
        WHERE (old.status, old.content_hash) IS DISTINCT FROM (excluded.status, excluded.content_hash)
"""
_LIMIT = "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"
# Who reads the default holds ACCESS SHARE until its transaction ends, so with this lock nobody is left who
# has read it and has not yet stored what follows from it. The advisory lock is that of `set_default`.
_LOCK_DEFAULT = (
    "SELECT pg_advisory_xact_lock(hashtextextended('ai.embedding_models.is_default', 0))",
    "LOCK TABLE ai.embedding_models IN ACCESS EXCLUSIVE MODE",
)
_SHARE_DEFAULT = "SELECT pg_advisory_xact_lock_shared(hashtextextended('ai.embedding_models.is_default', 0))"
_CLEAR_DEFAULT = "UPDATE ai.embedding_models SET is_default = false WHERE is_default AND id <> %(model)s"
_SET_DEFAULT = "UPDATE ai.embedding_models SET is_default = true WHERE id = %(model)s AND active"
_CLAIM = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNCLAIM = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_DELETE = """
    WITH gone AS (
        DELETE FROM memory.embeddings_meta WHERE id = ANY (ARRAY(
            SELECT id FROM memory.embeddings_meta WHERE model_id = %(model)s AND id > %(last)s
             ORDER BY id LIMIT %(rows)s))
        RETURNING id)
    SELECT count(*), (SELECT id FROM gone ORDER BY id DESC LIMIT 1) FROM gone
"""

Chunk = tuple[UUID, str, bytes]


class EmbedderFailed(DevMentorError):
    """The embedder raised an error, or returned no vectors of the model. What was stored before stays."""


class SwitchRefused(DevMentorError):
    """Live chunks lack a vector of the new model, so the default stays what it was; says how many."""


@dataclass(slots=True)
class Reembedded:
    """What a run did.

    Attributes:
        stored: Vectors that were written.
        refused: Why a chunk got none, by its id: texts of which the embedder makes no usable vector.
    """

    stored: int = 0
    refused: dict[UUID, str] = field(default_factory=dict)


class Reembedding:
    """The way to another model, on a connection of its own; use it as a context manager.

    Args:
        url: The database; its role is a member of ``devmentor_owner``, as for migrations.
        to: Name of the model that is to get vectors, and to become the default.
        embedder: Returns a vector for each text, in their order.
        batch: How many texts the embedder is given at once.
    """

    def __init__(self, url: str, to: str, embedder: Embedder, *, batch: int = BATCH_TEXTS) -> None:
        self._url = url
        self._name = to
        self._embedder = embedder
        self._batch = batch
        self.done = Reembedded()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ConfigurationError: The role cannot see everybody's rows.
            NotFound: There is no such model, or it is not active.
        """
        self._connection = connect_as_owner(self._url, NEEDS)
        try:
            self.model = get_model(self._connection, self._name, active=True)
        except BaseException:
            self._connection.close()
            raise
        self._info = ModelInfo(self.model.id, self.model.name, self.model.dimensions, self.model.metric)
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def default(self) -> CatalogModel | None:
        """Return the model that is the default now."""
        return find_default(self._connection)

    def pending(self) -> int:
        """Return how many live chunks lack a vector of the model, those that were refused not counted."""
        row = self._connection.execute(_COUNT.encode(), self._values()).fetchone()
        return row[0] if row else 0

    def run(self, advance: Callable[[int], object] = lambda _: None) -> Reembedded:
        """Give every live chunk a vector that lacks one.

        Args:
            advance: Called after each batch, with how many chunks it went through.

        Returns:
            What was done since the connection was made.

        Raises:
            EmbedderFailed: It raised an error, or its vectors are none of the model. A run after it goes on
                from there.
        """
        while True:
            before = self.done.stored
            self._pass(advance)
            if self.done.stored > before:
                self._connection.execute("ANALYZE memory.embeddings_meta")  # for searches, and the switch
            if not self.pending():
                return self.done
            if self.done.stored == before:
                time.sleep(PAUSE_SECONDS)  # others are at what is left

    def needs_index(self) -> bool:
        """Say whether the default has an approximate index and the model none; `switch` comes after it."""
        old = self.default()
        wanted = old is not None and index_of(self._connection, old).state is IndexState.READY
        return wanted and index_of(self._connection, self.model).state is not IndexState.READY

    def switch(self, *, tolerate: int = 0) -> None:
        """Make the model the default, in one transaction that finds no live chunk without a vector.

        Chunks that were stored since `run` are caught up, the last of them in that transaction. Searches wait
        while it looks for them: seconds for a million chunks.

        Args:
            tolerate: How many chunks may be left without a vector, since the model can embed no such texts.

        Raises:
            SwitchRefused: More chunks lack a vector.
            EmbedderFailed: As for `run`.
            LockTimeout: Transactions that use the catalog of models went on for too long.
            NotFound: The model is not active any more.
        """
        for number in range(1, SWITCH_TRIES + 1):
            if len(self.done.refused) > tolerate:
                raise SwitchRefused(self._refusal())
            try:
                if self._try_switch(tolerate):
                    return
            except (*_COLLISIONS, pg.QueryCanceled) as error:
                if number == SWITCH_TRIES:
                    raise LockTimeout(
                        "The default was not switched: transactions that use the catalog of models went on."
                        " Every vector is stored; run it again when there is less going on."
                    ) from error
                time.sleep(PAUSE_SECONDS)
            else:
                self.run()
        raise SwitchRefused(
            f"The default stays: in {SWITCH_TRIES} tries there were always more than {SWITCH_TEXTS} new"
            " chunks without a vector. Run it again when less is stored."
        )

    def _refusal(self) -> str:
        chunk, reason = next(iter(self.done.refused.items()))
        return (
            f"The default stays: {len(self.done.refused)} chunks have no vector of {self.model.name}, such as"
            f" {chunk}: {reason}."
        )

    def _try_switch(self, tolerate: int) -> bool:
        """Switch; return False, with nothing changed, where too many chunks came in meanwhile."""
        connection, values = self._connection, self._values()
        with connection.transaction() as transaction:
            connection.execute(_LIMIT, [SWITCH_LOCK_TIMEOUT, SWITCH_STATEMENT_TIMEOUT])
            for statement in _LOCK_DEFAULT:
                connection.execute(statement.encode())
            lacking = self._one(_IDS, values)[0]
            if len(lacking) > SWITCH_TEXTS:
                raise Rollback(transaction)
            stored = self._insert(self._vectors(self._read(lacking)))
            if len(self.done.refused) > tolerate:
                raise SwitchRefused(self._refusal())
            connection.execute(_CLEAR_DEFAULT, values)
            if not connection.execute(_SET_DEFAULT, values).rowcount:
                raise NotFound("active embedding model", self.model.name)
            self.done.stored += stored
        return len(lacking) <= SWITCH_TEXTS

    def _pass(self, advance: Callable[[int], object]) -> None:
        """Go once through all chunks along the primary key; pass over pages that another run is at."""
        last = UUID(int=0)
        while True:
            page = self._one(_PAGE, self._values() | {"last": last, "rows": PAGE_ROWS})
            first, last, lacking = page
            if first is None:
                return
            if not lacking:
                continue
            claim = [f"reembed {self.model.id} {first}"]
            if self._one(_CLAIM, claim)[0]:
                for start in range(0, len(lacking), self._batch):
                    self._embed(lacking[start : start + self._batch])
                    advance(len(lacking[start : start + self._batch]))
                self._one(_UNCLAIM, claim)

    def _embed(self, ids: Sequence[UUID]) -> None:
        """Store vectors of those of the chunks that still lack one."""
        found = self._vectors(self._read(ids))
        for number in range(1, SWITCH_TRIES + 1):
            try:
                self.done.stored += self._insert(found)
            except _COLLISIONS:
                if number == SWITCH_TRIES:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def _read(self, ids: Sequence[UUID]) -> list[Chunk]:
        """Return those of the chunks that lack a vector."""
        values = self._values() | {"ids": list(ids)}
        return self._connection.execute(_READ.encode(), values).fetchall() if ids else []

    def _vectors(self, chunks: Sequence[Chunk]) -> list[tuple[UUID, bytes, str]]:
        """Return id, digest and vector, as PostgreSQL reads it, of the chunks that get one."""
        if not chunks:
            return []
        found = []
        for (chunk, _, digest), vector in zip(
            chunks, self._call([text for _, text, _ in chunks]), strict=True
        ):
            try:
                numbers = check_vector(vector, self._info, "vector")
            except InvalidValue as error:
                self._refuse(chunk, error.reason)
            else:
                found.append((chunk, digest, f"[{','.join(map(str, numbers))}]"))
        return found

    def _call(self, texts: list[str]) -> Sequence[Sequence[float]]:
        """Return the embedder's vectors, as many and as long as they ought to be."""
        try:
            vectors = list(self._embedder(texts))
            lengths = {len(vector) for vector in vectors}
        except Exception as error:
            raise EmbedderFailed(f"The embedder failed: {type(error).__name__}: {error}") from error
        if len(vectors) != len(texts):
            raise EmbedderFailed(f"The embedder returned {len(vectors)} vectors of {len(texts)} texts.")
        if wrong := lengths - {self.model.dimensions}:
            raise EmbedderFailed(
                f"The embedder's vectors have {min(wrong)} dimensions; those of {self.model.name} have"
                f" {self.model.dimensions}."
            )
        return vectors

    def _refuse(self, chunk: UUID, reason: str) -> None:
        self.done.refused[chunk] = reason
        if len(self.done.refused) > MOST_REFUSED:
            raise EmbedderFailed(
                f"The embedder makes no usable vectors: of {MOST_REFUSED} texts already, the last because it"
                f" {reason}."
            )

    def _insert(self, found: Sequence[tuple[UUID, bytes, str]]) -> int:
        """Write vectors in one statement; return how many were new or other than before."""
        if not found:
            return 0
        chunks, hashes, vectors = zip(*found, strict=True)
        values = self._values() | {
            "ids": [uuid7() for _ in found],
            "chunks": list(chunks),
            "hashes": list(hashes),
            "vectors": list(vectors),
        }
        return self._connection.execute(_STORE, values).rowcount

    def _one(self, statement: str, values: Any) -> Any:
        return self._connection.execute(statement.encode(), values).fetchone()

    def _values(self) -> dict[str, Any]:
        return {
            "model": self.model.id,
            "dimensions": self.model.dimensions,
            "refused": list(self.done.refused),
        }


def drop_vectors(url: str, model: CatalogModel, advance: Callable[[int], object] = lambda _: None) -> int:
    """Delete the vectors of a model that is not the default, in batches; return how many there were.

    Drop its index first: it only makes this slower.

    Args:
        url: The database; its role is a member of ``devmentor_owner``.
        model: The model; it stays registered.
        advance: Called after each batch, with how many vectors it deleted.

    Raises:
        SwitchRefused: The model is the default.
    """
    deleted, last = 0, UUID(int=0)
    with connect_as_owner(url, NEEDS) as connection:
        while True:
            with connection.transaction():
                # Held until the batch is gone: the model cannot become the default meanwhile.
                connection.execute(_SHARE_DEFAULT)
                if find_default(connection) == replace(model, is_default=True):
                    raise SwitchRefused(f"{model.name} is the default: switch to another model first.")
                row: Any = connection.execute(
                    _DELETE, {"model": model.id, "last": last, "rows": DELETE_ROWS}
                ).fetchone()
            rows, last = row
            if not rows:
                return deleted
            deleted += rows
            advance(rows)

"""langchain-postgres, in a process and an environment of its own, told by lines of JSON what to do.

It needs pgvector's Python package before 0.4, this library a later one. The store is set up as its
documentation says: metadata columns, a tsvector column for its hybrid search, an HNSW index and an index of
words; and an index of the column that is filtered by.
"""

import asyncio
import json
import sys
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import create_async_engine

DIMENSIONS = 256
K = 10
#: As deep as this library's hybrid search looks, so that ten can come out.
DEPTH = 50
TABLE = "pieces"
BATCH = 1000
#: What the connections of a store set. Its documentation sets nothing; then PostgreSQL plans its statement
#: for the given values five times only, and from the sixth on without the HNSW index.
SETTINGS = {
    "documented": {},
    "planned": {"plan_cache_mode": "force_custom_plan"},
    "iterative": {"plan_cache_mode": "force_custom_plan", "hnsw.iterative_scan": "strict_order"},
}


class Nothing:
    """An embedding service that is never asked: all vectors are given."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Refuse."""
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        """Refuse."""
        raise NotImplementedError


class Worker:
    """Does what the lines say, and remembers texts, vectors and stores between them."""

    def __init__(self) -> None:
        self.postgres: Any = import_module("langchain_postgres")
        self.hybrid: Any = import_module("langchain_postgres.v2.hybrid_search_config")
        self.indexes: Any = import_module("langchain_postgres.v2.indexes")
        self.stores: dict[str, Any] = {}

    async def open(self, url: str, texts: str, vectors: str, count: int) -> object:
        """Read the corpus, and make the table."""
        with open(texts, encoding="utf-8") as lines:  # noqa: ASYNC230, PTH123 - nothing else waits
            self.texts = [json.loads(line)[1] for line in lines]
        self.vectors = np.load(vectors)
        self.count = count
        # From an engine of ours: one from a string works in a thread of its own, which is slower.
        engines = {
            name: self.postgres.PGEngine.from_engine(
                create_async_engine(url, connect_args={"server_settings": settings})
            )
            for name, settings in SETTINGS.items()
        }
        column = self.postgres.Column
        await engines["documented"].ainit_vectorstore_table(
            table_name=TABLE,
            vector_size=DIMENSIONS,
            metadata_columns=[column("user_id", "TEXT", nullable=False), column("place", "INTEGER")],
            store_metadata=False,
            hybrid_search_config=self._hybrid(),
        )
        for name, engine in engines.items():
            for suffix, config in (("", None), (" hybrid", self._hybrid())):
                self.stores[name + suffix] = await self.postgres.PGVectorStore.create(
                    engine,
                    Nothing(),
                    TABLE,
                    metadata_columns=["user_id", "place"],
                    hybrid_search_config=config,
                )
        return {"opened": len(self.texts)}

    async def ingest(self, tenants: list[tuple[str, list[int]]]) -> object:
        """Store the texts of some tenants."""
        store = self.stores["documented hybrid"]
        rows = 0
        began = perf_counter()
        for user, places in tenants:
            for start in range(0, len(places), BATCH):
                own = places[start : start + BATCH]
                await store.aadd_embeddings(
                    [self.texts[place] for place in own],
                    [self.vectors[place].tolist() for place in own],
                    metadatas=[{"user_id": user, "place": place} for place in own],
                )
                rows += len(own)
        return {"rows": rows, "seconds": perf_counter() - began}

    async def index(self) -> object:
        """Build its indexes."""
        began = perf_counter()
        store = self.stores["documented hybrid"]
        await store.aapply_vector_index(self.indexes.HNSWIndex())
        await store.aapply_hybrid_search_index()
        return {"seconds": perf_counter() - began}

    async def search(self, store: str, asked: list[tuple[str, int]], *, hybrid: bool) -> object:
        """Search for some users' queries; return how long each took and the texts that were found."""
        latencies, found = [], []
        chosen = self.stores[store + (" hybrid" if hybrid else "")]
        for user, query in asked:
            vector = self.vectors[self.count + query].tolist()
            words = {"hybrid_search_config": self._hybrid(self.texts[self.count + query])} if hybrid else {}
            began = perf_counter()
            hits = await chosen.asimilarity_search_with_score_by_vector(
                vector, k=K, filter={"user_id": user}, **words
            )
            latencies.append(perf_counter() - began)
            found.append([document.metadata["place"] for document, _ in hits])
        return {"latencies": latencies, "found": found}

    def _hybrid(self, words: str = "") -> Any:
        return self.hybrid.HybridSearchConfig(
            tsv_column="content_tsv",
            tsv_lang="pg_catalog.english",
            fts_query=words,
            fusion_function=self.hybrid.reciprocal_rank_fusion,
            primary_top_k=DEPTH,
            secondary_top_k=DEPTH,
        )


async def main() -> None:
    """Do what each line says; answer each with a line."""
    worker = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        answer = await getattr(worker, order.pop("do"))(**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""Searches of the corpus through the library, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Final
from uuid import UUID

from benchmarks.corpus import Corpus
from benchmarks.measure import Variant
from benchmarks.tenants import Exact, Tenant
from devmentor_models import Actor, Database
from devmentor_models.memory.enums import SearchPlan
from devmentor_models.memory.values import Hit

K: Final = 10
_MOST_CHARACTERS = 200


def fewer(calls: int, tenant: Tenant) -> int:
    """Return how often to search a tenant's texts per turn: what takes long is asked less often."""
    return max(1, calls // (1 + tenant.size // 10_000))


class Searcher:
    """Searches as a service does, each time in a transaction of its own.

    Args:
        database: As the memory service connects to it.
        corpus: What is stored, and what to ask.
    """

    def __init__(self, database: Database, corpus: Corpus) -> None:
        self.corpus = corpus
        self.database = database
        self._vectors = corpus.query_vectors.tolist()
        self._places = {text: place for place, text in enumerate(corpus.texts)}

    def find(
        self,
        tenant: Tenant,
        number: int,
        *,
        words: bool = False,
        related: int = 0,
        plan: SearchPlan | None = None,
    ) -> Sequence[Hit]:
        """Search a tenant's texts.

        Args:
            tenant: Whose.
            number: The query's number.
            words: Also for the query's words.
            related: Memories related to each hit.
            plan: The plan to take; None: the library decides.
        """
        query = self.corpus.queries[number][:_MOST_CHARACTERS] if words else None
        options: dict[str, Any] = {"limit": K, "related": related, "plan": plan}
        with self.database.begin(Actor.user(tenant.user_id), readonly=True) as tx:
            return tx.memory.search(query, self._vectors[number], **options)

    def variant(self, name: str, tenant: Tenant, **options: Any) -> Variant:
        """Return what `find` does with the options, to be measured."""
        return Variant(name, lambda key: self.find(tenant, key.int, **options))

    def keys(self) -> list[UUID]:
        """Return a key for each query, which is its number."""
        return [UUID(int=number) for number in range(len(self.corpus.queries))]

    def places(self, hits: Sequence[Hit]) -> list[int]:
        """Return the numbers of the texts that were found."""
        return [self._places[hit.content] for hit in hits]


@dataclass(frozen=True, slots=True)
class Quality:
    """What a way to search finds.

    Attributes:
        fewest: The fewest hits of any query.
        recall: Which part of the nearest it finds, on average.
    """

    fewest: int
    recall: float


def promised(tenant: Tenant) -> float:
    """Return the recall that a search of a tenant's texts must reach."""
    return 0.99 if tenant.size <= 10_000 else 0.95


def quality(searcher: Searcher, tenant: Tenant, *, plan: SearchPlan | None = None) -> Quality:
    """Ask every query once and compare with what is exactly right."""
    found = [
        searcher.places(searcher.find(tenant, number, plan=plan))
        for number in range(len(searcher.corpus.queries))
    ]
    return judge(Exact(searcher.corpus, tenant, K, half=True), found)


def judge(exact: Exact, found: Sequence[Sequence[int]]) -> Quality:
    """Return how good the texts are that were found for every query."""
    recalls = [exact.recall(number, places) for number, places in enumerate(found)]
    return Quality(min(map(len, found)), mean(recalls))

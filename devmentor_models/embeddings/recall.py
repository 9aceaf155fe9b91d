"""How much the search finds of what there is, on a database's own data; ``devmentor-db recall-probe`` (F5).

Stored vectors serve as queries. Each is searched for as the search would, exactly, and through the model's
index, in turns, with the rights of the memory service and on behalf of the tenant. Recall is the part of the
exact search's hits that the search's own plan finds; the query's own chunk does not count.

The owner of the tables picks the tenants and the queries; nothing is written, and no text is shown.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from devmentor_models.database import Database
from devmentor_models.embeddings.catalog import CatalogModel, IndexState, find_default, get_model, index_of
from devmentor_models.errors import ConfigurationError, NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.memory.enums import SearchPlan
from devmentor_models.memory.values import SearchResult
from devmentor_models.owner_session import connect_as_owner
from devmentor_models.security.actor import Actor
from devmentor_models.security.declarations import Service
from devmentor_models.settings import conninfo
from devmentor_models.transaction import Transaction

NEEDS = {"ai.embedding_models": ("SELECT",), "memory.embeddings_meta": ("SELECT",)}
#: Classes of tenants by their vectors: each holds those with fewer, the last one the rest.
CLASSES = (1_000, 10_000, 100_000)
TENANTS_PER_CLASS = 3
#: Two distances that differ by less are the same in half precision.
SAME = 1e-6
GOOD_RECALL = 0.95
SLOW_MILLISECONDS = 50.0
WORSE = 1.3
NOTICED_MILLISECONDS = 2.0

_TENANTS = """
    SELECT user_id, count(*) FROM memory.embeddings_meta
     WHERE model_id = %(model)s AND status = 'indexed' AND (user_id = %(user)s OR %(user)s IS NULL)
     GROUP BY user_id
"""
_QUERIES = """
    SELECT chunk_id, embedding::text FROM memory.embeddings_meta
     WHERE user_id = %(user)s AND model_id = %(model)s AND status = 'indexed'
     ORDER BY md5(id::text || %(seed)s) LIMIT %(queries)s
"""


@dataclass(slots=True)
class SizeClass:
    """What was measured of the tenants of one size.

    Attributes:
        name: Such as ``1,000 to 9,999``.
        vectors: How many vectors each of them has.
        recall: Of each query.
        plans: How often the search chose each plan.
        milliseconds: Of each query, by plan; ``chosen`` for the search's own choice.
        short: How many results had fewer hits than there are, without saying so.
        truncated: How many said that they were cut short.
    """

    name: str
    vectors: list[int] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    plans: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    short: int = 0
    truncated: int = 0

    def median(self, plan: str) -> float:
        """Return the median of a plan's times, in milliseconds."""
        return statistics.median(self.milliseconds[plan])

    def p95(self, plan: str) -> float:
        """Return the time within which 95 % of a plan's searches were done, in milliseconds."""
        ordered = sorted(self.milliseconds[plan])
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe found.

    Attributes:
        model: The model.
        indexed: Whether it has an index that can be used.
        k: How many hits were asked for.
        classes: By size of the tenants, the smallest first.
    """

    model: CatalogModel
    indexed: bool
    k: int
    classes: Sequence[SizeClass]

    def advice(self) -> list[str]:
        """Return what to do about it, a line each; empty when all is well."""
        return [*self._about_index(), *(line for item in self.classes for line in _about(item, self.model))]

    def _about_index(self) -> Iterator[str]:
        if self.indexed and not any(item.plans.get(SearchPlan.INDEX) for item in self.classes):
            yield (
                f"No search used the index of {self.model.name}. It makes storing slower:"
                f" `devmentor-db models drop-index {self.model.name}` drops it."
            )
        slow = [item for item in self.classes if item.p95(SearchPlan.EXACT) > SLOW_MILLISECONDS]
        if slow and not self.indexed:
            yield (
                f"Tenants of {slow[0].name} vectors wait {slow[0].p95(SearchPlan.EXACT):.0f} ms (P95) for an"
                f" exact search: `devmentor-db models index {self.model.name}` builds an index."
            )


def _about(item: SizeClass, model: CatalogModel) -> Iterator[str]:
    recall = statistics.mean(item.recall)
    if recall < GOOD_RECALL:
        yield (
            f"Tenants of {item.name} vectors find {recall:.1%} of the nearest: drop the index of {model.name}"
            " and build it again with more neighbours (`models index --m 32 --ef-construction 128`)."
        )
    others = {plan: item.median(plan) for plan in item.milliseconds if plan != "chosen"}
    best = min(others, key=lambda plan: others[plan])
    if item.median("chosen") > max(WORSE * others[best], NOTICED_MILLISECONDS):
        yield (
            f"Tenants of {item.name} vectors take {item.median('chosen'):.1f} ms (median), with the plan"
            f" {str(best)!r} {others[best]:.1f} ms: try ANALYZE memory.embeddings_meta, for better estimates."
        )
    if item.short:
        yield f"Tenants of {item.name} vectors: {item.short} results lack hits and do not say so: a fault."


def probe(
    url: str,
    *,
    model: str | None = None,
    user: UUID | None = None,
    k: int = 10,
    queries: int = 100,
    seed: int = 1,
    advance: Callable[[int], object] = lambda _: None,
) -> Probe:
    """Measure the search on the database's own vectors.

    Args:
        url: The database; its login is a member of ``devmentor_owner`` and of ``devmentor_memory``.
        model: Name of the model; None: the default one.
        user: Only this tenant; None: some of each size, at random.
        k: How many hits are asked for, 1 to 100.
        queries: How many queries for each size of tenants.
        seed: Chooses tenants and queries; the same seed, the same choice.
        advance: Called after each query.

    Raises:
        ConfigurationError: The login may not do this.
        NotFound: There is no such model, or no vector of it.
        InvalidValue: An argument is not valid.
    """
    whole_number("k", k, at_least=1, at_most=100)
    whole_number("queries", queries, at_least=1, at_most=10_000)
    with connect_as_owner(url, NEEDS) as owner:
        _refuse_stranger(owner)
        found = find_default(owner) if model is None else get_model(owner, model)
        if found is None:
            raise NotFound("default embedding model")
        indexed = index_of(owner, found).state is IndexState.READY
        classes = _classes(owner, found, user, random.Random(seed))  # noqa: S311 - chooses, keeps no secret
        if not classes:
            raise NotFound("vector of the model", found.name)
        with _searcher(url) as database:
            run = _Run(database, found, k, indexed, advance)
            for item, tenants in classes:
                for tenant in tenants:
                    share = -(-queries // len(tenants))
                    values = {"user": tenant, "model": found.id, "seed": str(seed), "queries": share}
                    run.measure(tenant, owner.execute(_QUERIES, values).fetchall(), item)
    return Probe(found, indexed, k, [item for item, _ in classes])


def _refuse_stranger(owner: psycopg.Connection) -> None:
    role = Service.MEMORY.role
    if owner.execute("SELECT pg_has_role(session_user, %s, 'MEMBER')", [role]).fetchone() != (True,):
        raise ConfigurationError(f"The searches are made as {role}; this login is no member of it.")


def _searcher(url: str) -> Database:
    """Return the database as the memory service has it: row security holds, whatever the login may do."""
    info = conninfo(url)
    options = f"{conninfo_to_dict(info).get('options') or ''} -c role={Service.MEMORY.role}"
    return Database.from_url(make_conninfo(info, options=options.strip()), pool_min=1, pool_max=1)


def _classes(
    owner: psycopg.Connection, model: CatalogModel, user: UUID | None, chance: random.Random
) -> list[tuple[SizeClass, list[UUID]]]:
    """Return the classes that there are tenants of, with those who are to be measured."""
    rows: list[tuple[UUID, int]] = sorted(
        owner.execute(_TENANTS, {"model": model.id, "user": user}).fetchall()
    )
    limits = (1, *CLASSES, sys.maxsize)
    made = []
    for low, high in pairwise(limits):
        tenants = [row for row in rows if low <= row[1] < high]
        if tenants:
            taken = chance.sample(tenants, min(TENANTS_PER_CLASS, len(tenants)))
            name = f"{low:,} and more" if high == sys.maxsize else f"{low:,} to {high - 1:,}"
            made.append((SizeClass(name, [size for _, size in taken]), [tenant for tenant, _ in taken]))
    return made


@dataclass(frozen=True, slots=True)
class _Run:
    """What is searched for, and in which ways."""

    database: Database
    model: CatalogModel
    k: int
    indexed: bool
    advance: Callable[[int], object]

    def measure(self, tenant: UUID, rows: Sequence[tuple[UUID, str]], item: SizeClass) -> None:
        """Search for every vector by every plan; the first one once more before, to warm up."""
        plans = [None, SearchPlan.EXACT, *([SearchPlan.INDEX] if self.indexed else [])]
        with self.database.begin(Actor.user(tenant), readonly=True) as tx:
            for number, (chunk, text) in enumerate([rows[0], *rows]):
                vector = [float(part) for part in text.strip("[]").split(",")]
                results: dict[SearchPlan | None, SearchResult] = {}
                # In turns, so that none always finds the pages warm.
                for plan in plans[number % len(plans) :] + plans[: number % len(plans)]:
                    begun = time.perf_counter()
                    results[plan] = self._search(tx, vector, plan)
                    if number:
                        item.milliseconds[plan or "chosen"].append((time.perf_counter() - begun) * 1000)
                if number:
                    _compare(results, chunk, self.k, item)
                    self.advance(1)

    def _search(self, tx: Transaction, vector: list[float], plan: SearchPlan | None) -> SearchResult:
        # One more, for the query's own chunk.
        return tx.memory.search(
            embedding=vector, model=self.model.name, limit=self.k + 1, related=0, log=False, plan=plan
        )


def _compare(results: dict[SearchPlan | None, SearchResult], chunk: UUID, k: int, item: SizeClass) -> None:
    """Count which of the exact search's distances the chosen plan's hits reach."""
    chosen, exact = (
        [float(hit.distance or 0) for hit in results[plan] if hit.chunk_id != chunk][:k]
        for plan in (None, SearchPlan.EXACT)
    )
    item.plans[str(results[None].plan)] += 1
    item.truncated += results[None].truncated
    item.short += len(chosen) < len(exact) and not results[None].truncated
    if exact:
        last = exact[-1] + SAME * max(1.0, abs(exact[-1]))
        item.recall.append(sum(distance <= last for distance in chosen) / len(exact))
    else:
        item.recall.append(1.0)

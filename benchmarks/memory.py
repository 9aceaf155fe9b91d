"""``python -m benchmarks.memory``: search and ingest on real text, as ratios within one run.

A hundred thousand pieces of text with their vectors lie in one database, divided among tenants of very
different sizes. ``--beside PYTHON`` names the interpreter of an environment with langchain-postgres, which
then does the same beside this library, on the same server.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import beside, corpus, report, tenants
from benchmarks.checks import Check
from benchmarks.corpus import Corpus
from benchmarks.langchain import Langchain, connect
from benchmarks.measure import Series, take_turns
from benchmarks.searching import K, Quality, Searcher, fewer, promised, quality
from benchmarks.server import serve, service_url
from benchmarks.tenants import Tenant
from devmentor_models import Database
from devmentor_models.memory.enums import SearchPlan
from devmentor_models.security.declarations import Service

REPORT = Path(__file__).with_name("memory.md")
CHOSEN, EXACT, INDEX = "the library's choice", "forced exact", "forced index"
PLANS: Final = {CHOSEN: None, EXACT: SearchPlan.EXACT, INDEX: SearchPlan.INDEX}
MAX_RATIO = 1.3


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        durable: Whether a COMMIT waits for the disk.
        texts: Pieces of text in the database.
        tenants: How many of them the measured tenants have.
        rounds: Turns that count.
        calls: Searches of each variant per turn.
        more: Pieces of text that are stored in the end, when both have all of their indexes.
    """

    durable: bool
    texts: int
    tenants: Sequence[int]
    rounds: int
    calls: int
    more: int


FULL = Size(durable=True, texts=100_000, tenants=(100, 1_000, 10_000, 50_000), rounds=5, calls=40, more=5_000)
QUICK = Size(durable=False, texts=400, tenants=(20, 100), rounds=1, calls=2, more=60)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 1 when something that must be reached is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--report", action="store_true", help="write the figures into benchmarks/memory.md")
    parser.add_argument("--beside", type=Path, metavar="PYTHON", help="where langchain-postgres is installed")
    chosen = parser.parse_args(arguments)
    tables, asked, about = measure(QUICK if chosen.quick else FULL, chosen.beside)
    report.show(tables[-1:], about)  # the others were shown as they were measured
    if chosen.report:
        report.write(tables, about, REPORT)
    return int(not chosen.quick and any(each.required and not each.passed for each in asked))


def measure(size: Size, python: Path | None) -> tuple[list[report.Table], list[Check], str]:
    """Measure everything; return the tables, what the figures are held to, and about which machine.

    Args:
        size: How much.
        python: The interpreter with langchain-postgres; None: nothing beside this library.
    """
    found = corpus.load(size.texts)
    with serve(0, durable=size.durable) as target:
        service = service_url(target.url, [Service.MEMORY])
        about = report.machine(target.version, durable=size.durable)
        if python is None:
            tables, asked = measure_corpus(target.url, service, found, size)
        else:
            with connect(python, target) as other:
                tables, asked = measure_corpus(target.url, service, found, size, other)
    return [*tables, report.check_table(asked)], asked, about


def measure_corpus(
    url: str, service: str, found: Corpus, size: Size, other: Langchain | None = None
) -> tuple[list[report.Table], list[Check]]:
    """Fill a migrated database with a corpus and measure searches in it.

    Args:
        url: The database, as superuser.
        service: The same, as the memory service connects to it.
        found: The corpus.
        size: How much is measured.
        other: What is measured beside this library.
    """
    everybody = tenants.divide(found, size.tenants)
    measured = everybody[: len(size.tenants)]
    model = tenants.register(url, corpus.DIMENSIONS)
    tenants.enlist(url, everybody)
    with Database.from_url(service) as database:
        stored = tenants.store(database, found, everybody)
        tenants.index(url, model, corpus.DIMENSIONS)
        searcher = Searcher(database, found)
        filtered, asked = _filtered(searcher, measured, size)
        tables = _shown([filtered])
        tables += _shown([_fuller(searcher, measured, size)])
        if other:
            compared = beside.Compared(other, searcher, everybody, measured, stored, url, model)
            for table, checks in compared.measure(size.rounds, size.calls, size.more):
                tables += _shown([table])
                asked += checks
    return tables, asked


def _shown(tables: list[report.Table]) -> list[report.Table]:
    """Show tables as soon as there are any: a run takes long."""
    report.show(tables)
    return tables


def _filtered(searcher: Searcher, measured: Sequence[Tenant], size: Size) -> tuple[report.Table, list[Check]]:
    """Measure the nearest ten of each tenant: the library's choice beside both plans."""
    rows, asked = [], []
    for tenant in measured:
        variants = [searcher.variant(name, tenant, plan=plan) for name, plan in PLANS.items()]
        series = take_turns(variants, searcher.keys(), rounds=size.rounds, calls=fewer(size.calls, tenant))
        best = min((series[EXACT], series[INDEX]), key=lambda each: each.median)
        for name, plan in PLANS.items():
            good = quality(searcher, tenant, plan=plan)
            rows.append(
                (
                    f"{tenant.size:,}",
                    name,
                    f"{series[name].median * 1e3:.2f}",
                    f"{series[name].p95 * 1e3:.2f}",
                    f"{series[name].latency_ratio(best):.2f}",
                    f"{good.fewest}",
                    f"{good.recall:.4f}",
                )
            )
            if name == CHOSEN:
                asked += _checks(tenant, good, series[name].latency_ratio(best))
    header = (
        "texts of the tenant",
        "plan",
        "median ms",
        "P95 ms",
        "x the better plan",
        "fewest hits",
        "recall@10",
    )
    return report.Table("Filtered search, the nearest ten", header, rows), asked


def _checks(tenant: Tenant, good: Quality, ratio: float) -> list[Check]:
    wanted = min(K, tenant.size)
    least = promised(tenant)
    of = f"tenant of {tenant.size:,}"
    return [
        Check(f"{of}: always {wanted} hits", f"{good.fewest}", good.fewest == wanted),
        Check(f"{of}: recall@10 at least {least}", f"{good.recall:.4f}", good.recall >= least),
        Check(f"{of}: at most {MAX_RATIO} x the better plan", f"{ratio:.2f} x", ratio <= MAX_RATIO),
    ]


def _fuller(searcher: Searcher, measured: Sequence[Tenant], size: Size) -> report.Table:
    """Measure what a service asks for: with related memories, and for words and vector together."""
    rows = []
    for tenant in measured:
        variants = [
            searcher.variant("vector", tenant),
            searcher.variant("vector, 3 related to each hit", tenant, related=3),
            searcher.variant("hybrid", tenant, words=True),
            searcher.variant("hybrid, 3 related to each hit", tenant, words=True, related=3),
        ]
        series = take_turns(
            variants, searcher.keys(), rounds=size.rounds, calls=fewer(size.calls // 4, tenant)
        )
        rows += [_row(tenant, each) for each in series.values()]
    header = ("texts of the tenant", "search", "median ms", "P95 ms")
    return report.Table("Search with related memories, and for words and vector together", header, rows)


def _row(tenant: Tenant, series: Series) -> tuple[str, ...]:
    return f"{tenant.size:,}", series.name, f"{series.median * 1e3:.2f}", f"{series.p95 * 1e3:.2f}"


if __name__ == "__main__":
    sys.exit(main())

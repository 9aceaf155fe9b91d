"""``python -m benchmarks``: measure, print, and fail when a ratio is worse than promised.

``--quick`` only shows that everything runs: its figures mean nothing and are held to nothing.
``--report`` also writes the figures into ``benchmarks/report.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import checks, report
from benchmarks.imports import measure_imports
from benchmarks.link import DELAY_SECONDS, measure_linked, measure_linked_logins
from benchmarks.logins import measure_logins
from benchmarks.measure import Linked, take_turns
from benchmarks.reads import read_variants
from benchmarks.server import Target, serve
from benchmarks.writes import project_variants, team_variants


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        durable: Whether a COMMIT waits for the disk.
        users: Users in the database.
        rounds: Turns that count.
        reads: Reads of each variant per turn.
        writes: Writes of each variant per turn.
        clients: Numbers of concurrent clients that log in.
        logins: Logins of each variant per turn.
        imports: Fresh interpreters per import.
        linked: Calls of each variant per turn over a link that takes its time.
    """

    durable: bool
    users: int
    rounds: int
    reads: int
    writes: int
    clients: Sequence[int]
    logins: int
    imports: int
    linked: int


FULL = Size(
    durable=True,
    users=10_000,
    rounds=9,
    reads=400,
    writes=100,
    clients=(1, 20, 100),
    logins=600,
    imports=10,
    linked=60,
)
QUICK = Size(
    durable=False, users=50, rounds=1, reads=3, writes=3, clients=(1, 3), logins=6, imports=1, linked=2
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 1 when something that must be reached is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--report", action="store_true", help="write the figures into benchmarks/report.md")
    chosen = parser.parse_args(arguments)
    tables, asked, about = measure(QUICK if chosen.quick else FULL)
    report.show(tables, about)
    if chosen.report:
        report.write(tables, about)
    return int(not chosen.quick and any(each.required and not each.passed for each in asked))


def measure(size: Size) -> tuple[list[report.Table], list[checks.Check], str]:
    """Measure everything; return the tables, what the figures are held to, and about which machine."""
    imports = measure_imports(size.imports)
    with serve(size.users, durable=size.durable) as target:
        keys = target.users
        with read_variants(target) as variants:
            reads = take_turns(variants, keys, rounds=size.rounds, calls=size.reads)
        with team_variants(target) as variants:
            teams = take_turns(variants, keys, rounds=size.rounds, calls=size.writes)
        with project_variants(target) as variants:
            projects = take_turns(variants, keys, rounds=size.rounds, calls=size.writes)
        # As a service should when it has started: otherwise each full collection looks through every imported
        # module, which stops all clients for a tenth of a second.
        gc.collect()
        gc.freeze()
        logins = asyncio.run(measure_logins(target, size.clients, rounds=size.rounds, logins=size.logins))
        linked = measure_over_a_link(target, size)
        about = report.machine(target.version)
    asked = [*checks.read_checks(reads), *checks.write_checks(teams), *checks.login_checks(logins)]
    tables = [
        report.latency_table("Point read of a user by key", reads),
        report.latency_table("Insert of one row (a team)", teams),
        report.latency_table("New project with its line of history (two rows)", projects),
        report.login_table(logins),
        report.link_table(linked, DELAY_SECONDS),
        report.import_table(imports),
        report.check_table(asked),
    ]
    return tables, asked, about


def measure_over_a_link(target: Target, size: Size) -> list[Linked]:
    """Measure the short flows once more, where each round trip takes time."""
    how = {"rounds": size.rounds, "calls": size.linked}
    return [
        measure_linked(target, "Point read", read_variants, **how),
        measure_linked(target, "Insert of one row", team_variants, **how),
        measure_linked_logins(target, rounds=size.rounds, logins=size.linked * 2),
    ]


if __name__ == "__main__":
    sys.exit(main())

"""The tables of a run: on the terminal, and in ``benchmarks/report.md``."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks import names
from benchmarks.checks import Check
from benchmarks.imports import BASE
from benchmarks.measure import Linked, Series

REPORT = Path(__file__).with_name("report.md")
_START, _END = "<!-- figures: written by the run -->\n", "<!-- end of the figures -->"
_PACKAGES = ("sqlalchemy", "psycopg", "psycopg-pool", "advanced-alchemy")


@dataclass(frozen=True, slots=True)
class Table:
    """One table: a title, a header and rows of text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def latency_table(title: str, series: Mapping[str, Series]) -> Table:
    """Return the table of something measured call by call."""
    base = series[names.PSYCOPG]
    rows = [
        (each.name, f"{each.median * 1e6:.0f}", f"{each.p95 * 1e6:.0f}", f"{each.latency_ratio(base):.2f}")
        for each in series.values()
    ]
    return Table(title, ("variant", "median µs", "P95 µs", "x psycopg as an actor"), rows)


def link_table(linked: Iterable[Linked], delay: float) -> Table:
    """Return the table of what was measured over a link, which takes ``delay`` seconds each way."""
    rows = [
        (
            flow.title,
            each.name,
            str(flow.round_trips[each.name]),
            f"{each.median * 1e3:.2f}",
            f"{each.latency_ratio(flow.series[names.PSYCOPG]):.2f}",
        )
        for flow in linked
        for each in flow.series.values()
    ]
    header = ("flow", "variant", "round trips waited for", "median ms", "x psycopg as an actor")
    return Table(f"Over a link of {delay * 1e3:g} ms each way", header, rows)


def login_table(logins: Mapping[int, Mapping[str, Series]]) -> Table:
    """Return the table of the login flow."""
    rows = [
        (
            str(clients),
            each.name,
            f"{each.per_second:.0f}",
            f"{each.median * 1e3:.1f}",
            f"{each.p95 * 1e3:.1f}",
            f"{each.throughput_ratio(series[names.PSYCOPG]):.2f}",
        )
        for clients, series in logins.items()
        for each in series.values()
    ]
    header = ("clients", "variant", "logins/s", "median ms", "P95 ms", "logins/s x psycopg")
    return Table("Login flow, asynchronous, one process", header, rows)


def import_table(imports: Mapping[str, float]) -> Table:
    """Return the table of the imports."""
    rows = [
        (f"`{statement}`", f"{seconds * 1e3:.0f}", f"{seconds / imports[BASE]:.2f}")
        for statement, seconds in imports.items()
    ]
    return Table("Imports in a fresh interpreter", ("statement", "median ms", "x the first"), rows)


def check_table(checks: Iterable[Check]) -> Table:
    """Return the table of what is asked and what was found."""
    rows = [
        (
            each.text,
            each.found,
            "reached" if each.passed else "NOT REACHED",
            "must" if each.required else "aim",
        )
        for each in checks
    ]
    return Table("What is asked", ("asked", "found", "", ""), rows)


def machine(server_version: str, *, durable: bool = True) -> str:
    """Describe the machine and the versions; neither names nor paths of the machine.

    Args:
        server_version: PostgreSQL's.
        durable: Whether a COMMIT waited for the disk.
    """
    cpu = "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*: (.+)", info.read_text())):
        cpu = found[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}; server and clients share the"
        f" machine, over the socket. Python {platform.python_version()}, PostgreSQL {server_version}"
        f" ({'durable' if durable else 'not durable'}, default settings of the embedded server), {packages}."
    )


def show(tables: Iterable[Table], about: str = "") -> None:
    """Print the tables."""
    console = Console()
    if about:
        console.print(about, style="dim")
    for table in tables:
        rich = RichTable(title=table.title, title_justify="left", box=box.SIMPLE)
        for number, column in enumerate(table.header):
            rich.add_column(column, justify="left" if number == 0 else "right")
        for row in table.rows:
            rich.add_row(*row)
        console.print(rich)


def write(tables: Iterable[Table], about: str, path: Path = REPORT) -> None:
    """Replace the figures in the report; what people wrote around them stays."""
    before, _, rest = path.read_text().partition(_START)
    _, _, after = rest.partition(_END)
    figures = "\n".join([f"{about}\n", *map(_markdown, tables)])
    path.write_text(f"{before}{_START}\n{figures}\n{_END}{after}")


def _markdown(table: Table) -> str:
    lines = [table.header, ["---", *["---:"] * (len(table.header) - 1)], *table.rows]
    return f"## {table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)

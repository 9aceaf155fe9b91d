"""What the proof found, as values: counted attempts, failures in full, and what is known and accepted."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that is not as it is declared.

    Attributes:
        relation: The relation or function, or what else it is about.
        role: The role that could do it.
        way: The way round.
        expected: What should have happened.
        happened: What happened.
        sql: What was run; empty for what the catalog says.
    """

    relation: str
    role: str
    way: str
    expected: str
    happened: str
    sql: str = ""

    def __str__(self) -> str:
        """Return it in one line, and its SQL in a second one."""
        who = f" as {self.role}" if self.role else ""
        line = f"{self.relation}{who}, {self.way}: expected {self.expected}, but {self.happened}"
        return f"{line}\n    {' '.join(self.sql.split())}" if self.sql else line


@dataclass(slots=True)
class Report:
    """The result of a proof.

    Attributes:
        relations: Every relation, and what protects it.
        matrix: What each role may do with each relation that has rows of users.
        ways: How often each way round was tried.
        failures: What is not as it is declared.
        limits: What was measured and is not defended, or not here; each with its reason.
    """

    relations: dict[str, str] = field(default_factory=dict)
    matrix: dict[str, dict[str, str]] = field(default_factory=dict)
    ways: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything was as declared."""
        return not self.failures

    def check(
        self, way: str, relation: str, *, that: bool, expected: str, happened: str, role: str = ""
    ) -> None:
        """Count one look at the catalog, and note it where it is not as expected."""
        self.ways[way] += 1
        if not that:
            self.failures.append(Failure(relation, role, way, expected, happened))

    def as_data(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "passed": self.passed,
            "relations": self.relations,
            "matrix": self.matrix,
            "ways": dict(sorted(self.ways.items())),
            "failures": [asdict(failure) for failure in self.failures],
            "limits": self.limits,
        }


LEGEND = (
    "Own rows: r read, i insert, u update, d delete. After +: rows of others, as their editor or manager.",
    "After /: what a service does for nobody in particular. =: everybody reads. all: reads all. -: nothing.",
)


def lines(report: Report) -> list[str]:
    """Return the report for people: the matrix, the ways round, the limits and the failures."""
    return [
        *_matrix(report),
        "",
        *LEGEND,
        "",
        *_ways(report),
        "",
        "Known, and why it is accepted:",
        *(f"  {limit}" for limit in report.limits),
        "",
        *_verdict(report),
    ]


def _matrix(report: Report) -> list[str]:
    roles = list(dict.fromkeys(role for cells in report.matrix.values() for role in cells))
    titles = [role.removeprefix("devmentor_") for role in roles]
    table = [["", *titles]]
    table += [
        [name, *(cells.get(role, "-") for role in roles)] for name, cells in sorted(report.matrix.items())
    ]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    made = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    others = {name: kind for name, kind in report.relations.items() if name not in report.matrix}
    partitions = [name for name, kind in others.items() if kind.startswith("partition")]
    made += [""] if others else []
    made += [f"{name}: {kind}" for name, kind in others.items() if name not in partitions]
    if partitions:
        made.append(
            f"{len(partitions)} partitions: backups apart, nobody reaches them but through their table"
        )
    return [line.rstrip() for line in made]


def _ways(report: Report) -> list[str]:
    failed = Counter(failure.way for failure in report.failures)
    width = max((len(way) for way in report.ways), default=0)
    made = [f"{sum(report.ways.values())} attempts:"]
    for way, count in sorted(report.ways.items()):
        made.append(f"  {way.ljust(width)}  {count:>5}" + (f"  {failed[way]} FAILED" if failed[way] else ""))
    return made


def _verdict(report: Report) -> list[str]:
    if report.passed:
        return ["Every attempt ended as it is declared."]
    return [f"{len(report.failures)} FAILURES", *(f"- {failure}" for failure in report.failures)]

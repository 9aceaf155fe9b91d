"""The benchmarks run, and judge what they measured as they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from benchmarks import checks, names, report
from benchmarks.measure import Series, Variant, take_turns

ROOT = Path(__file__).parents[2]


def made(name: str, *latencies: float) -> Series:
    """Return a series with one round per latency."""
    series = Series(name)
    for latency in latencies:
        series.add([latency], latency)
    return series


@pytest.mark.long
def test_everything_runs() -> None:
    """A quick run starts a server, measures every variant, prints the tables and fails nothing.

    In a process of its own: advanced-alchemy warns when it is imported with this version of SQLAlchemy.
    """
    command = [sys.executable, "-m", "benchmarks", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert run.returncode == 0, run.stderr
    for expected in ("Point read", "Insert of one row", "Login flow", "Over a link", "Imports", names.OURS):
        assert expected in run.stdout


@pytest.mark.long
def test_the_cost_of_protection_is_measured() -> None:
    """A quick run measures with and without policies and signatures, and shows the plans."""
    command = [sys.executable, "-m", "benchmarks.security", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert run.returncode == 0, run.stderr
    for expected in ("Point read", "Search", "Plans under policies", "context signed"):
        assert expected in run.stdout


def test_variants_take_turns() -> None:
    """In each turn every variant gets the same keys, and the first turn does not count."""
    called: list[tuple[str, UUID]] = []
    variants = [
        Variant(name, lambda key, name=name: called.append((name, key)))  # type: ignore[misc] # binds the name
        for name in ("a", "b")
    ]
    series = take_turns(variants, [uuid4(), uuid4()], rounds=2, calls=3)
    assert [name for name, _ in called] == ["a", "a", "a", "b", "b", "b"] * 3
    for start in (0, 6, 12):
        turn = [key for _, key in called[start : start + 6]]
        assert turn[:3] == turn[3:]
    assert [len(latencies) for latencies in series["a"].rounds] == [3, 3]


def test_ratios_compare_within_a_round() -> None:
    """A machine that slows down for both variants does not change their ratio."""
    base, ours = made("base", 1.0, 10.0, 2.0), made("ours", 2.0, 20.0, 4.0)
    assert ours.latency_ratio(base) == 2
    assert ours.throughput_ratio(base) == 0.5


@pytest.mark.parametrize(
    ("latency", "aims", "required"),
    [
        (1.4, [True, True, True], [True, True]),
        (2.9, [True, False, True], [True, True]),
        (3.1, [False, False, True], [True, True]),
        (4.1, [False, False, True], [False, True]),
        (6.8, [False, False, False], [False, True]),
        (9.1, [False, False, False], [False, False]),
    ],
)
def test_a_read_is_held_to_its_ratios(latency: float, aims: list[bool], required: list[bool]) -> None:
    """How much slower than psycopg is an aim; slower than the ORM or advanced-alchemy is a failure."""
    series = {
        names.PSYCOPG: made(names.PSYCOPG, 1.0),
        names.ORM: made(names.ORM, 4.0),
        names.ALCHEMY: made(names.ALCHEMY, 9.0),
        names.OURS: made(names.OURS, latency),
        names.OURS_READING: made(names.OURS_READING, latency),
    }
    found = checks.read_checks(series)
    assert [check.passed for check in found if not check.required] == aims
    assert [check.passed for check in found if check.required] == required


def test_absolute_aims_are_reported_only() -> None:
    """Logins per second depend on the machine: the aim is judged, but required of nobody."""
    slow = {
        names.PSYCOPG: made(names.PSYCOPG, 0.5),
        names.ORM: made(names.ORM, 2.0),
        names.OURS: made(names.OURS, 1.0),
    }
    found = checks.login_checks({1: slow, 100: slow})
    assert [(check.passed, check.required) for check in found] == [
        (True, True),  # than the ORM
        (True, False),  # than half of psycopg
        (False, False),
        (False, False),
    ]


def test_an_insert_is_compared_with_the_orm() -> None:
    """No slower than a plain session is an aim."""
    for latency in (1.9, 2.1):
        series = {names.ORM: made(names.ORM, 2.0), names.OURS: made(names.OURS, latency)}
        assert [(check.passed, check.required) for check in checks.write_checks(series)] == [
            (latency < 2, False)
        ]


def test_a_report_keeps_what_people_wrote(tmp_path: Path) -> None:
    """Writing the figures twice leaves one set of them, and the words around them."""
    path = tmp_path / "report.md"
    path.write_text(report.REPORT.read_text())
    table = report.Table("A table", ("x", "y"), [("1", "2")])
    for about in ("first machine", "second machine"):
        report.write([table], about, path)
    text = path.read_text()
    assert text.startswith("# ")
    assert text.count("## A table") == 1
    assert "first machine" not in text
    assert "second machine" in text

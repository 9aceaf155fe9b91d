"""What the figures must and what they should reach. Only ratios of one run must: machines differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import names
from benchmarks.measure import Series

MAX_READ_RATIO = 3.0
AIM_READ_RATIO, AIM_ALCHEMY_RATIO = 1.5, 0.75
AIM_LOGIN_RATIO = 0.5
AIM_CLIENTS = 100
AIM_LOGINS = 1000
AIM_P95_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the figures are held to.

    Attributes:
        text: What is asked.
        found: What was measured.
        passed: Whether it is reached.
        required: False for an aim, which is reported only.
    """

    text: str
    found: str
    passed: bool
    required: bool = True


def read_checks(series: Mapping[str, Series]) -> list[Check]:
    """Judge the point read."""
    ours, base = series[names.OURS], series[names.PSYCOPG]
    ratio = ours.latency_ratio(base)
    alchemy = ours.latency_ratio(series[names.ALCHEMY])
    reading = series[names.OURS_READING]
    beside_psycopg, beside_alchemy = reading.latency_ratio(base), reading.latency_ratio(series[names.ALCHEMY])
    orm = ours.latency_ratio(series[names.ORM])
    return [
        Check(
            f"point read: at most {MAX_READ_RATIO:g} x psycopg with the same guarantee",
            f"{ratio:.2f} x",
            ratio <= MAX_READ_RATIO,
            # An aim: it compares our Python with the kernel's wake-ups, which differ twofold between runs.
            required=False,
        ),
        Check(
            f"point read with readonly=True: at most {AIM_READ_RATIO:g} x psycopg",
            f"{beside_psycopg:.2f} x",
            beside_psycopg <= AIM_READ_RATIO,
            required=False,
        ),
        Check(
            f"point read with readonly=True: at most {AIM_ALCHEMY_RATIO:g} x advanced-alchemy",
            f"{beside_alchemy:.2f} x",
            beside_alchemy <= AIM_ALCHEMY_RATIO,
            required=False,
        ),
        Check("point read: no slower than the ORM session", f"{orm:.2f} x", orm <= 1),
        Check("point read: no slower than advanced-alchemy", f"{alchemy:.2f} x", alchemy <= 1),
    ]


def write_checks(series: Mapping[str, Series]) -> list[Check]:
    """Judge the insert of one row."""
    orm = series[names.OURS].latency_ratio(series[names.ORM])
    return [Check("insert: no slower than the ORM session", f"{orm:.2f} x", orm <= 1, required=False)]


def login_checks(logins: Mapping[int, Mapping[str, Series]]) -> list[Check]:
    """Judge the login flow at the largest number of clients."""
    clients = max(logins)
    ours = logins[clients][names.OURS]
    ratio = ours.throughput_ratio(logins[clients][names.ORM])
    checks = [
        Check(f"logins at {clients} clients: at least as many as the naive ORM", f"{ratio:.2f} x", ratio >= 1)
    ]
    if clients == AIM_CLIENTS:
        psycopg = ours.throughput_ratio(logins[clients][names.PSYCOPG])
        checks += [
            Check(
                f"logins at {clients} clients: at least {AIM_LOGIN_RATIO:g} x as many as psycopg",
                f"{psycopg:.2f} x",
                psycopg >= AIM_LOGIN_RATIO,
                required=False,
            ),
            Check(
                f"logins at {clients} clients: {AIM_LOGINS} per second",
                f"{ours.per_second:.0f}",
                ours.per_second >= AIM_LOGINS,
                required=False,
            ),
            Check(
                f"logins at {clients} clients: P95 below {AIM_P95_SECONDS * 1e3:g} ms",
                f"{ours.p95 * 1e3:.0f} ms",
                ours.p95 < AIM_P95_SECONDS,
                required=False,
            ),
        ]
    return checks

"""How things are measured: variants take turns, round by round, so that drift hits all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median
from time import perf_counter
from uuid import UUID

SEED = 20261201


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of doing the thing that is measured.

    Attributes:
        name: As the tables show it.
        call: Does it once, for the user with this key.
    """

    name: str
    call: Callable[[UUID], object]


@dataclass(slots=True)
class Series:
    """What was measured of one variant.

    Attributes:
        name: The variant.
        rounds: Latencies in seconds, one list per round.
        elapsed: Wall-clock seconds of each round.
    """

    name: str
    rounds: list[list[float]] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)

    def add(self, latencies: list[float], elapsed: float) -> None:
        """Append one round."""
        self.rounds.append(latencies)
        self.elapsed.append(elapsed)

    @property
    def median(self) -> float:
        """Median latency over all rounds, in seconds."""
        return median(self._all())

    @property
    def p95(self) -> float:
        """95th percentile of the latency over all rounds, in seconds."""
        return _p95(self._all())

    @property
    def per_second(self) -> float:
        """Median over the rounds of calls per second."""
        return median(len(calls) / seconds for calls, seconds in zip(self.rounds, self.elapsed, strict=True))

    def latency_ratio(self, base: Series) -> float:
        """Median over the rounds of this median latency relative to ``base``'s in the same round."""
        return median(
            median(ours) / median(theirs) for ours, theirs in zip(self.rounds, base.rounds, strict=True)
        )

    def p95_ratio(self, base: Series) -> float:
        """Median over the rounds of this 95th percentile relative to ``base``'s in the same round."""
        return median(
            _p95(ours) / _p95(theirs) for ours, theirs in zip(self.rounds, base.rounds, strict=True)
        )

    def throughput_ratio(self, base: Series) -> float:
        """Median over the rounds of calls per second relative to ``base``'s in the same round."""
        pairs = zip(self.rounds, self.elapsed, base.rounds, base.elapsed, strict=True)
        return median((len(a) / a_time) / (len(b) / b_time) for a, a_time, b, b_time in pairs)

    def _all(self) -> list[float]:
        return [latency for latencies in self.rounds for latency in latencies]


@dataclass(frozen=True, slots=True)
class Linked:
    """What was measured of one flow over a link that takes its time.

    Attributes:
        title: What it is.
        series: By variant.
        round_trips: How often one call of a variant waits for the server.
    """

    title: str
    series: dict[str, Series]
    round_trips: dict[str, int]


def take_turns(
    variants: Sequence[Variant], keys: Sequence[UUID], *, rounds: int, calls: int
) -> dict[str, Series]:
    """Measure variants in turns: A B C … A B C …; the first turn warms up and does not count.

    Args:
        variants: What to measure.
        keys: Users to choose from; in one round every variant gets the same ones.
        rounds: How many turns count.
        calls: Calls of each variant per turn.
    """
    random = Random(SEED)  # noqa: S311 - the same keys in every run
    series = {variant.name: Series(variant.name) for variant in variants}
    for turn in range(rounds + 1):
        chosen = random.choices(keys, k=calls)
        for variant in variants:
            latencies, elapsed = _time(variant.call, chosen)
            if turn:
                series[variant.name].add(latencies, elapsed)
    return series


def _p95(latencies: Sequence[float]) -> float:
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def _time(call: Callable[[UUID], object], keys: Sequence[UUID]) -> tuple[list[float], float]:
    latencies = []
    began = perf_counter()
    for key in keys:
        start = perf_counter()
        call(key)
        latencies.append(perf_counter() - start)
    return latencies, perf_counter() - began

"""How long the imports take, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

BASE = "import psycopg, sqlalchemy.orm"
STATEMENTS = (BASE, "import devmentor_models", "from devmentor_models import Database")


def measure_imports(repeats: int) -> dict[str, float]:
    """Return the median seconds of each import; they take turns, and the first turn does not count."""
    found: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for turn in range(repeats + 1):
        for statement, seconds in found.items():
            taken = _time(statement)
            if turn:
                seconds.append(taken)
    return {statement: median(seconds) for statement, seconds in found.items()}


def _time(statement: str) -> float:
    code = f"from time import perf_counter; s = perf_counter(); {statement}; print(perf_counter() - s)"
    done = subprocess.run(  # noqa: S603 - our own interpreter and statement
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return float(done.stdout)

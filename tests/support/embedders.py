"""Two tiny embedding models: deterministic, of different lengths, and told apart by their vectors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from math import sqrt


def _vector(salt: str, text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1 that the text determines."""
    seed = hashlib.sha256(f"{salt} {text}".encode()).digest()
    numbers = [byte / 255 - 0.5 + 1 / 1024 for byte in seed[:dimensions]]
    length = sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def three(texts: Sequence[str]) -> list[list[float]]:
    """Return vectors of 3 dimensions."""
    return [_vector("three", text, 3) for text in texts]


def five(texts: Sequence[str]) -> list[list[float]]:
    """Return vectors of 5 dimensions."""
    return [_vector("five", text, 5) for text in texts]


def slow_five(texts: Sequence[str]) -> list[list[float]]:
    """Return the same, slowly enough to be killed in the middle."""
    time.sleep(0.05)
    return five(texts)


def broken(texts: Sequence[str]) -> list[list[float]]:
    """Fail, as an embedder does whose service is away."""
    raise ConnectionError("the model's server is away")

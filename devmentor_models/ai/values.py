"""What repositories of the ``ai`` schema return, the same for either flavour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from devmentor_models.ai.enums import Provider


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """What one model was used for on one day (UTC).

    Attributes:
        day: The day.
        provider: Who ran the model.
        model: The model.
        calls: Number of calls, cached ones included.
        cached_calls: How many of them the response cache answered.
        prompt_tokens: Tokens sent to the model.
        completion_tokens: Tokens made by the model.
        cost: US dollars.
        latency_ms: Mean milliseconds of the calls that were measured; None if none was.
    """

    day: date
    provider: Provider
    model: str
    calls: int
    cached_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    latency_ms: Decimal | None

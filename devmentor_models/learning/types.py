"""Column types of the ``learning`` schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from devmentor_models.kit.types import ExactNumber

HUNDRED = Decimal(100)


class Percentage(ExactNumber):
    """``NUMERIC(5, 2)`` from 0 to 100."""

    cache_ok = True

    def __init__(self, precision: int = 5, scale: int = 2) -> None:
        super().__init__(precision, scale)

    def check(self, value: Any) -> Decimal:
        """Refuse what `ExactNumber` refuses, and what lies outside 0 to 100."""
        percent = super().check(value)
        if not 0 <= percent <= HUNDRED:
            raise self.refuse("must be a number from 0 to 100")
        return percent

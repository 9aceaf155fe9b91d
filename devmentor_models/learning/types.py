"""Column types of the ``learning`` schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric

from devmentor_models.kit.types import CheckedType

HUNDRED = Decimal(100)


class Percentage(CheckedType[Decimal]):
    """``NUMERIC(5, 2)`` from 0 to 100; NaN, which passes ``>= 0``, is refused."""

    impl = Numeric(5, 2)
    cache_ok = True

    def check(self, value: Any) -> Decimal:
        """Accept Decimal and int; refuse float, NaN, infinities and what lies outside 0 to 100."""
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise self.refuse(f"expects a Decimal, not {type(value).__name__}")
        percent = Decimal(value)
        if not percent.is_finite() or not 0 <= percent <= HUNDRED:
            raise self.refuse("must be a number from 0 to 100")
        return percent

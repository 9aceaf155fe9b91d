"""Values of the vector mirror: what a point is to be, and what a worker did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PointState:
    """What the mirror is to have of a point.

    Attributes:
        payload: Keys, source and time, and the embedding with its version: equal payloads, equal vectors.
        vector: The vector; None where it was not asked for. It takes no part in comparisons.
    """

    payload: dict[str, Any]
    vector: Sequence[float] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a worker did.

    Attributes:
        upserted: Points that were written.
        deleted: Points that were deleted, or were not there.
        changed: Points that changed meanwhile; they are queued again.
        failed: Entries that the mirror did not take; they are due again after a pause.
    """

    upserted: int = 0
    deleted: int = 0
    changed: int = 0
    failed: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            self.upserted + other.upserted,
            self.deleted + other.deleted,
            self.changed + other.changed,
            self.failed + other.failed,
        )

    def __bool__(self) -> bool:
        return self != Delivered()

    @property
    def stuck(self) -> bool:
        """Whether the mirror took nothing at all."""
        return bool(self.failed) and not (self.upserted or self.deleted)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How a collection differed from the database; what differs was queued.

    Attributes:
        collection: The collection.
        compared: Points that are in both.
        missing: Points that the mirror lacked.
        extra: Points that the mirror had and the database has not.
        stale: Points of an older state.
    """

    collection: str
    compared: int = 0
    missing: int = 0
    extra: int = 0
    stale: int = 0

    @property
    def differing(self) -> int:
        """How many points were queued."""
        return self.missing + self.extra + self.stale

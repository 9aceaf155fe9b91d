"""One difference between two databases, and the operations that remove it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile

from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.catalog import Item, Key


class Step(StrEnum):
    """What happens to a part."""

    DROP = "drop"
    ALTER = "alter"
    CREATE = "create"
    RENAME = "rename"


class Breaks(StrEnum):
    """What must be taken away for the time of an alteration."""

    NOTHING = "nothing"
    #: What PostgreSQL does not rebuild for a column's new type: views, policies, triggers, generated columns.
    COMPILED = "compiled"
    #: Likewise foreign keys: their two sides are of different types in between.
    COMPARED = "compared"
    #: Whatever refers to it, columns excepted.
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Alteration:
    """How a part becomes what it should be without being dropped."""

    operations: list[MigrateOperation]
    breaks: Breaks = Breaks.NOTHING


@dataclass(frozen=True, slots=True)
class Change:
    """One step towards the desired schema.

    Attributes:
        step: What happens.
        key: To what.
        old: The part as the database has it.
        new: The part as the models have it.
        operations: How.
        because: True where it only makes way for another change, and comes back.
    """

    step: Step
    key: Key
    old: Item | None
    new: Item | None
    operations: list[MigrateOperation] = field(compare=False)
    because: bool = False

    def __str__(self) -> str:
        """Say what differs, in one line."""
        title = self.key.title
        if self.step is Step.RENAME:
            return f"{title}: still has its old name in the database"
        if self.new is None and self.key.kind == "partition" and self.old is not None:
            facts = ", ".join(name for name in self.old.state if name != "parent")
            return f"partition {self.key.table_sql}: differs from {self.old['parent']} in {facts}"
        if self.key.kind == "owner" and self.old is not None and self.new is None:
            return f"{title}: is {_both(self.old['role'], self.old['expected'])}"
        if self.old is None:
            return f"{title}: is missing in the database"
        if self.new is None:
            return f"{title}: is in the database but not in the models"
        names = sorted({*self.old.state, *self.new.state} - UNCOMPARED)
        pairs = ((name.replace("_", " "), self.old[name], self.new[name]) for name in names)
        differing = [f"{name} is {_both(old, new)}" for name, old, new in pairs if old != new]
        return f"{title}: {'; '.join(differing)}"


#: Facts that are read but never make a difference: columns stand in the order in which they came.
UNCOMPARED = frozenset({"position"})
_SHOWN = 120


def _both(old: object, new: object) -> str:
    """Return both values for a line; of long ones what stands around the first difference."""
    first, second = _written(old), _written(new)
    if max(len(first), len(second)) > _SHOWN:
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
        start = max(0, same - _SHOWN // 2)
        first, second = (_excerpt(value, start) for value in (first, second))
    return f"{first} in the database, {second} in the models"


def _written(value: object) -> str:
    return "absent" if value is None else " ".join(str(value).split())


def _excerpt(value: str, start: int) -> str:
    before = "… " if start else ""
    after = " …" if start + _SHOWN < len(value) else ""
    return f"{before}{value[start : start + _SHOWN]}{after}"

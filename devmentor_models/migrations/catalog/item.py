"""The parts of a schema as values: what is compared, and what needs what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from devmentor_models.migrations.identifiers import qualified, quoted


class Key(NamedTuple):
    """The identity of a part: two databases hold the same one when their keys are equal.

    Attributes:
        kind: ``table``, ``column``, ``index`` … as `queries.KINDS` names them.
        schema: Its schema; empty for what has none.
        table: The relation it belongs to, or what a comment, grant or owner is of; empty for what is alone.
        name: Its own name; a function's as SQL, with its argument types.
    """

    kind: str
    schema: str
    table: str
    name: str

    @property
    def sql(self) -> str:
        """Its own name as SQL writes it, with its schema where it stands alone."""
        if self.kind == "function":  # quoted where needed, with its arguments
            return f"{quoted(self.schema)}.{self.name}"
        return qualified("" if self.table else self.schema, self.name)

    @property
    def table_sql(self) -> str:
        """The relation it belongs to as SQL writes it."""
        return qualified(self.schema, self.table)

    @property
    def title(self) -> str:
        """How a person would call it: ``index ix_tasks_due_date of projects.tasks``."""
        kind = self.kind.replace("_", " ")
        if kind in {"column", "view column"}:
            return f"column {self.table_sql}.{quoted(self.name)}"
        if kind in ATTACHED:
            return ATTACHED[kind].format(role=self.name, target=self.table)
        return f"{kind} {self.sql}" + (f" of {self.table_sql}" if self.table else "")


#: What is attached to any object rather than to a relation: `Key.table` holds the object's own title.
ATTACHED = {
    "comment": "comment on {target}",
    "grant": "privileges of {role} on {target}",
    "owner": "owner of {target}",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a schema.

    Attributes:
        key: Its identity.
        state: What is compared, as plain values.
        requires: What must exist before it.
    """

    key: Key
    state: Mapping[str, Any]
    requires: frozenset[Key] = field(default=frozenset(), compare=False)

    def __getitem__(self, name: str) -> Any:
        """Return one fact of the state; None where it says nothing of it."""
        return self.state.get(name)


class Snapshot(Mapping[Key, Item]):
    """All parts of a database at one moment."""

    def __init__(self, items: Mapping[Key, Item]) -> None:
        self._items = items

    def __getitem__(self, key: Key) -> Item:
        return self._items[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def kind(self, kind: str) -> list[Item]:
        """Return all parts of one kind."""
        return [item for key, item in self.items() if key.kind == kind]

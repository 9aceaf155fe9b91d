"""A change of the models, as one function that builds both sides of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any, Protocol

from sqlalchemy import Column, Integer, MetaData, Table, Text
from sqlalchemy.schema import SchemaItem

SCHEMA = "app"


class Build(Protocol):
    """Fills a MetaData with the state before a change, or the one after."""

    __code__: CodeType

    def __call__(self, metadata: MetaData, new: bool, /) -> None:
        """Fill it."""


@dataclass(frozen=True)
class Case:
    """A change of the models.

    Attributes:
        group: The kind of object, as the documentation lists it.
        name: What changes.
        build: Fills a MetaData: the state before, or the one after.
        rows: SQL that puts rows into the tables of the state before.
        kept: A query whose result must be the same before the upgrade and after the downgrade.
        upgraded: A query on the state after, and what it must return then: what became of the rows.
        live: SQL that makes what only databases have, such as partitions; it is run in each database that the
            state before is in, and in the one that the result is compared with.
    """

    group: str
    name: str
    build: Build
    rows: str | None = None
    kept: str | None = None
    upgraded: tuple[str, object] | None = None
    live: str | None = None

    @property
    def id(self) -> str:
        """The case's name for pytest."""
        return f"{self.group}: {self.name}".replace(" ", "-")

    @property
    def source(self) -> tuple[str, int]:
        """Where the builder stands."""
        return self.build.__code__.co_filename, self.build.__code__.co_firstlineno


CASES: list[Case] = []


def case(
    group: str,
    name: str,
    *,
    rows: str | None = None,
    kept: str | None = None,
    upgraded: tuple[str, object] | None = None,
    live: str | None = None,
) -> Callable[[Build], Build]:
    """Register a builder as a case.

    Pytest may import a module twice, once for the doctests that it might have: it is the same case then.

    Raises:
        ValueError: Another case has this name.
    """

    def register(build: Build) -> Build:
        made = Case(group, name, build, rows, kept, upgraded, live)
        known = next((other for other in CASES if other.id == made.id), None)
        if known is None:
            CASES.append(made)
        elif known.source != made.source:
            raise ValueError(f"{made.id} is the name of two cases")
        return build

    return register


def table(metadata: MetaData, name: str, *items: SchemaItem, **options: Any) -> Table[Any]:
    """Return a table of the schema ``app`` with the columns ``id``, ``name`` and whatever ``items`` adds."""
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", Text),
        *items,
        schema=SCHEMA,
        **options,
    )

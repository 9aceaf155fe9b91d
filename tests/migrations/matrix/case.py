"""A change of the models, as one function that builds both sides of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text
from sqlalchemy.schema import SchemaItem

SCHEMA = "app"
Build = Callable[[MetaData, bool], None]


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
    """Register a builder as a case."""

    def register(build: Build) -> Build:
        CASES.append(Case(group, name, build, rows, kept, upgraded, live))
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

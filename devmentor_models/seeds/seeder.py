"""Put seeds into the database: what is missing, and what still is as an older version left it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from devmentor_models.kit.base import MutableRecord
from devmentor_models.seeds.ledger import Entry, Ledger, digest_of

if TYPE_CHECKING:
    from devmentor_models.transaction import Transaction

S = TypeVar("S")
E = TypeVar("E", bound=MutableRecord)


@dataclass(slots=True)
class SeedReport:
    """What applying the seed data did.

    Attributes:
        versions: Version of each set that was applied, by name.
        created: How many rows of each kind are new.
        updated: How many rows of each kind were brought up to the seed data.
        kept: How many rows of each kind differ from the seed data because people changed or removed them.
    """

    versions: dict[str, int]
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> bool:
        """Whether any row was written."""
        return bool(self.created or self.updated)

    def __str__(self) -> str:
        """Return the report as one line."""
        sets = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        verbs = (("created", self.created), ("updated", self.updated), ("left as people have it", self.kept))
        done = [
            f"{count} {kind}{'' if count == 1 else 's'} {verb}"
            for verb, counts in verbs
            for kind, count in counts.items()
        ]
        return f"Seeds {sets}: {', '.join(done) or 'everything was there'}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[S, E]):
    """How seeds of one kind become rows.

    Attributes:
        name: What the report calls one.
        entity: The mapped class.
        key: Tells a seed from others of its kind.
        values: What the seed says of its row, by attribute.
        find: Finds the row by the seed's key, where no entry tells which it is.
        create: Makes the row, and what belongs to it.
        fixed: A row never changes once it is made.
    """

    name: str
    entity: type[E]
    key: Callable[[S], str]
    values: Callable[[S], dict[str, Any]]
    find: Callable[[Transaction, S], E | None]
    create: Callable[[Transaction, S], E]
    fixed: bool = False

    def item(self, seed: S) -> str:
        """Return what the ledger calls a seed of this kind."""
        return f"{self.name} {self.key(seed)}"


class Seeder:
    """Puts the seeds of one set into the database, in one transaction.

    Args:
        tx: The transaction; nobody else seeds until it ends.
        set_name: The set.
        version: The set's version.
        report: Where to count what was done.
    """

    def __init__(self, tx: Transaction, set_name: str, version: int, report: SeedReport) -> None:
        self._tx = tx
        self._version = version
        self._report = report
        self._ledger = Ledger(tx.session, set_name)
        report.versions[set_name] = version

    def put(self, kind: Kind[S, E], seed: S) -> None:
        """Make a row what its seed says, unless people changed or removed it."""
        entry = self._ledger.find(kind.item(seed))
        row = self._row(kind, seed, entry)
        if row is None and entry is not None:
            self._report.kept[kind.name] += 1
        else:
            self._bring_up(kind, seed, entry, row)

    def seeded(self, kind: Kind[S, E], seed: S) -> UUID | None:
        """Return the key of the row that was made for a seed, if there was one; it may be gone."""
        entry = self._ledger.find(kind.item(seed))
        return None if entry is None else entry.row_id

    def restore(self, kind: Kind[S, E], seed: S) -> E:
        """Make a row what its seed says, unless people changed it; make it again if they removed it."""
        entry = self._ledger.find(kind.item(seed))
        return self._bring_up(kind, seed, entry, self._row(kind, seed, entry))

    def _bring_up(self, kind: Kind[S, E], seed: S, entry: Entry | None, row: E | None) -> E:
        """Create or update the row where that is called for, and write down that it was."""
        values = kind.values(seed)
        if row is None:
            row = kind.create(self._tx, seed)
            self._report.created[kind.name] += 1
        elif entry is not None and entry.version > self._version:
            return row  # a newer library has been here
        elif (found := _digest_of_row(row, values)) != digest_of(values):
            if entry is None or kind.fixed or found != entry.digest:
                self._report.kept[kind.name] += 1
                return row
            self._update(row, values)
            self._report.updated[kind.name] += 1
        now = Entry(row.id, self._version, digest_of(values))
        if now != entry:
            self._ledger.enter(kind.item(seed), now)
        return row

    def _row(self, kind: Kind[S, E], seed: S, entry: Entry | None) -> E | None:
        """Return the row that was seeded, by whatever name it goes now; else the one with the seed's key."""
        row = None if entry is None else self._tx.session.get(kind.entity, entry.row_id)
        if row is None or getattr(row, "deleted_at", None) is not None:
            return kind.find(self._tx, seed)
        return row

    def _update(self, row: MutableRecord, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(row, name, value)
        self._tx.session.flush()


def _digest_of_row(row: MutableRecord, values: dict[str, Any]) -> bytes:
    """Return the digest of what a row holds where a seed says something."""
    return digest_of({name: getattr(row, name) for name in values})

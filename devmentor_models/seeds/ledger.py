"""What was seeded: which version wrote which row, and what it wrote.

With this a newer version tells a row that still is as an older one left it from a row that people changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, Uuid, func, select, text
from sqlalchemy.dialects.postgresql import insert

from devmentor_models.kit.base import NAMING_CONVENTION, TECHNICAL_SCHEMA
from devmentor_models.kit.types import Timestamp

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Beside the models, not among them: it belongs to no domain, and services do not see it.
SEEDS = Table(
    "seeds",
    MetaData(naming_convention=NAMING_CONVENTION),
    Column("set_name", Text, primary_key=True, comment="The set of seeds: base or demo"),
    Column("item", Text, primary_key=True, comment="What was seeded: its kind and its key"),
    Column("row_id", Uuid, nullable=False, comment="The row that was written"),
    Column("version", Integer, nullable=False, comment="Version of the set that wrote it last"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the values that it wrote"),
    Column(
        "applied_at", Timestamp(), nullable=False, server_default=func.now(), comment="When it wrote them"
    ),
    schema=TECHNICAL_SCHEMA,
    comment="Which version of the seed data wrote which row",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a seeded row.

    Attributes:
        row_id: Its key.
        version: The version of the set that wrote it last.
        digest: Of the values that were written.
    """

    row_id: UUID
    version: int
    digest: bytes


class Ledger:
    """The entries of one set of seeds, held by one transaction at a time.

    Args:
        session: The transaction; others that seed wait until it ends.
        set_name: The set.
    """

    def __init__(self, session: Session, set_name: str) -> None:
        self._session = session
        self._set_name = set_name
        session.execute(text(f"LOCK TABLE {SEEDS.fullname} IN SHARE ROW EXCLUSIVE MODE"))

    def find(self, item: str) -> Entry | None:
        """Return the entry of an item, if it was ever seeded."""
        columns = (SEEDS.c.row_id, SEEDS.c.version, SEEDS.c.digest)
        found = select(*columns).where(SEEDS.c.set_name == self._set_name, SEEDS.c.item == item)
        row = self._session.execute(found).one_or_none()
        return None if row is None else Entry(*row)

    def enter(self, item: str, entry: Entry) -> None:
        """Write down what was seeded, in place of what was known of the item."""
        new = insert(SEEDS).values(
            set_name=self._set_name,
            item=item,
            row_id=entry.row_id,
            version=entry.version,
            digest=entry.digest,
        )
        changed = {name: new.excluded[name] for name in ("row_id", "version", "digest", "applied_at")}
        self._session.execute(new.on_conflict_do_update(index_elements=["set_name", "item"], set_=changed))


def digest_of(values: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of values, whatever order they come in."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).digest()

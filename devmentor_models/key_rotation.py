"""Bring everything that is encrypted under the first key of the ring (Z5); ``devmentor-db rotate-keys``.

Users' keys are wrapped anew, so what is encrypted under them stays as it is. Texts of older releases, which
are under the ring itself, are encrypted under their user's key. In batches, each a short transaction that
passes over rows which others have locked; what a killed run did stays done, and the next run goes on.

It runs as the owner of the tables, whom ``__security__.definer`` lets see and change everybody's rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast
from uuid import UUID

from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import Table

from devmentor_models.errors import DecryptionFailed, EncryptionKeyMissing
from devmentor_models.kit.base import Base, table_named
from devmentor_models.kit.encrypted import KeyedByUser
from devmentor_models.kit.encryption import (
    RING_FORMAT,
    USER_KEYS,
    EncryptedText,
    Place,
    key_ring,
    new_user_key,
    rewrap,
)
from devmentor_models.owner_session import connect_as_owner

BATCH_ROWS = 500
#: Rows that are locked are tried again, so many times and after so many seconds.
MOST_PASSES = 10
PAUSE_SECONDS = 0.5

Row = tuple[UUID, UUID, bytes]
#: What another session's locks can end a batch with; the next pass does it again.
_COLLISIONS = (pg.DeadlockDetected, pg.LockNotAvailable, pg.SerializationFailure)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did.

    Attributes:
        keys: Users' keys that were wrapped anew.
        texts: Texts of older releases that were encrypted anew.
        unreadable: Values that the ring has no key for, or that were tampered with; they are as before.
        locked: Values that others kept locked, or wrote under another key meanwhile.
    """

    keys: int
    texts: int
    unreadable: int
    locked: int

    @property
    def complete(self) -> bool:
        """Whether everything is under the ring's first key now."""
        return not self.unreadable and not self.locked


@dataclass(frozen=True, slots=True)
class _Target:
    """A column to go through."""

    table: Table
    column: str
    owner: str

    @property
    def is_keys(self) -> bool:
        return self.table.fullname == USER_KEYS

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(str(self.table.schema), self.table.name)

    def stale(self) -> sql.Composed:
        """Return the condition on values that are still to be changed."""
        column = sql.Identifier(self.column)
        if self.is_keys:
            return sql.SQL("substring({} FROM 2 FOR 4) <> {}").format(column, key_ring().first_id)
        return sql.SQL("substring({} FROM 1 FOR 1) = {}").format(column, bytes([RING_FORMAT]))


class KeyRotation:
    """A rotation, on a connection of its own; use it as a context manager.

    Args:
        url: The database; its role is a member of ``devmentor_owner``, as for migrations.
        batch: How many rows one transaction changes.
    """

    def __init__(self, url: str, *, batch: int = BATCH_ROWS) -> None:
        self._url = url
        self._batch_rows = batch

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            EncryptionKeyMissing: There is no ring.
            ConfigurationError: The role cannot see everybody's rows.
        """
        key_ring()
        needs = {target.table.fullname: ("SELECT", "UPDATE") for target in _targets()}
        self._connection = connect_as_owner(self._url, needs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def pending(self) -> int:
        """Return how many values are still to be changed."""
        return sum(map(self._count, _targets()))

    def run(self, advance: Callable[[int], object] = lambda _: None) -> Rotated:
        """Change whatever is pending.

        Args:
            advance: Called after each batch, with how many values it went through.
        """
        keys = texts = unreadable = locked = 0
        for target in _targets():
            changed, lost, left = self._rotate(target, advance)
            keys, texts = (keys + changed, texts) if target.is_keys else (keys, texts + changed)
            unreadable += lost
            locked += left
        return Rotated(keys, texts, unreadable, locked)

    def _rotate(self, target: _Target, advance: Callable[[int], object]) -> tuple[int, int, int]:
        """Change a column's values; return how many were changed, cannot be read, and are left."""
        changed = left = 0
        unreadable: set[UUID] = set()
        for attempt in range(MOST_PASSES):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            for rows in self._pass(target, unreadable):
                changed += rows
                advance(rows)
            left = self._count(target) - len(unreadable)
            if left <= 0:
                break
        return changed, len(unreadable), max(left, 0)

    def _pass(self, target: _Target, unreadable: set[UUID]) -> Iterator[int]:
        """Go once through a column along the primary key; yield how many values each batch changed."""
        find = sql.SQL(
            "SELECT id, {}, {} FROM {} WHERE id > %s AND {} ORDER BY id LIMIT {}"
            " FOR NO KEY UPDATE SKIP LOCKED"
        ).format(
            sql.Identifier(target.owner),
            sql.Identifier(target.column),
            target.identifier,
            target.stale(),
            self._batch_rows,
        )
        last = UUID(int=0)
        while True:
            try:
                with self._connection.transaction():
                    rows: list[Row] = self._connection.execute(find, [last]).fetchall()
                    renewed = self._renewed(target, rows, unreadable)
                    self._store(target, renewed)
            except _COLLISIONS:
                return
            if not rows:
                return
            last = rows[-1][0]
            yield len(renewed)

    def _renewed(self, target: _Target, rows: list[Row], unreadable: set[UUID]) -> dict[UUID, bytes]:
        """Return the new values by row; note those whose old value cannot be read."""
        renewed: dict[UUID, bytes] = {}
        texts: dict[UUID, tuple[Place, str]] = {}
        for row_id, owner, value in rows:
            try:
                if target.is_keys:
                    renewed[row_id] = rewrap(value, owner)
                else:
                    place = Place(f"{target.table.fullname}.{target.column}", row_id, owner)
                    texts[row_id] = place, place.decrypt(value, None)
            except (DecryptionFailed, EncryptionKeyMissing):
                unreadable.add(row_id)
        keys = self._keys_of({place.user_id for place, _ in texts.values()})
        for row_id, (place, text) in texts.items():
            try:
                renewed[row_id] = place.encrypt(text, keys[place.user_id])
            except (DecryptionFailed, EncryptionKeyMissing):
                unreadable.add(row_id)
        return renewed

    def _keys_of(self, users: set[UUID]) -> dict[UUID, bytes]:
        """Return the wrapped keys of users, made for those who have none."""
        if not users:
            return {}
        find = f"SELECT user_id, wrapped_key FROM {USER_KEYS} WHERE user_id = ANY (%s)"
        found: dict[UUID, bytes] = dict(self._connection.execute(find.encode(), [list(users)]).fetchall())
        missing = sorted(users - found.keys())
        if not missing:
            return found
        add = (
            f"INSERT INTO {USER_KEYS} (user_id, wrapped_key) SELECT * FROM unnest(%s::uuid[], %s::bytea[])"
            " ON CONFLICT (user_id) DO NOTHING"
        )
        self._connection.execute(add.encode(), [missing, [new_user_key(user) for user in missing]])
        # Read back: where somebody else was quicker, theirs counts.
        return dict(self._connection.execute(find.encode(), [list(users)]).fetchall())

    def _store(self, target: _Target, values: dict[UUID, bytes]) -> None:
        if values:
            change = sql.SQL(
                "UPDATE {} AS old SET {} = new.value FROM unnest(%s::uuid[], %s::bytea[]) AS new (id, value)"
                " WHERE old.id = new.id"
            ).format(target.identifier, sql.Identifier(target.column))
            self._connection.execute(change, [list(values), list(values.values())])

    def _count(self, target: _Target) -> int:
        count = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(target.identifier, target.stale())
        row: tuple[int] | None = self._connection.execute(count).fetchone()
        return row[0] if row else 0


def _targets() -> list[_Target]:
    """Return users' keys, then every column of encrypted texts."""
    found = [_Target(table_named(USER_KEYS), "wrapped_key", "user_id")]
    for mapper in sorted(Base.registry.mappers, key=lambda mapper: str(mapper.local_table)):
        if issubclass(mapper.class_, KeyedByUser):
            table = cast("Table", mapper.local_table)
            owner: str = mapper.columns[mapper.class_.__key_owner__].name
            found += [
                _Target(table, item.name, owner) for item in table.c if isinstance(item.type, EncryptedText)
            ]
    return found

# Generated from personal_data_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What the database holds of a person: given out, and erased (requirement F9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum as PythonEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from pgvector import HalfVector
from sqlalchemy import Column, Table, delete, select

from devmentor_models.auth import queries, token_queries
from devmentor_models.auth.base import AuthRepository
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.queries import USERS, parameters
from devmentor_models.errors import NotFound
from devmentor_models.kit.base import protected_tables
from devmentor_models.kit.encryption import Ciphertext, EncryptedText, Place
from devmentor_models.kit.types import Sha256


class PersonalData(AuthRepository):
    """Reads and deletes over every table of the metadata that has a user in it."""

    def export(self, user_id: UUID) -> dict[str, Any]:
        """Return everything the database holds of a user, in values that JSON has.

        ``tables`` has the user's own rows, by table; encrypted columns are decrypted. ``mentions`` has rows
        of others that name the user, such as a task that was assigned, by ``table.column``; of those only
        keys, times and closed sets, since the texts are someone else's. ``left_out`` names the columns that
        are not given out: secrets (password hash, digests of tokens), digests, and what PostgreSQL derives
        from other columns. Read it in a transaction with ``isolation="REPEATABLE READ"`` for the state of
        one moment. The export is logged.

        Raises:
            NotFound: No such user is visible.
            EncryptionKeyMissing: An encrypted value needs a key that the ring does not have.
            DecryptionFailed: An encrypted value was tampered with, or the user's key is gone.
        """
        key = (self._execute(queries.USER_KEY, parameters(user_id=user_id))).scalar()
        tables: dict[str, list[dict[str, Any]]] = {}
        mentions: dict[str, list[dict[str, Any]]] = {
            f"{table.fullname}.{name}": [] for table, name, _ in queries.mention_columns()
        }
        left_out: list[str] = []
        for table in queries.tables_with_users():
            names = queries.user_columns(table)
            owner = names[0] if names[0] in ("id", "user_id") else None
            if owner is not None:
                rows = self._rows(table, _own_columns(table), owner, user_id)
                tables[table.fullname] = [_decrypted(table, row, user_id, key) for row in rows]
                left_out += [f"{table.fullname}.{item.name}" for item in table.c if _is_withheld(table, item)]
        if not tables[USERS.fullname]:
            raise NotFound("user", user_id)
        for row in self._execute(queries.MENTIONS):
            mentions[row.place].append(row.mention)
        self._log(AuditEvent.EXPORTED, user_id)
        return {
            "user_id": str(user_id),
            "exported_at": datetime.now(UTC).isoformat(),
            "tables": tables,
            "mentions": mentions,
            "left_out": left_out,
        }

    def erase(self, user_id: UUID) -> None:
        """Delete a user and, by cascade, everything that is the user's; anonymise the audit trail.

        The lines of the trail stay, without user, actor, address, client and details. One line ``erased``
        is added; its only reference is the SHA-256 of the user's id, which proves the erasure to somebody
        who still knows the id. Copies of vectors are deleted by the worker of the vector mirror: until it
        is done, its orders in ``memory.vector_outbox`` still name the user. Stored files are found by
        ``files.orphaned_storage_keys``.

        Raises:
            NotFound: No such user is visible.
        """
        which = parameters(user_id=user_id)
        # In the order of a rotation, which holds this lock when it refers to the user's row.
        self._execute(token_queries.LOCK_SESSIONS, which)
        user = self._get(queries.USER_FOR_DELETION, which, entity="user", key=user_id)
        self._execute(delete(USERS).where(USERS.c.id == user_id))
        self.session.expunge(user)
        # After the deletion: it has written lines of its own. Adds the line that proves it.
        self._execute(queries.ANONYMISE_TRAIL, which)

    def _rows(
        self, table: Table, columns: list[Column[Any]], owner: str, user_id: UUID
    ) -> list[dict[str, Any]]:
        statement = select(*columns).where(table.c[owner] == user_id).order_by(*table.primary_key)
        rows = (self._execute(statement)).mappings()
        return [dict(row) for row in rows]


def _own_columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if not _is_withheld(table, column)]


def _decrypted(table: Table, row: dict[str, Any], user_id: UUID, key: bytes | None) -> dict[str, Any]:
    """Return a row in types that JSON has, its encrypted values in clear."""
    for name, value in row.items():
        if isinstance(value, Ciphertext):
            row[name] = Place(f"{table.fullname}.{name}", row["id"], user_id).decrypt(value, key)
    found: dict[str, Any] = _jsonable(row)
    return found


def _is_withheld(table: Table, column: Column[Any]) -> bool:
    """Say whether a column is a secret, a digest, or derived from other columns."""
    if isinstance(column.type, EncryptedText):
        return False
    return (
        isinstance(column.type, Sha256)
        or column.computed is not None
        or column.name in _secret_columns(table)
    )


def _secret_columns(table: Table) -> tuple[str, ...]:
    return next((security.secret for mapped, security in protected_tables() if mapped is table), ())


def _jsonable(value: Any) -> Any:
    """Return a column's value in types that JSON has."""
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return value


_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((PythonEnum,), lambda member: member.value),
    ((datetime, date), lambda moment: moment.isoformat()),
    ((UUID, Decimal, IPv4Address, IPv6Address), str),
    ((HalfVector,), lambda vector: vector.to_list()),
    ((bytes, memoryview), lambda raw: bytes(raw).hex()),
)

"""Encrypted columns: AES-256-GCM in the application, under a key per user (requirement Z5).

A text is encrypted under a random *data key* of its user. The data key is stored *wrapped*, that is encrypted
under the first key of the ring (``DEVMENTOR_ENCRYPTION_KEYS``), in ``auth.user_keys``. So a rotation of the
ring touches one short value per user, and a user's data end with one row. `kit.encrypted` gives models their
encrypted attributes.

Bound to its place: the associated data of a text are the names of table and column and the id of the row,
those of a wrapped key the user's id. Moved anywhere else, to another row too, neither can be decrypted. What
is not noticed: that a value was replaced by an older one of the same row, column and user.

What is stored::

    format 1 (the ring's)    1 | id of the ring's key (4 bytes) | nonce (12) | ciphertext and tag
    format 2 (a data key's)  2 | nonce (12) | ciphertext and tag

Wrapped keys have format 1. Texts of format 1 are those of older releases: under the ring's key, bound to
their column only. They stay readable; an assignment or ``devmentor-db rotate-keys`` makes them format 2.

**Erasing a user.** The row of ``auth.user_keys`` goes with the user. From then on a ciphertext of the user,
wherever a copy of it is kept, cannot be decrypted by anybody who has no copy of that row: the ring alone is
not enough. So it depends on how long copies of that one table are kept.

- Archives leave it out: ``pg_dump --exclude-table-data=auth.user_keys``. The table is dumped apart, and those
  dumps are deleted after days; to restore an archive takes a dump of the keys as well.
- A physical backup (base backup, WAL, snapshot, replica) always has the table. In it a user can be read until
  the backup is gone, or until the ring has been rotated and the old ring key destroyed: without that key the
  wrapped keys in old backups are of no use to anybody.
- What was never encrypted (addresses, names, projects) stays readable in every backup; for it only the
  backup's own lifetime counts. Nor does it help against who reads while the user is still there.

**Looking up.** No encrypted column is ever searched for, so there is no blind index, which would tell who has
equal values.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Dialect, LargeBinary

from devmentor_models.errors import DecryptionFailed, EncryptionKeyMissing
from devmentor_models.kit.keys import KEY_BYTES, check_keys, generate_key, read_keys
from devmentor_models.kit.types import CheckedType
from devmentor_models.kit.variables import variable

KEYS_VARIABLE = "DEVMENTOR_ENCRYPTION_KEYS"
#: Where users' keys are: a table of another package, named as a foreign key names it.
USER_KEYS = "auth.user_keys"
RING_FORMAT = 1
USER_FORMAT = 2
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
HEADER_BYTES = 1 + _KEY_ID_BYTES
WRAPPED_BYTES = HEADER_BYTES + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES


@dataclass(frozen=True)
class KeyRing:
    """AES keys by id; the first one encrypts, all of them decrypt."""

    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse an empty ring and keys of a wrong length."""
        if not self.keys:
            raise EncryptionKeyMissing
        check_keys(self.keys, KEYS_VARIABLE)

    @classmethod
    def from_text(cls, text: str) -> KeyRing:
        """Read base64 keys separated by commas, the encrypting one first.

        Raises:
            EncryptionKeyMissing: The text is empty.
            ConfigurationError: A key is not base64, or not 32 bytes.
        """
        return cls(read_keys(text, KEYS_VARIABLE))

    @staticmethod
    def generate() -> str:
        """Return a fresh key in the form that `from_text` reads."""
        return generate_key()

    @property
    def first_id(self) -> bytes:
        """The id of the key that encrypts, as it stands in what was encrypted."""
        return _key_id(self.keys[0])

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt for the place named by ``context``."""
        key = self.keys[0]
        header = bytes([RING_FORMAT]) + _key_id(key)
        return header + _seal(key, plaintext, header + context.encode())

    def decrypt(self, stored: bytes, context: str) -> bytes:
        """Decrypt what `encrypt` returned for the same ``context``.

        Raises:
            EncryptionKeyMissing: It was encrypted under a key that the ring does not have.
            DecryptionFailed: Unknown format, tampered or moved ciphertext.
        """
        header, sealed = stored[:HEADER_BYTES], stored[HEADER_BYTES:]
        if len(sealed) < _NONCE_BYTES or header[0] != RING_FORMAT:
            raise DecryptionFailed
        key = next((key for key in self.keys if _key_id(key) == header[1:]), None)
        if key is None:
            raise EncryptionKeyMissing(
                f"A stored value was encrypted under the key {header[1:].hex()}, which {KEYS_VARIABLE} lacks."
            )
        return _open(key, sealed, header + context.encode())


def _seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def _open(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
    except (InvalidTag, ValueError):  # ValueError: too short for a nonce
        raise DecryptionFailed from None


@lru_cache(maxsize=16)
def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"devmentor key id" + key).digest()[:_KEY_ID_BYTES]


def key_ring() -> KeyRing:
    """Return the process's key ring, from ``DEVMENTOR_ENCRYPTION_KEYS``.

    Raises:
        EncryptionKeyMissing: The variable is unset or empty.
    """
    return _ring_of(variable(KEYS_VARIABLE) or "")


@lru_cache(maxsize=4)
def _ring_of(text: str) -> KeyRing:
    return KeyRing.from_text(text)


class Ciphertext(bytes):
    """An encrypted value, as the database has it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class Plaintext:
    """A checked text that is still to be encrypted; its repr does not show it."""

    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ciphertext belongs, and nowhere else.

    Attributes:
        column: ``schema.table.column``.
        row_id: The row's key.
        user_id: The user under whose key it is encrypted.
    """

    column: str
    row_id: UUID
    user_id: UUID

    def encrypt(self, text: str, wrapped: bytes) -> Ciphertext:
        """Encrypt a text under the user's key, which is given wrapped.

        Raises:
            EncryptionKeyMissing: The ring lacks the key that the user's key is wrapped under.
            DecryptionFailed: The wrapped key is not this user's, or was tampered with.
        """
        key = unwrap(wrapped, self.user_id)
        return Ciphertext(bytes([USER_FORMAT]) + _seal(key, text.encode(), self._associated()))

    def decrypt(self, stored: bytes, wrapped: bytes | None) -> str:
        """Decrypt what `encrypt` returned for the same place, or a text of an older release.

        Args:
            stored: The ciphertext.
            wrapped: The user's key, wrapped; None where there is none.

        Raises:
            EncryptionKeyMissing: The ring lacks the key that it, or the user's key, was encrypted under.
            DecryptionFailed: Tampered or moved ciphertext, unknown format, or the user's key is gone.
        """
        if stored[:1] == bytes([RING_FORMAT]):
            return key_ring().decrypt(stored, self.column).decode()
        if stored[:1] != bytes([USER_FORMAT]):
            raise DecryptionFailed
        if wrapped is None:
            raise DecryptionFailed(
                f"{self.column}: the user's key is gone, as after an erasure, or not visible to this actor."
            )
        return _open(unwrap(wrapped, self.user_id), stored[1:], self._associated()).decode()

    def _associated(self) -> bytes:
        return bytes([USER_FORMAT]) + self.column.encode() + b"\0" + self.row_id.bytes


def new_user_key(user_id: UUID) -> bytes:
    """Make a random key for a user, and return it wrapped under the ring's first key.

    Raises:
        EncryptionKeyMissing: There is no ring.
    """
    return key_ring().encrypt(os.urandom(KEY_BYTES), _wrapping(user_id))


def unwrap(wrapped: bytes, user_id: UUID) -> bytes:
    """Return a user's key in clear.

    Raises:
        EncryptionKeyMissing: The ring lacks the key that it is wrapped under.
        DecryptionFailed: It is another user's, or was tampered with.
    """
    return key_ring().decrypt(wrapped, _wrapping(user_id))


def rewrap(wrapped: bytes, user_id: UUID) -> bytes:
    """Return a wrapped key under the ring's first key; it is the same key as before.

    Raises:
        EncryptionKeyMissing: The ring lacks the key that it is wrapped under.
        DecryptionFailed: It is another user's, or was tampered with.
    """
    return key_ring().encrypt(unwrap(wrapped, user_id), _wrapping(user_id))


def _wrapping(user_id: UUID) -> str:
    return f"{USER_KEYS}.wrapped_key {user_id}"


class WrappedKey(CheckedType[bytes]):
    """``BYTEA`` holding a user's key, encrypted under a key of the ring."""

    impl = LargeBinary
    cache_ok = True

    def check(self, value: Any) -> bytes:
        """Refuse what is no wrapped key: that depends on its length and format, not on the ring."""
        if not isinstance(value, bytes) or len(value) != WRAPPED_BYTES or value[0] != RING_FORMAT:
            raise self.refuse("expects a wrapped key; kit.encryption.new_user_key makes one")
        return value


class EncryptedText(CheckedType[bytes]):
    """Text that the database only ever sees encrypted (``BYTEA``).

    A column alone knows neither row nor user, so `kit.encrypted` does the encrypting. Mapped attributes take
    text and keep it as `Plaintext` until then; statements take a `Ciphertext` only.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length

    def check(self, value: Any) -> Ciphertext | Plaintext:
        """Refuse non-strings, NUL, lone surrogates and over-long text."""
        if isinstance(value, Ciphertext | Plaintext):
            return value
        return Plaintext(self.text(value, self.max_length))

    def to_database(self, value: Any) -> bytes:
        """Refuse to store what is not encrypted."""
        if isinstance(value, Ciphertext):
            return bytes(value)
        raise self.refuse("is encrypted under its user's key: assign it to an object, not in a statement")

    def process_result_value(self, value: Any, dialect: Dialect) -> Ciphertext | None:
        """Return the ciphertext."""
        return None if value is None else Ciphertext(value)

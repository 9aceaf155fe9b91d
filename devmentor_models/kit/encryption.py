"""Encrypted columns: AES-256-GCM in the application (requirement Z5).

The associated data binds a ciphertext to its column, so it cannot be moved to another one. A stored value
is ``version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag``: the key id makes rotation
possible, the version makes every later format readable beside this one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Dialect, LargeBinary

from devmentor_models.errors import ConfigurationError, DecryptionFailed, EncryptionKeyMissing
from devmentor_models.kit.types import CheckedType

KEYS_VARIABLE = "DEVMENTOR_ENCRYPTION_KEYS"
_FORMAT = 1
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


@dataclass(frozen=True)
class KeyRing:
    """AES keys by id; the first one encrypts, all of them decrypt."""

    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse an empty ring and keys of a wrong length."""
        if not self.keys:
            raise EncryptionKeyMissing
        if any(len(key) != _KEY_BYTES for key in self.keys):
            raise ConfigurationError(f"{KEYS_VARIABLE}: each key must be {_KEY_BYTES} bytes")

    @classmethod
    def from_text(cls, text: str) -> KeyRing:
        """Read base64 keys separated by commas, the encrypting one first.

        Raises:
            EncryptionKeyMissing: The text is empty.
            ConfigurationError: A key is not base64, or not 32 bytes.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        try:
            return cls(tuple(base64.b64decode(part, altchars=b"-_", validate=True) for part in parts))
        except binascii.Error:
            raise ConfigurationError(f"{KEYS_VARIABLE}: a key is not base64") from None

    @staticmethod
    def generate() -> str:
        """Return a fresh key in the form that `from_text` reads."""
        return base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt for the column named by ``context`` (``schema.table.column``)."""
        key = self.keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        header = bytes([_FORMAT]) + _key_id(key)
        return header + nonce + AESGCM(key).encrypt(nonce, plaintext, header + context.encode())

    def decrypt(self, stored: bytes, context: str) -> bytes:
        """Decrypt what `encrypt` returned for the same ``context``.

        Raises:
            DecryptionFailed: Unknown key or format, tampered or moved ciphertext.
        """
        header, rest = stored[: 1 + _KEY_ID_BYTES], stored[1 + _KEY_ID_BYTES :]
        for key in self.keys:
            if header == bytes([_FORMAT]) + _key_id(key):
                try:
                    nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
                    return AESGCM(key).decrypt(nonce, sealed, header + context.encode())
                except InvalidTag:
                    break
        raise DecryptionFailed


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"devmentor key id" + key).digest()[:_KEY_ID_BYTES]


def key_ring() -> KeyRing:
    """Return the process's key ring, from ``DEVMENTOR_ENCRYPTION_KEYS``.

    Raises:
        EncryptionKeyMissing: The variable is unset or empty.
    """
    return _ring_of(os.environ.get(KEYS_VARIABLE, ""))


@lru_cache(maxsize=4)
def _ring_of(text: str) -> KeyRing:
    return KeyRing.from_text(text)


class EncryptedText(CheckedType[str]):
    """Text that the database only ever sees encrypted (``BYTEA``)."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length

    def check(self, value: Any) -> str:
        """Refuse non-strings, NUL, lone surrogates and over-long text."""
        return self.text(value, self.max_length)

    def to_database(self, value: Any) -> bytes:
        """Encrypt under the first key of the ring."""
        return key_ring().encrypt(value.encode(), self.field)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Decrypt, with whichever key of the ring fits."""
        return None if value is None else key_ring().decrypt(bytes(value), self.field).decode()

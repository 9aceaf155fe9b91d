"""Symmetric keys as settings hold them: 32 bytes each, base64, separated by commas, the one in use first."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence

from devmentor_models.errors import ConfigurationError

KEY_BYTES = 32


def generate_key() -> str:
    """Return a fresh key in the form that `read_keys` reads."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def read_keys(text: str, variable: str) -> tuple[bytes, ...]:
    """Return the keys in the text of a variable; none when it is empty.

    Raises:
        ConfigurationError: A key is not base64, or not 32 bytes.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        keys = tuple(base64.b64decode(part, altchars=b"-_", validate=True) for part in parts)
    except binascii.Error:
        raise ConfigurationError(f"{variable}: a key is not base64") from None
    check_keys(keys, variable)
    return keys


def check_keys(keys: Sequence[bytes], variable: str) -> None:
    """Refuse keys of a wrong length.

    Raises:
        ConfigurationError: A key is not 32 bytes.
    """
    if any(len(key) != KEY_BYTES for key in keys):
        raise ConfigurationError(f"{variable}: each key must be {KEY_BYTES} bytes")

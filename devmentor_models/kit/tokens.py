"""Secret tokens: handed out once, stored as a digest (requirements F2, F3, Z6)."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_BYTES = 32
DIGEST_BYTES = 32


def new_token() -> str:
    """Return a fresh URL-safe token of 256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """Return the SHA-256 digest under which a token is stored (32 bytes).

    A plain hash is enough here: the token itself has 256 bits, so there is nothing to guess. Nor does
    the time of a look-up tell anything: digests are compared, and whoever learns the beginning of one is no
    nearer to its token.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

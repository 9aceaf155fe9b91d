"""Signed contexts: who acts, so that injected SQL cannot say it (requirement Z1).

With ``DEVMENTOR_CONTEXT_KEY`` set, a transaction begins in two messages. The first one tells which process
serves it and when it began; the second one sets the context and its seal, an HMAC-SHA256 of both. So a seal
is good for one transaction of one connection, whoever may have seen it. The functions of `context`
check it.

``devmentor-db context-key`` brings the keys into the database, which from then on accepts nothing else. Give
the services their key first: an unsigned database ignores it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.keys import KEY_BYTES, read_keys
from devmentor_models.security.actor import SIGNED_SETTINGS, Actor, context_sql

KEY_VARIABLE = "DEVMENTOR_CONTEXT_KEY"
_BLOCK_BYTES = 64  # of SHA-256

#: What identifies a transaction: asked for in the message that begins it.
IDENTITY = "SELECT pg_backend_pid()::text, (extract(epoch FROM now()) * 1000000)::bigint::text"


@dataclass(frozen=True, slots=True)
class ContextKey:
    """A key that contexts are signed with.

    Attributes:
        secret: Its 32 bytes.
    """

    secret: bytes = field(repr=False)

    def seal(self, actor: Actor, identity: Sequence[str]) -> str:
        """Return the signature of an actor's context in one transaction, in hexadecimal.

        Args:
            actor: Who acts.
            identity: What the server answered to `IDENTITY`.
        """
        settings = actor.settings()
        values = (settings.get(f"devmentor.{name}", "") for name in SIGNED_SETTINGS)
        parts = ["devmentor 1", *identity, *(f"{len(value.encode())}:{value}" for value in values)]
        return hmac.digest(self.secret, ",".join(parts).encode(), "sha256").hex()

    def context_sql(self, actor: Actor, identity: Sequence[str]) -> str:
        """Return the statements that bind an actor to the transaction of ``identity``."""
        return context_sql(actor, self.seal(actor, identity))

    def pads(self) -> tuple[bytes, bytes]:
        """Return the key as PostgreSQL, which has SHA-256 but no HMAC, needs it: inner and outer pad."""
        block = self.secret.ljust(_BLOCK_BYTES, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)

    def fingerprint(self) -> str:
        """Return what tells keys apart and may be shown."""
        return hashlib.sha256(b"devmentor context key" + self.secret).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class ContextKeys:
    """The keys that a database accepts; the first one signs.

    Attributes:
        keys: One, or two while services change from one to the other.
    """

    keys: tuple[ContextKey, ...]

    @classmethod
    @lru_cache(maxsize=4)
    def from_text(cls, text: str) -> Self:
        """Read base64 keys separated by commas.

        Raises:
            ConfigurationError: There is no key, or one is not base64 of 32 bytes.
        """
        secrets = read_keys(text, KEY_VARIABLE)
        if not secrets:
            raise ConfigurationError(f"{KEY_VARIABLE}: each key must be {KEY_BYTES} bytes")
        return cls(tuple(ContextKey(secret) for secret in secrets))

    @property
    def signing(self) -> ContextKey:
        """The key that signs."""
        return self.keys[0]


def signing_key(text: str | None) -> ContextKey | None:
    """Return the key that signs, of what the variable holds; None where contexts are not signed.

    Raises:
        ConfigurationError: It is not a key.
    """
    return ContextKeys.from_text(text).signing if text else None

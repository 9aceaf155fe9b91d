"""Signed contexts: who acts, so that injected SQL cannot say it (requirement Z1).

With ``DEVMENTOR_CONTEXT_KEY`` set, the message that begins a transaction carries an HMAC-SHA256 of the actor,
of the server process that is to serve it and of the time. It travels as a parameter, which no SQL can read,
and is good for that process alone and for a minute. The database checks it (`context`), and seals the context
for the one transaction with a key that only definer functions can read.

When a connection is made, it asks which process serves it and what the server's clock says
(`SessionIdentity`). Behind a pooler that shares processes among clients, each transaction asks anew.

``devmentor-db context-key`` brings the keys into the database, which from then on accepts nothing else. Give
the services their key first: an unsigned database ignores it.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from psycopg import sql

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.keys import KEY_BYTES, read_keys
from devmentor_models.security.actor import Actor

KEY_VARIABLE = "DEVMENTOR_CONTEXT_KEY"
_BLOCK_BYTES = 64  # of SHA-256

#: Whether the table of keys is there, whether signed contexts alone count, and whether there is a key, as far
#: as anybody may know; no row where a database is older than that, or empty. From the catalogs, which answer
#: anybody: the keys are the owner's alone, but not how much room they take. An emptied table may look filled.
STATE = (
    "SELECT c.oid IS NOT NULL AS present, pg_get_function_sqlbody(p.oid) = 'RETURN true' AS signed,"
    " coalesce(pg_relation_size(c.oid), 0) > 0 AS filled"
    " FROM pg_namespace n"
    " JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'signed' AND p.pronargs = 0"
    " LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'context_keys'"
    " WHERE n.nspname = 'devmentor'"
)

#: What identifies a session: its process, and its clock in seconds. Names are qualified and nothing is an
#: operator, since an earlier transaction may have left a search_path of its own. The seconds are numeric: a
#: login may have set extra_float_digits so that 1.8e9 reads as 2e+09, by which every signature has expired.
IDENTITY = "SELECT pg_catalog.pg_backend_pid(), EXTRACT(epoch FROM pg_catalog.clock_timestamp())"


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """The server process behind a connection, and how its clock differs from this machine's.

    Attributes:
        backend: Id of the process.
        ahead: What to add to `time.monotonic()` to get the server's time, in seconds since 1970.
    """

    backend: int
    ahead: float

    @classmethod
    def answered(cls, backend: int, seconds: float) -> Self:
        """Return the identity that the server has just answered to `IDENTITY`."""
        return cls(backend, seconds - time.monotonic())

    def now(self) -> int:
        """Return the server's time in milliseconds."""
        return int((time.monotonic() + self.ahead) * 1000)


@dataclass(frozen=True, slots=True)
class ContextKey:
    """A key that contexts are signed with.

    Attributes:
        secret: Its 32 bytes.
    """

    secret: bytes = field(repr=False)

    def sign(self, actor: Actor, backend: int, made: int) -> str:
        """Return the signature of an actor's context, in hexadecimal.

        Args:
            actor: Who acts.
            backend: Id of the server process.
            made: The server's time in milliseconds.
        """
        values = [value.encode() for value in actor.context()]
        start = ",".join(["devmentor 3", str(backend), str(made), *(str(len(value)) for value in values)])
        return hmac.digest(self.secret, b",".join([start.encode(), *values]), "sha256").hex()

    def pads(self) -> tuple[bytes, bytes]:
        """Return the key as PostgreSQL, which has SHA-256 but no HMAC, needs it: inner and outer pad."""
        block = self.secret.ljust(_BLOCK_BYTES, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)

    def fingerprint(self) -> str:
        """Return what tells keys apart and may be shown."""
        return hashlib.sha256(b"devmentor context key" + self.secret).hexdigest()[:12]


def context_sql(actor: Actor) -> str:
    """Return the statement that enters an actor's context without a signature, for who sends text."""
    arguments = ", ".join(sql.Literal(value).as_string(None) for value in context_arguments(actor))
    return f"SELECT devmentor.enter({arguments})"


def context_arguments(
    actor: Actor, key: ContextKey | None = None, identity: SessionIdentity | None = None
) -> tuple[str | int | None, ...]:
    """Return the arguments of ``devmentor.enter()`` and ``devmentor.begin_as()``.

    Args:
        actor: Who acts.
        key: What signs it; None where contexts are not signed.
        identity: The session that it is for.
    """
    if key is None or identity is None:
        return (*actor.context(), None, None, None)
    made = identity.now()
    return (*actor.context(), identity.backend, made, key.sign(actor, identity.backend, made))


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

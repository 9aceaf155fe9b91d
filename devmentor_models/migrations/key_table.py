"""The table of the keys that sign contexts (`context_keys`), which a dump may leave out.

Backups carry no keys, so a restored database may lack the table while ``devmentor.signed()`` says that only
signed contexts count: nobody could begin a transaction. Whoever migrates makes it again; the keys come from
``devmentor-db context-key``.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, text

from devmentor_models.kit.base import TECHNICAL_SCHEMA
from devmentor_models.kit.variables import SECRETS_VARIABLE, variable
from devmentor_models.migrations.identifiers import literal
from devmentor_models.security.signing import KEY_VARIABLE, STATE, ContextKeys

TABLE = f"{TECHNICAL_SCHEMA}.context_keys"

_COLUMNS = {
    "place": ("integer NOT NULL", "0 for the key that signs"),
    "fingerprint": ("text NOT NULL", "Tells keys apart; may be shown"),
    "inner_pad": ("bytea NOT NULL", "Inner pad of HMAC-SHA256"),
    "outer_pad": ("bytea NOT NULL", "Outer pad of HMAC-SHA256"),
    "created_at": ("timestamptz NOT NULL DEFAULT now()", "When it was brought in"),
}
_PARTS = (
    *(f"{name} {kind}" for name, (kind, _) in _COLUMNS.items()),
    "CONSTRAINT pk_context_keys PRIMARY KEY (place)",
)
_COMMENT = "Keys that contexts are signed with; functions of the owner read it, and nobody else"

#: What the revisions make of it: the owner's, and nobody else's.
CREATE = (
    f"CREATE TABLE {TABLE} ({', '.join(_PARTS)})",
    f"COMMENT ON TABLE {TABLE} IS {literal(_COMMENT)}",
    *(f"COMMENT ON COLUMN {TABLE}.{name} IS {literal(comment)}" for name, (_, comment) in _COLUMNS.items()),
)

#: Whoever makes the table again takes this advisory lock.
_LOCK_KEY = 0x6465766D6B6579

_INSERT = text(
    f"INSERT INTO {TABLE} (place, fingerprint, inner_pad, outer_pad)"
    " VALUES (:place, :fingerprint, :inner_pad, :outer_pad)"
)
_SWITCH = (
    "CREATE OR REPLACE FUNCTION devmentor.signed() RETURNS boolean"
    " LANGUAGE sql STABLE PARALLEL SAFE RETURN {}"
)


@dataclass(frozen=True, slots=True)
class KeyTable:
    """What is there to check signatures with.

    Attributes:
        exists: Whether the table is there.
        signed: Whether only signed contexts count.
        filled: Whether there is a key, as far as anybody may know.
    """

    exists: bool
    signed: bool
    filled: bool

    def faults(self) -> list[str]:
        """Return what is wrong, each with what to do."""
        found = []
        if not self.exists:
            found.append(f"table {TABLE}: is missing. Fix: devmentor-db upgrade makes it again")
        if self.signed and not self.filled:
            found.append(
                f"table {TABLE}: has no key, and only signed contexts count, so that no transaction begins."
                " Fix: devmentor-db context-key brings the keys in; with --off it does without"
            )
        return found


_UNSIGNED = (
    "Contexts are not signed, so SQL that somebody injects into a service can say who acts. To sign them,"
    " give every service the key that devmentor-db bootstrap has made, or one of devmentor-db context-key"
    f" --generate, by {SECRETS_VARIABLE} or as {KEY_VARIABLE}, then run devmentor-db context-key with it."
)
_KEY_NOT_ASKED_FOR = (
    f"{KEY_VARIABLE} is set, but this database believes contexts without it, too. Once every service has the"
    " key, run devmentor-db context-key."
)


def look(connection: Connection) -> KeyTable | None:
    """Return the state of the table; None where the database is older than signed contexts, or empty."""
    row = connection.execute(text(STATE)).one_or_none()
    return KeyTable(*row) if row else None


def remark(state: KeyTable | None, *, new: bool) -> str | None:
    """Return what to know about a database that believes unsigned contexts, else None.

    Args:
        state: The state of its table.
        new: Whether it was made just now; where it is in use, only somebody with a key needs to know.
    """
    if state is None or state.signed:
        return None
    if variable(KEY_VARIABLE):
        return _KEY_NOT_ASKED_FOR
    return _UNSIGNED if new else None


def fill(connection: Connection, keys: ContextKeys | None) -> None:
    """Put keys in the place of those that are there, and have contexts signed with them count alone.

    Args:
        connection: Works as the owner.
        keys: The first one signs; without any, every context counts.
    """
    # Two at once do it one after the other, and readers go on with what they see.
    connection.execute(text(f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute(text(f"DELETE FROM {TABLE}"))
    for place, key in enumerate(keys.keys if keys else ()):
        inner, outer = key.pads()
        row = {"place": place, "fingerprint": key.fingerprint(), "inner_pad": inner, "outer_pad": outer}
        connection.execute(_INSERT, row)
    connection.exec_driver_sql(sql.SQL(_SWITCH).format(sql.Literal(keys is not None)).as_string(None))


def restore(connection: Connection) -> None:
    """Make the table again where it belongs and is missing; as the owner, in the current transaction."""
    if not _is_missing(connection):
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    if _is_missing(connection):  # nobody has made it meanwhile
        for statement in CREATE:
            connection.exec_driver_sql(statement)


def _is_missing(connection: Connection) -> bool:
    found = look(connection)
    return found is not None and not found.exists

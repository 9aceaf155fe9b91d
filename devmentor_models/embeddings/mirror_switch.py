"""Begin and end the mirroring of an embedding model (S4); ``devmentor-db sync-qdrant --enable/--disable``.

It runs as the owner of the tables: which model is mirrored decides where everybody's vectors are copied to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors as pg
from psycopg import sql

from devmentor_models.errors import ConfigurationError, InvalidValue, LockTimeout, NotFound
from devmentor_models.security.roles import OWNER
from devmentor_models.settings import conninfo

#: How long a try waits for a lock, and makes those wait who store vectors; and how often it is tried.
LOCK_TIMEOUT = "2s"
LOCK_TRIES = 10
MAX_COLLECTION_CHARACTERS = 255

_COLLECTION = re.compile(r"[A-Za-z0-9_.-]+")
_FIND = (
    "SELECT id, qdrant_collection FROM ai.embedding_models WHERE name = normalize(%s, NFC) FOR NO KEY UPDATE"
)
# Whoever stores vectors at this moment has looked whether the model is mirrored, or waits and looks then.
_WAIT_FOR_WRITERS = "LOCK TABLE memory.documents, memory.embeddings_meta IN SHARE MODE"
_SET = "UPDATE ai.embedding_models SET qdrant_collection = %s WHERE id = %s"
_CALL_OFF = "DELETE FROM memory.vector_outbox WHERE collection = %s"


def collection_name(model: str) -> str:
    """Return the collection that a model gets when none is named.

    >>> collection_name("org/model v2")
    'org-model-v2'
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "-", unicodedata.normalize("NFC", model))


def enable(url: str, model: str, collection: str | None = None) -> str:
    """Mirror a model from now on; return its collection. What is there already is for `reconcile` to copy.

    Transactions that began before, at a stricter level than READ COMMITTED, may still store vectors that are
    not queued: those, too, are found by reconciling.

    Args:
        url: The database; the login is a member of ``devmentor_owner``.
        model: Name of the model, active or not.
        collection: Name of the collection; None: derived from the model's.

    Raises:
        NotFound: There is no such model.
        InvalidValue: The collection has a name of other characters than letters, digits, ``_``, ``.``, ``-``.
        ConfigurationError: The model is mirrored to another collection, another model is mirrored to this
            one, or the login has not the rights.
        LockTimeout: Others kept the tables locked.
    """
    name = collection if collection is not None else collection_name(model)
    if not _COLLECTION.fullmatch(name) or len(name) > MAX_COLLECTION_CHARACTERS:
        raise InvalidValue("collection", "is no name of 1 to 255 letters, digits, '_', '.' and '-'")
    for attempt in range(1, LOCK_TRIES + 1):
        try:
            with _owner(url) as connection:
                _enable(connection, model, name)
        except pg.LockNotAvailable:
            if attempt == LOCK_TRIES:
                raise LockTimeout from None
        except pg.UniqueViolation:
            raise ConfigurationError(f"Another model is mirrored to the collection {name}.") from None
        else:
            break
    return name


def disable(url: str, model: str, drop: Callable[[str], object]) -> str | None:
    """End the mirroring of a model, deleting its collection; return it, or None if it was not mirrored.

    Args:
        url: The database; the login is a member of ``devmentor_owner``.
        model: Name of the model.
        drop: Deletes a collection. If it fails, the model stays mirrored.

    Raises:
        NotFound: There is no such model.
        ConfigurationError: The login has not the rights.
    """
    with _owner(url) as connection:
        key, collection = _find(connection, model)
        if collection is not None:
            connection.execute(_SET, [None, key])
            connection.execute(_CALL_OFF, [collection])
            # Before the commit: afterwards nothing says which collection there was.
            drop(collection)
    return collection


def _enable(connection: psycopg.Connection[Any], model: str, name: str) -> None:
    key, before = _find(connection, model)
    if before is not None and before != name:
        raise ConfigurationError(f"{model} is mirrored to the collection {before}; disable that first.")
    if before is None:
        connection.execute(_WAIT_FOR_WRITERS)
        connection.execute(_SET, [name, key])


def _find(connection: psycopg.Connection[Any], model: str) -> tuple[UUID, str | None]:
    row: tuple[UUID, str | None] | None = connection.execute(_FIND, [model]).fetchone()
    if row is None:
        raise NotFound("embedding model", model)
    return row


@contextmanager
def _owner(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection that has the rights of the tables' owner, for one transaction."""
    with psycopg.connect(conninfo(url, connect_timeout=10)) as connection:
        try:
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER.name)))
        except psycopg.Error:
            raise ConfigurationError(
                f"Which models are mirrored is decided by a member of {OWNER.name}; this login is none."
            ) from None
        connection.execute("SET LOCAL row_security = on")
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        yield connection

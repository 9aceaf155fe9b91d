"""psycopg beneath a session, for what SQLAlchemy has no words for: COPY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.orm import Session

from devmentor_models.kit.translate import scrub, translate


def driver_connection(session: Session) -> Any:
    """Return psycopg's own connection of the session's transaction, sync or async as the session is."""
    return session.connection().connection.driver_connection


@contextmanager
def driver_errors() -> Iterator[None]:
    """Raise the library's errors instead of psycopg's, without the values that those quote."""
    try:
        yield
    except psycopg.Error as error:
        ours = translate(error)
        if ours is None:
            raise
        scrub(error)
        raise ours from error

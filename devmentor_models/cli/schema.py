"""How a database and this installation fit each other, as the commands tell it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devmentor_models.cli.report import told

if TYPE_CHECKING:
    from devmentor_models.cli.target import Target
    from devmentor_models.embedded import EmbeddedServer


def remark(target: Target) -> str | None:
    """Return what to know about a database that is not at this installation's newest revision, else None."""
    import psycopg  # noqa: PLC0415 - slow to import

    from devmentor_models import handshake  # noqa: PLC0415 - likewise
    from devmentor_models.errors import ContextRefused, SchemaMismatch  # noqa: PLC0415 - likewise
    from devmentor_models.settings import conninfo  # noqa: PLC0415 - likewise

    try:
        with (
            made_anew(target.server),
            psycopg.connect(conninfo(target.url, connect_timeout=10)) as connection,
        ):
            try:
                rows = connection.execute(handshake.QUERY.encode()).fetchall()
            except psycopg.Error as error:
                raise handshake.explain(error) from None
            state = handshake.judge(rows, signs=True)  # nobody acts here, so no key is needed
    except (SchemaMismatch, ContextRefused) as refused:
        return told(refused)
    return None if state.status is handshake.SchemaStatus.CURRENT else state.message


@contextmanager
def made_anew(server: EmbeddedServer | None) -> Iterator[None]:
    """Add to `SchemaUnknown` how the embedded server's database, if it is that one, is made anew."""
    from devmentor_models.errors import SchemaUnknown  # noqa: PLC0415 - slow to import

    try:
        yield
    except SchemaUnknown as unknown:
        if server is not None:
            unknown.add_note(
                "Here that is the embedded server's: run `devmentor-db stop`, then remove its directory with"
                f" all data, {server.directory}"
            )
        raise

"""What ``devmentor-db current`` adds to the revision: whether this installation works with it."""

from __future__ import annotations


def remark(url: str) -> str | None:
    """Return what to know about a database that is not at this installation's newest revision, else None."""
    from devmentor_models.database import Database  # noqa: PLC0415 - slow to import
    from devmentor_models.errors import SchemaMismatch  # noqa: PLC0415 - likewise
    from devmentor_models.handshake import SchemaStatus  # noqa: PLC0415 - likewise
    from devmentor_models.kit.keys import generate_key  # noqa: PLC0415 - likewise

    # Nobody acts here, so any key does where the database asks services for one.
    with Database.from_url(url, pool_min=0, pool_max=1, context_key=generate_key()) as database:
        try:
            state = database.verify_schema()
        except SchemaMismatch as mismatch:
            return str(mismatch)
    return None if state.status is SchemaStatus.CURRENT else state.message

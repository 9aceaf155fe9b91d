"""Run migrations: one migrator at a time, bounded waits, our schemas only (DESIGN §5; M1 to M4)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import psycopg
from alembic import context
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, NullPool, create_engine, text

from devmentor_models.errors import ConfigurationError, DevMentorError, LockTimeout
from devmentor_models.migrations.render import render_item
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA, target_metadata
from devmentor_models.settings import conninfo

#: Every migrator takes this advisory lock, so that several pods may call upgrade at once.
LOCK_KEY = 0x6465766D
LOCK_POLL_SECONDS = 0.2
LOCK_WAIT_SECONDS = 600.0
VERSION_TABLE = "alembic_version"

NameKind = Literal[
    "schema", "table", "column", "index", "unique_constraint", "foreign_key_constraint", "check_constraint"
]


def run() -> None:
    """Do what the Alembic command asked for; called by ``alembic/env.py``."""
    try:
        _run()
    except DevMentorError as error:
        if context.config.cmd_opts is None:
            raise
        # Alembic's command line prints its own errors without a traceback.
        raise CommandError(str(error)) from error


def _run() -> None:
    if context.is_offline_mode():
        _configure(dialect_name="postgresql", literal_binds=True)
        with context.begin_transaction():
            context.execute(f"CREATE SCHEMA IF NOT EXISTS {TECHNICAL_SCHEMA}")
            context.run_migrations()
        return
    engine = make_engine(_url())
    with migration_lock(engine), engine.connect() as connection:
        _prepare(connection)
        _configure(
            connection=connection,
            include_name=_include_name(connection),
            include_object=_include_object(),
        )
        with context.begin_transaction():
            context.run_migrations()
        _tidy(connection)
    engine.dispose()


def _url() -> str:
    """Find the database: the caller's, ``-x url=…``, or DEVMENTOR_DATABASE_URL, in this order."""
    given = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    url = given or os.environ.get("DEVMENTOR_DATABASE_URL")
    if not url:
        raise ConfigurationError("Which database? Set DEVMENTOR_DATABASE_URL, or pass -x url=postgresql://…")
    return str(url)


def make_engine(url: str) -> Engine:
    """Return an engine without a pool, whose sessions speak UTC and give up on locks after 5 seconds.

    The limits are settings of the session, not of the transaction: an ``autocommit_block`` keeps them.
    """
    info = conninfo(
        url,
        application_name="devmentor-migrate",
        connect_timeout=10,
        options="-c timezone=UTC -c lock_timeout=5s -c statement_timeout=15min",
    )
    # psycopg reads libpq's own form; SQLAlchemy's URL would have to be taken apart and quoted again.
    return create_engine("postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(info))


@contextmanager
def migration_lock(engine: Engine, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the migrators' lock on a connection of its own.

    Polled: a session that waits inside ``pg_advisory_lock()`` holds a snapshot, and CREATE INDEX
    CONCURRENTLY would wait for it for ever.

    Raises:
        LockTimeout: Another migrator held the lock all the while.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + wait_seconds
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}):
            if time.monotonic() > deadline:
                raise LockTimeout(f"Another migration has been running for {wait_seconds:.0f} seconds.")
            time.sleep(LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})


def _prepare(connection: Connection) -> None:
    """Make the schema that alembic_version lives in; look first, since a read-only role may run check."""
    found = connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": TECHNICAL_SCHEMA})
    if not found:
        connection.execute(text(f"CREATE SCHEMA {TECHNICAL_SCHEMA}"))
    connection.commit()


def _tidy(connection: Connection) -> None:
    """After ``downgrade base`` nothing of ours is left, alembic_version included."""
    table = f"{TECHNICAL_SCHEMA}.{VERSION_TABLE}"
    exists = connection.scalar(text("SELECT to_regclass(:table) IS NOT NULL"), {"table": table})
    if exists and not connection.scalar(text(f"SELECT count(*) FROM {table}")):
        connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text(f"DROP SCHEMA {TECHNICAL_SCHEMA}"))
    connection.commit()


def _configure(**options: Any) -> None:
    context.configure(
        target_metadata=target_metadata,
        version_table=VERSION_TABLE,
        version_table_schema=TECHNICAL_SCHEMA,
        include_schemas=True,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
        render_item=render_item,
        **options,
    )


def _include_object() -> Callable[[Any, str | None, str, bool, Any], bool]:
    """Compare one schema alone when asked to by ``-x schema=auth``, for one revision per schema."""
    wanted = context.get_x_argument(as_dictionary=True).get("schema")

    def include(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return wanted is None or kind != "table" or item.schema == wanted

    return include


def _include_name(connection: Connection) -> Callable[[str | None, NameKind, Any], bool]:
    """Compare our schemas only, and never a partition: months come and go without a revision."""
    rows = connection.execute(
        text(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relispartition"
        )
    )
    partitions = {(schema, table) for schema, table in rows}
    connection.commit()

    def include(name: str | None, kind: NameKind, parents: Any) -> bool:
        if kind == "schema":
            return name in SCHEMAS
        if kind == "table":
            return (parents["schema_name"], name) not in partitions
        return True

    return include

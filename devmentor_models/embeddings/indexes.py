"""Build and drop the approximate index of an embedding model, while services go on (F5, M3).

Outside any transaction, in tries that make no writer wait long. What a killed build left behind is dropped
and built again. Two builds of one index exclude each other, or the second would drop what the first is at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from alembic.operations.ops import CreateIndexOp
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from devmentor_models.embeddings.catalog import CatalogModel, IndexState, ModelIndex, index_of
from devmentor_models.errors import ConfigurationError, LockTimeout
from devmentor_models.kit.arguments import whole_number
from devmentor_models.memory.vector_indexes import SCHEMA, TABLE, index_column, index_condition, index_name
from devmentor_models.migrations.environment import make_engine
from devmentor_models.migrations.online import BUILD_LOCK_TIMEOUT, CreateIndexConcurrently
from devmentor_models.migrations.patience import Patience
from devmentor_models.owner_session import connect_as_owner
from devmentor_models.settings import conninfo

#: How long a build may take altogether: a graph of millions of vectors takes hours.
STATEMENT_TIMEOUT = "24h"
POLL_SECONDS = 0.5

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_PROGRESS = """
    SELECT phase, greatest(blocks_done, 0), blocks_total, tuples_done, tuples_total
      FROM pg_stat_progress_create_index WHERE index_relid = to_regclass(%s)
"""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How an index is built.

    Attributes:
        m: Neighbours of each vector in the graph, 2 to 100; None for pgvector's 16.
        ef_construction: Candidates when one is added, 4 to 1,000; None for pgvector's 64.
        memory: ``maintenance_work_mem`` of the build, such as ``2GB``; None for the server's. A graph that
            does not fit takes many times longer.
        workers: Further processes of the build; None for the server's choice.
    """

    m: int | None = None
    ef_construction: int | None = None
    memory: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("m", 2, 100), ("ef_construction", 4, 1000), ("workers", 0, 1024)):
            value = getattr(self, name)
            if value is not None:
                whole_number(name, value, at_least=low, at_most=high)

    def storage(self) -> dict[str, int]:
        """Return the index's own parameters."""
        given = {"m": self.m, "ef_construction": self.ef_construction}
        return {name: value for name, value in given.items() if value is not None}

    def settings(self) -> dict[str, str]:
        """Return the settings of the session that builds."""
        given = {"maintenance_work_mem": self.memory, "max_parallel_maintenance_workers": self.workers}
        return {name: str(value) for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: PostgreSQL's name of the phase, and which part of it is done, 0 to 1."""

    phase: str
    done: float


def build_index(
    url: str,
    model: CatalogModel,
    options: BuildOptions | None = None,
    watch: Callable[[Progress], object] | None = None,
) -> bool:
    """Build the index of a model; return False where it is there already.

    Args:
        url: The database; its role is a member of ``devmentor_owner``.
        model: The model.
        options: How to build it.
        watch: Called about twice a second, in another thread.

    Raises:
        ConfigurationError: There is something else under its name, or it was built with other options.
        LockTimeout: Somebody else builds it, or no try got its locks.
    """
    options = options or BuildOptions()
    wanted = tuple(f"{name}={value}" for name, value in sorted(options.storage().items()))
    with _alone(url, model) as found:
        if found.state is IndexState.WRONG:
            raise ConfigurationError(
                f"{model.index} is not the index of {model.name}; `devmentor-db models drop-index` drops it."
            )
        if found.state is IndexState.READY:
            if wanted and wanted != found.options:
                raise ConfigurationError(
                    f"The index of {model.name} was built with {', '.join(found.options) or 'the defaults'};"
                    " `devmentor-db models drop-index` drops it."
                )
            return False
        with _watched(url, model, watch):
            _converge(url, model, options)
    return True


def drop_index(url: str, model: CatalogModel) -> bool:
    """Drop whatever stands under the name of a model's index; return False where nothing does.

    Raises:
        LockTimeout: Somebody builds it, or it is in use for too long.
    """
    with _alone(url, model) as found:
        if found.state is IndexState.NONE:
            return False
        engine = make_engine(url, owner=True)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"SET lock_timeout = '{BUILD_LOCK_TIMEOUT}'"))
            drop = text(f"DROP INDEX CONCURRENTLY IF EXISTS {model.index}")
            Patience().run(lambda: connection.execute(drop), lambda: f"Dropping {model.index}")
        engine.dispose()
    return True


def _converge(url: str, model: CatalogModel, options: BuildOptions) -> None:
    create = CreateIndexOp(
        index_name(model.id),
        TABLE,
        [text(index_column(model.dimensions, model.metric))],
        schema=SCHEMA,
        postgresql_using="hnsw",
        postgresql_with=options.storage(),
        postgresql_where=text(index_condition(model.id)),
    )
    build = CreateIndexConcurrently(create, statement_timeout=STATEMENT_TIMEOUT)
    engine = make_engine(url, owner=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _set(connection, options.settings())
        context = MigrationContext.configure(connection)
        Patience().run(lambda: build.converge(context, connection), lambda: f"Building {model.index}")
    engine.dispose()


def _set(connection: Connection, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        connection.execute(text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value})


@contextmanager
def _alone(url: str, model: CatalogModel) -> Iterator[ModelIndex]:
    """Hold the lock of a model's index on a connection of its own, which no build waits for."""
    connection = connect_as_owner(url, {})
    try:
        # Tried, not waited for: who waits in there holds a snapshot that the build would wait for.
        if connection.execute(_LOCK, [model.index]).fetchone() != (True,):
            raise LockTimeout(f"Another session is at work on the index of {model.name}; try again later.")
        try:
            yield index_of(connection, model)
        finally:
            # The server notices a closed connection some time later.
            connection.execute(_UNLOCK, [model.index])
    finally:
        connection.close()


@contextmanager
def _watched(url: str, model: CatalogModel, watch: Callable[[Progress], object] | None) -> Iterator[None]:
    """Tell of the progress of what runs in the block."""
    if watch is None:
        yield
        return
    done = threading.Event()
    # Not as the owner: a login sees what its own sessions are doing, whatever their roles.
    with psycopg.connect(conninfo(url, connect_timeout=10), autocommit=True) as connection:
        thread = threading.Thread(target=_watch, args=(connection, model, watch, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _watch(
    connection: psycopg.Connection,
    model: CatalogModel,
    watch: Callable[[Progress], object],
    done: threading.Event,
) -> None:
    while not done.wait(POLL_SECONDS):
        row = connection.execute(_PROGRESS, [model.index]).fetchone()
        if row and row[0]:
            phase, blocks, all_blocks, tuples, all_tuples = row
            total, part = (all_tuples, tuples) if all_tuples else (all_blocks, blocks)
            watch(Progress(phase, min(1.0, part / total) if total else 0.0))

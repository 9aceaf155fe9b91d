"""Run migrations: as the owner, one at a time, bounded waits, our schemas only (DESIGN §5; M1 to M4).

Commands that change the database (upgrade, downgrade, stamp) take the migrators' lock and work as
``devmentor_owner``. All others (check, current, revision --autogenerate) take no lock, need no membership,
and their session is read-only.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, NullPool, create_engine, text

from devmentor_models import tls
from devmentor_models.errors import ConfigurationError, DevMentorError, LockTimeout, ServerReadOnly
from devmentor_models.kit.variables import variable
from devmentor_models.memory import vector_indexes
from devmentor_models.migrations import backfill, data_steps, key_table, online, plugin, turns, window  # noqa: F401 - add to alembic.op
from devmentor_models.migrations.bootstrap import bootstrap, is_administrator, not_ready, plan
from devmentor_models.migrations.catalog import Scope
from devmentor_models.migrations.patience import Patience
from devmentor_models.migrations.render import render_item
from devmentor_models.migrations.steps import Steps
from devmentor_models.pinned import with_options
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA, target_metadata
from devmentor_models.security.roles import OWNER, ROLES
from devmentor_models.security.signing import KEY_VARIABLE, ContextKeys
from devmentor_models.settings import conninfo

#: Every migrator takes this advisory lock, so that several pods may call upgrade at once.
LOCK_KEY = 0x6465766D
LOCK_POLL_SECONDS = 0.2
LOCK_WAIT_SECONDS = 600.0
VERSION_TABLE = "alembic_version"
STATEMENT_TIMEOUT = "15min"
#: How the owner works: what row security would cut short fails instead.
OWNER_SETTINGS = {"role": OWNER.name, "row_security": "off"}

#: Tables that stand apart from the models: what was migrated, what was seeded.
TABLES_OF_OURS = tuple(
    f"{TECHNICAL_SCHEMA}.{name}" for name in (VERSION_TABLE, window.TABLE, "seeds", "context_keys")
)
#: What of a database is compared with the models.
SCOPE = Scope(
    (*SCHEMAS, TECHNICAL_SCHEMA),
    TABLES_OF_OURS,
    OWNER.name,
    switches=(f"{TECHNICAL_SCHEMA}.signed()",),
    indexes_of_rows=(vector_indexes.DEFINITION,),
)

turns.install()


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
    options = _options()
    steps = Steps(allow_data_loss=options.get("allow-data-loss") == "yes")
    if context.is_offline_mode():
        _print_sql(steps)
    elif _changes_the_database():
        _migrate(_url(), steps, Patience.of(options))
    else:
        _read(_url())


def _options() -> dict[str, Any]:
    """Return what ``-x`` says, or what a caller of `devmentor_models.migrate` does."""
    return {**context.get_x_argument(as_dictionary=True), **context.config.attributes.get("x", {})}


def _changes_the_database() -> bool:
    """Tell whether the command is upgrade, downgrade or stamp: only these have a destination."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def _print_sql(steps: Steps) -> None:
    # Without this paramstyle every % is doubled, as for a driver that takes parameters.
    _configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, literal_binds=True)
    steps.attach(context.get_context())
    for name, value in OWNER_SETTINGS.items():
        context.execute(f"SET {name} = {value}")
    with context.begin_transaction():
        context.execute(f"CREATE SCHEMA IF NOT EXISTS {TECHNICAL_SCHEMA}")
        context.run_migrations()


def _migrate(url: str, steps: Steps, patience: Patience) -> None:
    engine = make_engine(url)
    owners = make_engine(url, owner=True, patience=patience)
    if observe := context.config.attributes.get("observe"):
        observe(owners)
    with migration_lock(engine):
        with engine.connect() as connection:
            prepare_owner(connection)
            new = key_table.look(connection) is None
        keys = _keys() if new else None  # where services work, they must have the key before it is asked for
        patience.run(lambda: _try(owners, url, steps, patience), lambda: steps.name)
        if keys:
            with owners.begin() as connection:
                if key_table.look(connection):
                    key_table.fill(connection, keys)
    if new and context.config.cmd_opts is not None:  # by the alembic command; ours says so itself
        with engine.connect() as connection:
            remark = key_table.remark(key_table.look(connection), new=True)
        if remark:
            context.config.print_stdout(remark)
    engine.dispose()


def _keys() -> ContextKeys | None:
    """Return the keys that a new database shall sign contexts with from its first day, if there are any."""
    found = variable(KEY_VARIABLE)
    return ContextKeys.from_text(found) if found else None


def _try(engine: Engine, url: str, steps: Steps, patience: Patience) -> None:
    """Do what is left of the steps, on a connection that knows nothing of an earlier try."""
    with engine.connect() as connection:
        _prepare(connection)
        _configure_online(connection, url, patience=patience)
        steps.attach(context.get_context())
        try:
            with context.begin_transaction():
                context.run_migrations()
        except CommandError as error:
            raise window.mismatch(context.get_context()) or error from None
        _tidy(connection)


def _read(url: str) -> None:
    with make_engine(url, readonly=True).connect() as connection:
        # Alembic would make its version table, even to compare.
        _configure_online(connection, url, dont_mutate=True)
        with context.begin_transaction():
            context.run_migrations()


def prepare_owner(connection: Connection) -> None:
    """Make sure that the connection's login can work as the owner; an administrator's login makes it so.

    Raises:
        ConfigurationError: Something is missing that only an administrator can do; says what to run.
        DatabaseUnusable: The database cannot work; nothing was written.
    """
    missing = plan(connection)
    administrator = bool(missing) and is_administrator(connection)
    connection.commit()
    if administrator:
        bootstrap(connection)
    elif needed := [step for step in missing if step.needed]:
        raise not_ready(connection, needed)


def _url() -> str:
    """Find the database: the caller's, ``-x url=…``, or DEVMENTOR_DATABASE_URL, in this order."""
    given = context.config.attributes.get("url") or _options().get("url")
    url = given or variable("DEVMENTOR_DATABASE_URL")
    if not url:
        raise ConfigurationError("Which database? Set DEVMENTOR_DATABASE_URL, or pass -x url=postgresql://…")
    return str(url)


def make_engine(
    url: str, *, owner: bool = False, readonly: bool = False, patience: Patience | None = None
) -> Engine:
    """Return an engine without a pool, whose sessions soon give up on locks, with the settings of `pinned`.

    Limits and role are settings of the session, not of the transaction: an ``autocommit_block`` and a
    rollback keep them.

    Args:
        url: The database; options of its own win over the limits.
        owner: The sessions act as the owner, which their login must be allowed to, and their statements
            fail where row security would cut them short.
        readonly: The sessions cannot write.
        patience: How long to wait for a lock.
    """
    limits = {
        "lock_timeout": (patience or Patience()).lock_timeout,
        "statement_timeout": STATEMENT_TIMEOUT,
        # The session with the migrators' lock idles while the revisions run.
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
    }
    settings = dict(OWNER_SETTINGS) if owner else {}
    if readonly:
        settings["default_transaction_read_only"] = "on"
    info = conninfo(url, application_name="devmentor-migrate", connect_timeout=10)
    info = with_options(info, settings, limits)
    # psycopg reads libpq's own form; SQLAlchemy's URL would have to be taken apart and quoted again.
    return create_engine(
        "postgresql+psycopg://", poolclass=NullPool, creator=lambda: _connect(info, writes=not readonly)
    )


def _connect(info: str, *, writes: bool) -> psycopg.Connection:
    """Connect, and say what to set where TLS or a standby is the reason that it fails."""
    try:
        connection = psycopg.connect(info)
    except psycopg.OperationalError as error:
        if insecure := tls.explain(error):
            raise insecure from error
        raise
    if writes and connection.info.parameter_status("in_hot_standby") == "on":
        with connection:
            raise ServerReadOnly(f"{connection.info.host}:{connection.info.port}")
    return connection


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
    """Make the schema that alembic_version lives in, and what a dump may have left out of it."""
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {TECHNICAL_SCHEMA}"))
    key_table.restore(connection)
    connection.commit()


def _tidy(connection: Connection) -> None:
    """After ``downgrade base`` nothing of ours is left, alembic_version included."""
    table = f"{TECHNICAL_SCHEMA}.{VERSION_TABLE}"
    exists = connection.scalar(text("SELECT to_regclass(:table) IS NOT NULL"), {"table": table})
    if exists and not connection.scalar(text(f"SELECT count(*) FROM {table}")):
        connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text(f"DROP SCHEMA {TECHNICAL_SCHEMA}"))
    connection.commit()


def _let_roles_read(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Show everybody the revision once there is one: services compare it with theirs."""
    if not step.source_revision_ids:
        names = ", ".join(role.name for role in ROLES)
        ctx.execute(f"GRANT USAGE ON SCHEMA {TECHNICAL_SCHEMA} TO {names}")
        ctx.execute(f"GRANT SELECT ON {TECHNICAL_SCHEMA}.{VERSION_TABLE} TO {names}")


def _applied(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Do what belongs to every revision, in its transaction."""
    _let_roles_read(ctx, step, heads, run_args)
    window.record(ctx, step, heads, run_args)


def _configure_online(connection: Connection, url: str, **options: Any) -> None:
    _configure(
        connection=connection,
        autogenerate_plugins=[plugin.NAME],
        scratch_for=url,
        scope=SCOPE,
        **options,
    )


def _configure(**options: Any) -> None:
    context.configure(
        target_metadata=target_metadata,
        version_table=VERSION_TABLE,
        version_table_schema=TECHNICAL_SCHEMA,
        transaction_per_migration=True,
        render_item=render_item,
        on_version_apply=_applied,
        **options,
    )

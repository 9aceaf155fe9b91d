"""Upgrade, downgrade and check a database, from a checkout or an installed wheel (DESIGN §5)."""

from __future__ import annotations

import io
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import OperationalError

from devmentor_models.errors import LockTimeout
from devmentor_models.migrations import key_table
from devmentor_models.migrations.bootstrap import Step, plan
from devmentor_models.migrations.bootstrap import bootstrap as run_bootstrap
from devmentor_models.migrations.compare import Change
from devmentor_models.migrations.comparison import compare, lines, script
from devmentor_models.migrations.environment import SCOPE, VERSION_TABLE, make_engine
from devmentor_models.migrations.patience import Patience
from devmentor_models.registry import TECHNICAL_SCHEMA, target_metadata

PACKAGE = Path(__file__).parent


def script_location() -> Path:
    """Return the folder of the revisions: inside the wheel, or beside the package in a checkout."""
    installed = PACKAGE / "_alembic"
    return installed if installed.is_dir() else PACKAGE.parent / "alembic"


def config(url: str | None = None, **options: str) -> Config:
    """Return Alembic's configuration; without ``url``, DEVMENTOR_DATABASE_URL decides.

    Args:
        url: The database.
        **options: What ``alembic -x`` takes, with underscores: ``lock_timeout="2s"``.
    """
    made = Config(stdout=io.StringIO())
    made.attributes["x"] = {name.replace("_", "-"): value for name, value in options.items()}
    made.set_main_option("script_location", str(script_location()).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    if url is not None:
        made.attributes["url"] = url
    return made


def bootstrap(url: str, *, login: str | None = None) -> list[Step]:
    """Do, as an administrator, what migrations need and may not do; a second run finds nothing to do.

    Args:
        url: The database, as a superuser or whoever may make its roles and extensions.
        login: A role that shall run migrations, beside that of ``url``.

    Returns:
        What was done.

    Raises:
        ConfigurationError: The role of ``url`` may not do it.
    """
    with make_engine(url).connect() as connection:
        return run_bootstrap(connection, login)


def plan_bootstrap(url: str, *, login: str | None = None) -> list[Step]:
    """Return what `bootstrap` would do; any role may ask."""
    with make_engine(url, readonly=True).connect() as connection:
        return plan(connection, login)


def upgrade(
    url: str,
    revision: str = "head",
    *,
    lock_timeout: str = Patience.lock_timeout,
    lock_tries: int = Patience.lock_tries,
) -> None:
    """Bring a database up to ``revision``; does nothing when it is there already (M1, M3).

    Args:
        url: The database.
        revision: Where to; ``+1`` is one further.
        lock_timeout: How long one try may wait for a lock, and make writers wait, as PostgreSQL writes it.
        lock_tries: How many times a revision is tried that does not get its locks.

    Raises:
        LockTimeout: The last try did not get them either, or another migrator runs for too long. Revisions
            that were done before stay done.
        SchemaUnknown: The database is at a revision of another line; says what to do.
        SchemaMismatch: It is at a newer revision than this installation has.
    """
    command.upgrade(config(url, lock_timeout=lock_timeout, lock_tries=str(lock_tries)), revision)


def downgrade(
    url: str,
    revision: str,
    *,
    allow_data_loss: bool = False,
    lock_timeout: str = Patience.lock_timeout,
    lock_tries: int = Patience.lock_tries,
) -> None:
    """Take a database back to ``revision``; ``base`` leaves nothing of ours (M1, M3).

    Args:
        url: The database.
        revision: Where to; ``-1`` is one back.
        allow_data_loss: Whether revisions may run that say they lose data.
        lock_timeout: As for `upgrade`.
        lock_tries: As for `upgrade`.

    Raises:
        DataLossRefused: A revision on the way loses data; nothing was done.
        LockTimeout: As for `upgrade`.
        SchemaMismatch: As for `upgrade`.
    """
    options = {"lock_timeout": lock_timeout, "lock_tries": str(lock_tries)}
    if allow_data_loss:
        options["allow_data_loss"] = "yes"
    command.downgrade(config(url, **options), revision)


def check(url: str) -> list[str]:
    """Return what distinguishes a database from the models, one line each; empty when nothing does.

    Any role may do this, on a live database: it reads the catalogs alone, in a read-only session.

    Raises:
        ConfigurationError: There is no server for the scratch database that the models are built in.
        LockTimeout: Another session kept a table to itself for too long.
    """
    return [*lines(_differences(url)), *faults_of_signing(url)]


def repair(url: str) -> list[str]:
    """Return the SQL that makes a database what the models say: each statement, in the order to run them.

    It is for looking at: what is too much it drops, with the rows that are in it.

    Raises:
        ConfigurationError: There is no server for the scratch database that the models are built in.
        LockTimeout: Another session kept a table to itself for too long.
    """
    remarks = [f"-- {fault}" for fault in faults_of_signing(url)]  # keys are no matter of SQL to print
    return [*script(_differences(url)), *remarks]


def faults_of_signing(url: str) -> list[str]:
    """Return what keeps a database from checking signed contexts, one line each; any role may ask.

    A database restored from a dump without keys has such faults.
    """
    found = _key_table(url)
    return found.faults() if found else []


def signed(url: str) -> bool:
    """Tell whether a database accepts signed contexts only; any role may ask."""
    found = _key_table(url)
    return found is not None and found.signed


def remark_on_signing(url: str, *, new: bool = False) -> str | None:
    """Return what to know about a database that believes unsigned contexts, else None.

    Args:
        url: The database.
        new: Whether it was made just now; else only somebody with a key needs to know.
    """
    return key_table.remark(_key_table(url), new=new)


def _key_table(url: str) -> key_table.KeyTable | None:
    engine = make_engine(url, readonly=True)
    with engine.connect() as connection:
        found = key_table.look(connection)
    engine.dispose()
    return found


def _differences(url: str) -> list[Change]:
    engine = make_engine(url, readonly=True)
    try:
        with engine.connect() as connection:
            return compare(url, connection, target_metadata, SCOPE)
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise LockTimeout(
            "Another session keeps a table to itself, and PostgreSQL describes views and expressions only"
            " when it may look at theirs. Try again when that session is done; pg_locks tells which it is."
        ) from error
    finally:
        engine.dispose()


def current(url: str) -> str | None:
    """Return the revision that a database is at; None where nothing of ours is."""
    engine = make_engine(url, readonly=True)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "version_table_schema": TECHNICAL_SCHEMA}
        found = MigrationContext.configure(connection, opts=options).get_current_revision()
    engine.dispose()
    return found


def head() -> str:
    """Return the newest revision that this installation knows."""
    found = ScriptDirectory.from_config(config()).get_current_head()
    return found or "base"

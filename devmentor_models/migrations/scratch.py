"""Scratch databases: empty ones, on a server of the same major version, gone when the work is done.

The desired schema is built in one, so that PostgreSQL itself writes out every expression as it would in the
live database; nothing is ever created in the live database to compare it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.variables import variable
from devmentor_models.pinned import with_options
from devmentor_models.settings import conninfo

#: An administrator's URL on a server of the live one's major version, with pgvector installed.
SCRATCH_VARIABLE = "DEVMENTOR_SCRATCH_URL"
PREFIX = "devmentor_scratch_"
#: A scratch database this old belongs to a process that was killed.
ABANDONED_SECONDS = 3600
MAJOR = 10_000  # of server_version_num


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """Create an empty database beside (never in) the database of ``url``, yield its URL, and drop it.

    It is made on the server of DEVMENTOR_SCRATCH_URL if that is set; else on the database's own server, if
    the role of ``url`` is a superuser there; else on an embedded server.

    Raises:
        ConfigurationError: None of these serves, or the major versions differ.
    """
    with ExitStack() as stack:
        server = stack.enter_context(_server(url))
        name = f"{PREFIX}{int(time.time())}_{uuid4().hex[:8]}"
        with psycopg.connect(server, autocommit=True) as connection:
            _drop_abandoned(connection)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        stack.callback(_drop, server, name)
        yield _url(server, name)


@contextmanager
def _server(url: str) -> Iterator[str]:
    """Yield libpq's connection string for a maintenance database of a server to work on."""
    own = _held(conninfo(url, connect_timeout=10))
    with psycopg.connect(own) as connection:
        version = connection.info.server_version
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if given := variable(SCRATCH_VARIABLE):
        yield _checked(_held(conninfo(given, connect_timeout=10)), version, SCRATCH_VARIABLE)
    elif row and row[0]:
        yield own
    else:
        with _embedded() as embedded:
            yield _checked(_held(embedded), version, "The embedded server")


def _held(server: str) -> str:
    """Return a connection string whose sessions work whatever the server's settings say."""
    return with_options(server, {}, dict.fromkeys(("statement_timeout", "lock_timeout"), "0"))


def _checked(server: str, version: int, name: str) -> str:
    """Return ``server`` if its major version is the wanted one."""
    with psycopg.connect(server) as connection:
        found = connection.info.server_version
    if found // MAJOR != version // MAJOR:
        raise ConfigurationError(
            f"{name} runs PostgreSQL {found // MAJOR}, the database {version // MAJOR}, and schemas compare"
            f" within a major version only. Point {SCRATCH_VARIABLE} at an administrator of a"
            f" PostgreSQL {version // MAJOR} with pgvector; nothing stays there."
        )
    return server


@contextmanager
def _embedded() -> Iterator[str]:
    """Yield the embedded server that runs, or one that lives only as long as it is needed."""
    from devmentor_models.embedded import EmbeddedServer, EmbeddedUnavailable  # noqa: PLC0415 - an extra

    if server := EmbeddedServer.find():
        yield conninfo(server.url("postgres"))
        return
    directory = Path(tempfile.mkdtemp(prefix="devmentor-scratch-"))
    try:
        server = EmbeddedServer.start(directory, durable=False)
    except EmbeddedUnavailable as error:
        raise ConfigurationError(
            "Comparing needs a scratch database, and this role may not create one: set"
            f' {SCRATCH_VARIABLE}, or pip install "devmentor-models[embedded]".'
        ) from error
    else:
        server.remove_with(os.getpid())
        yield conninfo(server.url("postgres"))
        server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _url(server: str, database: str) -> str:
    parts = conninfo_to_dict(make_conninfo(server, dbname=database))
    return "postgresql+psycopg://?" + urlencode({k: str(v) for k, v in parts.items()}, quote_via=quote)


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))


def _drop_abandoned(connection: psycopg.Connection) -> None:
    """Drop what killed processes left behind; the name tells when it was made."""
    oldest = int(time.time()) - ABANDONED_SECONDS
    names = connection.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]
    ).fetchall()
    for (name,) in names:
        made = str(name).removeprefix(PREFIX).partition("_")[0]
        if made.isdigit() and int(made) < oldest:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))

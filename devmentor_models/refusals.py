"""Why a connection could not be made, as one of our errors, in whatever language the server speaks.

libpq keeps the SQLSTATE of a refusal to itself, unless it is told to be verbose before it connects, and
psycopg has no function for that. So who was refused asks once more, with that one function of libpq.
"""

from __future__ import annotations

import ctypes
import re
from importlib import import_module

from psycopg import Error, OperationalError, waiting
from psycopg.abc import PQGenConn
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, PGconn, PollingStatus

from devmentor_models import tls
from devmentor_models.errors import (
    AuthenticationFailed,
    DatabaseMissing,
    DevMentorError,
    PermissionDenied,
    PoolTimeout,
    ServerUnreachable,
    TooManyConnections,
)

_VERBOSE = 2  # PQERRORS_VERBOSE
#: "FATAL:  " in the server's language, and with VERBOSE the SQLSTATE. What libpq says itself looks otherwise.
_FROM_SERVER = re.compile(r"failed: [^:\n]+: {2}(?:([0-9A-Z]{5}): )?")
#: How long to wait for the second answer.
_SECONDS = 5.0
#: What the server refuses with: how its SQLSTATE begins, our error, and what to say.
_MEANINGS: tuple[tuple[str, type[DevMentorError], str], ...] = (
    (
        "28",
        AuthenticationFailed,
        "{where} does not let {login} in: wrong password, no such login, or pg_hba.conf forbids it.",
    ),
    ("3D000", DatabaseMissing, "There is no database {database} at {where}."),
    ("42501", PermissionDenied, "{login} may not connect to the database {database} at {where}."),
    ("53300", TooManyConnections, "{where} has no connection left for {login}."),
    ("57P", ServerUnreachable, "The server at {where} is starting or stopping."),
    ("", PoolTimeout, "{where} refuses connections."),
)


def explain(error: OperationalError, conninfo: str) -> DevMentorError:
    """Return what a failed attempt to connect means; it names host, port and login, but no password.

    May connect once more, so call it where that may take a moment.
    """
    if insecure := tls.explain(error):
        return insecure
    where, login, database = _target(error, conninfo)
    if error.pgconn is not None and error.pgconn.needs_password:
        return AuthenticationFailed(f"{where} wants a password for {login}, and there is none in the URL.")
    if not _FROM_SERVER.search(str(error)):
        return ServerUnreachable(f"No server answers at {where}: {_reason(error)}")
    state = _sqlstate(conninfo) or ""
    kind, message = next((kind, said) for begin, kind, said in _MEANINGS if state.startswith(begin))
    text = message.format(where=where, login=login, database=database)
    return kind(f"{text} [{state}]" if state else text)


def _target(error: OperationalError, conninfo: str) -> tuple[str, str, str]:
    """Return host:port or socket, login and database, as libpq took them from URL and environment."""
    parts = conninfo_to_dict(conninfo)
    pgconn = error.pgconn

    def chosen(field: str, parameter: str) -> str:
        found: bytes = getattr(pgconn, field, b"") or b""
        return found.decode(errors="replace") or str(parts.get(parameter) or "")

    host, port = chosen("host", "host"), chosen("port", "port") or "5432"
    return f"{host or 'localhost'}:{port}", chosen("user", "user"), chosen("db", "dbname")


def _reason(error: OperationalError) -> str:
    """Return libpq's or the system's own words for it, of the first line."""
    return str(error).partition("\n")[0].rpartition("failed: ")[2]


def _sqlstate(conninfo: str) -> str | None:
    """Return the SQLSTATE that the server refuses a connection with; None if it cannot be told."""
    try:
        said = waiting.wait_conn(_refusal(conninfo), timeout=_SECONDS)
    except (Error, OSError, AttributeError):  # the last one: libpq is not where it is looked for
        return None
    found = _FROM_SERVER.search(said)
    return found[1] if found else None


def _refusal(conninfo: str) -> PQGenConn[str]:
    """Connect, and return what libpq says about the failure; a generator as psycopg's own."""
    # psycopg offers the pointer for functions that it does not wrap; libpq comes with the module.
    libpq = ctypes.CDLL(import_module(PGconn.__module__).__file__)
    connection = PGconn.connect_start(conninfo.encode())
    pointer = connection.pgconn_ptr  # type: ignore[attr-defined] # documented, but not in psycopg's types
    try:
        libpq.PQsetErrorVerbosity(ctypes.c_void_p(pointer), _VERBOSE)
        while connection.status != ConnStatus.BAD:
            status = connection.connect_poll()
            if status in (PollingStatus.OK, PollingStatus.FAILED):
                break
            yield connection.socket, waiting.Wait.R if status == PollingStatus.READING else waiting.Wait.W
        return connection.get_error_message()
    finally:
        connection.finish()

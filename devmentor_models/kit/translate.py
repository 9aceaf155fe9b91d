"""Turn what SQLAlchemy and psycopg raise into the errors of this library (see `errors`).

PostgreSQL's DETAIL quotes values (``Key (email)=(…) already exists``), and so does the message of a value
that is none of its type. They may be another tenant's, so the original error is stripped of them before it
becomes the cause of ours.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout as PsycopgPoolTimeout
from psycopg_pool import TooManyRequests
from sqlalchemy import Engine, Table, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import (
    InvalidRequestError,
    MissingGreenlet,
    PendingRollbackError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.orm.exc import DetachedInstanceError, ObjectDeletedError, StaleDataError
from sqlalchemy.sql.schema import ColumnCollectionConstraint

from devmentor_models import errors, tls
from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import Statement, declared
from devmentor_models.security.context import CONTEXT_EXPIRED, CONTEXT_REFUSED

_CONSTRAINTS: dict[type[psycopg.Error], type[errors.ConstraintViolation]] = {
    pg.UniqueViolation: errors.UniqueViolation,
    pg.ForeignKeyViolation: errors.ForeignKeyViolation,
    pg.CheckViolation: errors.CheckViolation,
    pg.ExclusionViolation: errors.ExclusionViolation,
    pg.NotNullViolation: errors.NotNullViolation,
}

#: In order: the first class that matches counts.
_PLAIN: tuple[tuple[type[Exception], type[errors.DevMentorError]], ...] = (
    (StaleDataError, errors.VersionConflict),
    (ObjectDeletedError, errors.VersionConflict),
    (PendingRollbackError, errors.TransactionAborted),
    (MissingGreenlet, errors.NotLoaded),
    (DetachedInstanceError, errors.NotLoaded),
    (PsycopgPoolTimeout, errors.PoolTimeout),
    (TooManyRequests, errors.PoolTimeout),
    (pg.SerializationFailure, errors.TransactionConflict),
    (pg.DeadlockDetected, errors.TransactionConflict),
    (pg.QueryCanceled, errors.StatementTimeout),
    (pg.LockNotAvailable, errors.LockTimeout),
    (pg.ReadOnlySqlTransaction, errors.ReadOnlyTransaction),
    (pg.InFailedSqlTransaction, errors.TransactionAborted),
)

#: Errors of class 22 that are a value's fault rather than the statement's.
_VALUES = frozenset(
    "22001 22003 22007 22008 22009 22015 22021 22030 22032 22P02 22P03 22P05".split()  # noqa: SIM905 - reads best
)
#: How psycopg's errors begin when it could not send a value; else it could not read one.
_NOT_SENT = ("PostgreSQL text fields", "cannot dump", "Cannot dump")
#: What Python itself raises about a value.
_OF_PYTHON = (ValueError, TypeError, LookupError, ArithmeticError)
#: A value in a message of the server: between the first and the last quotation mark of any language.
_QUOTED = re.compile(
    "[\"'\u2018-\u201f\u00ab\u00bb\u300c-\u300f](.*)[\"'\u2018-\u201f\u00ab\u00bb\u300c-\u300f]", re.DOTALL
)
_WORD = re.compile(r"[\w.]+")

#: What our own functions raise.
_OURS: dict[str, type[errors.DevMentorError]] = {
    CONTEXT_REFUSED: errors.ContextRefused,
    CONTEXT_EXPIRED: errors.ContextExpired,
}

#: The session was idle in its transaction, or that lasted, longer than the server lets it.
_ENDED = frozenset({"25P03", "25P04"})
#: Those that are told with where and as whom the connection is logged in.
_ABOUT_SERVER = (pg.InsufficientPrivilege, pg.FeatureNotSupported)
#: A prepared statement that is not there, or is already.
_NOT_PREPARED = frozenset({"26000", "42P05"})
_POOLED = "; a pooler that mixes its clients' statements wants DEVMENTOR_PREPARED_STATEMENTS left unset"


def translate(error: BaseException, login: str | None = None) -> errors.DevMentorError | None:
    """Return our error for ``error``, or None when it is neither the database's nor SQLAlchemy's.

    Args:
        error: What was raised.
        login: The role that was logged in, where that is known.
    """
    if isinstance(error, errors.DevMentorError):
        return error
    for kind, translated in _PLAIN:
        if isinstance(error, kind):
            return translated()
    # Not DBAPIError alone: what a column type raises while a value is bound comes as its base class.
    if isinstance(error, StatementError) and error.orig is not None:
        return translate(error.orig, login) or _not_sent()
    return _from_psycopg(error, login) if isinstance(error, psycopg.Error) else _from_sqlalchemy(error)


def _from_sqlalchemy(error: BaseException) -> errors.DevMentorError | None:
    if isinstance(error, InvalidRequestError):
        return errors.SessionMisused(f"SQLAlchemy: {error.args[0] if error.args else type(error).__name__}")
    if isinstance(error, SQLAlchemyError):
        # Its text may quote what it was given.
        return errors.SessionMisused(f"SQLAlchemy: {type(error).__name__} [{error.code or 'no code'}]")
    if isinstance(error, _OF_PYTHON) and _raised_beneath(error):
        # A LookupError is that of a member of an enumeration that was read; those bound come wrapped.
        return errors.ValueUnreadable() if isinstance(error, LookupError) else _not_sent()
    return None


def _not_sent() -> errors.InvalidValue:
    return errors.InvalidValue("statement", "has a value that cannot be sent to the database")


def _raised_beneath(error: BaseException) -> bool:
    """Say whether SQLAlchemy's or psycopg's own code raised an error, rather than what called it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    return module.partition(".")[0] in {"sqlalchemy", "psycopg", "psycopg_binary", "psycopg_c"}


def _from_psycopg(error: psycopg.Error, login: str | None) -> errors.DevMentorError:
    for source, target in _CONSTRAINTS.items():
        if isinstance(error, source):
            return _violation(target, error)
    if isinstance(error, pg.InsufficientPrivilege):
        return _denied(error, login)
    return tls.explain(error) or _by_state(error)


def _by_state(error: psycopg.Error) -> errors.DevMentorError:
    if refused := _OURS.get(error.sqlstate or ""):
        return refused()
    if is_connection_loss(error):
        return errors.ConnectionLost()
    if error.sqlstate in _VALUES:
        return errors.ValueRefused(_field(error), said(error), error.sqlstate or "")
    if error.sqlstate is None and isinstance(error, psycopg.DataError):
        return _not_sent() if str(error).startswith(_NOT_SENT) else errors.ValueUnreadable()
    hint = _POOLED if error.sqlstate in _NOT_PREPARED else ""
    return errors.DatabaseError(error.sqlstate, said(error) + hint)


def said(error: psycopg.Error) -> str:
    """Return the server's message without any value; psycopg's own may quote one, so it is only named."""
    message = error.diag.message_primary
    if not message:
        return type(error).__name__
    return _QUOTED.sub("…", message) if (error.sqlstate or "").startswith("22") else message


def _field(error: psycopg.Error) -> str:
    diag = error.diag
    parts = (diag.schema_name, diag.table_name, diag.column_name)
    return ".".join(map(str, parts)) if all(parts) else "statement"


def _denied(error: psycopg.Error, login: str | None) -> errors.PermissionDenied:
    """Name what may not be used, and by whom; the server's message names objects only, no values."""
    message = said(error)
    names = _names()
    known = [names[word] for word in _WORD.findall(message) if word in names]
    quoted = _QUOTED.search(message)
    last = message.rpartition(" ")[2]
    # Unquoted, a name comes last in most languages.
    others = quoted[1] if quoted else last if last.isascii() and last.isidentifier() else None
    about = known[0] if known else others
    told = [*known[:1], *([f"logged in as {login}"] if login else [])]
    return errors.PermissionDenied(
        f"{message} ({', '.join(told)})" if told else message, object=about, login=login
    )


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Map the names of our schemas, tables and functions, bare and qualified, to the qualified ones."""
    import_module("devmentor_models.registry")  # as below
    full = [table.fullname for table in Base.metadata.tables.values()]
    full += [
        item.target.split()[1].partition("(")[0]
        for item in declared(Base.metadata)
        if isinstance(item, Statement) and item.target.startswith(("FUNCTION", "PROCEDURE"))
    ]
    bare = {name.rpartition(".")[2]: name for name in full}
    schemas = {name.partition(".")[0] for name in full}
    return bare | {name: name for name in (*full, *schemas)}


def is_connection_loss(error: psycopg.Error) -> bool:
    """Tell whether an error is the end of a connection: the server has ended it, or nothing answers."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(("08", "57P0")) or state in _ENDED


def _violation(target: type[errors.ConstraintViolation], error: psycopg.Error) -> errors.ConstraintViolation:
    diag = error.diag
    table = f"{diag.schema_name}.{diag.table_name}"
    columns = (
        (diag.column_name,)
        if diag.column_name
        else _columns_by_constraint().get((diag.schema_name or "", diag.constraint_name or ""), ())
    )
    return target(diag.constraint_name, table, columns)


@lru_cache(maxsize=1)
def _columns_by_constraint() -> dict[tuple[str, str], tuple[str, ...]]:
    """Map (schema, constraint or index name) to column names, from the metadata."""
    import_module("devmentor_models.registry")  # every table; here, because the registry imports the kit
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for table in Base.metadata.tables.values():
        parts: list[tuple[Any, list[Any]]] = [
            (item.name, [*item.columns])
            for item in table.constraints
            if isinstance(item, ColumnCollectionConstraint)
        ]
        parts += [(index.name, [*index.expressions]) for index in table.indexes]
        for name, expressions in parts:
            columns = [given for expression in expressions for given in _given(expression, table)]
            found[table.schema or "", str(name)] = tuple(dict.fromkeys(columns))
    return found


def _given(expression: Any, table: Table) -> list[str]:
    """Name the columns that an indexed expression is made of: those that a caller gives values for.

    A column that PostgreSQL computes, such as ``lower(email)``, stands for those that it is computed from.
    """
    column = table.columns.get(getattr(expression, "name", ""))
    if column is not None and column.computed is None:
        return [column.name]
    source = str(expression if column is None or column.computed is None else column.computed.sqltext)
    named = [table.columns[word] for word in _WORD.findall(source) if word in table.columns]
    return [name for part in named for name in _given(part, table)]


def scrub(error: BaseException | None) -> None:
    """Remove what may quote a value from an error's text, in place: DETAIL, CONTEXT and the like."""
    if isinstance(error, psycopg.Error):
        if error.diag.message_primary or isinstance(error, psycopg.DataError):
            error.args = (said(error),)
    elif isinstance(error, _OF_PYTHON) and not isinstance(error, errors.DevMentorError):
        error.args = ("a value that cannot be sent or read",)


def install(engine: Engine) -> None:
    """Make every statement on ``engine`` raise this library's errors, also outside repositories."""

    @event.listens_for(engine, "handle_error", retval=True)
    def handle(context: ExceptionContext) -> BaseException | None:
        original = context.original_exception
        driver = _driver(context) if isinstance(original, _ABOUT_SERVER) else None
        if driver is not None and _cannot_begin_to_write(original):
            context.is_disconnect = True
            return errors.ServerReadOnly(f"{driver.info.host}:{driver.info.port}")
        login = driver.info.user if driver is not None else None
        ours = translate(context.sqlalchemy_exception or original, login)
        if ours is not None:
            scrub(original)
        return ours


def _driver(context: ExceptionContext) -> psycopg.Connection[Any] | None:
    return None if context.connection is None else context.connection.connection.driver_connection


def _cannot_begin_to_write(error: BaseException) -> bool:
    """Tell BEGIN READ WRITE on a standby from the other features that are not supported, in any language."""
    return isinstance(error, pg.FeatureNotSupported) and error.diag.source_function == "call_bool_check_hook"

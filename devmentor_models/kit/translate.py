"""Turn what SQLAlchemy and psycopg raise into the errors of this library (see `errors`).

PostgreSQL's DETAIL quotes values (``Key (email)=(…) already exists``). They may be another tenant's, so the
original error is stripped to its primary message before it becomes the cause of ours.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout as PsycopgPoolTimeout
from psycopg_pool import TooManyRequests
from sqlalchemy import Engine, Index, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import StatementError
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.schema import ColumnCollectionConstraint

from devmentor_models import errors, tls
from devmentor_models.kit.base import Base
from devmentor_models.security.context import CONTEXT_EXPIRED, CONTEXT_REFUSED

_CONSTRAINTS: dict[type[psycopg.Error], type[errors.ConstraintViolation]] = {
    pg.UniqueViolation: errors.UniqueViolation,
    pg.ForeignKeyViolation: errors.ForeignKeyViolation,
    pg.CheckViolation: errors.CheckViolation,
    pg.ExclusionViolation: errors.ExclusionViolation,
    pg.NotNullViolation: errors.NotNullViolation,
}

_OTHERS: tuple[tuple[type[psycopg.Error], type[errors.DevMentorError]], ...] = (
    (pg.InsufficientPrivilege, errors.PermissionDenied),
    (pg.SerializationFailure, errors.TransactionConflict),
    (pg.DeadlockDetected, errors.TransactionConflict),
    (pg.QueryCanceled, errors.StatementTimeout),
    (pg.LockNotAvailable, errors.LockTimeout),
)


#: What our own functions raise.
_OURS: dict[str, type[errors.DevMentorError]] = {
    CONTEXT_REFUSED: errors.ContextRefused,
    CONTEXT_EXPIRED: errors.ContextExpired,
}


def translate(error: BaseException) -> errors.DevMentorError | None:
    """Return our error for ``error``, or None when it is not the database's."""
    if isinstance(error, errors.DevMentorError):
        return error
    # Not DBAPIError alone: what a column type raises while a value is bound comes as its base class.
    if isinstance(error, StatementError) and error.orig is not None:
        return translate(error.orig)
    if isinstance(error, StaleDataError):
        return errors.VersionConflict()
    if isinstance(error, PsycopgPoolTimeout | TooManyRequests):
        return errors.PoolTimeout()
    return _from_psycopg(error) if isinstance(error, psycopg.Error) else None


def _from_psycopg(error: psycopg.Error) -> errors.DevMentorError:
    for source, target in _CONSTRAINTS.items():
        if isinstance(error, source):
            return _violation(target, error)
    for other, translated in _OTHERS:
        if isinstance(error, other):
            return translated()
    if refused := _OURS.get(error.sqlstate or ""):
        return refused()
    if insecure := tls.explain(error):
        return insecure
    if _is_connection_loss(error):
        return errors.ConnectionLost()
    return errors.DatabaseError(error.sqlstate, error.diag.message_primary or type(error).__name__)


def _is_connection_loss(error: psycopg.Error) -> bool:
    """Class 08, 57P0x, and operational errors without a code: the socket is gone."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(("08", "57P0"))


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
        parts: list[tuple[str | None, list[str]]] = [
            (item.name if isinstance(item.name, str) else None, [column.name for column in item.columns])
            for item in table.constraints
            if isinstance(item, ColumnCollectionConstraint)
        ]
        parts += [(index.name, _index_columns(index)) for index in table.indexes]
        for name, columns in parts:
            found[table.schema or "", str(name)] = tuple(columns)
    return found


def _index_columns(index: Index) -> list[str]:
    return [column.name for column in index.columns]


def scrub(error: BaseException | None) -> None:
    """Remove DETAIL, CONTEXT and the like from a psycopg error's text, in place."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        error.args = (error.diag.message_primary,)


def install(engine: Engine) -> None:
    """Make every statement on ``engine`` raise this library's errors, also outside repositories."""

    @event.listens_for(engine, "handle_error", retval=True)
    def handle(context: ExceptionContext) -> BaseException | None:
        translated = translate(context.original_exception)
        scrub(context.original_exception)
        return translated

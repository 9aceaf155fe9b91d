"""Every error this library raises, in one hierarchy.

Catch `DevMentorError` for all of them. The docstring of a class says what happened and what to do
about it, and is the message when the raiser has nothing more precise to say. No message ever quotes a
stored or rejected value: logs must not reveal another tenant's e-mail address or somebody's token.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import ClassVar

from sqlalchemy.exc import DontWrapMixin

#: Longer texts are no names.
MAX_NAME = 100


class DevMentorError(Exception):
    """Something went wrong in the DevMentor data layer."""

    #: True when running the whole transaction again can succeed.
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.getdoc(type(self)))


class ConfigurationError(DevMentorError):
    """A setting is missing or contradictory; the message names it."""


class DatabaseUnusable(ConfigurationError):
    """The database cannot work with this library; nothing was written to it.

    Attributes:
        problems: Everything that is in the way, each with what to do about it.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class EncryptionKeyMissing(ConfigurationError):
    """An encrypted column was used without its key: set DEVMENTOR_ENCRYPTION_KEYS, former keys included."""


class InsecureConnection(ConfigurationError):
    """The connection to the database could not be secured, so none was made: the message says what to set.

    Neither the password nor a statement was sent. Trying again does not help.
    """


class AuthenticationFailed(ConfigurationError):
    """The server does not let this login in: wrong password, no such login, or pg_hba.conf forbids it.

    Told at once, without waiting for the pool: trying again does not help.
    """


class DatabaseMissing(ConfigurationError):
    """There is no such database on the server: correct the URL, or create it."""


class ExtraMissing(ConfigurationError):
    """An optional part of this library is used, but what it needs is not installed.

    Attributes:
        extra: The name of the extra that brings it.
    """

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(f'This needs the extra "{extra}": pip install "devmentor-models[{extra}]".')


class CollectionMismatch(ConfigurationError):
    """A collection of the vector mirror cannot hold the vectors of its model; nothing was written to it.

    Attributes:
        collection: The collection.
    """

    def __init__(self, collection: str, found: str, expected: str) -> None:
        self.collection = collection
        super().__init__(
            f"The collection {collection} of the vector mirror has {found}; its model makes {expected}."
            " Delete the collection, or mirror the model to another one."
        )


class MirrorRefused(DevMentorError):
    """The vector mirror could not be reached, or did not do what was asked; the message says what it said.

    PostgreSQL has everything: trying again later brings the mirror up to date.
    """


class DecryptionFailed(DevMentorError):
    """A stored ciphertext was tampered with or moved from another row, or its user's key is gone."""


class ActorMissing(DevMentorError):
    """No actor is set on this transaction, so row security would hide every row.

    Open it with ``db.begin(Actor.user(user_id))``, or have a plain session ``bind_actor(session, actor)``.
    """


class ContextRefused(DevMentorError):
    """The database accepts signed contexts only, and this one has no signature or another key's.

    Set ``DEVMENTOR_CONTEXT_KEY``, or a file ``devmentor_context_key`` in ``DEVMENTOR_SECRETS_DIR``, to a key
    that ``devmentor-db upgrade`` or ``context-key`` has brought into the database.
    """


class ContextExpired(ContextRefused):
    """The signature of the context was made more than a minute ago, by the server's clock; nothing was run.

    The server's clock was set, or this process was stopped for so long: running the transaction again helps.
    """

    retryable = True


class ActorChanged(DevMentorError):
    """A transaction keeps its actor: begin another transaction for another actor."""


class NotFound(DevMentorError):
    """No such row is visible to this actor.

    Attributes:
        entity: What it is.
        key: What was asked for; the message names it, unless it is no text that can be a name.
    """

    def __init__(self, entity: str, key: object = None) -> None:
        self.entity = entity
        self.key = key
        told = key is not None and (not isinstance(key, str) or (len(key) <= MAX_NAME and key.isprintable()))
        suffix = "" if not told else f" {key!r}" if isinstance(key, str) else f" {key}"
        super().__init__(f"No {entity}{suffix} is visible to this actor.")


class InvalidValue(DevMentorError, DontWrapMixin, ValueError):
    """A value cannot be stored in its field; nothing was written.

    Attributes:
        field: ``schema.table.column``, or the name of the argument.
        reason: What is wrong, without the value.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


class ValueUnreadable(DevMentorError):
    """The database holds a value that this code cannot read.

    Such as one that a newer release has added to a closed set, or a date that Python does not have.
    """


class ConstraintViolation(DevMentorError):
    """A database constraint refused the write.

    Attributes:
        constraint: Name of the constraint or unique index; None for NOT NULL.
        table: ``schema.table``.
        columns: The columns that the constraint speaks of.
    """

    verb: ClassVar[str] = "violates"

    def __init__(self, constraint: str | None, table: str, columns: tuple[str, ...]) -> None:
        self.constraint = constraint
        self.table = table
        self.columns = columns
        what = f" ({', '.join(columns)})" if columns else ""
        name = f" [{constraint}]" if constraint else ""
        super().__init__(f"{table}{what}: {self.verb}{name}.")


class UniqueViolation(ConstraintViolation):
    """The value is taken already."""

    verb = "already taken"


class ForeignKeyViolation(ConstraintViolation):
    """The row refers to one that does not exist for this tenant, or is still referred to."""

    verb = "refers to a missing row, or is still referred to"


class CheckViolation(ConstraintViolation):
    """The row breaks a rule of its table."""

    verb = "breaks a rule of the table"


class ExclusionViolation(ConstraintViolation):
    """The row collides with another one, such as an overlapping date range."""

    verb = "collides with another row"


class NotNullViolation(ConstraintViolation):
    """A required column has no value."""

    verb = "is required"


class VersionConflict(DevMentorError):
    """Somebody else changed or deleted the row since it was read: read it again, then decide."""


class InsufficientCredits(DevMentorError):
    """The project has fewer credits than were to be spent; nothing was spent."""


class TokenInvalid(DevMentorError):
    """The token is unknown, expired, revoked or used already."""


class TokenReused(TokenInvalid):
    """A refresh token was presented a second time, so its whole family has been revoked."""


class SignInFailed(DevMentorError):
    """The address or the password is wrong, or the account is inactive; which of them is told to nobody."""


class PermissionDenied(DevMentorError):
    """The database role or a row security policy does not allow this statement.

    Attributes:
        object: The table, function or schema that it is about; None where the server names none.
        login: The role that was logged in; None where that is not known.
    """

    def __init__(
        self, message: str | None = None, *, object: str | None = None, login: str | None = None
    ) -> None:
        self.object = object
        self.login = login
        super().__init__(message)


class RoleRequired(PermissionDenied):
    """The acting user sees this, but may not change it: that takes another role in the project or team.

    Attributes:
        role: The role that it takes: ``editor``, ``manager`` or ``owner``.
    """

    def __init__(self, role: str, entity: str, key: object) -> None:
        super().__init__(
            f"Only the owner may do this to {entity} {key}."
            if role == "owner"
            else f"Only the owner and whoever has the role {role} may change {entity} {key}."
        )
        self.role = role


class TransactionOver(DevMentorError):
    """The transaction has ended, so nothing can be done in it: begin another one."""


class SessionMisused(DevMentorError):
    """The session was asked for something that SQLAlchemy does not do; the message says what."""


class NotLoaded(DevMentorError):
    """An attribute was read that was not loaded, and only an awaited call can load it.

    Get the object again from its repository, or ``await tx.session.refresh(it)``, and read it then.
    """


class TransactionConflict(DevMentorError):
    """The transaction collided with a concurrent one (40001 or 40P01); running it again may succeed."""

    retryable = True


class ConnectionLost(DevMentorError):
    """The connection broke before COMMIT was sent, so nothing was written."""

    retryable = True


class ServerReadOnly(DevMentorError):
    """A standby, which cannot write; its connection is given up, so that the next may find the primary."""

    retryable = True

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} is a standby: find the primary, as target_session_attrs=read-write does.")


class CommitUnknown(DevMentorError):
    """The connection broke while COMMIT was in flight: it may or may not have taken effect.

    Never retried blindly: look whether the work is there first, or make it idempotent.
    """


class PoolTimeout(DevMentorError):
    """No connection came free in time: the pool is exhausted or the server unreachable."""


class ServerUnreachable(PoolTimeout):
    """No server answers there, or it is starting or stopping; the message names host and port.

    Told at once where this process never had a connection: the URL may be wrong. Later on the server may be
    restarting, so that it is told when no connection could be made in ``pool_timeout_seconds``.
    """


class TooManyConnections(PoolTimeout):
    """The server has no connection left (``max_connections``), and none became free in time."""


class DatabaseClosed(DevMentorError):
    """The database object was closed: make another one."""


class WrongEventLoop(DevMentorError):
    """The database is in use in another event loop, and that loop is still open.

    An `AsyncDatabase` belongs to the event loop of its first use; once that loop is closed, to the next one.
    Make one for each loop that runs at the same time.
    """


class TransactionReused(DevMentorError):
    """A transaction is entered once: call ``db.begin(actor)`` again for the next one."""


class TransactionInherited(DevMentorError):
    """The transaction was begun before this process was forked: it is the parent's alone.

    Nothing was sent. Begin transactions in the process that is to use them.
    """


class StatementTimeout(DevMentorError):
    """The statement ran into statement_timeout or was cancelled."""


class LockTimeout(DevMentorError):
    """A lock was not to be had within lock_timeout."""


class RowsHidden(DevMentorError):
    """Row security hides rows from a step of a migration, so it would have missed them; it was not run."""


class UnexpectedRows(DevMentorError):
    """A step of a migration touched another number of rows than it expected; it was undone.

    Attributes:
        table: ``schema.table``.
        expected: How many it expected, in words.
        touched: How many it touched.
    """

    def __init__(self, table: str, expected: str, touched: int) -> None:
        self.table = table
        self.expected = expected
        self.touched = touched
        super().__init__(
            f"{table}: the step touched {touched} rows, expected were {expected}; it was undone."
        )


class SchemaMismatch(DevMentorError):
    """This code and the schema of the database do not fit each other.

    Attributes:
        found: The revision that the database is at; None when it has none.
        expected: The newest revision of this installation.
    """

    words: ClassVar[str] = "The database is at {found}, this installation of devmentor-models at {expected}."

    def __init__(self, found: str | None, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(self.words.format(found=found, expected=expected))


class SchemaEmpty(SchemaMismatch):
    """The database was never migrated: run ``devmentor-db upgrade``, or correct the URL."""

    words = (
        "The database has no schema of DevMentor; {expected} is the newest revision here."
        " Run `devmentor-db upgrade`, or correct the URL."
    )


class SchemaBehind(SchemaMismatch):
    """The database lacks revisions that this code needs: run ``devmentor-db upgrade``."""

    words = "The database is at {found}, behind this installation's {expected}. Run `devmentor-db upgrade`."


class SchemaIncompatible(SchemaMismatch):
    """The database has newer revisions that ended the life of this code: install a newer devmentor-models."""

    words = (
        "The database is at {found}, ahead of this installation's {expected}, which it no longer works with."
        " Install the devmentor-models release whose newest revision is {found}."
    )


class SchemaUnknown(SchemaMismatch):
    """Neither the database nor this code knows the other's revision: one of them is not from this line."""

    words = (
        "The database is at {found}, which this installation does not know, and it never had {expected}, the"
        " newest one here. Correct the URL, or install the devmentor-models release that has {found}. If none"
        " has it, nothing leads on from there: drop the database, create it anew, run `devmentor-db upgrade`."
    )


class DataLossRefused(DevMentorError):
    """A downgrade would lose data, and nobody said that it may; nothing was done.

    Attributes:
        revision: The revision whose downgrade it is.
        lost: What would be lost, in the words of the revision.
    """

    def __init__(self, revision: str, lost: str) -> None:
        self.revision = revision
        self.lost = lost
        super().__init__(
            f"The downgrade of revision {revision} loses {lost.rstrip('.')}. To allow it:"
            " `devmentor-db downgrade --allow-data-loss`, or `alembic -x allow-data-loss=yes downgrade`."
        )


class MigrationRefused(DevMentorError):
    """A revision asks for what cannot be done as it stands; the message says what to change."""


class DatabaseError(DevMentorError):
    """PostgreSQL refused a statement for a reason that has no class of its own.

    Attributes:
        sqlstate: PostgreSQL's five-character code.
    """

    def __init__(self, sqlstate: str | None, message: str) -> None:
        self.sqlstate = sqlstate
        super().__init__(f"{message} [{sqlstate}]" if sqlstate else message)


class ReadOnlyTransaction(DatabaseError):
    """A read-only transaction cannot write: begin it without ``readonly=True``.

    A search is a write where it is logged, and a look into the response cache counts the hit.
    """

    def __init__(self) -> None:
        super().__init__("25006", inspect.getdoc(type(self)) or "")


class TransactionAborted(DatabaseError):
    """An earlier statement of the transaction failed, so it can only be rolled back: leave its block.

    What may fail without failing the transaction belongs into ``tx.savepoint()``.
    """

    def __init__(self) -> None:
        super().__init__("25P02", inspect.getdoc(type(self)) or "")


class ValueRefused(InvalidValue, DatabaseError):
    """PostgreSQL refused a value of a statement; nothing was written.

    Attributes:
        field: ``schema.table.column`` where the server tells, else ``statement``.
        reason: What is wrong, without the value.
        sqlstate: PostgreSQL's five-character code.
    """

    def __init__(self, field: str, reason: str, sqlstate: str) -> None:
        DatabaseError.__init__(self, sqlstate, f"{field}: {reason}")
        self.field = field
        self.reason = reason

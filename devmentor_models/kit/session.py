"""What a session carries for its repositories: the actor, and the translation of errors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, event, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from devmentor_models.dialect import close
from devmentor_models.errors import (
    ActorChanged,
    CommitUnknown,
    ConnectionLost,
    DevMentorError,
    SessionMisused,
    TransactionOver,
)
from devmentor_models.kit.translate import scrub, translate
from devmentor_models.kit.variables import variable
from devmentor_models.security.actor import Actor
from devmentor_models.security.signing import (
    IDENTITY,
    KEY_VARIABLE,
    SessionIdentity,
    context_arguments,
    signing_key,
)

#: Sets the actor of a transaction that has begun; the arguments are `context_arguments`.
ENTER = "SELECT devmentor.enter(%s, %s, %s, %s, %s, %s, %s, %s)"
#: Where a session keeps its actor, in ``session.info``.
ACTOR_KEY = "devmentor.actor"
#: Where it keeps whom a service that began for nobody acts for meanwhile; see `adopt`.
_ADOPTED_KEY = "devmentor.adopted"


def bind_actor(session: Session | AsyncSession, actor: Actor) -> None:
    """Give a plain session its actor: every transaction it opens starts with the actor's context.

    Sessions from ``db.begin(actor)`` have theirs already. With ``DEVMENTOR_CONTEXT_KEY`` set it is signed.

    Raises:
        ActorChanged: The session has another actor, or a transaction is open already. Objects that one
            tenant loaded would be served to the next from the session's identity map.
    """
    bound = session.info.get(ACTOR_KEY)
    if bound == actor:
        return
    if bound is not None or session.in_transaction():
        raise ActorChanged
    session.info[ACTOR_KEY] = actor
    key = signing_key(variable(KEY_VARIABLE))

    def apply(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if transaction.nested:
            return
        session.info.pop(_ADOPTED_KEY, None)
        identity = SessionIdentity.answered(*connection.exec_driver_sql(IDENTITY).one()) if key else None
        connection.exec_driver_sql(ENTER, context_arguments(actor, key, identity))

    event.listen(session.sync_session if isinstance(session, AsyncSession) else session, "after_begin", apply)


@contextmanager
def translated(session: Session | AsyncSession | None = None) -> Iterator[None]:
    """Raise the library's errors instead of SQLAlchemy's and psycopg's, without the values that those quote.

    Args:
        session: Whose transaction it is about; an error then says where that is over.
    """
    try:
        yield
    except Exception as error:
        ours = translate(error)
        if ours is None or ours is error:
            raise
        if isinstance(ours, SessionMisused) and session is not None and not session.in_transaction():
            ours = TransactionOver()
        scrub(error)
        scrub(getattr(error, "orig", None))
        raise ours from None


def finish(session: Session, error: BaseException | None) -> None:
    """End a session's transaction: commit, or after an ``error`` roll back; then close the session.

    One synchronous function, so that an async session hops to its greenlet once rather than for each step.

    Raises:
        CommitUnknown: The connection broke during COMMIT.
        DevMentorError: What the last statements, COMMIT included, ran into; or ``error``, translated.
    """
    # With the connection gone there is nothing to roll back, and what the block raised says more.
    passed_over: tuple[type[Exception], ...] = () if error is None else (ConnectionLost,)
    try:
        with translated(session):
            _commit(session, error)
    except BaseException as raised:
        if not isinstance(raised, Exception):
            passed_over = (Exception,)  # Ctrl-C may have left SQLAlchemy in the middle of something
        raise
    finally:
        with suppress(*passed_over):
            close(session)


def _commit(session: Session, error: BaseException | None) -> None:
    if error is not None:
        if translate(error) not in (None, error):
            raise error
        return
    if not session.in_transaction():
        return  # ended by hand, with the session's own rollback() or commit()
    session.flush()
    try:
        session.commit()
    except ConnectionLost:
        # The server may have committed before the connection broke.
        raise CommitUnknown from None


def loaded_attributes(session: Session) -> dict[Any, Collection[str]]:
    """Return what is loaded of each object of a session, for `reload` after a savepoint that failed."""
    return {item: vars(item).keys() & inspect(item).mapper.attrs.keys() for item in session}


def reload(session: Session, loaded: Mapping[Any, Collection[str]]) -> None:
    """Read again what a failed savepoint has changed; SQLAlchemy has forgotten those objects' attributes.

    A session that loads them when they are read would do without, an async one cannot. Where nothing can be
    read any more, since the connection is gone too, that is told by the next call.

    Args:
        session: The session, back at its savepoint.
        loaded: What `loaded_attributes` returned before; the columns of other objects are read as well.
    """
    for item in [*session]:
        if session.is_active and inspect(item).expired:
            with suppress(SQLAlchemyError, DevMentorError):
                session.refresh(item, loaded.get(item))


def actor_of(info: dict[Any, Any]) -> Actor | None:
    """Return the actor kept in a session's ``info``, if any."""
    actor = info.get(ACTOR_KEY)
    return actor if isinstance(actor, Actor) else None


def adopt(info: dict[Any, Any], user_id: UUID) -> None:
    """Note that the transaction acts for a user from now on, who has proven to be one.

    The database has adopted the user before; what is kept here only lets repositories know for whom they act.
    """
    info[_ADOPTED_KEY] = user_id


def acting_user(info: dict[Any, Any]) -> UUID | None:
    """Return the user who acts, or for whom a service acts, if any."""
    actor = actor_of(info)
    if actor is not None and actor.user_id is not None:
        return actor.user_id
    adopted = info.get(_ADOPTED_KEY)
    return adopted if isinstance(adopted, UUID) else None

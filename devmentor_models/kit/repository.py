# Generated from repository_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The base of every repository: runs statements on one session, as its actor.

A repository takes any session. One from ``db.begin(actor)`` has its actor already; a plain one is given an
actor by `devmentor_models.bind_actor`. Repositories flush, never commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import CursorResult, Executable, Result, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.selectable import TypedReturnsRows

from devmentor_models.errors import ActorMissing, NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.base import Base
from devmentor_models.kit.batches import MAX_BATCH
from devmentor_models.kit.calls import Arguments
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Count, Page, after, page_of
from devmentor_models.kit.session import acting_user, actor_of, translated
from devmentor_models.security.actor import Actor

M = TypeVar("M", bound=Base)
T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Repository:
    """Base of the repositories.

    Whatever a call of a public method raises is an error of this library: its arguments are checked against
    their annotations first, and what SQLAlchemy or psycopg raise is translated, wherever that happens.

    Args:
        session: The session in whose transaction the repository takes part.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Guard every public method."""
        super().__init_subclass__(**kwargs)
        for name, method in [*vars(cls).items()]:
            if isfunction(method) and not name.startswith("_"):
                setattr(cls, name, _guarded(method))

    @property
    def actor(self) -> Actor:
        """The actor of the session.

        Raises:
            ActorMissing: The session has none.
        """
        actor = actor_of(self.session.info)
        if actor is None:
            raise ActorMissing
        return actor

    @property
    def user_id(self) -> UUID:
        """The tenant: the user who acts, or on whose behalf a service acts.

        Raises:
            ActorMissing: The session has no actor, or a service that acts for no user.
        """
        actor = self.actor
        acting = acting_user(self.session.info)
        if acting is None:
            raise ActorMissing(
                f"{actor.label} acts for no user: begin the transaction as"
                f' Actor.service("{actor.name}", on_behalf_of=user_id).'
            )
        return acting

    def _execute(self, statement: Executable, parameters: Parameters | None = None) -> Result[Any]:
        """Execute any statement."""
        with translated(self.session):
            return self.session.execute(statement, parameters)

    def _all(self, statement: TypedReturnsRows[M], parameters: Parameters | None = None) -> Sequence[M]:
        """Return every row's entity."""
        return (self._execute(statement, parameters)).scalars().all()

    def _find(self, statement: TypedReturnsRows[M], parameters: Parameters | None = None) -> M | None:
        """Return the only row's entity, or None."""
        found: M | None = (self._execute(statement, parameters)).scalars().one_or_none()
        return found

    def _get(
        self,
        statement: TypedReturnsRows[M],
        parameters: Parameters | None = None,
        *,
        entity: str,
        key: object = None,
    ) -> M:
        """Return the only row's entity.

        Raises:
            NotFound: No row.
        """
        found = self._find(statement, parameters)
        if found is None:
            raise NotFound(entity, key)
        return found

    def _page(
        self,
        statement: Select[M],
        keys: Sequence[InstrumentedAttribute[Any]],
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
        descending: bool = True,
    ) -> Page[M]:
        """Return one page of entities, by keyset; see `kit.pagination.after`."""
        rows = self._all(after(statement, keys, cursor=cursor, limit=limit, descending=descending))
        return page_of(rows, keys, limit)

    def _count(self, statement: Select[Any], up_to: int) -> Count:
        """Count rows, reading at most ``up_to`` of them and one more."""
        rows = statement.order_by(None).limit(up_to + 1).subquery()
        value: int = (self._execute(select(func.count()).select_from(rows))).scalar_one()
        return Count(min(value, up_to), value > up_to)

    def _delete_batch(self, everybodys: Executable, the_users: Executable, limit: int) -> int:
        """Delete a batch, see `kit.batches`: everybody's for a service on its own account, else the user's.

        Raises:
            InvalidValue: ``limit`` is not 1 to 10,000.
        """
        parameters: dict[str, Any] = {"batch": whole_number("limit", limit, at_least=1, at_most=MAX_BATCH)}
        owner = self.actor.user_id
        if owner is None:
            deleted = self._execute(everybodys, parameters)
        else:
            deleted = self._execute(the_users, {**parameters, "tenant": owner})
        return cast("CursorResult[Any]", deleted).rowcount

    def _add(self, entity: M) -> M:
        """Insert one entity and return it with what the server filled in."""
        self.session.add(entity)
        self._flush()
        return entity

    def _add_all(self, entities: Sequence[M]) -> Sequence[M]:
        """Insert entities, batched by SQLAlchemy into as few statements as their tables allow."""
        self.session.add_all(entities)
        self._flush()
        return entities

    def _flush(self) -> None:
        """Send pending changes.

        Raises:
            VersionConflict: A changed row was changed by somebody else first.
        """
        with translated(self.session):
            self.session.flush()


def _guarded(method: Callable[..., T]) -> Callable[..., T]:
    arguments = Arguments(method)

    @wraps(method)
    def call(self: Repository, *args: Any, **kwargs: Any) -> T:
        with translated(self.session):
            arguments.check(args, kwargs)
            return method(self, *args, **kwargs)

    return call

"""The base of the factories: which session a factory writes to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Generic, TypeVar, cast

from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy.orm import Session

from devmentor_models.kit.base import Base

M = TypeVar("M", bound=Base)

_session: ContextVar[Session] = ContextVar("devmentor_factory_session")


class ModelFactory(SQLAlchemyModelFactory, Generic[M]):
    """Makes rows of one model, with the parents that they need.

    ``XFactory.build()`` makes an object, ``XFactory.insert(session)`` also writes and flushes it. With an
    async session: ``await session.run_sync(XFactory.insert)``. A parent that is given is used
    (``user=user``), one that is not is made.
    """

    class Meta:
        abstract = True
        sqlalchemy_session_factory = _session.get
        sqlalchemy_session_persistence = "flush"

    @classmethod
    def build(cls, **values: Any) -> M:
        """Make one object without writing it."""
        return cast("M", super().build(**values))

    @classmethod
    def insert(cls, session: Session, **values: Any) -> M:
        """Write one row through ``session`` and return it; nothing is committed."""
        token = _session.set(session)
        try:
            return cast("M", cls.create(**values))
        finally:
            _session.reset(token)

"""The base of the factories: which session a factory writes to."""

# factory-boy reads a nested Meta per class, which a type checker takes for an override of the base's.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Generic, TypeVar, cast

from factory.alchemy import SQLAlchemyModelFactory
from factory.declarations import SubFactory
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
    def insert(cls, session: Session, /, **values: Any) -> M:
        """Write one row through ``session`` and return it; nothing is committed."""
        token = _session.set(session)
        try:
            return cast("M", cls.create(**values))
        finally:
            _session.reset(token)


class KeyOf(SubFactory):
    """The key of a parent: of the one that was given, else of one that is made.

    Args:
        *paths: Where a given parent's key is, ``parameter.attribute``; the first parameter that is not None
            wins. Name the parameters in the factory's ``Params``, each ``None``.
        make: Factory of the parent when none was given; its ``id`` is used.
        **values: Values for that factory, as in ``SubFactory``.

    Unlike a ``SubFactory`` among the ``Params`` it makes no parent when the key itself was given::

        class TeamMemberFactory(ModelFactory[TeamMember]):
            class Meta:
                model = TeamMember

            class Params:
                team = None

            user_id = KeyOf("team.user_id", make=UserFactory)
            team_id = KeyOf("team.id", make=TeamFactory, user_id=SelfAttribute("..user_id"))
    """

    def __init__(self, *paths: str, make: type[ModelFactory[Any]], **values: Any) -> None:
        super().__init__(make, **values)
        self._paths = [tuple(path.split(".")) for path in paths]

    def evaluate(self, instance: Any, step: Any, extra: Any) -> Any:
        """Return the key."""
        for parameter, attribute in self._paths:
            parent = getattr(instance, parameter)
            if parent is not None:
                return getattr(parent, attribute)
        return super().evaluate(instance, step, extra).id

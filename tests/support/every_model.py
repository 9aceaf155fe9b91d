"""A row in every table that belongs to users, made with the factories."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from devmentor_models.testing import factories
from devmentor_models.testing.factories.base import ModelFactory


def _below(parent: type[Any]) -> Iterator[type[ModelFactory[Any]]]:
    for factory in parent.__subclasses__():
        yield factory
        yield from _below(factory)


def every_factory() -> Iterator[type[ModelFactory[Any]]]:
    """Yield the factory of every model."""
    for module in pkgutil.iter_modules(factories.__path__):
        import_module(f"{factories.__name__}.{module.name}")
    yield from _below(ModelFactory)


def insert_rows_everywhere(session: Session) -> None:
    """Insert a row of every model, with the parents that it needs."""
    for factory in every_factory():
        factory.insert(session)


def insert_everything(session: Session, user_id: UUID) -> set[str]:
    """Insert a row of every model that has a ``user_id``, for one user; return the tables' names."""
    tables = set()
    for factory in every_factory():
        table = factory._meta.model.__table__
        if "user_id" in table.c:
            factory.insert(session, user_id=user_id)
            tables.add(table.fullname)
    return tables

"""Put a few rows into every table that the factories fit."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import psycopg
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from devmentor_models.errors import DevMentorError
from devmentor_models.settings import conninfo
from devmentor_models.testing import factories
from devmentor_models.testing.factories.base import ModelFactory


def fill(url: str, rows: int = 3) -> set[str]:
    """Insert ``rows`` rows of every model and commit; return the names of the tables that took them.

    A database at an older revision lacks what newer models have: those tables stay empty, without an error.

    Args:
        url: The database; its role must pass row security.
        rows: How many rows of each model.
    """
    target = conninfo(url)
    engine = create_engine(
        "postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(target)
    )
    tables: set[str] = set()
    with Session(engine) as session:
        for factory in _factories():
            try:
                with session.begin_nested():
                    for _ in range(rows):
                        factory.insert(session)
            except (SQLAlchemyError, DevMentorError):
                continue
            tables.add(_table(factory))
        session.commit()
    engine.dispose()
    return tables


def factories_by_table() -> dict[str, type[ModelFactory[Any]]]:
    """Return the factory of each table."""
    return {_table(factory): factory for factory in _factories()}


def _table(factory: type[ModelFactory[Any]]) -> str:
    return str(factory._meta.model.__table__.fullname)  # noqa: SLF001 - factory-boy's way to the model


def _factories() -> Iterator[type[ModelFactory[Any]]]:
    for module in pkgutil.iter_modules(factories.__path__):
        import_module(f"{factories.__name__}.{module.name}")
    yield from ModelFactory.__subclasses__()

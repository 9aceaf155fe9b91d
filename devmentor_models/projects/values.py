"""Checks of whole rows: every value is checked before the first one is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import Enum, inspect

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.base import Base
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.plain import column_check

M = TypeVar("M", bound=Base)

MAX_BIGINT = 2**63 - 1


def check_values(model: type[Base], values: Mapping[str, Any]) -> None:
    """Check values against the columns that they are for.

    Raises:
        InvalidValue: A value does not fit its column, or there is no such column.
    """
    columns = inspect(model).columns
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            raise InvalidValue(name, f"is no field of {model.__name__}")
        field = f"{column.table.fullname}.{column.name}"
        if value is None:
            if not column.nullable:
                raise InvalidValue(field, "is required")
        elif isinstance(column.type, Enum) and not isinstance(value, column.type.enum_class or str):
            raise InvalidValue(field, f"expects a {(column.type.enum_class or str).__name__}")
        elif check := column_check(column):
            check(value)


def built(model: type[M], values: Mapping[str, Any]) -> M:
    """Return a new row that has a key, after checking its values.

    Raises:
        InvalidValue: A value does not fit.
    """
    check_values(model, values)
    return model(id=uuid7(), **values)


def check_names(given: Mapping[str, Any], allowed: type[Any]) -> None:
    """Refuse named arguments that a TypedDict does not have; at run time nobody else does.

    Raises:
        InvalidValue: There is one.
    """
    for name in given:
        if name not in allowed.__annotations__:
            raise InvalidValue(name, "cannot be given here")


def change(entity: Base, values: Mapping[str, Any]) -> list[str]:
    """Assign values to an entity, all of them or none; return the names of those that differ.

    Raises:
        InvalidValue: A value does not fit; the entity is as it was.
    """
    check_values(type(entity), values)
    before = {name: getattr(entity, name) for name in values}
    for name, value in values.items():
        setattr(entity, name, value)
    return sorted(name for name, value in before.items() if getattr(entity, name) != value)

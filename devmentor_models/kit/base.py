"""The declarative base and the small abstract bases that models are composed of (DESIGN §2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ClauseElement,
    Column,
    Enum,
    FetchedValue,
    ForeignKeyConstraint,
    MetaData,
    Table,
    event,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, declared_attr, mapped_column

from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.plain import column_check
from devmentor_models.kit.provenance import constant
from devmentor_models.kit.types import Timestamp
from devmentor_models.security.declarations import Security

#: Our technical schema: helper functions and alembic_version. Nothing of ours lives in ``public``.
TECHNICAL_SCHEMA = "devmentor"

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """Base of every mapped class. A class with a table must declare ``__security__``."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)

    #: What protects the table; see `devmentor_models.security.declarations`.
    __security__: ClassVar[Security]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a mapped class without ``__security__``."""
        if "__tablename__" in cls.__dict__ and not isinstance(getattr(cls, "__security__", None), Security):
            raise TypeError(
                f"{cls.__qualname__} declares no __security__: say who may see and change its rows"
            )
        super().__init_subclass__(**kwargs)

    def __repr__(self) -> str:
        """Show the class and the key only: other columns may hold personal data."""
        return f"<{type(self).__name__} {self.__dict__.get('id', '?')}>"


def _key(*, insert_sentinel: bool = False) -> MappedColumn[UUID]:
    return mapped_column(
        primary_key=True,
        default=uuid7,
        server_default=text(f"{TECHNICAL_SCHEMA}.uuidv7()"),
        insert_sentinel=insert_sentinel,
        comment="Time-ordered UUIDv7, made by the client or by default by the server",
        sort_order=-100,
    )


class Record(Base):
    """A row with a time-ordered UUID key and its time of creation."""

    __abstract__ = True

    # Beside a server default SQLAlchemy takes no key for one that can sort RETURNING rows, and inserts many
    # rows one by one; ours is always made by the client.
    id: Mapped[UUID] = _key(insert_sentinel=True)
    created_at: Mapped[datetime] = mapped_column(
        Timestamp(), server_default=func.now(), comment="When the row was inserted", sort_order=100
    )


class MutableRecord(Record):
    """A row that may change: ``updated_at`` and the optimistic lock ``version`` are kept by a trigger.

    The trigger counts for every writer (ORM, Core, psql), so a lost write is noticed whoever made the other.
    """

    __abstract__ = True

    updated_at: Mapped[datetime] = mapped_column(
        Timestamp(),
        server_default=func.now(),
        server_onupdate=FetchedValue(),
        comment="When the row was last changed (set by trigger)",
        sort_order=101,
    )
    version: Mapped[int] = mapped_column(
        server_default=text("1"),
        server_onupdate=FetchedValue(),
        comment="Optimistic lock, counted up by trigger",
        sort_order=102,
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """Lock optimistically on the version that the trigger writes."""
        return {"version_id_col": cls.version, "version_id_generator": False, "eager_defaults": True}


class PartitionedRecord(Base):
    """An append-only row of a table that is partitioned by month; its key includes the time."""

    __abstract__ = True

    id: Mapped[UUID] = _key()
    created_at: Mapped[datetime] = mapped_column(
        Timestamp(),
        primary_key=True,
        # From the client too: a role that may only insert cannot read back what the server filled in.
        default=lambda: datetime.now(UTC),
        server_default=func.now(),
        comment="When it happened; decides the partition",
        sort_order=-99,
    )


class SoftDeletable:
    """Mixin: deleting sets ``deleted_at``; unique indexes cover live rows only."""

    deleted_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When the row was soft-deleted; NULL while it is live", sort_order=103
    )


LIVE = constant("deleted_at IS NULL")


def pg_enum(enum: type[StrEnum], schema: str) -> Enum:
    """Return the native enum type of a StrEnum: ``auth.user_role`` for ``UserRole``.

    >>> pg_enum(StrEnum("UserRole", "USER ADMIN"), "auth").name
    'user_role'
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.__name__).lower()
    return Enum(enum, name=name, schema=schema, values_callable=lambda kind: [item.value for item in kind])


def tenant_fk(column: str, target: str, *, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """Return the composite key that ties a child to a parent of the same tenant.

    Args:
        column: The child's column with the parent's id.
        target: The parent table, ``schema.table``.
        ondelete: ``CASCADE``, or ``SET NULL (column)`` where the child outlives its parent.

    A plain foreign key would accept another tenant's parent (and tell whether it exists).
    """
    return ForeignKeyConstraint(["user_id", column], [f"{target}.user_id", f"{target}.id"], ondelete=ondelete)


def table_named(name: str) -> Table:
    """Return a table of the metadata by ``schema.table``.

    This is how a domain names another one, as a foreign key does: without importing it.
    """
    # Here rather than above: the registry imports every domain, and they import this module.
    import_module("devmentor_models.registry")
    return Base.metadata.tables[name]


def protected_tables() -> Iterator[tuple[Table, Security]]:
    """Yield every mapped table with its ``__security__``, by name."""
    found = {
        mapper.local_table: mapper.class_.__security__
        for mapper in Base.registry.mappers
        if isinstance(mapper.local_table, Table)
    }
    yield from sorted(found.items(), key=lambda item: item[0].fullname)


@event.listens_for(Base, "attribute_instrument", propagate=True)
def _check_on_assignment(cls: type[Base], key: str, attribute: Any) -> None:
    """Check values where they are assigned, so that none enters a unit of work."""
    columns: list[Column[Any]] = getattr(attribute.property, "columns", [])
    check = column_check(columns[0]) if columns else None
    if check is None:
        return

    @event.listens_for(attribute, "set", retval=True)
    def set_checked(instance: Base, value: Any, old: Any, initiator: Any) -> Any:
        return value if value is None or isinstance(value, ClauseElement) else check(value)


__all__ = [
    "LIVE",
    "NAMING_CONVENTION",
    "TECHNICAL_SCHEMA",
    "Base",
    "MutableRecord",
    "PartitionedRecord",
    "Record",
    "SoftDeletable",
    "pg_enum",
    "protected_tables",
    "table_named",
    "tenant_fk",
]

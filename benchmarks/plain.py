"""What a service would write without this library: plain mapped classes, and sessions that know the actor.

The classes have only the columns and types that SQLAlchemy brings; nothing checks a value.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemySyncRepository
from sqlalchemy import Connection, DateTime, FetchedValue, String, Text, event, text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column

from devmentor_models.auth.enums import AuditEvent, UserRole
from devmentor_models.kit.base import pg_enum
from devmentor_models.kit.ids import uuid7
from devmentor_models.projects.enums import ActivityAction, ProjectStatus

SETTINGS = "settings"
_FROM_SERVER = FetchedValue()


class PlainBase(DeclarativeBase):
    """Base of the plain classes."""


class PlainRecord(PlainBase):
    """Key and time, as on every table."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_FROM_SERVER)


class PlainMutable(PlainRecord):
    """What a row that changes has beside that."""

    __abstract__ = True

    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_FROM_SERVER)
    version: Mapped[int] = mapped_column(server_default=_FROM_SERVER)


class PlainUser(PlainMutable):
    """``auth.users``."""

    __tablename__ = "users"
    __table_args__ = {"schema": "auth"}  # noqa: RUF012 - SQLAlchemy reads it, nobody changes it

    email: Mapped[str] = mapped_column(String(255))
    email_key: Mapped[str] = mapped_column(Text, server_default=_FROM_SERVER)
    username: Mapped[str] = mapped_column(String(50))
    username_key: Mapped[str] = mapped_column(Text, server_default=_FROM_SERVER)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[UserRole] = mapped_column(pg_enum(UserRole, "auth"), server_default=_FROM_SERVER)
    is_active: Mapped[bool] = mapped_column(server_default=_FROM_SERVER)
    email_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_login_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    full_name: Mapped[bytes | None]
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default=_FROM_SERVER)


class PlainTeam(PlainMutable):
    """``auth.teams``."""

    __tablename__ = "teams"
    __table_args__ = {"schema": "auth"}  # noqa: RUF012 - as above

    user_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(Text)


class PlainSession(PlainRecord):
    """``auth.user_sessions``."""

    __tablename__ = "user_sessions"
    __table_args__ = {"schema": "auth"}  # noqa: RUF012 - as above

    user_id: Mapped[UUID]
    family_id: Mapped[UUID]
    token_hash: Mapped[bytes]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(512))


class PlainEvent(PlainRecord):
    """``auth.audit_log``."""

    __tablename__ = "audit_log"
    __table_args__ = {"schema": "auth"}  # noqa: RUF012 - as above

    user_id: Mapped[UUID | None]
    actor_name: Mapped[str | None] = mapped_column(String(63))
    event: Mapped[AuditEvent] = mapped_column(pg_enum(AuditEvent, "auth"))
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(512))


class PlainProject(PlainMutable):
    """``projects.projects``, as far as it is written."""

    __tablename__ = "projects"
    __table_args__ = {"schema": "projects"}  # noqa: RUF012 - as above

    user_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    slug: Mapped[str] = mapped_column(String(100))
    status: Mapped[ProjectStatus] = mapped_column(
        pg_enum(ProjectStatus, "projects"), default=ProjectStatus.ACTIVE
    )
    credits: Mapped[int] = mapped_column(default=0)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class PlainActivity(PlainRecord):
    """``projects.activity``, as far as it is written."""

    __tablename__ = "activity"
    __table_args__ = {"schema": "projects"}  # noqa: RUF012 - as above

    user_id: Mapped[UUID]
    project_id: Mapped[UUID]
    actor_id: Mapped[UUID | None]
    action: Mapped[ActivityAction] = mapped_column(pg_enum(ActivityAction, "projects"))
    entity_table: Mapped[str]
    entity_id: Mapped[UUID]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class UserRepository(SQLAlchemySyncRepository[PlainUser]):
    """advanced-alchemy's repository of users."""

    model_type = PlainUser


class TeamRepository(SQLAlchemySyncRepository[PlainTeam]):
    """advanced-alchemy's repository of teams."""

    model_type = PlainTeam


class ActorSession(Session):
    """A session that binds the settings in its ``info`` when a transaction begins, as is usually done."""


@event.listens_for(ActorSession, "after_begin")
def _bind(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    settings: dict[str, str] = session.info[SETTINGS]
    connection.execute(
        set_config(tuple(settings)), {f"v{n}": value for n, value in enumerate(settings.values())}
    )


_STATEMENTS: dict[tuple[str, ...], Any] = {}


def set_config(names: tuple[str, ...]) -> Any:
    """Return the statement that binds settings ``names`` to the transaction, made once."""
    if names not in _STATEMENTS:
        calls = ", ".join(f"set_config('{name}', :v{n}, true)" for n, name in enumerate(names))
        _STATEMENTS[names] = text(f"SELECT {calls}")
    return _STATEMENTS[names]


def as_user(user_id: UUID) -> dict[str, Any]:
    """Return the ``info`` of a session of a user."""
    return {SETTINGS: {"devmentor.user_id": str(user_id)}}

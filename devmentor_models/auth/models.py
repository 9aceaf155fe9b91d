"""Tables of the ``auth`` schema (requirement S2)."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from devmentor_models.auth.enums import AuditEvent, TeamRole, UserRole
from devmentor_models.kit.base import MutableRecord, PartitionedRecord, Record, pg_enum, tenant_fk
from devmentor_models.kit.encrypted import Encrypted, KeyedByUser
from devmentor_models.kit.encryption import EncryptedText, WrappedKey
from devmentor_models.kit.types import (
    IpAddress,
    Json,
    LongText,
    NormalizedVarchar,
    Sha256,
    Timestamp,
    UuidList,
    Varchar,
)
from devmentor_models.security import PURGE, Chore, Grant, Security, Writers, owned_by, shared_in_team, trail
from devmentor_models.security.declarations import Service

SCHEMA = "auth"

# Tasks assigned to the members of a team are a query of the projects service (F8).
_TEAM_GRANTS = (Grant(Service.AUTH), Grant(Service.PROJECTS, ("SELECT",)))
# Accounts are made, addresses and roles written, by functions only (`auth.functions`): what may write an
# address learns by a unique violation whose it is, and what may write a role is an administrator soon.
_PROFILE = "UPDATE (username, password_hash, is_active, last_login_at, full_name, metadata)"


class User(KeyedByUser, MutableRecord):
    """A person with an account. The root of every tenant: rows of a user cascade from here."""

    __tablename__ = "users"
    __table_args__ = (
        # Of an expression that could leak, so that SQL bound by policies cannot search the index: what is
        # counted of scans would tell whether somebody has an address.
        Index("uq_users_email_key", text("(email_key || '')"), unique=True),
        UniqueConstraint("username_key"),
        CheckConstraint("email LIKE '_%@_%'", name="email_has_at"),
        Index("ix_users_created_at", "created_at"),
        {"schema": SCHEMA, "comment": "Accounts; the tenant that every owned row belongs to"},
    )
    # Updates by the owner of the tables: `devmentor-db rotate-keys`.
    __security__: ClassVar = Security(
        owned_by("id"),
        grants=(
            Grant(Service.AUTH, ("SELECT", _PROFILE, "DELETE")),
            Grant(Service.MEMORY, ("SELECT (id, username)",)),
        ),
        definer=("SELECT", "INSERT", "UPDATE"),
        audited=True,
        redacted=("password_hash", "full_name"),
        secret=("password_hash",),
    )
    __key_owner__: ClassVar = "id"

    email: Mapped[str] = mapped_column(
        NormalizedVarchar(255), comment="Address as the user wrote it, in Unicode NFC"
    )
    email_key: Mapped[str] = mapped_column(
        Text,
        Computed("lower(normalize(email, NFC))", persisted=True),
        comment="Address in the form in which it is unique: NFC, lower case",
    )
    username: Mapped[str] = mapped_column(NormalizedVarchar(50), comment="Public name, in Unicode NFC")
    username_key: Mapped[str] = mapped_column(
        Text,
        Computed("lower(normalize(username, NFC))", persisted=True),
        comment="Public name in the form in which it is unique: NFC, lower case",
    )
    password_hash: Mapped[str] = mapped_column(LongText(), comment="Hash of the password, never the password")
    role: Mapped[UserRole] = mapped_column(
        pg_enum(UserRole, SCHEMA),
        default=UserRole.USER,
        server_default=UserRole.USER,
        comment="What the user may do on the platform",
    )
    is_active: Mapped[bool] = mapped_column(
        default=True, server_default=text("true"), comment="False: cannot log in"
    )
    email_verified_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When the address was proven to be the user's"
    )
    last_login_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When the user last logged in, to the hour"
    )
    _full_name: Mapped[bytes | None] = mapped_column(
        "full_name", EncryptedText(200), comment="Real name, encrypted (PII)"
    )
    full_name = Encrypted("_full_name")
    extra: Mapped[dict[str, Any]] = mapped_column(
        "metadata",
        Json(),
        default=dict,
        server_default=text("'{}'::jsonb"),
        comment="Additional data without a column of its own",
    )


class UserKey(MutableRecord):
    """The key that a user's texts are encrypted under, itself encrypted under the ring (Z5).

    Made with the first text that needs it. Deleting it makes those texts unreadable, wherever copies of them
    are kept; see `kit.encryption`. Long-lived backups leave this table out.
    """

    __tablename__ = "user_keys"
    __table_args__ = (
        UniqueConstraint("user_id"),
        {"schema": SCHEMA, "comment": "Users' keys for encrypted columns; keep out of long-lived backups"},
    )
    # The definer rights: `devmentor-db rotate-keys`. The AI service encrypts keys of providers. Not audited:
    # a rotation would write a line for every user, and the rows say when they were written.
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.AUTH), Grant(Service.AI, ("SELECT", "INSERT"))),
        definer=("SELECT", "INSERT", "UPDATE"),
        redacted=("wrapped_key",),
        secret=("wrapped_key",),
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose key this is"
    )
    wrapped_key: Mapped[bytes] = mapped_column(
        WrappedKey(), comment="The key, encrypted under a key of the ring and bound to the user"
    )


class UserSession(Record):
    """One refresh token. Rotation makes a successor in the same family and spends this one (F2)."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("ix_user_sessions_user_id", "user_id", "created_at"),
        Index("ix_user_sessions_family_id", "family_id"),
        Index(
            "ix_user_sessions_live",
            "user_id",
            "expires_at",
            postgresql_where=text("rotated_at IS NULL AND revoked_at IS NULL"),
        ),
        Index("ix_user_sessions_expires_at", "expires_at"),
        {"schema": SCHEMA, "comment": "Refresh tokens, one row each, in families of successors"},
    )
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.AUTH),),
        chores=(Chore(PURGE, "expires_at < now()"),),
        definer=("SELECT",),
        audited=True,
        redacted=("token_hash",),
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose session this is"
    )
    family_id: Mapped[UUID] = mapped_column(comment="Shared by a login's token and all its successors")
    token_hash: Mapped[bytes] = mapped_column(Sha256(), comment="SHA-256 of the refresh token")
    expires_at: Mapped[datetime] = mapped_column(Timestamp(), comment="From when the token is refused")
    rotated_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When the token was exchanged for its successor"
    )
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When the family was ended")
    ip_address: Mapped[IPv4Address | IPv6Address | None] = mapped_column(
        IpAddress(), comment="Client address at the time of issue"
    )
    user_agent: Mapped[str | None] = mapped_column(
        Varchar(512), comment="Client software at the time of issue"
    )

    user: Mapped[User] = relationship(lazy="raise")


class _SingleUseToken(Record):
    """A token that is mailed to a user and works once (F3)."""

    __abstract__ = True

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose token this is"
    )
    token_hash: Mapped[bytes] = mapped_column(Sha256(), comment="SHA-256 of the token")
    expires_at: Mapped[datetime] = mapped_column(Timestamp(), comment="From when the token is refused")
    used_at: Mapped[datetime | None] = mapped_column(Timestamp(), comment="When the token was used, once")


class PasswordReset(_SingleUseToken):
    """Permission to set a new password, mailed to the user."""

    __tablename__ = "password_resets"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("ix_password_resets_user_id", "user_id", "created_at"),
        Index("ix_password_resets_expires_at", "expires_at"),
        {"schema": SCHEMA, "comment": "Single-use tokens that allow to set a new password"},
    )
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.AUTH),),
        chores=(Chore(PURGE, "expires_at < now()"),),
        definer=("SELECT",),
        audited=True,
        redacted=("token_hash",),
    )


class EmailVerification(_SingleUseToken):
    """Proof that an address is the user's, mailed to that address."""

    __tablename__ = "email_verifications"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("ix_email_verifications_user_id", "user_id", "created_at"),
        Index("ix_email_verifications_expires_at", "expires_at"),
        {"schema": SCHEMA, "comment": "Single-use tokens that prove an e-mail address"},
    )
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.AUTH),),
        chores=(Chore(PURGE, "expires_at < now()"),),
        definer=("SELECT", "UPDATE"),
        audited=True,
        redacted=("token_hash",),
    )

    email: Mapped[str] = mapped_column(NormalizedVarchar(255), comment="The address that the token proves")


class AuditEntry(PartitionedRecord):
    """One security event or data change. Append-only; outlives the user, without the user's data."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_user_id", "user_id", "created_at"),
        # Most lines are changes of rows; a user's security events must be found without reading those.
        Index(
            "ix_audit_log_events",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("event NOT IN ('insert', 'update', 'delete')"),
        ),
        Index("ix_audit_log_actor_id", "actor_id", "created_at"),
        Index("ix_audit_log_request_id", "request_id", postgresql_where=text("request_id IS NOT NULL")),
        Index(
            "ix_audit_log_mentions",
            "mentions",
            postgresql_using="gin",
            postgresql_where=text("mentions IS NOT NULL"),
        ),
        {
            "schema": SCHEMA,
            "comment": "Security events and data changes, append-only, partitioned by month",
            "postgresql_partition_by": "RANGE (created_at)",
        },
    )
    __security__: ClassVar = Security(
        trail(),
        grants=(
            Grant(Service.AUTH, ("SELECT", "INSERT")),
            *(Grant(service, ("INSERT",)) for service in Service if service is not Service.AUTH),
        ),
        definer=("SELECT", "INSERT", "UPDATE"),
        append_only=True,
    )

    # No foreign keys: the trail outlives the rows that it speaks of.
    user_id: Mapped[UUID | None] = mapped_column(comment="The user whom the event concerns; NULL once erased")
    actor_id: Mapped[UUID | None] = mapped_column(comment="The user who acted; NULL for a service alone")
    actor_name: Mapped[str | None] = mapped_column(Varchar(63), comment="The service that acted")
    event: Mapped[AuditEvent] = mapped_column(pg_enum(AuditEvent, SCHEMA), comment="What happened")
    table_name: Mapped[str | None] = mapped_column(Varchar(127), comment="schema.table of a data change")
    row_id: Mapped[UUID | None] = mapped_column(comment="Key of the row that changed")
    details: Mapped[dict[str, Any]] = mapped_column(
        Json(), default=dict, server_default=text("'{}'::jsonb"), comment="What else is known; no secrets"
    )
    mentions: Mapped[list[UUID] | None] = mapped_column(
        UuidList(), comment="Other users whose ids the details hold; NULL: none"
    )
    request_id: Mapped[str | None] = mapped_column(Varchar(128), comment="Correlates with the services' logs")
    ip_address: Mapped[IPv4Address | IPv6Address | None] = mapped_column(
        IpAddress(), comment="Client address"
    )
    user_agent: Mapped[str | None] = mapped_column(Varchar(512), comment="Client software")


class Team(MutableRecord):
    """A group of users, owned by the one who made it (F8)."""

    __tablename__ = "teams"
    __table_args__ = (
        UniqueConstraint("user_id", "id"),
        Index("uq_teams_user_id_name", "user_id", text("lower(name)"), unique=True),
        {"schema": SCHEMA, "comment": "Groups of users"},
    )
    __security__: ClassVar = Security(
        shared_in_team(team="id", writers=Writers.EDITORS_UPDATE), grants=_TEAM_GRANTS, audited=True
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Who owns the team"
    )
    name: Mapped[str] = mapped_column(NormalizedVarchar(100), comment="Name, unique for its owner")
    description: Mapped[str | None] = mapped_column(LongText(), comment="What the team is for")


class TeamMember(Record):
    """A user's membership in a team."""

    __tablename__ = "team_members"
    __table_args__ = (
        tenant_fk("team_id", "auth.teams"),
        UniqueConstraint("user_id", "team_id", "member_id"),
        Index("ix_team_members_member_id", "member_id", "team_id"),
        {"schema": SCHEMA, "comment": "Who belongs to which team"},
    )
    __security__: ClassVar = Security(
        shared_in_team(team="team_id", member="member_id"),
        grants=_TEAM_GRANTS,
        definer=("SELECT",),
        audited=True,
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Who owns the team"
    )
    team_id: Mapped[UUID] = mapped_column(comment="The team")
    member_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="The user who belongs to it"
    )
    role: Mapped[TeamRole] = mapped_column(
        pg_enum(TeamRole, SCHEMA),
        default=TeamRole.MEMBER,
        server_default=TeamRole.MEMBER,
        comment="What the member may do in the team",
    )

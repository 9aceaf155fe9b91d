"""Create the auth schema: accounts, sessions, tokens, teams, audit trail.

Revision: 0d1c5a6e0002
Revises: 0d1c5a6e0001
Created: 2026-11-23 20:15:49.683682+00:00

Downgrade loses: all rows of the schema auth.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0d1c5a6e0002"
down_revision: str | None = "0d1c5a6e0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Rows that change: a trigger keeps updated_at and version, whoever writes.
MUTABLE = (
    "auth.teams",
    "auth.users",
)
PARTITIONED = ("auth.audit_log",)
# DROP TABLE leaves the types of its columns behind.
ENUMS = (
    "auth.audit_event",
    "auth.team_role",
    "auth.user_role",
)


def upgrade() -> None:
    """Create the schema with its types, tables, indexes, triggers and first partitions."""
    op.execute("CREATE SCHEMA auth")
    op.create_table(
        "audit_log",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it happened; decides the partition",
        ),
        sa.Column(
            "user_id", sa.Uuid(), nullable=True, comment="The user whom the event concerns; NULL once erased"
        ),
        sa.Column(
            "actor_id", sa.Uuid(), nullable=True, comment="The user who acted; NULL for a service alone"
        ),
        sa.Column("actor_name", sa.String(length=63), nullable=True, comment="The service that acted"),
        sa.Column(
            "event",
            sa.Enum(
                "registered",
                "login",
                "login_failed",
                "logout",
                "session_refreshed",
                "session_revoked",
                "token_reused",
                "password_reset_requested",
                "password_reset_used",
                "password_changed",
                "email_verified",
                "email_changed",
                "role_changed",
                "deactivated",
                "reactivated",
                "erased",
                "exported",
                "insert",
                "update",
                "delete",
                name="audit_event",
                schema="auth",
            ),
            nullable=False,
            comment="What happened",
        ),
        sa.Column(
            "table_name", sa.String(length=127), nullable=True, comment="schema.table of a data change"
        ),
        sa.Column("row_id", sa.Uuid(), nullable=True, comment="Key of the row that changed"),
        sa.Column(
            "details",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="What else is known; no secrets",
        ),
        sa.Column(
            "mentions",
            postgresql.ARRAY(sa.Uuid()),
            nullable=True,
            comment="Other users whose ids the details hold; NULL: none",
        ),
        sa.Column(
            "request_id", sa.String(length=128), nullable=True, comment="Correlates with the services' logs"
        ),
        sa.Column("ip_address", postgresql.INET(), nullable=True, comment="Client address"),
        sa.Column("user_agent", sa.String(length=512), nullable=True, comment="Client software"),
        sa.PrimaryKeyConstraint("id", "created_at", name=op.f("pk_audit_log")),
        schema="auth",
        comment="Security events and data changes, append-only, partitioned by month",
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "ix_audit_log_actor_id", "audit_log", ["actor_id", "created_at"], unique=False, schema="auth"
    )
    op.create_index(
        "ix_audit_log_events",
        "audit_log",
        ["user_id", "created_at", "id"],
        unique=False,
        schema="auth",
        postgresql_where=sa.text("event NOT IN ('insert', 'update', 'delete')"),
    )
    op.create_index(
        "ix_audit_log_mentions",
        "audit_log",
        ["mentions"],
        unique=False,
        schema="auth",
        postgresql_using="gin",
        postgresql_where=sa.text("mentions IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_log_request_id",
        "audit_log",
        ["request_id"],
        unique=False,
        schema="auth",
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_log_user_id", "audit_log", ["user_id", "created_at"], unique=False, schema="auth"
    )
    op.create_table(
        "users",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "email",
            sa.String(length=255),
            nullable=False,
            comment="Address as the user wrote it, in Unicode NFC",
        ),
        sa.Column(
            "email_key",
            sa.Text(),
            sa.Computed("lower(normalize(email, NFC))", persisted=True),
            nullable=False,
            comment="Address in the form in which it is unique: NFC, lower case",
        ),
        sa.Column("username", sa.String(length=50), nullable=False, comment="Public name, in Unicode NFC"),
        sa.Column(
            "username_key",
            sa.Text(),
            sa.Computed("lower(normalize(username, NFC))", persisted=True),
            nullable=False,
            comment="Public name in the form in which it is unique: NFC, lower case",
        ),
        sa.Column(
            "password_hash", sa.Text(), nullable=False, comment="Hash of the password, never the password"
        ),
        sa.Column(
            "role",
            sa.Enum("user", "admin", "superadmin", name="user_role", schema="auth"),
            server_default="user",
            nullable=False,
            comment="What the user may do on the platform",
        ),
        sa.Column(
            "is_active",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="False: cannot log in",
        ),
        sa.Column(
            "email_verified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the address was proven to be the user's",
        ),
        sa.Column(
            "last_login_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the user last logged in, to the hour",
        ),
        sa.Column("full_name", sa.LargeBinary(), nullable=True, comment="Real name, encrypted (PII)"),
        sa.Column(
            "metadata",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="Additional data without a column of its own",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint("email LIKE '_%@_%'", name=op.f("ck_users_email_has_at")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
        schema="auth",
        comment="Accounts; the tenant that every owned row belongs to",
    )
    op.create_index("ix_users_created_at", "users", ["created_at"], unique=False, schema="auth")
    op.create_table(
        "email_verifications",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "email", sa.String(length=255), nullable=False, comment="The address that the token proves"
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose token this is"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=False, comment="From when the token is refused"
        ),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), nullable=True, comment="When the token was used, once"
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_email_verifications_expires_later")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_email_verifications_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_verifications")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_email_verifications_token_hash")),
        schema="auth",
        comment="Single-use tokens that prove an e-mail address",
    )
    op.create_index(
        "ix_email_verifications_expires_at",
        "email_verifications",
        ["expires_at"],
        unique=False,
        schema="auth",
    )
    op.create_index(
        "ix_email_verifications_user_id",
        "email_verifications",
        ["user_id", "created_at"],
        unique=False,
        schema="auth",
    )
    op.create_table(
        "password_resets",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose token this is"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=False, comment="From when the token is refused"
        ),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), nullable=True, comment="When the token was used, once"
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_password_resets_expires_later")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_password_resets_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_resets")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_password_resets_token_hash")),
        schema="auth",
        comment="Single-use tokens that allow to set a new password",
    )
    op.create_index(
        "ix_password_resets_expires_at", "password_resets", ["expires_at"], unique=False, schema="auth"
    )
    op.create_index(
        "ix_password_resets_user_id",
        "password_resets",
        ["user_id", "created_at"],
        unique=False,
        schema="auth",
    )
    op.create_table(
        "teams",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the team"),
        sa.Column("name", sa.String(length=100), nullable=False, comment="Name, unique for its owner"),
        sa.Column("description", sa.Text(), nullable=True, comment="What the team is for"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_teams_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_teams_user_id_id")),
        schema="auth",
        comment="Groups of users",
    )
    op.create_index(
        "uq_teams_user_id_name",
        "teams",
        ["user_id", sa.literal_column("lower(name)")],
        unique=True,
        schema="auth",
    )
    op.create_table(
        "user_sessions",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose session this is"),
        sa.Column(
            "family_id", sa.Uuid(), nullable=False, comment="Shared by a login's token and all its successors"
        ),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the refresh token"),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=False, comment="From when the token is refused"
        ),
        sa.Column(
            "rotated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the token was exchanged for its successor",
        ),
        sa.Column(
            "revoked_at", sa.DateTime(timezone=True), nullable=True, comment="When the family was ended"
        ),
        sa.Column(
            "ip_address", postgresql.INET(), nullable=True, comment="Client address at the time of issue"
        ),
        sa.Column(
            "user_agent", sa.String(length=512), nullable=True, comment="Client software at the time of issue"
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_user_sessions_expires_later")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_user_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_sessions_token_hash")),
        schema="auth",
        comment="Refresh tokens, one row each, in families of successors",
    )
    op.create_index(
        "ix_user_sessions_expires_at", "user_sessions", ["expires_at"], unique=False, schema="auth"
    )
    op.create_index("ix_user_sessions_family_id", "user_sessions", ["family_id"], unique=False, schema="auth")
    op.create_index(
        "ix_user_sessions_live",
        "user_sessions",
        ["user_id", "expires_at"],
        unique=False,
        schema="auth",
        postgresql_where=sa.text("rotated_at IS NULL AND revoked_at IS NULL"),
    )
    op.create_index(
        "ix_user_sessions_user_id", "user_sessions", ["user_id", "created_at"], unique=False, schema="auth"
    )
    op.create_table(
        "team_members",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who owns the team"),
        sa.Column("team_id", sa.Uuid(), nullable=False, comment="The team"),
        sa.Column("member_id", sa.Uuid(), nullable=False, comment="The user who belongs to it"),
        sa.Column(
            "role",
            sa.Enum("member", "manager", name="team_role", schema="auth"),
            server_default="member",
            nullable=False,
            comment="What the member may do in the team",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["auth.users.id"], name=op.f("fk_team_members_member_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "team_id"],
            ["auth.teams.user_id", "auth.teams.id"],
            name=op.f("fk_team_members_user_id_team_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_team_members_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_members")),
        sa.UniqueConstraint(
            "user_id", "team_id", "member_id", name=op.f("uq_team_members_user_id_team_id_member_id")
        ),
        schema="auth",
        comment="Who belongs to which team",
    )
    op.create_index(
        "ix_team_members_member_id", "team_members", ["member_id", "team_id"], unique=False, schema="auth"
    )
    for table in MUTABLE:
        op.execute(
            f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION devmentor.touch()"
        )
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute("SELECT devmentor.ensure_partitions()")


def downgrade() -> None:
    """Drop everything in the schema, and the schema."""
    op.drop_index("ix_team_members_member_id", table_name="team_members", schema="auth")
    op.drop_table("team_members", schema="auth")
    op.drop_index("ix_user_sessions_user_id", table_name="user_sessions", schema="auth")
    op.drop_index(
        "ix_user_sessions_live",
        table_name="user_sessions",
        schema="auth",
        postgresql_where=sa.text("rotated_at IS NULL AND revoked_at IS NULL"),
    )
    op.drop_index("ix_user_sessions_family_id", table_name="user_sessions", schema="auth")
    op.drop_index("ix_user_sessions_expires_at", table_name="user_sessions", schema="auth")
    op.drop_table("user_sessions", schema="auth")
    op.drop_index("uq_teams_user_id_name", table_name="teams", schema="auth")
    op.drop_table("teams", schema="auth")
    op.drop_index("ix_password_resets_user_id", table_name="password_resets", schema="auth")
    op.drop_index("ix_password_resets_expires_at", table_name="password_resets", schema="auth")
    op.drop_table("password_resets", schema="auth")
    op.drop_index("ix_email_verifications_user_id", table_name="email_verifications", schema="auth")
    op.drop_index("ix_email_verifications_expires_at", table_name="email_verifications", schema="auth")
    op.drop_table("email_verifications", schema="auth")
    op.drop_index("ix_users_created_at", table_name="users", schema="auth")
    op.drop_table("users", schema="auth")
    op.drop_index("ix_audit_log_user_id", table_name="audit_log", schema="auth")
    op.drop_index(
        "ix_audit_log_request_id",
        table_name="audit_log",
        schema="auth",
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.drop_index("ix_audit_log_mentions", table_name="audit_log", schema="auth")
    op.drop_index("ix_audit_log_events", table_name="audit_log", schema="auth")
    op.drop_index("ix_audit_log_actor_id", table_name="audit_log", schema="auth")
    op.drop_table("audit_log", schema="auth")
    for enum in ENUMS:
        op.execute(f"DROP TYPE {enum}")
    op.execute("DROP SCHEMA auth")

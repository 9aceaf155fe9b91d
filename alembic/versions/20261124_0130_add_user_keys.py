"""Give every user a key of their own for encrypted columns.

Downgrade loses: the table auth.user_keys, and so every encrypted value that was written since.

Revision: 0d1c5a6e0010
Revises: 0d1c5a6e0009
Created: 2026-11-24 01:30:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0d1c5a6e0010"
down_revision: str | None = "0d1c5a6e0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ROTATED = ("ai.provider_configs", "auth.users")


def upgrade() -> None:
    """Create the table; keys are made by the code that needs them. Rotations change values of everybody."""
    op.create_table(
        "user_keys",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose key this is"),
        sa.Column(
            "wrapped_key",
            sa.LargeBinary(),
            nullable=False,
            comment="The key, encrypted under a key of the ring and bound to the user",
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
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_user_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_keys")),
        sa.UniqueConstraint("user_id", name=op.f("uq_user_keys_user_id")),
        schema="auth",
        comment="Users' keys for encrypted columns; keep out of long-lived backups",
    )
    op.create_trigger(
        "CREATE TRIGGER touch BEFORE UPDATE ON auth.user_keys FOR EACH ROW EXECUTE FUNCTION devmentor.touch()",
    )
    _protect()
    op.create_policy(
        "definer_select", "ai.provider_configs", command="SELECT", to=["devmentor_owner"], using="true"
    )
    for table in _ROTATED:
        op.create_policy(
            "definer_update", table, command="UPDATE", to=["devmentor_owner"], using="true", check="true"
        )


def _protect() -> None:
    """Let each see their own key, the owner of the tables and backups all of them."""
    keys, owner = "auth.user_keys", ["devmentor_owner"]
    own = "user_id = devmentor.user_id()"
    op.enable_row_security(keys, force=True)
    op.create_policy("backup", keys, command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy("definer_insert", keys, command="INSERT", to=owner, check="true")
    op.create_policy("definer_select", keys, command="SELECT", to=owner, using="true")
    op.create_policy("definer_update", keys, command="UPDATE", to=owner, using="true", check="true")
    op.create_policy("owner", keys, to=["devmentor_ai", "devmentor_auth"], using=own, check=own)
    op.create_policy("report", keys, command="SELECT", to=["devmentor_readonly"], using=own)
    for column in ("created_at", "id", "updated_at", "user_id", "version"):
        op.grant(["SELECT"], f"COLUMN {keys}.{column}", "devmentor_readonly")
    op.grant(["INSERT", "SELECT"], f"TABLE {keys}", "devmentor_ai")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], f"TABLE {keys}", "devmentor_auth")
    op.grant(["SELECT"], f"TABLE {keys}", "devmentor_backup")


def downgrade() -> None:
    """Drop the table, and what rotations need."""
    for table in _ROTATED:
        op.drop_policy("definer_update", table)
    op.drop_policy("definer_select", "ai.provider_configs")
    op.drop_table("user_keys", schema="auth")

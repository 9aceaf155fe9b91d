"""Let lines of the trails say whom else they mention, and find security events among them.

Downgrade loses: the columns auth.audit_log.mentions and projects.activity.mentions.

Revision: 0d1c5a6e00a1
Revises: 0d1c5a6e0008
Created: 2026-11-24 01:20:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0d1c5a6e00a1"
down_revision: str | None = "0d1c5a6e0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PARTITIONED = "The table is partitioned: PostgreSQL builds none of its indexes concurrently, and no line has the column yet"
lint_exceptions = {"require-concurrent-index-creation": _PARTITIONED}

MENTIONS = {
    ("auth", "audit_log"): "Other users whose ids the details hold; NULL: none",
    ("projects", "activity"): "Users whose ids the details hold; NULL: none",
}
# What the functions that write the trails may do, which run as the owner; row security binds the owner, too.
DEFINER = {
    "projects.activity": ("SELECT", "UPDATE"),
    "projects.project_files": ("SELECT",),
    "projects.projects": ("SELECT",),
}


def upgrade() -> None:
    """Add the columns, the indexes, and what the owner may do."""
    for (schema, table), comment in MENTIONS.items():
        column = sa.Column("mentions", postgresql.ARRAY(sa.Uuid()), nullable=True, comment=comment)
        op.add_column(table, column, schema=schema)
        op.create_index(
            f"ix_{table}_mentions",
            table,
            ["mentions"],
            schema=schema,
            postgresql_using="gin",
            postgresql_where=sa.text("mentions IS NOT NULL"),
        )
    op.create_index(
        "ix_audit_log_events",
        "audit_log",
        ["user_id", "created_at", "id"],
        schema="auth",
        postgresql_where=sa.text("event NOT IN ('insert', 'update', 'delete')"),
    )
    for table, commands in DEFINER.items():
        for command in commands:
            check = {"check": "true"} if command == "UPDATE" else {}
            op.create_policy(
                f"definer_{command.lower()}",
                table,
                command=command,
                to=["devmentor_owner"],
                using="true",
                **check,
            )


def downgrade() -> None:
    """Drop them."""
    for table, commands in DEFINER.items():
        for command in commands:
            op.drop_policy(f"definer_{command.lower()}", table)
    op.drop_index("ix_audit_log_events", table_name="audit_log", schema="auth")
    for schema, table in MENTIONS:
        op.drop_index(f"ix_{table}_mentions", table_name=table, schema=schema)
        op.drop_column(table, "mentions", schema=schema)

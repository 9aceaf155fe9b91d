"""List tasks and epics in order.

A page of a project's tasks, or epics, is read from an index over their positions, however many there are.

Revision: 0d1c5a6e0116
Revises: 0d1c5a6e0115
Created: 2026-11-30 17:05:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0d1c5a6e0116"
down_revision: str | None = "0d1c5a6e0115"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = {"ix_epics_position": "epics", "ix_tasks_position": "tasks"}


def upgrade() -> None:
    """Build the indexes beside running services."""
    for name, table in _INDEXES.items():
        op.create_index_concurrently(
            name,
            table,
            ["user_id", "project_id", "position", "id"],
            schema="projects",
            postgresql_where=sa.text("deleted_at IS NULL"),
        )


def downgrade() -> None:
    """Drop them."""
    for name, table in reversed(_INDEXES.items()):
        op.drop_index_concurrently(name, table, schema="projects")

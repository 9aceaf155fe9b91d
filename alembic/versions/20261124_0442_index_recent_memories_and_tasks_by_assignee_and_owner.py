"""Index recent memories, and tasks by assignee and owner.

Both statements of F8 read what was stored or assigned to few among very many; without these indexes they read a
tenant's every row, wherever it lies. Concurrently: the tables are the largest.

Revision: 0d1c5a6e0105
Revises: 0d1c5a6e0102
Created: 2026-11-24 04:42:53.017041+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0d1c5a6e0105"
down_revision: str | None = "0d1c5a6e0102"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the indexes, and drop the one that the second replaces."""
    op.create_index_concurrently(
        "ix_documents_recent",
        "documents",
        ["user_id", "created_at", "project_id"],
        schema="memory",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index_concurrently(
        "ix_tasks_assignee_id_user_id", "tasks", ["assignee_id", "user_id"], schema="projects"
    )
    op.drop_index_concurrently("ix_tasks_assignee_id", "tasks", schema="projects")


def downgrade() -> None:
    """Bring the former index back, and drop the others."""
    op.create_index_concurrently("ix_tasks_assignee_id", "tasks", ["assignee_id"], schema="projects")
    op.drop_index_concurrently("ix_tasks_assignee_id_user_id", "tasks", schema="projects")
    op.drop_index_concurrently("ix_documents_recent", "documents", schema="memory")

"""Keep what is the owner's alone from whom a statement makes the owner.

A statement can claim to be another user where it comes to a row. The trigger believed it; now it asks who acts.

Revision: 0d1c5a6e0117
Revises: 0d1c5a6e0116
Created: 2026-11-30 19:10:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0117"
down_revision: str | None = "0d1c5a6e0116"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CHANGED = (
    "((old.credits IS DISTINCT FROM new.credits) OR (old.deleted_at IS DISTINCT FROM new.deleted_at))"
    " AND (CURRENT_USER <> 'devmentor_owner'::name)"
)


def _replace(anothers: str) -> None:
    op.drop_trigger("owners_alone", "projects.projects")
    op.create_trigger(
        "CREATE TRIGGER owners_alone BEFORE UPDATE OF credits, deleted_at ON projects.projects FOR EACH ROW"
        f" WHEN (({_CHANGED} AND {anothers})) EXECUTE FUNCTION devmentor.keep_owner()"
    )


def upgrade() -> None:
    """Ask who acts."""
    _replace(
        "(new.user_id IS DISTINCT FROM devmentor.user_id()) AND row_security_active('projects.projects'::text)"
    )


def downgrade() -> None:
    """Believe what is claimed."""
    _replace("(new.user_id <> devmentor.claimed_user_id())")

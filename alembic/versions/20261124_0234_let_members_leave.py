"""Let collaborators leave projects, and members leave teams.

Revision: 0d1c5a6e0100
Revises: 0d1c5a6e00f1
Created: 2026-11-24 02:34:00.000000+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0100"
down_revision: str | None = "0d1c5a6e00f1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the policies that let them delete their own membership."""
    op.create_policy(
        "leaver",
        "auth.team_members",
        command="DELETE",
        to=["devmentor_auth"],
        using="member_id = devmentor.user_id()",
    )
    op.create_policy(
        "leaver",
        "projects.project_collaborators",
        command="DELETE",
        to=["devmentor_projects"],
        using="member_id = devmentor.user_id()",
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_policy("leaver", "projects.project_collaborators")
    op.drop_policy("leaver", "auth.team_members")

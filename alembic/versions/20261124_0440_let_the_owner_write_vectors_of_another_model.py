"""Let the owner write vectors of another model.

Revision: 0d1c5a6e0104
Revises: 0d1c5a6e0106
Created: 2026-11-24 04:40:00.000000+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0104"
down_revision: str | None = "0d1c5a6e0106"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the policies of its commands."""
    op.create_policy(
        "definer_insert", "ai.embedding_models", command="INSERT", to=["devmentor_owner"], check="true"
    )
    op.create_policy(
        "definer_select", "ai.embedding_models", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "definer_update",
        "ai.embedding_models",
        command="UPDATE",
        to=["devmentor_owner"],
        using="true",
        check="true",
    )
    op.create_policy(
        "definer_delete", "memory.embeddings_meta", command="DELETE", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "definer_insert", "memory.embeddings_meta", command="INSERT", to=["devmentor_owner"], check="true"
    )
    op.create_policy(
        "definer_select", "memory.embeddings_meta", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "definer_update",
        "memory.embeddings_meta",
        command="UPDATE",
        to=["devmentor_owner"],
        using="true",
        check="true",
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_policy("definer_update", "memory.embeddings_meta")
    op.drop_policy("definer_select", "memory.embeddings_meta")
    op.drop_policy("definer_insert", "memory.embeddings_meta")
    op.drop_policy("definer_delete", "memory.embeddings_meta")
    op.drop_policy("definer_update", "ai.embedding_models")
    op.drop_policy("definer_select", "ai.embedding_models")
    op.drop_policy("definer_insert", "ai.embedding_models")

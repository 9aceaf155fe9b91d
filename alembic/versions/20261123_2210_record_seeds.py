"""Remember which version of the seed data wrote which row, so that a newer one leaves people's changes alone.

Downgrade loses: which rows were seeded; the rows themselves stay.

Revision: 0d1c5a6e0007
Revises: 0d1c5a6e0006
Created: 2026-11-23 22:10:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0d1c5a6e0007"
down_revision: str | None = "0d1c5a6e0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the table, beside the tables of the domains."""
    op.create_table(
        "seeds",
        sa.Column("set_name", sa.Text(), nullable=False, comment="The set of seeds: base or demo"),
        sa.Column("item", sa.Text(), nullable=False, comment="What was seeded: its kind and its key"),
        sa.Column("row_id", sa.Uuid(), nullable=False, comment="The row that was written"),
        sa.Column("version", sa.Integer(), nullable=False, comment="Version of the set that wrote it last"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the values that it wrote"),
        sa.Column(
            "applied_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it wrote them",
        ),
        sa.PrimaryKeyConstraint("set_name", "item", name=op.f("pk_seeds")),
        schema="devmentor",
        comment="Which version of the seed data wrote which row",
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("seeds", schema="devmentor")

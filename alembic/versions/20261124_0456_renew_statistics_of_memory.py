"""Renew statistics of memory.

Revision: 0d1c5a6e0103
Revises: 0d1c5a6e0102
Created: 2026-11-24 04:56:04.191441+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0103"
down_revision: str | None = "0d1c5a6e0102"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the function, for the memory service alone."""
    op.create_function("""
    CREATE FUNCTION memory.renew_statistics()
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        ANALYZE memory.documents, memory.chunks, memory.embeddings_meta;
    END
    $function$
    """)
    op.revoke(["EXECUTE"], "FUNCTION memory.renew_statistics()", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION memory.renew_statistics()", "devmentor_memory")
    op.comment_on(
        "FUNCTION memory.renew_statistics()",
        "Tells the planner what a large ingest brought; only the owner of the tables could",
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_function("memory.renew_statistics()")

"""Let chores delete, and nobody give a row away.

Whoever purges locks rows before deleting them, which PostgreSQL counts as an update; the policy for it let them be
changed as well. The owner of a row was kept only where others may edit it.

Revision: 0d1c5a6e0118
Revises: 0d1c5a6e0117
Created: 2026-12-01 04:30:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0118"
down_revision: str | None = "0d1c5a6e0117"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

#: Table, role of its service, and how the end of a row is compared with now.
_PURGED = (
    ("ai.response_cache", "devmentor_ai", "<"),
    ("auth.email_verifications", "devmentor_auth", "<"),
    ("auth.password_resets", "devmentor_auth", "<"),
    ("auth.user_sessions", "devmentor_auth", "<"),
    ("learning.recommendations", "devmentor_learning", "<="),
)
_OWNED = (
    "ai.project_embeddings",
    "ai.provider_configs",
    "ai.response_cache",
    "auth.email_verifications",
    "auth.password_resets",
    "auth.team_members",
    "auth.user_keys",
    "auth.user_sessions",
    "auth.users",
    "learning.assessments",
    "learning.progress",
    "learning.recommendations",
    "learning.roadmap_steps",
    "learning.roadmaps",
    "memory.chunks",
    "memory.documents",
    "memory.embeddings_meta",
    "memory.search_history",
    "memory.vector_outbox",
    "projects.project_collaborators",
    "projects.project_templates",
)

_NOBODY = "(devmentor.claimed_user_id() IS NULL) AND (devmentor.claimed_service() IS NOT NULL)"
_PROVEN_NOBODY = (
    "( SELECT (devmentor.authentic() AND (devmentor.claimed_user_id() IS NULL)"
    " AND (devmentor.claimed_service() IS NOT NULL)))"
)
_OWN = "(NOT devmentor.signed()) OR devmentor.is_own(user_id, ( SELECT devmentor.user_id() AS user_id))"
_PAST = f"({_PROVEN_NOBODY} AND devmentor.is_past(expires_at, ( SELECT now() AS now)))"


def _replace(old: str, new: str, *, changes: bool) -> None:
    for table, role, compared in _PURGED:
        for name in ("barrier_update", old):
            op.drop_policy(name, table)
        seen, expired = f"{_OWN} OR {_PAST}", f"{_NOBODY} AND (expires_at {compared} now())"
        to = {"command": "UPDATE", "to": [role]}
        op.create_policy(
            "barrier_update", table, using=seen, check=seen if changes else _OWN, permissive=False, **to
        )
        op.create_policy(new, table, using=expired, check=expired if changes else "false", **to)


def upgrade() -> None:
    """Lock rows that expired, without changing them; keep every row its owner's."""
    _replace("chore_update", "chore_lock", changes=False)
    for table in _OWNED:
        owner = "id" if table == "auth.users" else "user_id"
        op.create_trigger(
            f"CREATE TRIGGER keep_owner BEFORE UPDATE OF {owner} ON {table} FOR EACH ROW"
            f" WHEN (((old.{owner} IS DISTINCT FROM new.{owner})"
            " AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
        )


def downgrade() -> None:
    """Let expired rows be changed, and owners change where no others edit."""
    for table in reversed(_OWNED):
        op.drop_trigger("keep_owner", table)
    _replace("chore_lock", "chore_update", changes=True)

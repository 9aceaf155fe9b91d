"""Hold rows back before a statement's own conditions are evaluated.

Where contexts are signed, restrictive policies of calls that cost less than any operator come before all that a
statement compares, so that it cannot tell by side effects what rows hold that it is not shown.

Revision: 0d1c5a6e0113
Revises: 0d1c5a6e0112
Created: 2026-11-30 10:30:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0113"
down_revision: str | None = "0d1c5a6e0112"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _own(column: str) -> str:
    return f"devmentor.is_own({column}, (SELECT devmentor.user_id()))"


def _shared(column: str, things: str) -> str:
    lists = f"(SELECT devmentor.owners()), (SELECT devmentor.{things}())"
    return f"devmentor.is_shared(user_id, {column}, {lists})"


_OWN = _own("user_id")
_NOBODY = (
    "(SELECT devmentor.authentic() AND devmentor.claimed_user_id() IS NULL"
    " AND devmentor.claimed_service() IS NOT NULL)"
)
_EXPIRED = f"({_NOBODY} AND devmentor.is_past(expires_at, (SELECT now())))"
_OWNERLESS = f"({_NOBODY} AND user_id IS NULL)"
_IN_ONES_OWN_NAME = (
    "(SELECT devmentor.authentic()) AND actor_name IS NOT DISTINCT FROM (SELECT devmentor.service())"
    " AND (actor_id IS NOT DISTINCT FROM (SELECT devmentor.user_id())"
    " OR actor_id IS NULL AND actor_name IS NOT NULL)"
)

_BARRIERS = {  # table: name, command, roles, and conditions of which one must be true
    "ai.embedding_models": (
        ("barrier_insert", "INSERT", "ai", _NOBODY),
        ("barrier_update", "UPDATE", "ai", _NOBODY),
        ("barrier_delete", "DELETE", "ai", _NOBODY),
    ),
    "ai.project_embeddings": (("barrier", "ALL", "ai auth projects readonly", _OWN),),
    "ai.provider_configs": (("barrier", "ALL", "ai auth readonly", _OWN),),
    "ai.response_cache": (
        ("barrier_select_ai", "SELECT", "ai", _OWN, _EXPIRED),
        ("barrier_select_auth", "SELECT", "auth readonly", _OWN),
        ("barrier_insert", "INSERT", "ai", _OWN),
        ("barrier_update", "UPDATE", "ai", _OWN, _EXPIRED),
        ("barrier_delete", "DELETE", "ai", _OWN, _EXPIRED),
    ),
    "ai.usage": (
        ("barrier_select", "SELECT", "ai auth readonly", _OWN),
        ("barrier_insert", "INSERT", "ai", _OWN),
    ),
    "auth.audit_log": (
        ("barrier_select", "SELECT", "auth readonly", _OWN),
        ("barrier_insert", "INSERT", "ai auth learning memory projects", _IN_ONES_OWN_NAME),
    ),
    "auth.email_verifications": (
        ("barrier_select_auth", "SELECT", "auth", _OWN, _EXPIRED),
        ("barrier_select_readonly", "SELECT", "readonly", _OWN),
        ("barrier_insert", "INSERT", "auth", _OWN),
        ("barrier_update", "UPDATE", "auth", _OWN, _EXPIRED),
        ("barrier_delete", "DELETE", "auth", _OWN, _EXPIRED),
    ),
    "auth.password_resets": (
        ("barrier_select_auth", "SELECT", "auth", _OWN, _EXPIRED),
        ("barrier_select_readonly", "SELECT", "readonly", _OWN),
        ("barrier_insert", "INSERT", "auth", _OWN),
        ("barrier_update", "UPDATE", "auth", _OWN, _EXPIRED),
        ("barrier_delete", "DELETE", "auth", _OWN, _EXPIRED),
    ),
    "auth.team_members": (
        ("barrier_select", "SELECT", "auth projects readonly", _OWN, _shared("team_id", "shared_teams")),
        ("barrier_insert", "INSERT", "auth", _OWN),
        ("barrier_update", "UPDATE", "auth", _OWN),
        ("barrier_delete", "DELETE", "auth", _OWN, _own("member_id")),
    ),
    "auth.teams": (
        ("barrier_select", "SELECT", "auth projects readonly", _OWN, _shared("id", "shared_teams")),
        ("barrier_insert", "INSERT", "auth", _OWN),
        ("barrier_update", "UPDATE", "auth", _OWN, _shared("id", "edited_teams")),
        ("barrier_delete", "DELETE", "auth", _OWN),
    ),
    "auth.user_keys": (("barrier", "ALL", "ai auth readonly", _OWN),),
    "auth.user_sessions": (
        ("barrier_select_auth", "SELECT", "auth", _OWN, _EXPIRED),
        ("barrier_select_readonly", "SELECT", "readonly", _OWN),
        ("barrier_insert", "INSERT", "auth", _OWN),
        ("barrier_update", "UPDATE", "auth", _OWN, _EXPIRED),
        ("barrier_delete", "DELETE", "auth", _OWN, _EXPIRED),
    ),
    "auth.users": (
        ("barrier_select", "SELECT", "auth memory readonly", _own("id")),
        ("barrier_update", "UPDATE", "auth", _own("id")),
        ("barrier_delete", "DELETE", "auth", _own("id")),
    ),
    "learning.assessments": (("barrier", "ALL", "auth learning readonly", _OWN),),
    "learning.progress": (("barrier", "ALL", "auth learning readonly", _OWN),),
    "learning.recommendations": (
        ("barrier_select_learning", "SELECT", "learning", _OWN, _EXPIRED),
        ("barrier_select_auth", "SELECT", "auth readonly", _OWN),
        ("barrier_insert", "INSERT", "learning", _OWN),
        ("barrier_update", "UPDATE", "learning", _OWN, _EXPIRED),
        ("barrier_delete", "DELETE", "learning", _OWN, _EXPIRED),
    ),
    "learning.roadmap_steps": (("barrier", "ALL", "auth learning readonly", _OWN),),
    "learning.roadmaps": (("barrier", "ALL", "auth learning readonly", _OWN),),
    "memory.chunks": (("barrier", "ALL", "auth memory readonly", _OWN),),
    "memory.documents": (("barrier", "ALL", "auth memory projects readonly", _OWN),),
    "memory.embeddings_meta": (("barrier", "ALL", "auth memory readonly", _OWN),),
    "memory.search_history": (
        ("barrier_select", "SELECT", "auth memory readonly", _OWN),
        ("barrier_insert", "INSERT", "memory", _OWN),
        ("barrier_delete", "DELETE", "memory", _OWN),
    ),
    "memory.vector_outbox": (
        ("barrier_select_memory", "SELECT", "memory", _OWN, _NOBODY),
        ("barrier_select_auth", "SELECT", "auth readonly", _OWN),
        ("barrier_insert", "INSERT", "memory", _OWN),
        ("barrier_update", "UPDATE", "memory", _OWN, _NOBODY),
        ("barrier_delete", "DELETE", "memory", _OWN, _NOBODY),
    ),
    "projects.activity": (
        (
            "barrier_select",
            "SELECT",
            "auth projects readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        (
            "barrier_insert",
            "INSERT",
            "ai auth learning memory projects",
            _OWN,
            _shared("project_id", "edited_projects"),
        ),
    ),
    "projects.credit_entries": (
        (
            "barrier_select",
            "SELECT",
            "auth projects readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "projects", _OWN),
    ),
    "projects.epics": (
        (
            "barrier_select",
            "SELECT",
            "auth learning projects readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_update", "UPDATE", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_delete", "DELETE", "projects", _OWN, _shared("project_id", "edited_projects")),
    ),
    "projects.project_collaborators": (
        (
            "barrier_select",
            "SELECT",
            "ai auth learning memory projects readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "projects", _OWN),
        ("barrier_update", "UPDATE", "projects", _OWN),
        ("barrier_delete", "DELETE", "projects", _OWN, _own("member_id")),
    ),
    "projects.project_file_versions": (
        (
            "barrier_select_projects",
            "SELECT",
            "projects",
            _OWN,
            _shared("project_id", "shared_projects"),
            _NOBODY,
        ),
        (
            "barrier_select_memory",
            "SELECT",
            "auth memory readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_update", "UPDATE", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_delete", "DELETE", "projects", _OWN, _shared("project_id", "edited_projects")),
    ),
    "projects.project_files": (
        (
            "barrier_select",
            "SELECT",
            "auth memory projects readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_update", "UPDATE", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_delete", "DELETE", "projects", _OWN, _shared("project_id", "edited_projects")),
    ),
    "projects.project_templates": (
        ("barrier_select", "SELECT", "auth projects readonly", _OWN, "user_id IS NULL"),
        ("barrier_insert", "INSERT", "projects", _OWN, _OWNERLESS),
        ("barrier_update", "UPDATE", "projects", _OWN, _OWNERLESS),
        ("barrier_delete", "DELETE", "projects", _OWN, _OWNERLESS),
    ),
    "projects.projects": (
        (
            "barrier_select",
            "SELECT",
            "ai auth learning memory projects readonly",
            _OWN,
            _shared("id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "auth projects", _OWN),
        ("barrier_update", "UPDATE", "projects", _OWN, _shared("id", "edited_projects")),
        ("barrier_delete", "DELETE", "projects", _OWN),
    ),
    "projects.storage_orphans": (
        ("barrier_select", "SELECT", "projects", _NOBODY),
        ("barrier_update", "UPDATE", "projects", _NOBODY),
        ("barrier_delete", "DELETE", "projects", _NOBODY),
    ),
    "projects.tasks": (
        (
            "barrier_select",
            "SELECT",
            "auth learning projects readonly",
            _OWN,
            _shared("project_id", "shared_projects"),
        ),
        ("barrier_insert", "INSERT", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_update", "UPDATE", "projects", _OWN, _shared("project_id", "edited_projects")),
        ("barrier_delete", "DELETE", "projects", _OWN, _shared("project_id", "edited_projects")),
    ),
}


def upgrade() -> None:
    """Create the calls and the barriers."""
    op.create_function("""
    CREATE FUNCTION devmentor.is_own(owner uuid, me uuid)
     RETURNS boolean
     LANGUAGE plpgsql
     IMMUTABLE PARALLEL SAFE COST 1e-30
    AS $function$ BEGIN RETURN owner = me; END $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.is_past(moment timestamptz, now timestamptz)
     RETURNS boolean
     LANGUAGE plpgsql
     IMMUTABLE PARALLEL SAFE COST 1e-30
    AS $function$ BEGIN RETURN moment <= now; END $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.is_shared(owner uuid, thing uuid, owners uuid[], things uuid[])
     RETURNS boolean
     LANGUAGE plpgsql
     IMMUTABLE PARALLEL SAFE COST 1e-30
    AS $function$ BEGIN RETURN owner = ANY (owners) AND thing = ANY (things); END $function$
    """)
    op.comment_on(
        "FUNCTION devmentor.is_own(owner uuid, me uuid)", "Whether a row is of who acts, for barriers"
    )
    op.comment_on(
        "FUNCTION devmentor.is_past(moment timestamptz, now timestamptz)",
        "Whether a time is not to come, for barriers",
    )
    op.comment_on(
        "FUNCTION devmentor.is_shared(owner uuid, thing uuid, owners uuid[], things uuid[])",
        "Whether a row is in something that its owner shares, for barriers",
    )
    for table, barriers in _BARRIERS.items():
        for name, command, roles, *conditions in barriers:
            condition = " OR ".join(["NOT devmentor.signed()", *conditions])
            op.create_policy(
                name,
                table,
                command=command,
                to=[f"devmentor_{role}" for role in roles.split()],
                using=None if command == "INSERT" else condition,
                check=None if command in {"SELECT", "DELETE"} else condition,
                permissive=False,
            )


def downgrade() -> None:
    """Drop them."""
    for table, barriers in _BARRIERS.items():
        for name, *_ in barriers:
            op.drop_policy(name, table)
    op.drop_function("devmentor.is_own(owner uuid, me uuid)")
    op.drop_function("devmentor.is_past(moment timestamptz, now timestamptz)")
    op.drop_function("devmentor.is_shared(owner uuid, thing uuid, owners uuid[], things uuid[])")

"""Let editors work in projects of others, without taking what is their owners'.

Revision: 0d1c5a6e00b1
Revises: 0d1c5a6e00a3
Created: 2026-11-24 01:38:33.179202+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00b1"
down_revision: str | None = "0d1c5a6e00a3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the triggers that keep owners, and the rights that were missing."""
    op.drop_policy("owner", "memory.documents")
    op.grant(["USAGE"], "SCHEMA memory", "devmentor_projects")
    op.create_function("""
    CREATE FUNCTION devmentor.keep_owner()
     RETURNS trigger
     LANGUAGE plpgsql
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
    BEGIN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s.%s, %s: only the owner may', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_NAME);
    END
    $function$
    """)
    op.create_trigger(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF user_id ON auth.teams FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
    )
    op.comment_on("FUNCTION devmentor.keep_owner()", "Refuses to change what is the owner's alone")
    op.create_policy(
        "owner",
        "memory.documents",
        to=["devmentor_memory", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.grant(["SELECT"], "TABLE memory.documents", "devmentor_projects")
    op.create_trigger(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF user_id ON projects.epics FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
    )
    op.create_trigger(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF user_id ON projects.project_file_versions FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
    )
    op.create_trigger(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF user_id ON projects.project_files FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
    )
    op.create_trigger(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF user_id ON projects.projects FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
    )
    op.create_trigger(
        "CREATE TRIGGER owners_alone BEFORE UPDATE OF credits, deleted_at ON projects.projects FOR EACH ROW WHEN ((((old.credits IS DISTINCT FROM new.credits) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)) AND (CURRENT_USER <> 'devmentor_owner'::name) AND (new.user_id <> devmentor.user_id()))) EXECUTE FUNCTION devmentor.keep_owner()"
    )
    op.create_policy(
        "adder", "projects.storage_orphans", command="INSERT", to=["devmentor_projects"], check="true"
    )
    op.create_trigger(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF user_id ON projects.tasks FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) AND (CURRENT_USER <> 'devmentor_owner'::name))) EXECUTE FUNCTION devmentor.keep_owner()"
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_trigger("keep_owner", "projects.tasks")
    op.drop_policy("adder", "projects.storage_orphans")
    op.drop_trigger("owners_alone", "projects.projects")
    op.drop_trigger("keep_owner", "projects.projects")
    op.drop_trigger("keep_owner", "projects.project_files")
    op.drop_trigger("keep_owner", "projects.project_file_versions")
    op.drop_trigger("keep_owner", "projects.epics")
    op.revoke(["SELECT"], "TABLE memory.documents", "devmentor_projects")
    op.drop_policy("owner", "memory.documents")
    op.comment_on("FUNCTION devmentor.keep_owner()", None)
    op.drop_trigger("keep_owner", "auth.teams")
    op.drop_function("devmentor.keep_owner()")
    op.revoke(["USAGE"], "SCHEMA memory", "devmentor_projects")
    op.create_policy(
        "owner",
        "memory.documents",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )

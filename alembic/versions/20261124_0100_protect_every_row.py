"""Protect every row: row security, policies, grants per service, and the functions that tell who acts.

Revision: 0d1c5a6e0008
Revises: 0d1c5a6e0007
Created: 2026-11-24 01:00:57.843642+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0008"
down_revision: str | None = "0d1c5a6e0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Protect every table."""
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_ai")
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_auth")
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_backup")
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_learning")
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_memory")
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_projects")
    op.grant(["USAGE"], "SCHEMA ai", "devmentor_readonly")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_ai")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_auth")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_backup")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_learning")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_memory")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_projects")
    op.grant(["USAGE"], "SCHEMA auth", "devmentor_readonly")
    op.grant(["USAGE"], "SCHEMA learning", "devmentor_backup")
    op.grant(["USAGE"], "SCHEMA learning", "devmentor_learning")
    op.grant(["USAGE"], "SCHEMA learning", "devmentor_readonly")
    op.grant(["USAGE"], "SCHEMA memory", "devmentor_auth")
    op.grant(["USAGE"], "SCHEMA memory", "devmentor_backup")
    op.grant(["USAGE"], "SCHEMA memory", "devmentor_memory")
    op.grant(["USAGE"], "SCHEMA memory", "devmentor_readonly")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_ai")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_auth")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_backup")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_learning")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_memory")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_projects")
    op.grant(["USAGE"], "SCHEMA projects", "devmentor_readonly")
    op.enable_row_security("ai.embedding_models", force=True)
    op.create_policy("backup", "ai.embedding_models", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "everyone",
        "ai.embedding_models",
        command="SELECT",
        to=[
            "devmentor_ai",
            "devmentor_auth",
            "devmentor_learning",
            "devmentor_memory",
            "devmentor_projects",
            "devmentor_readonly",
        ],
        using="true",
    )
    op.enable_row_security("ai.project_embeddings", force=True)
    op.create_policy(
        "backup", "ai.project_embeddings", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.enable_row_security("ai.provider_configs", force=True)
    op.create_policy("backup", "ai.provider_configs", command="SELECT", to=["devmentor_backup"], using="true")
    op.enable_row_security("ai.response_cache", force=True)
    op.create_policy("backup", "ai.response_cache", command="SELECT", to=["devmentor_backup"], using="true")
    op.enable_row_security("ai.usage", force=True)
    op.create_policy("backup", "ai.usage", command="SELECT", to=["devmentor_backup"], using="true")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.base_url", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.default_model", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.is_active", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.name", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.priority", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.provider", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.settings", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.updated_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.user_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN ai.provider_configs.version", "devmentor_readonly")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.embedding_models", "devmentor_ai")
    op.grant(["SELECT"], "TABLE ai.embedding_models", "devmentor_auth")
    op.grant(["SELECT"], "TABLE ai.embedding_models", "devmentor_backup")
    op.grant(["SELECT"], "TABLE ai.embedding_models", "devmentor_learning")
    op.grant(["SELECT"], "TABLE ai.embedding_models", "devmentor_memory")
    op.grant(["SELECT"], "TABLE ai.embedding_models", "devmentor_projects")
    op.grant(["SELECT"], "TABLE ai.embedding_models", "devmentor_readonly")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.project_embeddings", "devmentor_ai")
    op.grant(["SELECT"], "TABLE ai.project_embeddings", "devmentor_backup")
    op.grant(["SELECT"], "TABLE ai.project_embeddings", "devmentor_projects")
    op.grant(["SELECT"], "TABLE ai.project_embeddings", "devmentor_readonly")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.provider_configs", "devmentor_ai")
    op.grant(["SELECT"], "TABLE ai.provider_configs", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.response_cache", "devmentor_ai")
    op.grant(["SELECT"], "TABLE ai.response_cache", "devmentor_backup")
    op.grant(["SELECT"], "TABLE ai.response_cache", "devmentor_readonly")
    op.grant(["INSERT", "SELECT"], "TABLE ai.usage", "devmentor_ai")
    op.grant(["SELECT"], "TABLE ai.usage", "devmentor_backup")
    op.grant(["SELECT"], "TABLE ai.usage", "devmentor_readonly")
    op.enable_row_security("auth.audit_log", force=True)
    op.create_policy("backup", "auth.audit_log", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "definer_insert", "auth.audit_log", command="INSERT", to=["devmentor_owner"], check="true"
    )
    op.create_policy(
        "definer_select", "auth.audit_log", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "definer_update",
        "auth.audit_log",
        command="UPDATE",
        to=["devmentor_owner"],
        using="true",
        check="true",
    )
    op.enable_row_security("auth.email_verifications", force=True)
    op.create_policy(
        "backup", "auth.email_verifications", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "definer_select", "auth.email_verifications", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.enable_row_security("auth.password_resets", force=True)
    op.create_policy(
        "backup", "auth.password_resets", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "definer_select", "auth.password_resets", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.enable_row_security("auth.team_members", force=True)
    op.create_policy("backup", "auth.team_members", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "definer_select", "auth.team_members", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.enable_row_security("auth.teams", force=True)
    op.create_policy("backup", "auth.teams", command="SELECT", to=["devmentor_backup"], using="true")
    op.enable_row_security("auth.user_sessions", force=True)
    op.create_policy("backup", "auth.user_sessions", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "definer_select", "auth.user_sessions", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.enable_row_security("auth.users", force=True)
    op.create_policy("backup", "auth.users", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy("definer_select", "auth.users", command="SELECT", to=["devmentor_owner"], using="true")
    op.grant(["SELECT"], "COLUMN auth.email_verifications.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.email_verifications.email", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.email_verifications.expires_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.email_verifications.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.email_verifications.used_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.email_verifications.user_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.password_resets.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.password_resets.expires_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.password_resets.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.password_resets.used_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.password_resets.user_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.expires_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.family_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.ip_address", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.revoked_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.rotated_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.user_agent", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.user_sessions.user_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.email", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.email_key", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.email_verified_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.is_active", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.last_login_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.metadata", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.role", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.updated_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.username", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.username_key", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN auth.users.version", "devmentor_readonly")
    op.grant(["INSERT"], "TABLE auth.audit_log", "devmentor_ai")
    op.grant(["INSERT", "SELECT"], "TABLE auth.audit_log", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.audit_log", "devmentor_backup")
    op.grant(["INSERT"], "TABLE auth.audit_log", "devmentor_learning")
    op.grant(["INSERT"], "TABLE auth.audit_log", "devmentor_memory")
    op.grant(["INSERT"], "TABLE auth.audit_log", "devmentor_projects")
    op.grant(["SELECT"], "TABLE auth.audit_log", "devmentor_readonly")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.email_verifications", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.email_verifications", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.password_resets", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.password_resets", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.team_members", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.team_members", "devmentor_backup")
    op.grant(["SELECT"], "TABLE auth.team_members", "devmentor_projects")
    op.grant(["SELECT"], "TABLE auth.team_members", "devmentor_readonly")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.teams", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.teams", "devmentor_backup")
    op.grant(["SELECT"], "TABLE auth.teams", "devmentor_projects")
    op.grant(["SELECT"], "TABLE auth.teams", "devmentor_readonly")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.user_sessions", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.user_sessions", "devmentor_backup")
    op.grant(["DELETE", "SELECT"], "TABLE auth.users", "devmentor_auth")
    op.grant(["SELECT"], "TABLE auth.users", "devmentor_backup")
    op.create_function("""
    CREATE FUNCTION devmentor.edited_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.edited_projects'::text, true), ''::text))::uuid[]
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.edited_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.edited_teams'::text, true), ''::text))::uuid[]
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.enter()
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        me uuid := devmentor.user_id();
        projects record;
        teams record;
    BEGIN
        IF me IS NULL THEN
            RETURN;
        END IF;
        SELECT array_agg(DISTINCT user_id) AS owners, array_agg(project_id) AS seen,
               array_agg(project_id) FILTER (WHERE role = 'editor') AS edited
          INTO projects FROM projects.project_collaborators WHERE member_id = me;
        SELECT array_agg(DISTINCT user_id) AS owners, array_agg(team_id) AS seen,
               array_agg(team_id) FILTER (WHERE role = 'manager') AS edited
          INTO teams FROM auth.team_members WHERE member_id = me;
        IF projects.owners IS NULL AND teams.owners IS NULL THEN
            RETURN;
        END IF;
        PERFORM set_config('devmentor.owners', (me || projects.owners || teams.owners)::text, true),
                set_config('devmentor.shared_projects', coalesce(projects.seen::text, ''), true),
                set_config('devmentor.edited_projects', coalesce(projects.edited::text, ''), true),
                set_config('devmentor.shared_teams', coalesce(teams.seen::text, ''), true),
                set_config('devmentor.edited_teams', coalesce(teams.edited::text, ''), true);
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.owners()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN COALESCE((NULLIF(current_setting('devmentor.owners'::text, true), ''::text))::uuid[], ARRAY[(NULLIF(current_setting('devmentor.user_id'::text, true), ''::text))::uuid])
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.service()
     RETURNS text
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('devmentor.service'::text, true), ''::text)
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.shared_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.shared_projects'::text, true), ''::text))::uuid[]
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.shared_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.shared_teams'::text, true), ''::text))::uuid[]
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.user_id()
     RETURNS uuid
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.user_id'::text, true), ''::text))::uuid
    """)
    op.create_policy(
        "chore_delete",
        "ai.embedding_models",
        command="DELETE",
        to=["devmentor_ai"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "chore_insert",
        "ai.embedding_models",
        command="INSERT",
        to=["devmentor_ai"],
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "chore_update",
        "ai.embedding_models",
        command="UPDATE",
        to=["devmentor_ai"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "owner",
        "ai.project_embeddings",
        to=["devmentor_ai", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "ai.project_embeddings",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.provider_configs",
        to=["devmentor_ai"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "ai.provider_configs",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "chore_delete",
        "ai.response_cache",
        command="DELETE",
        to=["devmentor_ai"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_select",
        "ai.response_cache",
        command="SELECT",
        to=["devmentor_ai"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_update",
        "ai.response_cache",
        command="UPDATE",
        to=["devmentor_ai"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "owner",
        "ai.response_cache",
        to=["devmentor_ai"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "ai.response_cache",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.usage",
        to=["devmentor_ai"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "ai.usage",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "actor",
        "auth.audit_log",
        command="INSERT",
        to=["devmentor_ai", "devmentor_auth", "devmentor_learning", "devmentor_memory", "devmentor_projects"],
        check="((actor_id IS NULL) OR (actor_id = devmentor.user_id())) AND ((actor_name IS NULL) OR ((actor_name)::text = devmentor.service()))",
    )
    op.create_policy(
        "subject",
        "auth.audit_log",
        command="SELECT",
        to=["devmentor_auth", "devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "chore_delete",
        "auth.email_verifications",
        command="DELETE",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_select",
        "auth.email_verifications",
        command="SELECT",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_update",
        "auth.email_verifications",
        command="UPDATE",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "owner",
        "auth.email_verifications",
        to=["devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "auth.email_verifications",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "chore_delete",
        "auth.password_resets",
        command="DELETE",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_select",
        "auth.password_resets",
        command="SELECT",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_update",
        "auth.password_resets",
        command="UPDATE",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "owner",
        "auth.password_resets",
        to=["devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "auth.password_resets",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "editor",
        "auth.team_members",
        command="UPDATE",
        to=["devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "maker",
        "auth.team_members",
        command="INSERT",
        to=["devmentor_auth"],
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "reader",
        "auth.team_members",
        command="SELECT",
        to=["devmentor_auth", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (team_id = ANY (devmentor.shared_teams())))",
    )
    op.create_policy(
        "remover",
        "auth.team_members",
        command="DELETE",
        to=["devmentor_auth"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "editor",
        "auth.teams",
        command="UPDATE",
        to=["devmentor_auth"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (id = ANY (devmentor.edited_teams())))",
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (id = ANY (devmentor.edited_teams())))",
    )
    op.create_policy(
        "maker", "auth.teams", command="INSERT", to=["devmentor_auth"], check="user_id = devmentor.user_id()"
    )
    op.create_policy(
        "reader",
        "auth.teams",
        command="SELECT",
        to=["devmentor_auth", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (id = ANY (devmentor.shared_teams())))",
    )
    op.create_policy(
        "remover",
        "auth.teams",
        command="DELETE",
        to=["devmentor_auth"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "chore_delete",
        "auth.user_sessions",
        command="DELETE",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_select",
        "auth.user_sessions",
        command="SELECT",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "chore_update",
        "auth.user_sessions",
        command="UPDATE",
        to=["devmentor_auth"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at < now())",
    )
    op.create_policy(
        "owner",
        "auth.user_sessions",
        to=["devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "auth.user_sessions",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "auth.users",
        to=["devmentor_auth"],
        using="id = devmentor.user_id()",
        check="id = devmentor.user_id()",
    )
    op.create_policy(
        "report", "auth.users", command="SELECT", to=["devmentor_readonly"], using="id = devmentor.user_id()"
    )
    op.comment_on("FUNCTION devmentor.edited_projects()", "Projects of others that the user may edit")
    op.comment_on("FUNCTION devmentor.edited_teams()", "Teams of others that the user manages")
    op.comment_on(
        "FUNCTION devmentor.enter()", "Looks up once per transaction what others share with the acting user"
    )
    op.comment_on(
        "FUNCTION devmentor.owners()",
        "Whose rows the acting user may see at all: their own, and of those who share something",
    )
    op.comment_on("FUNCTION devmentor.service()", "The service that acts; NULL for a user")
    op.comment_on("FUNCTION devmentor.shared_projects()", "Projects of others that the user may see")
    op.comment_on("FUNCTION devmentor.shared_teams()", "Teams of others that the user belongs to")
    op.comment_on("FUNCTION devmentor.user_id()", "The user who acts, or for whom a service acts")
    op.enable_row_security("learning.assessments", force=True)
    op.create_policy(
        "backup", "learning.assessments", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "owner",
        "learning.assessments",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "learning.assessments",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("learning.progress", force=True)
    op.create_policy("backup", "learning.progress", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "owner",
        "learning.progress",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "learning.progress",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("learning.recommendations", force=True)
    op.create_policy(
        "backup", "learning.recommendations", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "chore_delete",
        "learning.recommendations",
        command="DELETE",
        to=["devmentor_learning"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at <= now())",
    )
    op.create_policy(
        "chore_select",
        "learning.recommendations",
        command="SELECT",
        to=["devmentor_learning"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at <= now())",
    )
    op.create_policy(
        "chore_update",
        "learning.recommendations",
        command="UPDATE",
        to=["devmentor_learning"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at <= now())",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (expires_at <= now())",
    )
    op.create_policy(
        "owner",
        "learning.recommendations",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "learning.recommendations",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("learning.roadmap_steps", force=True)
    op.create_policy(
        "backup", "learning.roadmap_steps", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "owner",
        "learning.roadmap_steps",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "learning.roadmap_steps",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("learning.roadmaps", force=True)
    op.create_policy("backup", "learning.roadmaps", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "owner",
        "learning.roadmaps",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "learning.roadmaps",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.grant(["SELECT"], "TABLE learning.assessments", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.assessments", "devmentor_learning")
    op.grant(["SELECT"], "TABLE learning.assessments", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE learning.progress", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.progress", "devmentor_learning")
    op.grant(["SELECT"], "TABLE learning.progress", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE learning.recommendations", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.recommendations", "devmentor_learning")
    op.grant(["SELECT"], "TABLE learning.recommendations", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE learning.roadmap_steps", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.roadmap_steps", "devmentor_learning")
    op.grant(["SELECT"], "TABLE learning.roadmap_steps", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE learning.roadmaps", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.roadmaps", "devmentor_learning")
    op.grant(["SELECT"], "TABLE learning.roadmaps", "devmentor_readonly")
    op.enable_row_security("memory.chunks", force=True)
    op.create_policy("backup", "memory.chunks", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "owner",
        "memory.chunks",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "memory.chunks",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("memory.documents", force=True)
    op.create_policy("backup", "memory.documents", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "owner",
        "memory.documents",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "memory.documents",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("memory.embeddings_meta", force=True)
    op.create_policy(
        "backup", "memory.embeddings_meta", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "owner",
        "memory.embeddings_meta",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "memory.embeddings_meta",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("memory.search_history", force=True)
    op.create_policy(
        "backup", "memory.search_history", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "owner",
        "memory.search_history",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "memory.search_history",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("memory.vector_outbox", force=True)
    op.create_policy(
        "backup", "memory.vector_outbox", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "chore_delete",
        "memory.vector_outbox",
        command="DELETE",
        to=["devmentor_memory"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "chore_select",
        "memory.vector_outbox",
        command="SELECT",
        to=["devmentor_memory"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "chore_update",
        "memory.vector_outbox",
        command="UPDATE",
        to=["devmentor_memory"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "owner",
        "memory.vector_outbox",
        to=["devmentor_auth", "devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "memory.vector_outbox",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.grant(["SELECT"], "COLUMN memory.documents.content_hash", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.deleted_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.language", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.metadata", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.project_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.source", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.source_uri", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.title", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.updated_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.user_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.documents.version", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.chunk_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.content_hash", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.created_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.dimensions", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.document_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.model_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.qdrant_collection", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.qdrant_point_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.status", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.updated_at", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.user_id", "devmentor_readonly")
    op.grant(["SELECT"], "COLUMN memory.embeddings_meta.version", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE memory.chunks", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.chunks", "devmentor_memory")
    op.grant(["SELECT"], "TABLE memory.chunks", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE memory.documents", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.documents", "devmentor_memory")
    op.grant(["SELECT"], "TABLE memory.embeddings_meta", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.embeddings_meta", "devmentor_memory")
    op.grant(["SELECT"], "TABLE memory.search_history", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT"], "TABLE memory.search_history", "devmentor_memory")
    op.grant(["SELECT"], "TABLE memory.search_history", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE memory.vector_outbox", "devmentor_auth")
    op.grant(["SELECT"], "TABLE memory.vector_outbox", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.vector_outbox", "devmentor_memory")
    op.grant(["SELECT"], "TABLE memory.vector_outbox", "devmentor_readonly")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION projects.remember_storage_key()
     RETURNS trigger
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        INSERT INTO projects.storage_orphans (storage_bucket, storage_key)
        VALUES (OLD.storage_bucket, OLD.storage_key)
        ON CONFLICT (storage_bucket, storage_key) DO NOTHING;
        RETURN NULL;
    END $function$
    """)
    op.enable_row_security("projects.activity", force=True)
    op.create_policy("backup", "projects.activity", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "definer_insert", "projects.activity", command="INSERT", to=["devmentor_owner"], check="true"
    )
    op.create_policy(
        "maker",
        "projects.activity",
        command="INSERT",
        to=["devmentor_ai", "devmentor_auth", "devmentor_learning", "devmentor_memory", "devmentor_projects"],
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.activity",
        command="SELECT",
        to=["devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.enable_row_security("projects.credit_entries", force=True)
    op.create_policy(
        "backup", "projects.credit_entries", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "maker",
        "projects.credit_entries",
        command="INSERT",
        to=["devmentor_projects"],
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "reader",
        "projects.credit_entries",
        command="SELECT",
        to=["devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.enable_row_security("projects.epics", force=True)
    op.create_policy("backup", "projects.epics", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "editor",
        "projects.epics",
        command="UPDATE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "maker",
        "projects.epics",
        command="INSERT",
        to=["devmentor_projects"],
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.epics",
        command="SELECT",
        to=["devmentor_learning", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "remover",
        "projects.epics",
        command="DELETE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.enable_row_security("projects.project_collaborators", force=True)
    op.create_policy(
        "backup", "projects.project_collaborators", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "definer_select",
        "projects.project_collaborators",
        command="SELECT",
        to=["devmentor_owner"],
        using="true",
    )
    op.create_policy(
        "editor",
        "projects.project_collaborators",
        command="UPDATE",
        to=["devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "maker",
        "projects.project_collaborators",
        command="INSERT",
        to=["devmentor_projects"],
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "reader",
        "projects.project_collaborators",
        command="SELECT",
        to=[
            "devmentor_ai",
            "devmentor_auth",
            "devmentor_learning",
            "devmentor_memory",
            "devmentor_projects",
            "devmentor_readonly",
        ],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "remover",
        "projects.project_collaborators",
        command="DELETE",
        to=["devmentor_projects"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("projects.project_file_versions", force=True)
    op.create_policy(
        "backup", "projects.project_file_versions", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "chore_select",
        "projects.project_file_versions",
        command="SELECT",
        to=["devmentor_projects"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.create_policy(
        "editor",
        "projects.project_file_versions",
        command="UPDATE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "maker",
        "projects.project_file_versions",
        command="INSERT",
        to=["devmentor_projects"],
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.project_file_versions",
        command="SELECT",
        to=["devmentor_memory", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "remover",
        "projects.project_file_versions",
        command="DELETE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.enable_row_security("projects.project_files", force=True)
    op.create_policy(
        "backup", "projects.project_files", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "editor",
        "projects.project_files",
        command="UPDATE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "maker",
        "projects.project_files",
        command="INSERT",
        to=["devmentor_projects"],
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.project_files",
        command="SELECT",
        to=["devmentor_memory", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "remover",
        "projects.project_files",
        command="DELETE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.enable_row_security("projects.project_templates", force=True)
    op.create_policy(
        "backup", "projects.project_templates", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "catalogue",
        "projects.project_templates",
        command="SELECT",
        to=["devmentor_projects", "devmentor_readonly"],
        using="user_id IS NULL",
    )
    op.create_policy(
        "chore_delete",
        "projects.project_templates",
        command="DELETE",
        to=["devmentor_projects"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (user_id IS NULL)",
    )
    op.create_policy(
        "chore_insert",
        "projects.project_templates",
        command="INSERT",
        to=["devmentor_projects"],
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (user_id IS NULL)",
    )
    op.create_policy(
        "chore_update",
        "projects.project_templates",
        command="UPDATE",
        to=["devmentor_projects"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (user_id IS NULL)",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL) AND (user_id IS NULL)",
    )
    op.create_policy(
        "owner",
        "projects.project_templates",
        to=["devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "report",
        "projects.project_templates",
        command="SELECT",
        to=["devmentor_readonly"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("projects.projects", force=True)
    op.create_policy("backup", "projects.projects", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "editor",
        "projects.projects",
        command="UPDATE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (id = ANY (devmentor.edited_projects())))",
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "maker",
        "projects.projects",
        command="INSERT",
        to=["devmentor_auth", "devmentor_projects"],
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "reader",
        "projects.projects",
        command="SELECT",
        to=[
            "devmentor_ai",
            "devmentor_auth",
            "devmentor_learning",
            "devmentor_memory",
            "devmentor_projects",
            "devmentor_readonly",
        ],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "remover",
        "projects.projects",
        command="DELETE",
        to=["devmentor_projects"],
        using="user_id = devmentor.user_id()",
    )
    op.enable_row_security("projects.storage_orphans", force=True)
    op.create_policy(
        "backup", "projects.storage_orphans", command="SELECT", to=["devmentor_backup"], using="true"
    )
    op.create_policy(
        "definer_insert", "projects.storage_orphans", command="INSERT", to=["devmentor_owner"], check="true"
    )
    op.create_policy(
        "definer_select", "projects.storage_orphans", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "service",
        "projects.storage_orphans",
        to=["devmentor_projects"],
        using="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
        check="(devmentor.user_id() IS NULL) AND (devmentor.service() IS NOT NULL)",
    )
    op.enable_row_security("projects.tasks", force=True)
    op.create_policy("backup", "projects.tasks", command="SELECT", to=["devmentor_backup"], using="true")
    op.create_policy(
        "editor",
        "projects.tasks",
        command="UPDATE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "maker",
        "projects.tasks",
        command="INSERT",
        to=["devmentor_projects"],
        check="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.tasks",
        command="SELECT",
        to=["devmentor_learning", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "remover",
        "projects.tasks",
        command="DELETE",
        to=["devmentor_projects"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.edited_projects())))",
    )
    op.grant(["INSERT"], "TABLE projects.activity", "devmentor_ai")
    op.grant(["INSERT"], "TABLE projects.activity", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.activity", "devmentor_backup")
    op.grant(["INSERT"], "TABLE projects.activity", "devmentor_learning")
    op.grant(["INSERT"], "TABLE projects.activity", "devmentor_memory")
    op.grant(["INSERT", "SELECT"], "TABLE projects.activity", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.activity", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.credit_entries", "devmentor_backup")
    op.grant(["INSERT", "SELECT"], "TABLE projects.credit_entries", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.credit_entries", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.epics", "devmentor_backup")
    op.grant(["SELECT"], "TABLE projects.epics", "devmentor_learning")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.epics", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.epics", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.project_collaborators", "devmentor_ai")
    op.grant(["SELECT"], "TABLE projects.project_collaborators", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.project_collaborators", "devmentor_backup")
    op.grant(["SELECT"], "TABLE projects.project_collaborators", "devmentor_learning")
    op.grant(["SELECT"], "TABLE projects.project_collaborators", "devmentor_memory")
    op.grant(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_collaborators", "devmentor_projects"
    )
    op.grant(["SELECT"], "TABLE projects.project_collaborators", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.project_file_versions", "devmentor_backup")
    op.grant(["SELECT"], "TABLE projects.project_file_versions", "devmentor_memory")
    op.grant(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_file_versions", "devmentor_projects"
    )
    op.grant(["SELECT"], "TABLE projects.project_file_versions", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.project_files", "devmentor_backup")
    op.grant(["SELECT"], "TABLE projects.project_files", "devmentor_memory")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_files", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.project_files", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.project_templates", "devmentor_backup")
    op.grant(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_templates", "devmentor_projects"
    )
    op.grant(["SELECT"], "TABLE projects.project_templates", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.projects", "devmentor_ai")
    op.grant(["INSERT", "SELECT"], "TABLE projects.projects", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.projects", "devmentor_backup")
    op.grant(["SELECT"], "TABLE projects.projects", "devmentor_learning")
    op.grant(["SELECT"], "TABLE projects.projects", "devmentor_memory")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.projects", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.projects", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.storage_orphans", "devmentor_backup")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.storage_orphans", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.storage_orphans", "devmentor_readonly")
    op.grant(["SELECT"], "TABLE projects.tasks", "devmentor_backup")
    op.grant(["SELECT"], "TABLE projects.tasks", "devmentor_learning")
    op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.tasks", "devmentor_projects")
    op.grant(["SELECT"], "TABLE projects.tasks", "devmentor_readonly")


def downgrade() -> None:
    """Take the protection back."""
    op.revoke(["SELECT"], "TABLE projects.tasks", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.tasks", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE projects.tasks", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE projects.tasks", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.storage_orphans", "devmentor_readonly")
    op.revoke(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.storage_orphans", "devmentor_projects"
    )
    op.revoke(["SELECT"], "TABLE projects.storage_orphans", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.projects", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.projects", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE projects.projects", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE projects.projects", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE projects.projects", "devmentor_backup")
    op.revoke(["INSERT", "SELECT"], "TABLE projects.projects", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.projects", "devmentor_ai")
    op.revoke(["SELECT"], "TABLE projects.project_templates", "devmentor_readonly")
    op.revoke(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_templates", "devmentor_projects"
    )
    op.revoke(["SELECT"], "TABLE projects.project_templates", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.project_files", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_files", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE projects.project_files", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE projects.project_files", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.project_file_versions", "devmentor_readonly")
    op.revoke(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_file_versions", "devmentor_projects"
    )
    op.revoke(["SELECT"], "TABLE projects.project_file_versions", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE projects.project_file_versions", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.project_collaborators", "devmentor_readonly")
    op.revoke(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.project_collaborators", "devmentor_projects"
    )
    op.revoke(["SELECT"], "TABLE projects.project_collaborators", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE projects.project_collaborators", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE projects.project_collaborators", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.project_collaborators", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.project_collaborators", "devmentor_ai")
    op.revoke(["SELECT"], "TABLE projects.epics", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE projects.epics", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE projects.epics", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE projects.epics", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.credit_entries", "devmentor_readonly")
    op.revoke(["INSERT", "SELECT"], "TABLE projects.credit_entries", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE projects.credit_entries", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE projects.activity", "devmentor_readonly")
    op.revoke(["INSERT", "SELECT"], "TABLE projects.activity", "devmentor_projects")
    op.revoke(["INSERT"], "TABLE projects.activity", "devmentor_memory")
    op.revoke(["INSERT"], "TABLE projects.activity", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE projects.activity", "devmentor_backup")
    op.revoke(["INSERT"], "TABLE projects.activity", "devmentor_auth")
    op.revoke(["INSERT"], "TABLE projects.activity", "devmentor_ai")
    op.drop_policy("remover", "projects.tasks")
    op.drop_policy("reader", "projects.tasks")
    op.drop_policy("maker", "projects.tasks")
    op.drop_policy("editor", "projects.tasks")
    op.drop_policy("backup", "projects.tasks")
    op.disable_row_security("projects.tasks")
    op.drop_policy("service", "projects.storage_orphans")
    op.drop_policy("definer_select", "projects.storage_orphans")
    op.drop_policy("definer_insert", "projects.storage_orphans")
    op.drop_policy("backup", "projects.storage_orphans")
    op.disable_row_security("projects.storage_orphans")
    op.drop_policy("remover", "projects.projects")
    op.drop_policy("reader", "projects.projects")
    op.drop_policy("maker", "projects.projects")
    op.drop_policy("editor", "projects.projects")
    op.drop_policy("backup", "projects.projects")
    op.disable_row_security("projects.projects")
    op.drop_policy("report", "projects.project_templates")
    op.drop_policy("owner", "projects.project_templates")
    op.drop_policy("chore_update", "projects.project_templates")
    op.drop_policy("chore_insert", "projects.project_templates")
    op.drop_policy("chore_delete", "projects.project_templates")
    op.drop_policy("catalogue", "projects.project_templates")
    op.drop_policy("backup", "projects.project_templates")
    op.disable_row_security("projects.project_templates")
    op.drop_policy("remover", "projects.project_files")
    op.drop_policy("reader", "projects.project_files")
    op.drop_policy("maker", "projects.project_files")
    op.drop_policy("editor", "projects.project_files")
    op.drop_policy("backup", "projects.project_files")
    op.disable_row_security("projects.project_files")
    op.drop_policy("remover", "projects.project_file_versions")
    op.drop_policy("reader", "projects.project_file_versions")
    op.drop_policy("maker", "projects.project_file_versions")
    op.drop_policy("editor", "projects.project_file_versions")
    op.drop_policy("chore_select", "projects.project_file_versions")
    op.drop_policy("backup", "projects.project_file_versions")
    op.disable_row_security("projects.project_file_versions")
    op.drop_policy("remover", "projects.project_collaborators")
    op.drop_policy("reader", "projects.project_collaborators")
    op.drop_policy("maker", "projects.project_collaborators")
    op.drop_policy("editor", "projects.project_collaborators")
    op.drop_policy("definer_select", "projects.project_collaborators")
    op.drop_policy("backup", "projects.project_collaborators")
    op.disable_row_security("projects.project_collaborators")
    op.drop_policy("remover", "projects.epics")
    op.drop_policy("reader", "projects.epics")
    op.drop_policy("maker", "projects.epics")
    op.drop_policy("editor", "projects.epics")
    op.drop_policy("backup", "projects.epics")
    op.disable_row_security("projects.epics")
    op.drop_policy("reader", "projects.credit_entries")
    op.drop_policy("maker", "projects.credit_entries")
    op.drop_policy("backup", "projects.credit_entries")
    op.disable_row_security("projects.credit_entries")
    op.drop_policy("reader", "projects.activity")
    op.drop_policy("maker", "projects.activity")
    op.drop_policy("definer_insert", "projects.activity")
    op.drop_policy("backup", "projects.activity")
    op.disable_row_security("projects.activity")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION projects.remember_storage_key()
     RETURNS trigger
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
    BEGIN
        INSERT INTO projects.storage_orphans (storage_bucket, storage_key)
        VALUES (OLD.storage_bucket, OLD.storage_key)
        ON CONFLICT (storage_bucket, storage_key) DO NOTHING;
        RETURN NULL;
    END $function$
    """)
    op.revoke(["SELECT"], "TABLE memory.vector_outbox", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.vector_outbox", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE memory.vector_outbox", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE memory.vector_outbox", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE memory.search_history", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT"], "TABLE memory.search_history", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE memory.search_history", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.embeddings_meta", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE memory.embeddings_meta", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.documents", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE memory.documents", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE memory.chunks", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE memory.chunks", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE memory.chunks", "devmentor_backup")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.version", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.user_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.updated_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.status", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.qdrant_point_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.qdrant_collection", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.model_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.document_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.dimensions", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.created_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.content_hash", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.embeddings_meta.chunk_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.version", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.user_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.updated_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.title", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.source_uri", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.source", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.project_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.metadata", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.language", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.deleted_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.created_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN memory.documents.content_hash", "devmentor_readonly")
    op.drop_policy("report", "memory.vector_outbox")
    op.drop_policy("owner", "memory.vector_outbox")
    op.drop_policy("chore_update", "memory.vector_outbox")
    op.drop_policy("chore_select", "memory.vector_outbox")
    op.drop_policy("chore_delete", "memory.vector_outbox")
    op.drop_policy("backup", "memory.vector_outbox")
    op.disable_row_security("memory.vector_outbox")
    op.drop_policy("report", "memory.search_history")
    op.drop_policy("owner", "memory.search_history")
    op.drop_policy("backup", "memory.search_history")
    op.disable_row_security("memory.search_history")
    op.drop_policy("report", "memory.embeddings_meta")
    op.drop_policy("owner", "memory.embeddings_meta")
    op.drop_policy("backup", "memory.embeddings_meta")
    op.disable_row_security("memory.embeddings_meta")
    op.drop_policy("report", "memory.documents")
    op.drop_policy("owner", "memory.documents")
    op.drop_policy("backup", "memory.documents")
    op.disable_row_security("memory.documents")
    op.drop_policy("report", "memory.chunks")
    op.drop_policy("owner", "memory.chunks")
    op.drop_policy("backup", "memory.chunks")
    op.disable_row_security("memory.chunks")
    op.revoke(["SELECT"], "TABLE learning.roadmaps", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.roadmaps", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE learning.roadmaps", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE learning.roadmap_steps", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.roadmap_steps", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE learning.roadmap_steps", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE learning.recommendations", "devmentor_readonly")
    op.revoke(
        ["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.recommendations", "devmentor_learning"
    )
    op.revoke(["SELECT"], "TABLE learning.recommendations", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE learning.progress", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.progress", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE learning.progress", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE learning.assessments", "devmentor_readonly")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE learning.assessments", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE learning.assessments", "devmentor_backup")
    op.drop_policy("report", "learning.roadmaps")
    op.drop_policy("owner", "learning.roadmaps")
    op.drop_policy("backup", "learning.roadmaps")
    op.disable_row_security("learning.roadmaps")
    op.drop_policy("report", "learning.roadmap_steps")
    op.drop_policy("owner", "learning.roadmap_steps")
    op.drop_policy("backup", "learning.roadmap_steps")
    op.disable_row_security("learning.roadmap_steps")
    op.drop_policy("report", "learning.recommendations")
    op.drop_policy("owner", "learning.recommendations")
    op.drop_policy("chore_update", "learning.recommendations")
    op.drop_policy("chore_select", "learning.recommendations")
    op.drop_policy("chore_delete", "learning.recommendations")
    op.drop_policy("backup", "learning.recommendations")
    op.disable_row_security("learning.recommendations")
    op.drop_policy("report", "learning.progress")
    op.drop_policy("owner", "learning.progress")
    op.drop_policy("backup", "learning.progress")
    op.disable_row_security("learning.progress")
    op.drop_policy("report", "learning.assessments")
    op.drop_policy("owner", "learning.assessments")
    op.drop_policy("backup", "learning.assessments")
    op.disable_row_security("learning.assessments")
    op.comment_on("FUNCTION devmentor.user_id()", None)
    op.comment_on("FUNCTION devmentor.shared_teams()", None)
    op.comment_on("FUNCTION devmentor.shared_projects()", None)
    op.comment_on("FUNCTION devmentor.service()", None)
    op.comment_on("FUNCTION devmentor.owners()", None)
    op.comment_on("FUNCTION devmentor.enter()", None)
    op.comment_on("FUNCTION devmentor.edited_teams()", None)
    op.comment_on("FUNCTION devmentor.edited_projects()", None)
    op.drop_policy("report", "auth.users")
    op.drop_policy("owner", "auth.users")
    op.drop_policy("report", "auth.user_sessions")
    op.drop_policy("owner", "auth.user_sessions")
    op.drop_policy("chore_update", "auth.user_sessions")
    op.drop_policy("chore_select", "auth.user_sessions")
    op.drop_policy("chore_delete", "auth.user_sessions")
    op.drop_policy("remover", "auth.teams")
    op.drop_policy("reader", "auth.teams")
    op.drop_policy("maker", "auth.teams")
    op.drop_policy("editor", "auth.teams")
    op.drop_policy("remover", "auth.team_members")
    op.drop_policy("reader", "auth.team_members")
    op.drop_policy("maker", "auth.team_members")
    op.drop_policy("editor", "auth.team_members")
    op.drop_policy("report", "auth.password_resets")
    op.drop_policy("owner", "auth.password_resets")
    op.drop_policy("chore_update", "auth.password_resets")
    op.drop_policy("chore_select", "auth.password_resets")
    op.drop_policy("chore_delete", "auth.password_resets")
    op.drop_policy("report", "auth.email_verifications")
    op.drop_policy("owner", "auth.email_verifications")
    op.drop_policy("chore_update", "auth.email_verifications")
    op.drop_policy("chore_select", "auth.email_verifications")
    op.drop_policy("chore_delete", "auth.email_verifications")
    op.drop_policy("subject", "auth.audit_log")
    op.drop_policy("actor", "auth.audit_log")
    op.drop_policy("report", "ai.usage")
    op.drop_policy("owner", "ai.usage")
    op.drop_policy("report", "ai.response_cache")
    op.drop_policy("owner", "ai.response_cache")
    op.drop_policy("chore_update", "ai.response_cache")
    op.drop_policy("chore_select", "ai.response_cache")
    op.drop_policy("chore_delete", "ai.response_cache")
    op.drop_policy("report", "ai.provider_configs")
    op.drop_policy("owner", "ai.provider_configs")
    op.drop_policy("report", "ai.project_embeddings")
    op.drop_policy("owner", "ai.project_embeddings")
    op.drop_policy("chore_update", "ai.embedding_models")
    op.drop_policy("chore_insert", "ai.embedding_models")
    op.drop_policy("chore_delete", "ai.embedding_models")
    op.drop_function("devmentor.user_id()")
    op.drop_function("devmentor.shared_teams()")
    op.drop_function("devmentor.shared_projects()")
    op.drop_function("devmentor.service()")
    op.drop_function("devmentor.owners()")
    op.drop_function("devmentor.enter()")
    op.drop_function("devmentor.edited_teams()")
    op.drop_function("devmentor.edited_projects()")
    op.revoke(["SELECT"], "TABLE auth.users", "devmentor_backup")
    op.revoke(["DELETE", "SELECT"], "TABLE auth.users", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE auth.user_sessions", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.user_sessions", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE auth.teams", "devmentor_readonly")
    op.revoke(["SELECT"], "TABLE auth.teams", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE auth.teams", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.teams", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE auth.team_members", "devmentor_readonly")
    op.revoke(["SELECT"], "TABLE auth.team_members", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE auth.team_members", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.team_members", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE auth.password_resets", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.password_resets", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE auth.email_verifications", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE auth.email_verifications", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE auth.audit_log", "devmentor_readonly")
    op.revoke(["INSERT"], "TABLE auth.audit_log", "devmentor_projects")
    op.revoke(["INSERT"], "TABLE auth.audit_log", "devmentor_memory")
    op.revoke(["INSERT"], "TABLE auth.audit_log", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE auth.audit_log", "devmentor_backup")
    op.revoke(["INSERT", "SELECT"], "TABLE auth.audit_log", "devmentor_auth")
    op.revoke(["INSERT"], "TABLE auth.audit_log", "devmentor_ai")
    op.revoke(["SELECT"], "COLUMN auth.users.version", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.username_key", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.username", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.updated_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.role", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.metadata", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.last_login_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.is_active", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.email_verified_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.email_key", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.email", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.users.created_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.user_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.user_agent", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.rotated_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.revoked_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.ip_address", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.family_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.expires_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.user_sessions.created_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.password_resets.user_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.password_resets.used_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.password_resets.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.password_resets.expires_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.password_resets.created_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.email_verifications.user_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.email_verifications.used_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.email_verifications.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.email_verifications.expires_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.email_verifications.email", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN auth.email_verifications.created_at", "devmentor_readonly")
    op.drop_policy("definer_select", "auth.users")
    op.drop_policy("backup", "auth.users")
    op.disable_row_security("auth.users")
    op.drop_policy("definer_select", "auth.user_sessions")
    op.drop_policy("backup", "auth.user_sessions")
    op.disable_row_security("auth.user_sessions")
    op.drop_policy("backup", "auth.teams")
    op.disable_row_security("auth.teams")
    op.drop_policy("definer_select", "auth.team_members")
    op.drop_policy("backup", "auth.team_members")
    op.disable_row_security("auth.team_members")
    op.drop_policy("definer_select", "auth.password_resets")
    op.drop_policy("backup", "auth.password_resets")
    op.disable_row_security("auth.password_resets")
    op.drop_policy("definer_select", "auth.email_verifications")
    op.drop_policy("backup", "auth.email_verifications")
    op.disable_row_security("auth.email_verifications")
    op.drop_policy("definer_update", "auth.audit_log")
    op.drop_policy("definer_select", "auth.audit_log")
    op.drop_policy("definer_insert", "auth.audit_log")
    op.drop_policy("backup", "auth.audit_log")
    op.disable_row_security("auth.audit_log")
    op.revoke(["SELECT"], "TABLE ai.usage", "devmentor_readonly")
    op.revoke(["SELECT"], "TABLE ai.usage", "devmentor_backup")
    op.revoke(["INSERT", "SELECT"], "TABLE ai.usage", "devmentor_ai")
    op.revoke(["SELECT"], "TABLE ai.response_cache", "devmentor_readonly")
    op.revoke(["SELECT"], "TABLE ai.response_cache", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.response_cache", "devmentor_ai")
    op.revoke(["SELECT"], "TABLE ai.provider_configs", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.provider_configs", "devmentor_ai")
    op.revoke(["SELECT"], "TABLE ai.project_embeddings", "devmentor_readonly")
    op.revoke(["SELECT"], "TABLE ai.project_embeddings", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE ai.project_embeddings", "devmentor_backup")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.project_embeddings", "devmentor_ai")
    op.revoke(["SELECT"], "TABLE ai.embedding_models", "devmentor_readonly")
    op.revoke(["SELECT"], "TABLE ai.embedding_models", "devmentor_projects")
    op.revoke(["SELECT"], "TABLE ai.embedding_models", "devmentor_memory")
    op.revoke(["SELECT"], "TABLE ai.embedding_models", "devmentor_learning")
    op.revoke(["SELECT"], "TABLE ai.embedding_models", "devmentor_backup")
    op.revoke(["SELECT"], "TABLE ai.embedding_models", "devmentor_auth")
    op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE ai.embedding_models", "devmentor_ai")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.version", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.user_id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.updated_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.settings", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.provider", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.priority", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.name", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.is_active", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.id", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.default_model", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.created_at", "devmentor_readonly")
    op.revoke(["SELECT"], "COLUMN ai.provider_configs.base_url", "devmentor_readonly")
    op.drop_policy("backup", "ai.usage")
    op.disable_row_security("ai.usage")
    op.drop_policy("backup", "ai.response_cache")
    op.disable_row_security("ai.response_cache")
    op.drop_policy("backup", "ai.provider_configs")
    op.disable_row_security("ai.provider_configs")
    op.drop_policy("backup", "ai.project_embeddings")
    op.disable_row_security("ai.project_embeddings")
    op.drop_policy("everyone", "ai.embedding_models")
    op.drop_policy("backup", "ai.embedding_models")
    op.disable_row_security("ai.embedding_models")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_readonly")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_projects")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_memory")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_learning")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_backup")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_auth")
    op.revoke(["USAGE"], "SCHEMA projects", "devmentor_ai")
    op.revoke(["USAGE"], "SCHEMA memory", "devmentor_readonly")
    op.revoke(["USAGE"], "SCHEMA memory", "devmentor_memory")
    op.revoke(["USAGE"], "SCHEMA memory", "devmentor_backup")
    op.revoke(["USAGE"], "SCHEMA memory", "devmentor_auth")
    op.revoke(["USAGE"], "SCHEMA learning", "devmentor_readonly")
    op.revoke(["USAGE"], "SCHEMA learning", "devmentor_learning")
    op.revoke(["USAGE"], "SCHEMA learning", "devmentor_backup")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_readonly")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_projects")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_memory")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_learning")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_backup")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_auth")
    op.revoke(["USAGE"], "SCHEMA auth", "devmentor_ai")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_readonly")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_projects")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_memory")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_learning")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_backup")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_auth")
    op.revoke(["USAGE"], "SCHEMA ai", "devmentor_ai")

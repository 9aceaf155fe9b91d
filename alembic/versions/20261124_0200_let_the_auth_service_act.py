"""Let the auth service act before it knows for whom, and give people all that is theirs.

Revision: 0d1c5a6e00d1
Revises: 0d1c5a6e00c1
Created: 2026-11-24 02:00:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00d1"
down_revision: str | None = "0d1c5a6e00c1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

#: Whose members write seeds: templates, embedding models, the users of the demo.
SEEDING = ("devmentor_ai", "devmentor_auth", "devmentor_projects")


def upgrade() -> None:
    """Create the functions of the auth and memory services, and narrow what may write an account."""
    for role in SEEDING:
        op.grant(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE devmentor.seeds", role)
    op.drop_policy("owner", "ai.project_embeddings")
    op.drop_policy("owner", "ai.provider_configs")
    op.drop_policy("owner", "ai.response_cache")
    op.drop_policy("owner", "ai.usage")
    op.drop_policy("owner", "auth.users")
    op.drop_policy("owner", "learning.assessments")
    op.drop_policy("owner", "learning.progress")
    op.drop_policy("owner", "learning.recommendations")
    op.drop_policy("owner", "learning.roadmap_steps")
    op.drop_policy("owner", "learning.roadmaps")
    op.drop_policy("owner", "memory.chunks")
    op.drop_policy("owner", "memory.documents")
    op.drop_policy("owner", "memory.embeddings_meta")
    op.drop_policy("owner", "memory.search_history")
    op.drop_policy("reader", "projects.activity")
    op.drop_policy("reader", "projects.credit_entries")
    op.drop_policy("reader", "projects.epics")
    op.drop_policy("reader", "projects.project_file_versions")
    op.drop_policy("reader", "projects.project_files")
    op.drop_policy("catalogue", "projects.project_templates")
    op.drop_policy("owner", "projects.project_templates")
    op.drop_policy("reader", "projects.tasks")
    op.grant(["USAGE"], "SCHEMA learning", "devmentor_auth")
    op.create_policy(
        "owner",
        "ai.project_embeddings",
        to=["devmentor_ai", "devmentor_auth", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.provider_configs",
        to=["devmentor_ai", "devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.response_cache",
        to=["devmentor_ai", "devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.usage",
        to=["devmentor_ai", "devmentor_auth"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.grant(["SELECT"], "TABLE ai.project_embeddings", "devmentor_auth")
    op.grant(["SELECT"], "TABLE ai.provider_configs", "devmentor_auth")
    op.grant(["SELECT"], "TABLE ai.response_cache", "devmentor_auth")
    op.grant(["SELECT"], "TABLE ai.usage", "devmentor_auth")
    op.create_function("""
    CREATE FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)
     RETURNS TABLE(id uuid, email text, username text, role auth.user_role, is_active boolean, email_verified_at timestamp with time zone, last_login_at timestamp with time zone, created_at timestamp with time zone)
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF NOT EXISTS (
            SELECT FROM auth.users a
             WHERE a.id = devmentor.user_id() AND a.is_active AND a.role IN ('admin', 'superadmin')
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.accounts is for active administrators';
        END IF;
        RETURN QUERY
            SELECT u.id, u.email::text, u.username::text, u.role, u.is_active,
                   u.email_verified_at, u.last_login_at, u.created_at
              FROM auth.users u
             WHERE (p_role IS NULL OR u.role = p_role) AND (p_is_active IS NULL OR u.is_active = p_is_active)
               AND (p_before IS NULL OR u.id < p_before)
             ORDER BY u.id DESC LIMIT p_limit;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)
     RETURNS record
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        owner_id uuid;
        present text;
        proven text;
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'auth' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.confirm_email is for the auth service, acting for nobody';
        END IF;
        SELECT v.user_id INTO owner_id FROM auth.email_verifications v WHERE v.token_hash = p_token_hash;
        IF owner_id IS NULL THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('auth.sessions:' || owner_id, 0));
        SELECT v.email INTO proven FROM auth.email_verifications v
         WHERE v.token_hash = p_token_hash AND v.used_at IS NULL AND v.expires_at > now() FOR UPDATE;
        SELECT u.email INTO present FROM auth.users u WHERE u.id = owner_id AND u.is_active FOR UPDATE;
        IF proven IS NULL OR present IS NULL THEN
            RETURN;
        END IF;
        UPDATE auth.email_verifications SET used_at = now() WHERE user_id = owner_id AND used_at IS NULL;
        UPDATE auth.users SET email = proven, email_verified_at =
               CASE WHEN email = proven THEN coalesce(email_verified_at, now()) ELSE now() END
         WHERE id = owner_id;
        PERFORM devmentor.adopt(owner_id);
        confirmed_id := owner_id;
        is_new := present <> proven;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.credentials(p_email text)
     RETURNS TABLE(user_id uuid, password_hash text, is_active boolean)
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'auth' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.credentials is for the auth service, acting for nobody';
        END IF;
        RETURN QUERY SELECT u.id, u.password_hash, u.is_active FROM auth.users u
                      WHERE u.email_key = lower(normalize(p_email, NFC));
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.find_user_id(p_username text)
     RETURNS uuid
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.user_id() IS NULL AND devmentor.service() IS NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'names are looked up by users and services';
        END IF;
        RETURN (SELECT u.id FROM auth.users u WHERE u.username_key = lower(normalize(p_username, NFC)));
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.identify(p_kind text, p_token_hash bytea)
     RETURNS uuid
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        me uuid := devmentor.user_id();
        found uuid;
    BEGIN
        IF me IS NULL AND devmentor.service() IS DISTINCT FROM 'auth' THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.identify is for the auth service, or for a user';
        END IF;
        CASE p_kind
        WHEN 'session' THEN
            SELECT s.user_id INTO found FROM auth.user_sessions s WHERE s.token_hash = p_token_hash;
        WHEN 'live_session' THEN
            SELECT s.user_id INTO found FROM auth.user_sessions s
             WHERE s.token_hash = p_token_hash AND s.rotated_at IS NULL AND s.revoked_at IS NULL
               AND s.expires_at > now();
        WHEN 'password_reset' THEN
            SELECT r.user_id INTO found FROM auth.password_resets r
             WHERE r.token_hash = p_token_hash AND r.used_at IS NULL AND r.expires_at > now();
        END CASE;
        IF found IS NULL OR me <> found THEN
            RETURN NULL;
        END IF;
        IF p_kind <> 'live_session' THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('auth.sessions:' || found, 0));
        END IF;
        PERFORM devmentor.adopt(found);
        RETURN found;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.mentions()
     RETURNS TABLE(place text, mention jsonb)
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        me uuid := devmentor.user_id();
    BEGIN
        RETURN QUERY
            SELECT 'auth.audit_log.actor_id', jsonb_build_object('id', t.id, 'created_at', t.created_at, 'user_id', t.user_id, 'actor_id', t.actor_id, 'event', t.event, 'row_id', t.row_id) FROM auth.audit_log t WHERE t.actor_id = me AND t.user_id IS DISTINCT FROM me
            UNION ALL SELECT 'auth.team_members.member_id', jsonb_build_object('id', t.id, 'user_id', t.user_id, 'team_id', t.team_id, 'member_id', t.member_id, 'role', t.role, 'created_at', t.created_at) FROM auth.team_members t WHERE t.member_id = me AND t.user_id IS DISTINCT FROM me
            UNION ALL SELECT 'projects.activity.actor_id', jsonb_build_object('id', t.id, 'created_at', t.created_at, 'user_id', t.user_id, 'project_id', t.project_id, 'actor_id', t.actor_id, 'action', t.action, 'entity_id', t.entity_id) FROM projects.activity t WHERE t.actor_id = me AND t.user_id IS DISTINCT FROM me
            UNION ALL SELECT 'projects.project_collaborators.member_id', jsonb_build_object('id', t.id, 'user_id', t.user_id, 'project_id', t.project_id, 'member_id', t.member_id, 'role', t.role, 'created_at', t.created_at, 'updated_at', t.updated_at) FROM projects.project_collaborators t WHERE t.member_id = me AND t.user_id IS DISTINCT FROM me
            UNION ALL SELECT 'projects.tasks.assignee_id', jsonb_build_object('id', t.id, 'user_id', t.user_id, 'project_id', t.project_id, 'epic_id', t.epic_id, 'kind', t.kind, 'status', t.status, 'priority', t.priority, 'assignee_id', t.assignee_id, 'completed_at', t.completed_at, 'created_at', t.created_at, 'updated_at', t.updated_at, 'deleted_at', t.deleted_at) FROM projects.tasks t WHERE t.assignee_id = me AND t.user_id IS DISTINCT FROM me;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'auth' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.record_login_failure is for the auth service, acting for nobody';
        END IF;
        INSERT INTO auth.audit_log
            (event, user_id, actor_name, details, request_id, ip_address, user_agent)
        VALUES (
            'login_failed', (SELECT u.id FROM auth.users u WHERE u.email_key = lower(normalize(p_email, NFC))),
            devmentor.service(), p_details, p_request_id, p_ip_address, p_user_agent
        );
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'auth' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.register is for the auth service, acting for nobody';
        END IF;
        INSERT INTO auth.users (id, email, username, password_hash, metadata)
        VALUES (p_id, p_email, p_username, p_password_hash, p_metadata);
        PERFORM devmentor.adopt(p_id);
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)
     RETURNS auth.user_role
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        before auth.user_role;
    BEGIN
        IF NOT EXISTS (
            SELECT FROM auth.users a
             WHERE a.id = devmentor.user_id() AND a.is_active AND a.role = 'superadmin'
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = 'auth.change_role is for active superadmins';
        END IF;
        SELECT u.role INTO before FROM auth.users u WHERE u.id = p_user_id FOR NO KEY UPDATE;
        UPDATE auth.users SET role = p_role WHERE id = p_user_id AND role <> p_role;
        RETURN before;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION auth.usernames(p_ids uuid[])
     RETURNS TABLE(id uuid, username text)
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.user_id() IS NULL AND devmentor.service() IS NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'names are looked up by users and services';
        END IF;
        RETURN QUERY SELECT u.id, u.username::text FROM auth.users u WHERE u.id = ANY (p_ids);
    END
    $function$
    """)
    op.create_policy(
        "definer_update",
        "auth.email_verifications",
        command="UPDATE",
        to=["devmentor_owner"],
        using="true",
        check="true",
    )
    op.create_policy("definer_insert", "auth.users", command="INSERT", to=["devmentor_owner"], check="true")
    op.create_policy(
        "owner",
        "auth.users",
        to=["devmentor_auth", "devmentor_memory"],
        using="id = devmentor.user_id()",
        check="id = devmentor.user_id()",
    )
    # Before the grants on columns: it would take those along.
    op.grant(["UPDATE"], "COLUMN auth.users.full_name", "devmentor_auth")
    op.grant(["SELECT"], "COLUMN auth.users.id", "devmentor_memory")
    op.grant(["UPDATE"], "COLUMN auth.users.is_active", "devmentor_auth")
    op.grant(["UPDATE"], "COLUMN auth.users.last_login_at", "devmentor_auth")
    op.grant(["UPDATE"], "COLUMN auth.users.metadata", "devmentor_auth")
    op.grant(["UPDATE"], "COLUMN auth.users.password_hash", "devmentor_auth")
    op.grant(["UPDATE"], "COLUMN auth.users.username", "devmentor_auth")
    op.grant(["SELECT"], "COLUMN auth.users.username", "devmentor_memory")
    op.revoke(["EXECUTE"], "FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)", "PUBLIC")
    op.grant(
        ["EXECUTE"], "FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)", "devmentor_auth"
    )
    op.comment_on(
        "FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)",
        "Gives an account another role, for superadmins; returns the one before",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)",
        "devmentor_auth",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)",
        "devmentor_auth",
    )
    op.revoke(["EXECUTE"], "FUNCTION auth.credentials(p_email text)", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION auth.credentials(p_email text)", "devmentor_auth")
    op.revoke(["EXECUTE"], "FUNCTION auth.find_user_id(p_username text)", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION auth.find_user_id(p_username text)", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.find_user_id(p_username text)", "devmentor_projects")
    op.revoke(["EXECUTE"], "FUNCTION auth.identify(p_kind text, p_token_hash bytea)", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION auth.identify(p_kind text, p_token_hash bytea)", "devmentor_auth")
    op.revoke(["EXECUTE"], "FUNCTION auth.mentions()", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION auth.mentions()", "devmentor_auth")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)",
        "devmentor_auth",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        "devmentor_auth",
    )
    op.revoke(["EXECUTE"], "FUNCTION auth.usernames(p_ids uuid[])", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION auth.usernames(p_ids uuid[])", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.usernames(p_ids uuid[])", "devmentor_projects")
    op.comment_on(
        "FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)",
        "Accounts without secrets, for administrators, the newest first",
    )
    op.comment_on(
        "FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)",
        "Gives a user the address that a mailed token proves",
    )
    op.comment_on(
        "FUNCTION auth.credentials(p_email text)", "What the password of an address is checked against"
    )
    op.comment_on("FUNCTION auth.find_user_id(p_username text)", "Who has a public name")
    op.comment_on(
        "FUNCTION auth.identify(p_kind text, p_token_hash bytea)",
        "Whose token this is; the transaction acts for that user from now on",
    )
    op.comment_on(
        "FUNCTION auth.mentions()",
        "Rows of others that name the acting user: their keys, times and closed sets",
    )
    op.comment_on(
        "FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)",
        "Logs a failed login for whoever has the address",
    )
    op.comment_on(
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        "Makes an account; the transaction acts for that user from now on",
    )
    op.comment_on("FUNCTION auth.usernames(p_ids uuid[])", "Public names of users")
    op.create_policy(
        "owner",
        "learning.assessments",
        to=["devmentor_auth", "devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.progress",
        to=["devmentor_auth", "devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.recommendations",
        to=["devmentor_auth", "devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.roadmap_steps",
        to=["devmentor_auth", "devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.roadmaps",
        to=["devmentor_auth", "devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.grant(["SELECT"], "TABLE learning.assessments", "devmentor_auth")
    op.grant(["SELECT"], "TABLE learning.progress", "devmentor_auth")
    op.grant(["SELECT"], "TABLE learning.recommendations", "devmentor_auth")
    op.grant(["SELECT"], "TABLE learning.roadmap_steps", "devmentor_auth")
    op.grant(["SELECT"], "TABLE learning.roadmaps", "devmentor_auth")
    op.create_function("""
    CREATE FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)
     RETURNS TABLE(user_id uuid, username text, project_name text, memories bigint)
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.service() IS DISTINCT FROM 'memory' OR devmentor.user_id() IS NOT NULL THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'memory.active_authors is for the memory service, acting for nobody';
        END IF;
        RETURN QUERY
            SELECT busy.user_id, u.username::text, p.name::text, busy.stored
              FROM (SELECT d.user_id, d.project_id, count(*) AS stored FROM memory.documents d
                     WHERE d.created_at >= p_since AND d.deleted_at IS NULL
                     GROUP BY d.user_id, d.project_id HAVING count(*) > p_min_memories) busy
              JOIN auth.users u ON u.id = busy.user_id
              LEFT JOIN projects.projects p ON p.user_id = busy.user_id AND p.id = busy.project_id
             WHERE busy.project_id IS NULL OR p.deleted_at IS NULL
             ORDER BY busy.stored DESC, u.username, p.name, busy.project_id
             LIMIT p_limit;
    END
    $function$
    """)
    op.create_policy(
        "owner",
        "memory.chunks",
        to=["devmentor_auth", "devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "definer_select", "memory.documents", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "owner",
        "memory.documents",
        to=["devmentor_auth", "devmentor_memory", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "memory.embeddings_meta",
        to=["devmentor_auth", "devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "memory.search_history",
        to=["devmentor_auth", "devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)",
        "PUBLIC",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)",
        "devmentor_memory",
    )
    op.grant(["SELECT"], "TABLE memory.chunks", "devmentor_auth")
    op.grant(["SELECT"], "TABLE memory.documents", "devmentor_auth")
    op.grant(["SELECT"], "TABLE memory.embeddings_meta", "devmentor_auth")
    op.grant(["SELECT"], "TABLE memory.search_history", "devmentor_auth")
    op.comment_on(
        "FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)",
        "Who stored more than so many documents in a project, most first",
    )
    op.create_policy(
        "reader",
        "projects.activity",
        command="SELECT",
        to=["devmentor_auth", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.credit_entries",
        command="SELECT",
        to=["devmentor_auth", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.epics",
        command="SELECT",
        to=["devmentor_auth", "devmentor_learning", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.project_file_versions",
        command="SELECT",
        to=["devmentor_auth", "devmentor_memory", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.project_files",
        command="SELECT",
        to=["devmentor_auth", "devmentor_memory", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "catalogue",
        "projects.project_templates",
        command="SELECT",
        to=["devmentor_auth", "devmentor_projects", "devmentor_readonly"],
        using="user_id IS NULL",
    )
    op.create_policy(
        "owner",
        "projects.project_templates",
        to=["devmentor_auth", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "definer_select", "projects.tasks", command="SELECT", to=["devmentor_owner"], using="true"
    )
    op.create_policy(
        "reader",
        "projects.tasks",
        command="SELECT",
        to=["devmentor_auth", "devmentor_learning", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.grant(["SELECT"], "TABLE projects.activity", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.credit_entries", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.epics", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.project_file_versions", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.project_files", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.project_templates", "devmentor_auth")
    op.grant(["SELECT"], "TABLE projects.tasks", "devmentor_auth")


def downgrade() -> None:
    """Take it back."""
    for role in SEEDING:
        op.revoke(["DELETE", "INSERT", "SELECT", "UPDATE"], "TABLE devmentor.seeds", role)
    op.revoke(["SELECT"], "TABLE projects.tasks", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.project_templates", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.project_files", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.project_file_versions", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.epics", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.credit_entries", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE projects.activity", "devmentor_auth")
    op.drop_policy("reader", "projects.tasks")
    op.drop_policy("definer_select", "projects.tasks")
    op.drop_policy("owner", "projects.project_templates")
    op.drop_policy("catalogue", "projects.project_templates")
    op.drop_policy("reader", "projects.project_files")
    op.drop_policy("reader", "projects.project_file_versions")
    op.drop_policy("reader", "projects.epics")
    op.drop_policy("reader", "projects.credit_entries")
    op.drop_policy("reader", "projects.activity")
    op.comment_on(
        "FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)",
        None,
    )
    op.revoke(["SELECT"], "TABLE memory.search_history", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE memory.embeddings_meta", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE memory.documents", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE memory.chunks", "devmentor_auth")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)",
        "devmentor_memory",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)",
        "PUBLIC",
    )
    op.drop_policy("owner", "memory.search_history")
    op.drop_policy("owner", "memory.embeddings_meta")
    op.drop_policy("owner", "memory.documents")
    op.drop_policy("definer_select", "memory.documents")
    op.drop_policy("owner", "memory.chunks")
    op.drop_function(
        "memory.active_authors(p_since timestamp with time zone, p_min_memories bigint, p_limit bigint)"
    )
    op.revoke(["SELECT"], "TABLE learning.roadmaps", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE learning.roadmap_steps", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE learning.recommendations", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE learning.progress", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE learning.assessments", "devmentor_auth")
    op.drop_policy("owner", "learning.roadmaps")
    op.drop_policy("owner", "learning.roadmap_steps")
    op.drop_policy("owner", "learning.recommendations")
    op.drop_policy("owner", "learning.progress")
    op.drop_policy("owner", "learning.assessments")
    op.comment_on("FUNCTION auth.usernames(p_ids uuid[])", None)
    op.comment_on(
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        None,
    )
    op.comment_on(
        "FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)",
        None,
    )
    op.comment_on("FUNCTION auth.mentions()", None)
    op.comment_on("FUNCTION auth.identify(p_kind text, p_token_hash bytea)", None)
    op.comment_on("FUNCTION auth.find_user_id(p_username text)", None)
    op.comment_on("FUNCTION auth.credentials(p_email text)", None)
    op.comment_on(
        "FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)", None
    )
    op.comment_on(
        "FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)",
        None,
    )
    op.revoke(["EXECUTE"], "FUNCTION auth.usernames(p_ids uuid[])", "devmentor_projects")
    op.revoke(["EXECUTE"], "FUNCTION auth.usernames(p_ids uuid[])", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.usernames(p_ids uuid[])", "PUBLIC")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        "devmentor_auth",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        "PUBLIC",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)",
        "devmentor_auth",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)",
        "PUBLIC",
    )
    op.revoke(["EXECUTE"], "FUNCTION auth.mentions()", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.mentions()", "PUBLIC")
    op.revoke(["EXECUTE"], "FUNCTION auth.identify(p_kind text, p_token_hash bytea)", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.identify(p_kind text, p_token_hash bytea)", "PUBLIC")
    op.revoke(["EXECUTE"], "FUNCTION auth.find_user_id(p_username text)", "devmentor_projects")
    op.revoke(["EXECUTE"], "FUNCTION auth.find_user_id(p_username text)", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.find_user_id(p_username text)", "PUBLIC")
    op.revoke(["EXECUTE"], "FUNCTION auth.credentials(p_email text)", "devmentor_auth")
    op.grant(["EXECUTE"], "FUNCTION auth.credentials(p_email text)", "PUBLIC")
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)",
        "devmentor_auth",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)",
        "PUBLIC",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)",
        "devmentor_auth",
    )
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)",
        "PUBLIC",
    )
    op.revoke(["SELECT"], "COLUMN auth.users.username", "devmentor_memory")
    op.revoke(["UPDATE"], "COLUMN auth.users.username", "devmentor_auth")
    op.revoke(["UPDATE"], "COLUMN auth.users.password_hash", "devmentor_auth")
    op.revoke(["UPDATE"], "COLUMN auth.users.metadata", "devmentor_auth")
    op.revoke(["UPDATE"], "COLUMN auth.users.last_login_at", "devmentor_auth")
    op.revoke(["UPDATE"], "COLUMN auth.users.is_active", "devmentor_auth")
    op.revoke(["SELECT"], "COLUMN auth.users.id", "devmentor_memory")
    op.revoke(["UPDATE"], "COLUMN auth.users.full_name", "devmentor_auth")
    op.drop_policy("owner", "auth.users")
    op.drop_policy("definer_insert", "auth.users")
    op.drop_policy("definer_update", "auth.email_verifications")
    op.drop_function("auth.usernames(p_ids uuid[])")
    op.drop_function("auth.change_role(p_user_id uuid, p_role auth.user_role)")
    op.drop_function(
        "auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)"
    )
    op.drop_function(
        "auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)"
    )
    op.drop_function("auth.mentions()")
    op.drop_function("auth.identify(p_kind text, p_token_hash bytea)")
    op.drop_function("auth.find_user_id(p_username text)")
    op.drop_function("auth.credentials(p_email text)")
    op.drop_function("auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)")
    op.drop_function(
        "auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)"
    )
    op.revoke(["SELECT"], "TABLE ai.usage", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE ai.response_cache", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE ai.provider_configs", "devmentor_auth")
    op.revoke(["SELECT"], "TABLE ai.project_embeddings", "devmentor_auth")
    op.drop_policy("owner", "ai.usage")
    op.drop_policy("owner", "ai.response_cache")
    op.drop_policy("owner", "ai.provider_configs")
    op.drop_policy("owner", "ai.project_embeddings")
    op.revoke(["USAGE"], "SCHEMA learning", "devmentor_auth")
    op.create_policy(
        "reader",
        "projects.tasks",
        command="SELECT",
        to=["devmentor_learning", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "owner",
        "projects.project_templates",
        to=["devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "catalogue",
        "projects.project_templates",
        command="SELECT",
        to=["devmentor_projects", "devmentor_readonly"],
        using="user_id IS NULL",
    )
    op.create_policy(
        "reader",
        "projects.project_files",
        command="SELECT",
        to=["devmentor_memory", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.project_file_versions",
        command="SELECT",
        to=["devmentor_memory", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.epics",
        command="SELECT",
        to=["devmentor_learning", "devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.credit_entries",
        command="SELECT",
        to=["devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "reader",
        "projects.activity",
        command="SELECT",
        to=["devmentor_projects", "devmentor_readonly"],
        using="(user_id = ANY (devmentor.owners())) AND ((user_id = devmentor.user_id()) OR (project_id = ANY (devmentor.shared_projects())))",
    )
    op.create_policy(
        "owner",
        "memory.search_history",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "memory.embeddings_meta",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "memory.documents",
        to=["devmentor_memory", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "memory.chunks",
        to=["devmentor_memory"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.roadmaps",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.roadmap_steps",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.recommendations",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.progress",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "learning.assessments",
        to=["devmentor_learning"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "auth.users",
        to=["devmentor_auth"],
        using="id = devmentor.user_id()",
        check="id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.usage",
        to=["devmentor_ai"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.response_cache",
        to=["devmentor_ai"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.provider_configs",
        to=["devmentor_ai"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )
    op.create_policy(
        "owner",
        "ai.project_embeddings",
        to=["devmentor_ai", "devmentor_projects"],
        using="user_id = devmentor.user_id()",
        check="user_id = devmentor.user_id()",
    )

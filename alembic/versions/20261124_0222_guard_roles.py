"""Let nobody but superadmins write the role of an account.

Revision: 0d1c5a6e00e1
Revises: 0d1c5a6e00d1
Created: 2026-11-24 02:22:43.295141+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00e1"
down_revision: str | None = "0d1c5a6e00d1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Replace the function that wrote one, and the right to."""
    op.revoke(["UPDATE"], "COLUMN auth.users.role", "devmentor_auth")
    op.drop_function(
        "auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_role auth.user_role, p_metadata jsonb)"
    )
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
    op.revoke(["EXECUTE"], "FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)", "PUBLIC")
    op.grant(
        ["EXECUTE"], "FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)", "devmentor_auth"
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
    op.comment_on(
        "FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role)",
        "Gives an account another role, for superadmins; returns the one before",
    )
    op.comment_on(
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)",
        "Makes an account; the transaction acts for that user from now on",
    )


def downgrade() -> None:
    """Let the auth service write roles."""
    op.drop_function(
        "auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb)"
    )
    op.drop_function("auth.change_role(p_user_id uuid, p_role auth.user_role)")
    op.create_function("""
    CREATE FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_role auth.user_role, p_metadata jsonb)
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
        INSERT INTO auth.users (id, email, username, password_hash, role, metadata)
        VALUES (p_id, p_email, p_username, p_password_hash, p_role, p_metadata);
        PERFORM devmentor.adopt(p_id);
    END
    $function$
    """)
    op.grant(
        ["EXECUTE"],
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_role auth.user_role, p_metadata jsonb)",
        "devmentor_auth",
    )
    op.revoke(
        ["EXECUTE"],
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_role auth.user_role, p_metadata jsonb)",
        "PUBLIC",
    )
    op.grant(["UPDATE"], "COLUMN auth.users.role", "devmentor_auth")
    op.comment_on(
        "FUNCTION auth.register(p_id uuid, p_email text, p_username text, p_password_hash text, p_role auth.user_role, p_metadata jsonb)",
        "Makes an account; the transaction acts for that user from now on",
    )

"""Keep the index of addresses from SQL that policies bind.

PostgreSQL searches an index for what operators that cannot leak compare before policies hide anything, and counts
what it found. Of an expression that could leak, only the functions that look addresses up search the index.

Revision: 0d1c5a6e0114
Revises: 0d1c5a6e0113
Created: 2026-11-30 10:45:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0d1c5a6e0114"
down_revision: str | None = "0d1c5a6e0113"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

lint_exceptions = {
    "ban-drop-constraint": "The index that takes its place in the same transaction guarantees the same.",
    "require-concurrent-index-creation": "Nothing was released; there must be no moment without one of the two.",
}


def upgrade() -> None:
    """Exchange the index, and have the functions that look addresses up search the new one."""
    op.drop_constraint(op.f("uq_users_email_key"), "users", schema="auth", type_="unique")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION auth.credentials(p_email text)
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
                      WHERE u.email_key || '' = lower(normalize(p_email, NFC));
    END
    $function$
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)
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
            'login_failed', (SELECT u.id FROM auth.users u WHERE u.email_key || '' = lower(normalize(p_email, NFC))),
            devmentor.service(), p_details, p_request_id, p_ip_address, p_user_agent
        );
    END
    $function$
    """)
    op.create_index("uq_users_email_key", "users", [sa.text("(email_key || '')")], unique=True, schema="auth")


def downgrade() -> None:
    """Exchange it back."""
    op.drop_index("uq_users_email_key", table_name="users", schema="auth")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION auth.record_login_failure(p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text)
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
    op.replace_function("""
    CREATE OR REPLACE FUNCTION auth.credentials(p_email text)
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
    op.create_unique_constraint(op.f("uq_users_email_key"), "users", ["email_key"], schema="auth")

"""Take lines of the trail only in the name of who acts, and record erasures in the database.

A line is of now, and names the user or the service that acts. Changes of rows are the triggers' to record, and an
erasure that of the function which makes sure of one.

Revision: 0d1c5a6e0115
Revises: 0d1c5a6e0114
Created: 2026-11-30 10:50:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0115"
down_revision: str | None = "0d1c5a6e0114"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_from: str = "0d1c5a6e0115"  # code before it writes the line of an erasure itself

_WRITERS = ["devmentor_auth", "devmentor_projects", "devmentor_memory", "devmentor_learning", "devmentor_ai"]


def upgrade() -> None:
    """Replace the policy and the function."""
    op.drop_policy("actor", "auth.audit_log")
    op.create_policy(
        "actor",
        "auth.audit_log",
        command="INSERT",
        to=_WRITERS,
        check="actor_name IS NOT DISTINCT FROM devmentor.claimed_service()"
        " AND (actor_id IS NOT DISTINCT FROM devmentor.claimed_user_id()"
        " OR actor_id IS NULL AND actor_name IS NOT NULL)"
        " AND event NOT IN ('insert', 'update', 'delete', 'erased') AND created_at = now()",
    )
    op.replace_function("""
    CREATE OR REPLACE FUNCTION auth.anonymise_trail(erased uuid)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.user_id() IS DISTINCT FROM erased AND devmentor.service() IS DISTINCT FROM 'auth' THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'auth.anonymise_trail: only the user or the auth service may erase a user';
        END IF;
        IF EXISTS (SELECT FROM auth.users WHERE id = erased) OR NOT EXISTS (
            SELECT FROM auth.audit_log
            WHERE user_id = erased AND event = 'delete' AND table_name = 'auth.users' AND row_id = erased
        ) THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'auth.anonymise_trail: the user is not deleted';
        END IF;
        UPDATE auth.audit_log
        SET user_id = NULL, row_id = NULL, details = '{}', mentions = NULL,
            actor_id = NULL, request_id = NULL, ip_address = NULL, user_agent = NULL
        WHERE user_id = erased;
        UPDATE auth.audit_log SET actor_id = NULL, request_id = NULL, ip_address = NULL, user_agent = NULL
        WHERE actor_id = erased;
        UPDATE auth.audit_log
        SET details = replace(details::text, erased::text, 'erased')::jsonb,
            mentions = nullif(array_remove(mentions, erased), '{}')
        WHERE mentions @> ARRAY[erased];
        UPDATE projects.activity
        SET details = replace(details::text, erased::text, 'erased')::jsonb,
            mentions = nullif(array_remove(mentions, erased), '{}')
        WHERE mentions @> ARRAY[erased];
        INSERT INTO auth.audit_log (event, actor_name, details)
        VALUES ('erased', devmentor.service(),
                jsonb_build_object('subject_sha256', encode(sha256(uuid_send(erased)), 'hex')));
    END
    $function$
    """)


def downgrade() -> None:
    """Replace them by those before."""
    op.replace_function("""
    CREATE OR REPLACE FUNCTION auth.anonymise_trail(erased uuid)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.user_id() IS DISTINCT FROM erased AND devmentor.service() IS DISTINCT FROM 'auth' THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'auth.anonymise_trail: only the user or the auth service may erase a user';
        END IF;
        IF EXISTS (SELECT FROM auth.users WHERE id = erased) OR NOT EXISTS (
            SELECT FROM auth.audit_log
            WHERE user_id = erased AND event = 'delete' AND table_name = 'auth.users' AND row_id = erased
        ) THEN
            RAISE insufficient_privilege USING
                MESSAGE = 'auth.anonymise_trail: the user is not deleted';
        END IF;
        UPDATE auth.audit_log
        SET user_id = NULL, row_id = NULL, details = '{}', mentions = NULL,
            actor_id = NULL, request_id = NULL, ip_address = NULL, user_agent = NULL
        WHERE user_id = erased;
        UPDATE auth.audit_log SET actor_id = NULL, request_id = NULL, ip_address = NULL, user_agent = NULL
        WHERE actor_id = erased;
        UPDATE auth.audit_log
        SET details = replace(details::text, erased::text, 'erased')::jsonb,
            mentions = nullif(array_remove(mentions, erased), '{}')
        WHERE mentions @> ARRAY[erased];
        UPDATE projects.activity
        SET details = replace(details::text, erased::text, 'erased')::jsonb,
            mentions = nullif(array_remove(mentions, erased), '{}')
        WHERE mentions @> ARRAY[erased];
    END
    $function$
    """)
    op.drop_policy("actor", "auth.audit_log")
    op.create_policy(
        "actor",
        "auth.audit_log",
        command="INSERT",
        to=_WRITERS,
        check="(actor_id IS NULL OR actor_id = devmentor.claimed_user_id())"
        " AND (actor_name IS NULL OR actor_name = devmentor.claimed_service())",
    )

"""Let contexts be signed, so that injected SQL cannot say who acts; off until a key is brought in.

Downgrade loses: the keys that contexts are signed with.

Revision: 0d1c5a6e0009
Revises: 0d1c5a6e0008
Created: 2026-11-24 01:19:39.935610+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0d1c5a6e0009"
down_revision: str | None = "0d1c5a6e0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the table of keys and the functions that check seals."""
    op.create_table(
        "context_keys",
        sa.Column(
            "place", sa.Integer(), autoincrement=False, nullable=False, comment="0 for the key that signs"
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="Tells keys apart; may be shown"),
        sa.Column("inner_pad", sa.LargeBinary(), nullable=False, comment="Inner pad of HMAC-SHA256"),
        sa.Column("outer_pad", sa.LargeBinary(), nullable=False, comment="Outer pad of HMAC-SHA256"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was brought in",
        ),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_context_keys")),
        schema="devmentor",
        comment="Keys that contexts are signed with; functions of the owner read it, and nobody else",
    )
    op.create_function("""
    CREATE FUNCTION devmentor.adopt(subject uuid)
     RETURNS boolean
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        IF devmentor.user_id() IS NOT NULL OR devmentor.service() IS NULL OR subject IS NULL THEN
            RETURN coalesce(devmentor.user_id() = subject, false);
        END IF;
        PERFORM set_config('devmentor.user_id', subject::text, true);
        PERFORM devmentor.share(subject);
        RETURN true;
    END
    $function$
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.enter()
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    BEGIN
        PERFORM set_config('devmentor.owners', '', true),
                set_config('devmentor.shared_projects', '', true),
                set_config('devmentor.edited_projects', '', true),
                set_config('devmentor.shared_teams', '', true),
                set_config('devmentor.edited_teams', '', true);
        IF devmentor.signed() AND devmentor.sealed('devmentor.seal') IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'DMCTX',
                MESSAGE = 'the context is not signed with a key of this database';
        END IF;
        IF devmentor.user_id() IS NOT NULL THEN
            PERFORM devmentor.share(devmentor.user_id());
        END IF;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.sealed(setting text)
     RETURNS text
     LANGUAGE plpgsql
     STABLE SECURITY DEFINER COST 1000
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        given bytea := sha256(convert_to(current_setting('devmentor.seal', true), 'UTF8'));
        message bytea := convert_to(concat_ws(',', 'devmentor 1', pg_backend_pid(), (extract(epoch FROM now()) * 1000000)::bigint, octet_length(coalesce(current_setting('devmentor.user_id', true), '')) || ':' || coalesce(current_setting('devmentor.user_id', true), ''), octet_length(coalesce(current_setting('devmentor.service', true), '')) || ':' || coalesce(current_setting('devmentor.service', true), ''), octet_length(coalesce(current_setting('devmentor.request_id', true), '')) || ':' || coalesce(current_setting('devmentor.request_id', true), ''), octet_length(coalesce(current_setting('devmentor.ip_address', true), '')) || ':' || coalesce(current_setting('devmentor.ip_address', true), ''), octet_length(coalesce(current_setting('devmentor.user_agent', true), '')) || ':' || coalesce(current_setting('devmentor.user_agent', true), ''), octet_length(coalesce(current_setting('devmentor.owners', true), '')) || ':' || coalesce(current_setting('devmentor.owners', true), ''), octet_length(coalesce(current_setting('devmentor.shared_projects', true), '')) || ':' || coalesce(current_setting('devmentor.shared_projects', true), ''), octet_length(coalesce(current_setting('devmentor.edited_projects', true), '')) || ':' || coalesce(current_setting('devmentor.edited_projects', true), ''), octet_length(coalesce(current_setting('devmentor.shared_teams', true), '')) || ':' || coalesce(current_setting('devmentor.shared_teams', true), ''), octet_length(coalesce(current_setting('devmentor.edited_teams', true), '')) || ':' || coalesce(current_setting('devmentor.edited_teams', true), '')), 'UTF8');
    BEGIN
        IF EXISTS (SELECT FROM devmentor.context_keys
                   WHERE sha256(convert_to(
                       encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex'), 'UTF8')) = given) THEN
            RETURN current_setting(setting, true);
        END IF;
        RETURN NULL;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.share(me uuid)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        projects record;
        teams record;
        sealed text;
    BEGIN
        SELECT array_agg(DISTINCT user_id) AS owners, array_agg(project_id) AS seen,
               array_agg(project_id) FILTER (WHERE role = 'editor') AS edited
          INTO projects FROM projects.project_collaborators WHERE member_id = me;
        SELECT array_agg(DISTINCT user_id) AS owners, array_agg(team_id) AS seen,
               array_agg(team_id) FILTER (WHERE role = 'manager') AS edited
          INTO teams FROM auth.team_members WHERE member_id = me;
        IF projects.owners IS NOT NULL OR teams.owners IS NOT NULL THEN
            PERFORM set_config('devmentor.owners', (me || projects.owners || teams.owners)::text, true),
                    set_config('devmentor.shared_projects', coalesce(projects.seen::text, ''), true),
                    set_config('devmentor.edited_projects', coalesce(projects.edited::text, ''), true),
                    set_config('devmentor.shared_teams', coalesce(teams.seen::text, ''), true),
                    set_config('devmentor.edited_teams', coalesce(teams.edited::text, ''), true);
        END IF;
        IF devmentor.signed() THEN
            SELECT set_config(
                'devmentor.seal', encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex'), true)
              INTO sealed FROM devmentor.context_keys, CAST(convert_to(concat_ws(',', 'devmentor 1', pg_backend_pid(), (extract(epoch FROM now()) * 1000000)::bigint, octet_length(coalesce(current_setting('devmentor.user_id', true), '')) || ':' || coalesce(current_setting('devmentor.user_id', true), ''), octet_length(coalesce(current_setting('devmentor.service', true), '')) || ':' || coalesce(current_setting('devmentor.service', true), ''), octet_length(coalesce(current_setting('devmentor.request_id', true), '')) || ':' || coalesce(current_setting('devmentor.request_id', true), ''), octet_length(coalesce(current_setting('devmentor.ip_address', true), '')) || ':' || coalesce(current_setting('devmentor.ip_address', true), ''), octet_length(coalesce(current_setting('devmentor.user_agent', true), '')) || ':' || coalesce(current_setting('devmentor.user_agent', true), ''), octet_length(coalesce(current_setting('devmentor.owners', true), '')) || ':' || coalesce(current_setting('devmentor.owners', true), ''), octet_length(coalesce(current_setting('devmentor.shared_projects', true), '')) || ':' || coalesce(current_setting('devmentor.shared_projects', true), ''), octet_length(coalesce(current_setting('devmentor.edited_projects', true), '')) || ':' || coalesce(current_setting('devmentor.edited_projects', true), ''), octet_length(coalesce(current_setting('devmentor.shared_teams', true), '')) || ':' || coalesce(current_setting('devmentor.shared_teams', true), ''), octet_length(coalesce(current_setting('devmentor.edited_teams', true), '')) || ':' || coalesce(current_setting('devmentor.edited_teams', true), '')), 'UTF8') AS bytea) AS message WHERE place = 0;
        END IF;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.signed()
     RETURNS boolean
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN false
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.edited_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.edited_projects'::text) ELSE current_setting('devmentor.edited_projects'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.edited_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.edited_teams'::text) ELSE current_setting('devmentor.edited_teams'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.owners()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN COALESCE((NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.owners'::text) ELSE current_setting('devmentor.owners'::text, true) END, ''::text))::uuid[], ARRAY[(NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.user_id'::text) ELSE current_setting('devmentor.user_id'::text, true) END, ''::text))::uuid])
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.service()
     RETURNS text
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.service'::text) ELSE current_setting('devmentor.service'::text, true) END, ''::text)
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.shared_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.shared_projects'::text) ELSE current_setting('devmentor.shared_projects'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.shared_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.shared_teams'::text) ELSE current_setting('devmentor.shared_teams'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.user_id()
     RETURNS uuid
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.user_id'::text) ELSE current_setting('devmentor.user_id'::text, true) END, ''::text))::uuid
    """)
    op.revoke(["EXECUTE"], "FUNCTION devmentor.adopt(subject uuid)", "PUBLIC")
    op.revoke(["EXECUTE"], "FUNCTION devmentor.share(me uuid)", "PUBLIC")
    op.comment_on(
        "FUNCTION devmentor.adopt(subject uuid)",
        "Makes a service that acts for nobody act for a user who has proven to be one",
    )
    op.comment_on(
        "FUNCTION devmentor.enter()",
        "Checks the context once and looks up what others share with the acting user",
    )
    op.comment_on(
        "FUNCTION devmentor.sealed(setting text)",
        "A setting of the transaction, if the whole context has a valid signature",
    )
    op.comment_on(
        "FUNCTION devmentor.share(me uuid)", "Looks up what others share with a user, and seals the context"
    )
    op.comment_on(
        "FUNCTION devmentor.signed()",
        "Whether only signed contexts count; devmentor-db context-key switches it",
    )


def downgrade() -> None:
    """Believe every context again."""
    op.comment_on("FUNCTION devmentor.signed()", None)
    op.comment_on("FUNCTION devmentor.share(me uuid)", None)
    op.comment_on("FUNCTION devmentor.sealed(setting text)", None)
    op.comment_on(
        "FUNCTION devmentor.enter()", "Looks up once per transaction what others share with the acting user"
    )
    op.comment_on("FUNCTION devmentor.adopt(subject uuid)", None)
    op.grant(["EXECUTE"], "FUNCTION devmentor.share(me uuid)", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION devmentor.adopt(subject uuid)", "PUBLIC")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.user_id()
     RETURNS uuid
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.user_id'::text, true), ''::text))::uuid
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.shared_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.shared_teams'::text, true), ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.shared_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.shared_projects'::text, true), ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.service()
     RETURNS text
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('devmentor.service'::text, true), ''::text)
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.owners()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN COALESCE((NULLIF(current_setting('devmentor.owners'::text, true), ''::text))::uuid[], ARRAY[(NULLIF(current_setting('devmentor.user_id'::text, true), ''::text))::uuid])
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.edited_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.edited_teams'::text, true), ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.edited_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.edited_projects'::text, true), ''::text))::uuid[]
    """)
    op.drop_function("devmentor.signed()")
    op.drop_function("devmentor.share(me uuid)")
    op.drop_function("devmentor.sealed(setting text)")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.enter()
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
    op.drop_function("devmentor.adopt(subject uuid)")
    op.drop_table("context_keys", schema="devmentor")

"""Begin as an actor in one message, and seal the context for its transaction.

The functions that policies read who acts with become ``claimed_…()``, which policies follow by themselves. Beside
them stand functions of the old names, which answer only where the whole context has a valid seal; the next
revision has them asked.

Revision: 0d1c5a6e0112
Revises: 0d1c5a6e0103
Created: 2026-11-29 16:33:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0112"
down_revision: str | None = "0d1c5a6e0103"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_from: str = "0d1c5a6e0112"  # code before it calls devmentor.enter() without saying who acts
lint_exceptions = {
    "renaming-object": "Policies follow the functions, and the names are there again at once.",
    "ban-drop-function": "Nothing that was released calls them; see compatible_from.",
}

_READERS = {  # function: what it returns, for its comment
    "user_id": "The user who acts, or for whom a service acts",
    "service": "The service that acts; NULL for a user",
    "owners": "Whose rows the acting user may see at all: their own, and of those who share something",
    "shared_projects": "Projects of others that the user may see",
    "edited_projects": "Projects of others that the user may edit",
    "shared_teams": "Teams of others that the user belongs to",
    "edited_teams": "Teams of others that the user manages",
}
_CALLERS = (
    "devmentor_ai",
    "devmentor_auth",
    "devmentor_learning",
    "devmentor_memory",
    "devmentor_projects",
    "devmentor_readonly",
)
_ARGUMENTS = "p_user_id text, p_service text, p_request_id text, p_ip_address text, p_user_agent text, p_backend integer, p_made bigint, p_seal text"


def upgrade() -> None:
    """Rename the readers, add those that ask first, and the functions that begin a transaction."""
    for name, comment in _READERS.items():
        op.execute(f"ALTER FUNCTION devmentor.{name}() RENAME TO claimed_{name}")
        op.comment_on(f"FUNCTION devmentor.claimed_{name}()", f"{comment}; as the transaction claims")
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_user_id()
     RETURNS uuid
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.user_id'::text, true), ''::text))::uuid
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_service()
     RETURNS text
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('devmentor.service'::text, true), ''::text)
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_owners()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN COALESCE((NULLIF(current_setting('devmentor.owners'::text, true), ''::text))::uuid[], ARRAY[(NULLIF(current_setting('devmentor.user_id'::text, true), ''::text))::uuid])
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_shared_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.shared_projects'::text, true), ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_edited_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.edited_projects'::text, true), ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_shared_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.shared_teams'::text, true), ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.claimed_edited_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('devmentor.edited_teams'::text, true), ''::text))::uuid[]
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.matches_older(message bytea, seal text)
     RETURNS boolean
     LANGUAGE plpgsql
     STABLE
    AS $function$
    BEGIN
        RETURN EXISTS (SELECT FROM devmentor.context_keys WHERE place > 0
                       AND sha256(convert_to(seal, 'UTF8')) = sha256(convert_to(encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex'), 'UTF8')));
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.is_sealed()
     RETURNS boolean
     LANGUAGE plpgsql
     STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        inner_one bytea; outer_one bytea;
    BEGIN
        SELECT inner_pad, outer_pad INTO inner_one, outer_one FROM devmentor.context_keys WHERE place = 0;
        IF sha256(convert_to(current_setting('devmentor.seal', true), 'UTF8')) = sha256(convert_to(encode(sha256(outer_one || sha256(inner_one || convert_to(ARRAY['devmentor seal 2', pg_backend_pid()::text, extract(epoch FROM now())::text, current_setting('devmentor.user_id', true), current_setting('devmentor.service', true), current_setting('devmentor.request_id', true), current_setting('devmentor.ip_address', true), current_setting('devmentor.user_agent', true), current_setting('devmentor.owners', true), current_setting('devmentor.shared_projects', true), current_setting('devmentor.edited_projects', true), current_setting('devmentor.shared_teams', true), current_setting('devmentor.edited_teams', true)]::text, 'UTF8'))), 'hex'), 'UTF8')) THEN
            RETURN true;
        END IF;
        RETURN devmentor.matches_older(convert_to(ARRAY['devmentor seal 2', pg_backend_pid()::text, extract(epoch FROM now())::text, current_setting('devmentor.user_id', true), current_setting('devmentor.service', true), current_setting('devmentor.request_id', true), current_setting('devmentor.ip_address', true), current_setting('devmentor.user_agent', true), current_setting('devmentor.owners', true), current_setting('devmentor.shared_projects', true), current_setting('devmentor.edited_projects', true), current_setting('devmentor.shared_teams', true), current_setting('devmentor.edited_teams', true)]::text, 'UTF8'), current_setting('devmentor.seal', true));
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.authentic()
     RETURNS boolean
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.signed() THEN devmentor.is_sealed() ELSE true END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.user_id()
     RETURNS uuid
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_user_id() ELSE NULL::uuid END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.service()
     RETURNS text
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_service() ELSE NULL::text END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.owners()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_owners() ELSE NULL::uuid[] END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.shared_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_shared_projects() ELSE NULL::uuid[] END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.edited_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_edited_projects() ELSE NULL::uuid[] END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.shared_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_shared_teams() ELSE NULL::uuid[] END
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.edited_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN CASE WHEN devmentor.authentic() THEN devmentor.claimed_edited_teams() ELSE NULL::uuid[] END
    """)
    for name, comment in _READERS.items():
        op.comment_on(f"FUNCTION devmentor.{name}()", comment)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.adopt(subject uuid)
     RETURNS boolean
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        inner_one bytea; outer_one bytea;
    BEGIN
        IF devmentor.user_id() IS NOT NULL OR devmentor.service() IS NULL OR subject IS NULL THEN
            RETURN coalesce(devmentor.user_id() = subject, false);
        END IF;
        IF devmentor.signed() THEN
            SELECT inner_pad, outer_pad INTO inner_one, outer_one FROM devmentor.context_keys WHERE place = 0;
        END IF;
        PERFORM devmentor.set_context(ARRAY[subject::text, current_setting('devmentor.service', true), current_setting('devmentor.request_id', true), current_setting('devmentor.ip_address', true), current_setting('devmentor.user_agent', true)], inner_one, outer_one);
        RETURN true;
    END
    $function$
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.record_change()
     RETURNS trigger
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
     SET plan_cache_mode TO 'force_generic_plan'
    AS $function$
    DECLARE
        owner CONSTANT text := TG_ARGV[0];
        hidden CONSTANT text[] := TG_ARGV[1];
        secret CONSTANT text[] := TG_ARGV[2];
        people CONSTANT text[] := TG_ARGV[3];
        relation CONSTANT text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
        -- Once: where contexts are signed, each question is a signature to check.
        authentic CONSTANT boolean := devmentor.authentic();
        actor CONSTANT uuid := CASE WHEN authentic THEN devmentor.claimed_user_id() END;
        actor_label CONSTANT text := left(coalesce(
            CASE WHEN authentic THEN devmentor.claimed_service() END,
            CASE WHEN actor IS NULL THEN 'login:' || session_user END), 63);
        request CONSTANT text := left(CASE WHEN authentic THEN nullif(current_setting('devmentor.request_id', true), '') END, 128);
        client CONSTANT text := CASE WHEN authentic THEN nullif(current_setting('devmentor.ip_address', true), '') END;
        address CONSTANT inet := CASE WHEN client IS NOT NULL THEN devmentor.address(client) END;
        agent CONSTANT text := left(CASE WHEN authentic THEN nullif(current_setting('devmentor.user_agent', true), '') END, 512);
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
                mentions, request_id, ip_address, user_agent)
            SELECT 'insert', (r ->> owner)::uuid, actor, actor_label, relation, (r ->> 'id')::uuid,
                jsonb_build_object('new', (r - hidden - secret - owner) || coalesce(
                    (SELECT jsonb_object_agg(c, '[redacted]'::text) FROM unnest(secret) AS c
                     WHERE r ->> c IS NOT NULL), '{}')),
                (SELECT array_agg(DISTINCT (r ->> c)::uuid) FROM unnest(people) AS c
                 WHERE r ->> c IS NOT NULL AND r ->> c IS DISTINCT FROM r ->> owner), request, address, agent
            FROM (SELECT to_jsonb(new_rows) AS r FROM new_rows OFFSET 0) AS made;
        ELSIF TG_OP = 'DELETE' THEN
            INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
                mentions, request_id, ip_address, user_agent)
            SELECT 'delete', (r ->> owner)::uuid, actor, actor_label, relation, (r ->> 'id')::uuid,
                jsonb_build_object('old', (r - hidden - secret - owner) || coalesce(
                    (SELECT jsonb_object_agg(c, '[redacted]'::text) FROM unnest(secret) AS c
                     WHERE r ->> c IS NOT NULL), '{}')),
                (SELECT array_agg(DISTINCT (r ->> c)::uuid) FROM unnest(people) AS c
                 WHERE r ->> c IS NOT NULL AND r ->> c IS DISTINCT FROM r ->> owner), request, address, agent
            FROM (SELECT to_jsonb(old_rows) AS r FROM old_rows OFFSET 0) AS gone;
        ELSIF TG_OP = 'UPDATE' THEN
            INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
                mentions, request_id, ip_address, user_agent)
            SELECT 'update', coalesce(after ->> owner, before ->> owner)::uuid, actor, actor_label, relation,
                coalesce(after ->> 'id', before ->> 'id')::uuid,
                jsonb_build_object('old', was, 'new', became),
                (SELECT array_agg(DISTINCT who::uuid)
                 FROM unnest(people) AS c, LATERAL (VALUES (was ->> c), (became ->> c)) AS named (who)
                 WHERE who IS NOT NULL AND who IS DISTINCT FROM after ->> owner),
                request, address, agent
            FROM (
                SELECT old_rows AS o, new_rows AS n FROM old_rows FULL JOIN new_rows ON new_rows.id = old_rows.id
            ) AS pair
            CROSS JOIN LATERAL (SELECT to_jsonb(o) AS before, to_jsonb(n) AS after OFFSET 0) AS both_ways
            CROSS JOIN LATERAL (
                SELECT
                    jsonb_object_agg(key, CASE
                        WHEN key = ANY (secret) AND before -> key <> 'null' THEN '"[redacted]"'
                        ELSE before -> key
                    END) AS was,
                    jsonb_object_agg(key, CASE
                        WHEN key = ANY (secret) AND value <> 'null' THEN '"[redacted]"'
                        ELSE after -> key
                    END) AS became
                FROM jsonb_each(coalesce(after, before) - hidden)
                WHERE before -> key IS DISTINCT FROM after -> key
            ) AS changed
            WHERE became IS NOT NULL;
        ELSE
            INSERT INTO auth.audit_log (event, actor_id, actor_name, table_name, details, request_id, ip_address,
                user_agent)
            VALUES ('delete', actor, actor_label, relation, '{"truncated": true}', request, address, agent);
        END IF;
        RETURN NULL;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.set_context(actor text[], inner_one bytea, outer_one bytea)
     RETURNS void
     LANGUAGE plpgsql
    AS $function$
    DECLARE
        me CONSTANT uuid := nullif(actor[1], '');
        others uuid[];
        owners text := ''; shared_projects text := ''; edited_projects text := ''; shared_teams text := ''; edited_teams text := '';
        seal text := '';
        context text[];
    BEGIN
        -- Few share anything. To find that out is a third of the work of aggregating nothing.
        IF EXISTS (SELECT FROM projects.project_collaborators WHERE member_id = me) THEN
            SELECT array_agg(DISTINCT user_id), array_agg(project_id)::text,
                   coalesce(array_agg(project_id) FILTER (WHERE role = 'editor')::text, '')
              INTO others, shared_projects, edited_projects
              FROM projects.project_collaborators WHERE member_id = me;
        END IF;
        IF EXISTS (SELECT FROM auth.team_members WHERE member_id = me) THEN
            SELECT others || array_agg(DISTINCT user_id), array_agg(team_id)::text,
                   coalesce(array_agg(team_id) FILTER (WHERE role = 'manager')::text, '')
              INTO others, shared_teams, edited_teams
              FROM auth.team_members WHERE member_id = me;
        END IF;
        IF others IS NOT NULL THEN
            owners := (me || others)::text;
        END IF;
        context := actor || ARRAY[owners, shared_projects, edited_projects, shared_teams, edited_teams];
        IF inner_one IS NOT NULL THEN
            seal := encode(sha256(outer_one || sha256(inner_one || convert_to((ARRAY['devmentor seal 2', pg_backend_pid()::text, extract(epoch FROM now())::text] || context)::text, 'UTF8'))), 'hex');
        END IF;
        EXECUTE format('SET LOCAL devmentor.user_id = %L; SET LOCAL devmentor.service = %L; SET LOCAL devmentor.request_id = %L; SET LOCAL devmentor.ip_address = %L; SET LOCAL devmentor.user_agent = %L; SET LOCAL devmentor.owners = %L; SET LOCAL devmentor.shared_projects = %L; SET LOCAL devmentor.edited_projects = %L; SET LOCAL devmentor.shared_teams = %L; SET LOCAL devmentor.edited_teams = %L; SET LOCAL devmentor.seal = %L', VARIADIC context || seal);
    END
    $function$
    """)
    op.drop_function("devmentor.enter()")
    op.drop_function("devmentor.sealed(setting text)")
    op.drop_function("devmentor.share(me uuid)")
    op.create_function("""
    CREATE FUNCTION devmentor.enter(p_user_id text, p_service text, p_request_id text, p_ip_address text, p_user_agent text, p_backend integer, p_made bigint, p_seal text)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
    AS $function$
    DECLARE
        signed CONSTANT boolean := devmentor.signed();
        ours boolean;
        believed boolean;
        inner_one bytea; outer_one bytea;
    BEGIN
        IF signed THEN
            SELECT inner_pad, outer_pad INTO inner_one, outer_one FROM devmentor.context_keys WHERE place = 0;
            ours := p_backend = pg_backend_pid();
            believed := ours AND sha256(convert_to(p_seal, 'UTF8')) = sha256(convert_to(encode(sha256(outer_one || sha256(inner_one || convert_to(concat_ws(',', 'devmentor 3', p_backend, p_made, octet_length(p_user_id), octet_length(p_service), octet_length(p_request_id), octet_length(p_ip_address), octet_length(p_user_agent), p_user_id, p_service, p_request_id, p_ip_address, p_user_agent), 'UTF8'))), 'hex'), 'UTF8'));
            IF believed IS NOT TRUE THEN
                believed := ours AND devmentor.matches_older(convert_to(concat_ws(',', 'devmentor 3', p_backend, p_made, octet_length(p_user_id), octet_length(p_service), octet_length(p_request_id), octet_length(p_ip_address), octet_length(p_user_agent), p_user_id, p_service, p_request_id, p_ip_address, p_user_agent), 'UTF8'), p_seal);
            END IF;
            IF believed IS NOT TRUE THEN
                RAISE EXCEPTION USING ERRCODE = 'DMCTX',
                    MESSAGE = 'the context is not signed with a key of this database';
            ELSIF abs(extract(epoch FROM clock_timestamp()) * 1000 - p_made) > 60000 THEN
                RAISE EXCEPTION USING ERRCODE = 'DMCTE',
                    MESSAGE = 'the context was signed at another time';
            END IF;
        END IF;
        PERFORM devmentor.set_context(ARRAY[p_user_id, p_service, p_request_id, p_ip_address, p_user_agent], inner_one, outer_one);
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.begin_as(p_user_id text, p_service text, p_request_id text, p_ip_address text, p_user_agent text, p_backend integer, p_made bigint, p_seal text)
     RETURNS void
     LANGUAGE plpgsql
    AS $function$
    DECLARE
        -- A pooler gives each transaction the name that its client has.
        application CONSTANT pg_catalog.text := pg_catalog.current_setting('application_name');
    BEGIN
        EXECUTE 'RESET ALL; SET ROLE NONE; CLOSE ALL; UNLISTEN *; DISCARD TEMP';
        PERFORM pg_catalog.pg_advisory_unlock_all();
        PERFORM pg_catalog.num_nonnulls(
            pg_catalog.set_config('application_name', application, false),
            pg_catalog.set_config('search_path', 'pg_catalog, public, pg_temp', true),
            pg_catalog.set_config('TimeZone', 'UTC', true),
            pg_catalog.set_config('DateStyle', 'ISO, MDY', true),
            pg_catalog.set_config('IntervalStyle', 'postgres', true),
            pg_catalog.set_config('bytea_output', 'hex', true),
            pg_catalog.set_config('extra_float_digits', '1', true),
            pg_catalog.set_config('array_nulls', 'on', true),
            pg_catalog.set_config('standard_conforming_strings', 'on', true),
            pg_catalog.set_config('transform_null_equals', 'off', true),
            pg_catalog.set_config('quote_all_identifiers', 'off', true),
            pg_catalog.set_config('gin_fuzzy_search_limit', '0', true),
            pg_catalog.set_config('client_connection_check_interval', '1s', true),
            pg_catalog.set_config('row_security', 'on', true));
        PERFORM devmentor.enter(p_user_id, p_service, p_request_id, p_ip_address, p_user_agent, p_backend, p_made, p_seal);
    END
    $function$
    """)
    for function, comment in (
        (
            "matches_older(message bytea, seal text)",
            "Whether a seal was made for a message with a key that services change from",
        ),
        ("is_sealed()", "Whether the whole context has a valid seal of this transaction"),
        ("authentic()", "Whether the context may be believed: always, where contexts are not signed"),
        (
            "set_context(actor text[], inner_one bytea, outer_one bytea)",
            "Sets who acts and what others share with them for the transaction, and seals it",
        ),
        (
            f"enter({_ARGUMENTS})",
            "Checks who acts, sets it for the transaction, and looks up what others share with them",
        ),
        (f"begin_as({_ARGUMENTS})", "Clears the session, pins its settings, and enters a context"),
    ):
        op.comment_on(f"FUNCTION devmentor.{function}", comment)
    for function in (
        "matches_older(message bytea, seal text)",
        "set_context(actor text[], inner_one bytea, outer_one bytea)",
    ):
        op.revoke(["EXECUTE"], f"FUNCTION devmentor.{function}", "PUBLIC")
    for function in ("is_sealed()", f"enter({_ARGUMENTS})", f"begin_as({_ARGUMENTS})"):
        op.revoke(["EXECUTE"], f"FUNCTION devmentor.{function}", "PUBLIC")
        for caller in _CALLERS:
            op.grant(["EXECUTE"], f"FUNCTION devmentor.{function}", caller)


def downgrade() -> None:
    """Let each row ask for the signature again."""
    op.drop_function(f"devmentor.begin_as({_ARGUMENTS})")
    op.drop_function(f"devmentor.enter({_ARGUMENTS})")
    for name in _READERS:
        op.drop_function(f"devmentor.{name}()")
        op.execute(f"ALTER FUNCTION devmentor.claimed_{name}() RENAME TO {name}")
    op.drop_function("devmentor.authentic()")
    op.drop_function("devmentor.is_sealed()")
    op.drop_function("devmentor.matches_older(message bytea, seal text)")
    op.drop_function("devmentor.set_context(actor text[], inner_one bytea, outer_one bytea)")
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
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.user_id()
     RETURNS uuid
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.user_id'::text) ELSE current_setting('devmentor.user_id'::text, true) END, ''::text))::uuid
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.service()
     RETURNS text
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.service'::text) ELSE current_setting('devmentor.service'::text, true) END, ''::text)
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.owners()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN COALESCE((NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.owners'::text) ELSE current_setting('devmentor.owners'::text, true) END, ''::text))::uuid[], ARRAY[(NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.user_id'::text) ELSE current_setting('devmentor.user_id'::text, true) END, ''::text))::uuid])
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.shared_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.shared_projects'::text) ELSE current_setting('devmentor.shared_projects'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.edited_projects()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.edited_projects'::text) ELSE current_setting('devmentor.edited_projects'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.shared_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.shared_teams'::text) ELSE current_setting('devmentor.shared_teams'::text, true) END, ''::text))::uuid[]
    """)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.edited_teams()
     RETURNS uuid[]
     LANGUAGE sql
     STABLE PARALLEL SAFE
    RETURN (NULLIF(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.edited_teams'::text) ELSE current_setting('devmentor.edited_teams'::text, true) END, ''::text))::uuid[]
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
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.adopt(subject uuid)
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
    CREATE OR REPLACE FUNCTION devmentor.record_change()
     RETURNS trigger
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
     SET row_security TO 'on'
     SET plan_cache_mode TO 'force_generic_plan'
    AS $function$
    DECLARE
        owner CONSTANT text := TG_ARGV[0];
        hidden CONSTANT text[] := TG_ARGV[1];
        secret CONSTANT text[] := TG_ARGV[2];
        people CONSTANT text[] := TG_ARGV[3];
        relation CONSTANT text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
        actor CONSTANT uuid := devmentor.user_id();
        actor_label CONSTANT text := left(coalesce(
            devmentor.service(), CASE WHEN actor IS NULL THEN 'login:' || session_user END), 63);
        request CONSTANT text := left(nullif(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.request_id') ELSE current_setting('devmentor.request_id', true) END, ''), 128);
        client CONSTANT text := nullif(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.ip_address') ELSE current_setting('devmentor.ip_address', true) END, '');
        address CONSTANT inet := CASE WHEN client IS NOT NULL THEN devmentor.address(client) END;
        agent CONSTANT text := left(nullif(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.user_agent') ELSE current_setting('devmentor.user_agent', true) END, ''), 512);
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
                mentions, request_id, ip_address, user_agent)
            SELECT 'insert', (r ->> owner)::uuid, actor, actor_label, relation, (r ->> 'id')::uuid,
                jsonb_build_object('new', (r - hidden - secret - owner) || coalesce(
                    (SELECT jsonb_object_agg(c, '[redacted]'::text) FROM unnest(secret) AS c
                     WHERE r ->> c IS NOT NULL), '{}')),
                (SELECT array_agg(DISTINCT (r ->> c)::uuid) FROM unnest(people) AS c
                 WHERE r ->> c IS NOT NULL AND r ->> c IS DISTINCT FROM r ->> owner), request, address, agent
            FROM (SELECT to_jsonb(new_rows) AS r FROM new_rows OFFSET 0) AS made;
        ELSIF TG_OP = 'DELETE' THEN
            INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
                mentions, request_id, ip_address, user_agent)
            SELECT 'delete', (r ->> owner)::uuid, actor, actor_label, relation, (r ->> 'id')::uuid,
                jsonb_build_object('old', (r - hidden - secret - owner) || coalesce(
                    (SELECT jsonb_object_agg(c, '[redacted]'::text) FROM unnest(secret) AS c
                     WHERE r ->> c IS NOT NULL), '{}')),
                (SELECT array_agg(DISTINCT (r ->> c)::uuid) FROM unnest(people) AS c
                 WHERE r ->> c IS NOT NULL AND r ->> c IS DISTINCT FROM r ->> owner), request, address, agent
            FROM (SELECT to_jsonb(old_rows) AS r FROM old_rows OFFSET 0) AS gone;
        ELSIF TG_OP = 'UPDATE' THEN
            INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
                mentions, request_id, ip_address, user_agent)
            SELECT 'update', coalesce(after ->> owner, before ->> owner)::uuid, actor, actor_label, relation,
                coalesce(after ->> 'id', before ->> 'id')::uuid,
                jsonb_build_object('old', was, 'new', became),
                (SELECT array_agg(DISTINCT who::uuid)
                 FROM unnest(people) AS c, LATERAL (VALUES (was ->> c), (became ->> c)) AS named (who)
                 WHERE who IS NOT NULL AND who IS DISTINCT FROM after ->> owner),
                request, address, agent
            FROM (
                SELECT old_rows AS o, new_rows AS n FROM old_rows FULL JOIN new_rows ON new_rows.id = old_rows.id
            ) AS pair
            CROSS JOIN LATERAL (SELECT to_jsonb(o) AS before, to_jsonb(n) AS after OFFSET 0) AS both_ways
            CROSS JOIN LATERAL (
                SELECT
                    jsonb_object_agg(key, CASE
                        WHEN key = ANY (secret) AND before -> key <> 'null' THEN '"[redacted]"'
                        ELSE before -> key
                    END) AS was,
                    jsonb_object_agg(key, CASE
                        WHEN key = ANY (secret) AND value <> 'null' THEN '"[redacted]"'
                        ELSE after -> key
                    END) AS became
                FROM jsonb_each(coalesce(after, before) - hidden)
                WHERE before -> key IS DISTINCT FROM after -> key
            ) AS changed
            WHERE became IS NOT NULL;
        ELSE
            INSERT INTO auth.audit_log (event, actor_id, actor_name, table_name, details, request_id, ip_address,
                user_agent)
            VALUES ('delete', actor, actor_label, relation, '{"truncated": true}', request, address, agent);
        END IF;
        RETURN NULL;
    END
    $function$
    """)
    op.create_function("""
    CREATE FUNCTION devmentor.enter()
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
    for name, comment in _READERS.items():
        op.comment_on(f"FUNCTION devmentor.{name}()", comment)
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
    for function in ("enter()", "sealed(setting text)"):
        op.revoke(["EXECUTE"], f"FUNCTION devmentor.{function}", "PUBLIC")
        for caller in _CALLERS:
            op.grant(["EXECUTE"], f"FUNCTION devmentor.{function}", caller)
    op.revoke(["EXECUTE"], "FUNCTION devmentor.share(me uuid)", "PUBLIC")

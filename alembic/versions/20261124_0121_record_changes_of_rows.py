"""Record changes of rows in the audit trail by trigger, and keep append-only tables from changes.

Every statement on an audited table writes its lines in its own transaction. Code that is older than this
revision cannot erase a user any more: it changes lines of the trail itself.

Revision: 0d1c5a6e00a2
Revises: 0d1c5a6e0010
Created: 2026-11-24 01:21:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00a2"
down_revision: str | None = "0d1c5a6e0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Owner's column; columns never shown; columns shown as changed only; columns with ids of users.
AUDITED = {
    "ai.embedding_models": "'', '{id,updated_at,version}', '{}', '{}'",
    "ai.provider_configs": "'user_id', '{id,updated_at,version}', '{api_key}', '{user_id}'",
    "auth.email_verifications": "'user_id', '{id}', '{token_hash}', '{user_id}'",
    "auth.password_resets": "'user_id', '{id}', '{token_hash}', '{user_id}'",
    "auth.team_members": "'user_id', '{id}', '{}', '{user_id,member_id}'",
    "auth.teams": "'user_id', '{id,updated_at,version}', '{}', '{user_id}'",
    "auth.user_sessions": "'user_id', '{id}', '{token_hash}', '{user_id}'",
    "auth.users": "'id', '{id,updated_at,version,email_key,username_key}', '{password_hash,full_name}', '{}'",
    "learning.assessments": "'user_id', '{id,updated_at,version,passed}', '{}', '{user_id}'",
    "learning.roadmaps": "'user_id', '{id,updated_at,version}', '{}', '{user_id}'",
    "memory.documents": "'user_id', '{id,updated_at,version,fts}', '{content}', '{user_id}'",
    "projects.epics": "'user_id', '{id,updated_at,version}', '{}', '{user_id}'",
    "projects.project_collaborators": "'user_id', '{id,updated_at,version}', '{}', '{user_id,member_id}'",
    "projects.project_file_versions": "'user_id', '{id}', '{}', '{user_id}'",
    "projects.project_files": "'user_id', '{id,updated_at,version}', '{}', '{user_id}'",
    "projects.project_templates": "'user_id', '{id,updated_at,version}', '{}', '{user_id}'",
    "projects.projects": "'user_id', '{id,updated_at,version}', '{}', '{user_id}'",
    "projects.tasks": "'user_id', '{id,updated_at,version}', '{}', '{user_id,assignee_id}'",
}
EVENTS = {
    "insert": " REFERENCING NEW TABLE AS new_rows",
    "update": " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": " REFERENCING OLD TABLE AS old_rows",
    "truncate": "",
}
APPEND_ONLY = ("ai.usage", "auth.audit_log", "projects.activity", "projects.credit_entries")

ADDRESS = """
CREATE FUNCTION devmentor.address(given text) RETURNS inet LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN host(given::inet)::inet;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END
$fn$
"""

RECORD_CHANGE = """
CREATE FUNCTION devmentor.record_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on SET plan_cache_mode = force_generic_plan AS $fn$
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
$fn$
"""

REFUSE_CHANGE = """
CREATE FUNCTION devmentor.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RAISE insufficient_privilege USING
        MESSAGE = format('%s.%s is append-only: %s refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP),
        HINT = 'Write another row that says what is different now.';
END
$fn$
"""

ANONYMISE_TRAIL = """
CREATE FUNCTION auth.anonymise_trail(erased uuid) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $fn$
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
$fn$
"""

ENSURE_PARTITIONS = """
CREATE OR REPLACE FUNCTION devmentor.ensure_partitions(months_ahead integer DEFAULT 3) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    parent record;
    starts timestamptz;
    partition text;
BEGIN
    FOR parent IN
        SELECT c.oid, n.nspname AS schema, c.relname AS name
        FROM pg_partitioned_table p
        JOIN pg_class c ON c.oid = p.partrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('auth', 'projects', 'memory', 'learning', 'ai') AND p.partstrat = 'r'
        ORDER BY 2, 3
    LOOP
        FOR month IN 0 .. months_ahead LOOP
            starts := date_trunc('month', now(), 'UTC') + make_interval(months => month);
            partition := parent.name || to_char(starts AT TIME ZONE 'UTC', '_YYYY_MM');
            CONTINUE WHEN to_regclass(format('%I.%I', parent.schema, partition)) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
                parent.schema, partition, parent.schema, parent.name,
                starts, starts + interval '1 month'
            );
            IF EXISTS (
                SELECT FROM pg_trigger WHERE tgrelid = parent.oid AND tgname = 'append_only_truncate'
            ) THEN
                EXECUTE format(
                    'CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %I.%I FOR EACH STATEMENT'
                    ' WHEN (current_user <> ''devmentor_owner'') EXECUTE FUNCTION devmentor.refuse_change()',
                    parent.schema, partition
                );
            END IF;
            RETURN NEXT parent.schema || '.' || partition;
        END LOOP;
    END LOOP;
END
$fn$
"""

# As it was before.
ENSURE_PARTITIONS_BEFORE = """
CREATE OR REPLACE FUNCTION devmentor.ensure_partitions(months_ahead integer DEFAULT 3) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    parent record;
    starts timestamptz;
    partition text;
BEGIN
    FOR parent IN
        SELECT n.nspname AS schema, c.relname AS name
        FROM pg_partitioned_table p
        JOIN pg_class c ON c.oid = p.partrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('auth', 'projects', 'memory', 'learning', 'ai') AND p.partstrat = 'r'
        ORDER BY 1, 2
    LOOP
        FOR month IN 0 .. months_ahead LOOP
            starts := date_trunc('month', now(), 'UTC') + make_interval(months => month);
            partition := parent.name || to_char(starts AT TIME ZONE 'UTC', '_YYYY_MM');
            CONTINUE WHEN to_regclass(format('%I.%I', parent.schema, partition)) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
                parent.schema, partition, parent.schema, parent.name,
                starts, starts + interval '1 month'
            );
            RETURN NEXT parent.schema || '.' || partition;
        END LOOP;
    END LOOP;
END
$fn$
"""

# PostgreSQL copies triggers of rows to partitions, but not those of TRUNCATE.
GUARD_PARTITIONS = """
DO $do$
DECLARE
    partition text;
BEGIN
    FOR partition IN
        SELECT i.inhrelid::regclass::text FROM pg_inherits i
        WHERE i.inhparent = ANY ('{tables}'::regclass[]) ORDER BY 1
    LOOP
        EXECUTE format('{statement}', partition);
    END LOOP;
END
$do$
"""
OTHERS = "current_user <> 'devmentor_owner'"
COMMENTS = {
    "devmentor.address(text)": "An address, or NULL where the text is none",
    "devmentor.record_change()": "Writes what a statement changed to the audit trail",
    "devmentor.refuse_change()": "Refuses to change an append-only table",
    "auth.anonymise_trail(uuid)": "Takes a user who was just deleted out of the trails that outlive the user's rows",
}


def upgrade() -> None:
    """Create the functions and the triggers."""
    for definition in (ADDRESS, RECORD_CHANGE, REFUSE_CHANGE, ANONYMISE_TRAIL):
        op.create_function(definition)
    for signature, comment in COMMENTS.items():
        op.comment_on(f"FUNCTION {signature}", comment)
    for signature in ("devmentor.record_change()", "auth.anonymise_trail(uuid)"):
        op.revoke(["EXECUTE"], f"FUNCTION {signature}", "PUBLIC")
    op.grant(["EXECUTE"], "FUNCTION auth.anonymise_trail(uuid)", "devmentor_auth")
    op.replace_function(ENSURE_PARTITIONS)
    for table, arguments in AUDITED.items():
        for event, referencing in EVENTS.items():
            op.create_trigger(
                f"CREATE TRIGGER audit_{event} AFTER {event.upper()} ON {table}{referencing}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION devmentor.record_change({arguments})"
            )
    refused = f"WHEN ({OTHERS}) EXECUTE FUNCTION devmentor.refuse_change()"
    for table in APPEND_ONLY:
        op.create_trigger(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {refused}"
        )
        op.create_trigger(
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refused}"
        )
    _for_partitions(f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT {refused}")


def _for_partitions(statement: str) -> None:
    tables = "{" + ",".join(APPEND_ONLY) + "}"
    op.execute_sql(GUARD_PARTITIONS.format(tables=tables, statement=statement.replace("'", "''")))


def downgrade() -> None:
    """Drop them."""
    _for_partitions("DROP TRIGGER append_only_truncate ON %s")
    for table in APPEND_ONLY:
        op.drop_trigger("append_only", table)
        op.drop_trigger("append_only_truncate", table)
    for table in AUDITED:
        for event in EVENTS:
            op.drop_trigger(f"audit_{event}", table)
    op.replace_function(ENSURE_PARTITIONS_BEFORE)
    for signature in COMMENTS:
        op.drop_function(signature)

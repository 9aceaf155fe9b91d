"""Record the history of projects by trigger, whoever changes them.

Code that is older than this revision writes lines of its own as well, so that they stand there twice.

Revision: 0d1c5a6e00a3
Revises: 0d1c5a6e00a2
Created: 2026-11-24 01:22:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00a3"
down_revision: str | None = "0d1c5a6e00a2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RECORD_CREATED = """
CREATE FUNCTION projects.record_created() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    entity CONSTANT text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    actor CONSTANT uuid := (SELECT id FROM auth.users WHERE id = devmentor.user_id());
BEGIN
    INSERT INTO projects.activity
        (created_at, user_id, project_id, actor_id, action, entity_table, entity_id, details, mentions)
    SELECT clock_timestamp(), (r ->> 'user_id')::uuid,
        (r ->> CASE TG_TABLE_NAME WHEN 'projects' THEN 'id' ELSE 'project_id' END)::uuid, actor,
        CASE TG_TABLE_NAME
            WHEN 'project_file_versions' THEN 'version_added'
            WHEN 'project_collaborators' THEN 'collaborator_added'
            ELSE 'created'
        END::projects.activity_action,
        CASE TG_TABLE_NAME WHEN 'project_file_versions' THEN 'projects.project_files' ELSE entity END,
        (r ->> CASE TG_TABLE_NAME WHEN 'project_file_versions' THEN 'file_id' ELSE 'id' END)::uuid,
        CASE TG_TABLE_NAME
            WHEN 'project_file_versions'
                THEN jsonb_build_object('number', r -> 'number', 'size_bytes', r -> 'size_bytes')
            WHEN 'project_collaborators'
                THEN jsonb_build_object('member_id', r -> 'member_id', 'role', r -> 'role')
            ELSE '{}'
        END,
        CASE WHEN r ? 'member_id' THEN ARRAY[(r ->> 'member_id')::uuid] END
    FROM (SELECT to_jsonb(new_rows) AS r FROM new_rows OFFSET 0) AS made;
    RETURN NULL;
END
$fn$
"""

RECORD_UPDATED = """
CREATE FUNCTION projects.record_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    entity CONSTANT text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    actor CONSTANT uuid := (SELECT id FROM auth.users WHERE id = devmentor.user_id());
BEGIN
    INSERT INTO projects.activity
        (created_at, user_id, project_id, actor_id, action, entity_table, entity_id, details, mentions)
    SELECT clock_timestamp(), user_id, project_id, actor, action::projects.activity_action, entity, entity_id,
        CASE action
            WHEN 'reordered' THEN jsonb_build_object(TG_TABLE_NAME, together)
            ELSE special
                || CASE WHEN fields <@ explained THEN '{}' ELSE jsonb_build_object('fields', fields) END
        END,
        CASE
            WHEN action = 'role_changed' THEN ARRAY[(special ->> 'member_id')::uuid]
            WHEN special ->> 'assignee_id' IS NOT NULL THEN ARRAY[(special ->> 'assignee_id')::uuid]
        END
    FROM (
        SELECT *,
            CASE WHEN moved AND together > 1 THEN 'reordered' ELSE kind END AS action,
            CASE
                WHEN kind = 'assigned' THEN jsonb_build_object('assignee_id', n -> 'assignee_id')
                WHEN kind = 'role_changed'
                    THEN jsonb_build_object('member_id', n -> 'member_id', 'role', n -> 'role')
                WHEN kind = 'moved' AND n ? 'epic_id' THEN jsonb_build_object('epic_id', n -> 'epic_id')
                WHEN kind LIKE 'credits_%'
                    THEN jsonb_build_object('amount', amount, 'balance', n -> 'credits')
                ELSE '{}'
            END AS special,
            CASE
                WHEN kind = 'assigned' THEN '{assignee_id}'
                WHEN kind = 'role_changed' THEN '{role}'
                WHEN kind = 'moved' AND n ? 'epic_id' THEN '{epic_id,position}'
                WHEN kind LIKE 'credits_%' THEN '{credits}'
                ELSE '{}'
            END::text[] AS explained
        FROM (
            SELECT o, n, fields, moved,
                (n ->> 'user_id')::uuid AS user_id,
                (n ->> CASE TG_TABLE_NAME WHEN 'projects' THEN 'id' ELSE 'project_id' END)::uuid
                    AS project_id,
                (n ->> 'id')::uuid AS entity_id,
                (n ->> 'credits')::bigint - (o ->> 'credits')::bigint AS amount,
                count(*) OVER same_list AS together,
                row_number() OVER (same_list ORDER BY (n ->> 'position')::float8, n ->> 'id') AS place,
                CASE
                    WHEN 'deleted_at' = ANY (fields) AND n ->> 'deleted_at' IS NULL THEN 'restored'
                    WHEN 'deleted_at' = ANY (fields) AND o ->> 'deleted_at' IS NULL THEN 'deleted'
                    WHEN 'status' = ANY (fields) AND TG_TABLE_NAME = 'projects'
                        THEN CASE n ->> 'status' WHEN 'archived' THEN 'archived' ELSE 'unarchived' END
                    WHEN 'status' = ANY (fields) AND TG_TABLE_NAME = 'tasks' AND n ->> 'status' = 'done'
                        THEN 'completed'
                    WHEN 'status' = ANY (fields) AND TG_TABLE_NAME = 'tasks' AND o ->> 'status' = 'done'
                        THEN 'reopened'
                    WHEN 'credits' = ANY (fields)
                        THEN CASE WHEN (n ->> 'credits')::bigint < (o ->> 'credits')::bigint
                            THEN 'credits_spent' ELSE 'credits_granted' END
                    WHEN 'role' = ANY (fields) THEN 'role_changed'
                    WHEN 'assignee_id' = ANY (fields) THEN 'assigned'
                    WHEN fields && '{epic_id,position}' THEN 'moved'
                    ELSE 'updated'
                END AS kind
            FROM (
                SELECT *, fields = '{position}' AS moved
                FROM (
                    SELECT old_rows AS old_row, new_rows AS new_row
                    FROM old_rows FULL JOIN new_rows ON new_rows.id = old_rows.id
                ) AS pair
                CROSS JOIN LATERAL (
                    SELECT to_jsonb(old_row) AS o, to_jsonb(new_row) AS n OFFSET 0
                ) AS both_ways
                CROSS JOIN LATERAL (
                    SELECT array_agg(key ORDER BY key COLLATE "C") AS fields
                    FROM jsonb_each(n - '{updated_at,version}'::text[])
                    WHERE value IS DISTINCT FROM o -> key
                ) AS differences
            ) AS changed
            WHERE fields IS NOT NULL AND o IS NOT NULL
                AND NOT ('latest_version' = ANY (fields) AND fields <@ '{current_version,latest_version}')
            WINDOW same_list AS (PARTITION BY n ->> 'user_id', n ->> 'project_id', moved)
        ) AS judged
    ) AS line
    WHERE (action <> 'reordered' OR place = 1)
        AND CASE TG_TABLE_NAME
            WHEN 'projects' THEN EXISTS (SELECT FROM auth.users AS u WHERE u.id = line.user_id)
            ELSE EXISTS (
                SELECT FROM projects.projects AS p WHERE p.user_id = line.user_id AND p.id = line.project_id)
        END;
    RETURN NULL;
END
$fn$
"""

RECORD_DELETED = """
CREATE FUNCTION projects.record_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    entity CONSTANT text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    actor CONSTANT uuid := (SELECT id FROM auth.users WHERE id = devmentor.user_id());
BEGIN
    INSERT INTO projects.activity
        (created_at, user_id, project_id, actor_id, action, entity_table, entity_id, details, mentions)
    SELECT clock_timestamp(), user_id, project_id, actor,
        CASE TG_TABLE_NAME
            WHEN 'project_collaborators' THEN 'collaborator_removed' ELSE 'purged'
        END::projects.activity_action,
        entity, (r ->> 'id')::uuid,
        jsonb_strip_nulls(jsonb_build_object('name', r -> 'name', 'title', r -> 'title', 'path', r -> 'path',
            'number', r -> 'number', 'member_id', r -> 'member_id', 'role', r -> 'role')),
        CASE WHEN r ? 'member_id' THEN ARRAY[(r ->> 'member_id')::uuid] END
    FROM (
        SELECT r, (r ->> 'user_id')::uuid AS user_id,
            (r ->> CASE TG_TABLE_NAME WHEN 'projects' THEN 'id' ELSE 'project_id' END)::uuid AS project_id
        FROM (SELECT to_jsonb(old_rows) AS r FROM old_rows OFFSET 0) AS gone
    ) AS line
    WHERE CASE TG_TABLE_NAME
        WHEN 'projects' THEN EXISTS (SELECT FROM auth.users AS u WHERE u.id = line.user_id)
        WHEN 'project_file_versions' THEN EXISTS (
            SELECT FROM projects.project_files AS f
            WHERE f.user_id = line.user_id AND f.id = (r ->> 'file_id')::uuid)
        ELSE EXISTS (
            SELECT FROM projects.projects AS p WHERE p.user_id = line.user_id AND p.id = line.project_id)
    END;
    RETURN NULL;
END
$fn$
"""

RECORDED = ("projects", "epics", "tasks", "project_files", "project_collaborators")
EVENTS = {
    "INSERT": ("created", "NEW TABLE AS new_rows", (*RECORDED, "project_file_versions")),
    "UPDATE": ("updated", "OLD TABLE AS old_rows NEW TABLE AS new_rows", RECORDED),
    "DELETE": ("deleted", "OLD TABLE AS old_rows", (*RECORDED, "project_file_versions")),
}
# What the functions of the trails may do beside; row security binds the owner, as whom they run, too.
DEFINER = {
    "projects.activity": ("SELECT", "UPDATE"),
    "projects.project_files": ("SELECT",),
    "projects.projects": ("SELECT",),
}
COMMENTS = {
    "created": "Writes what a statement created to the history of projects",
    "updated": "Writes what a statement changed to the history of projects",
    "deleted": "Writes what a statement deleted to the history of projects",
}


def upgrade() -> None:
    """Create the functions and the triggers."""
    for table, commands in DEFINER.items():
        for command in commands:
            check = {"check": "true"} if command == "UPDATE" else {}
            op.create_policy(
                f"definer_{command.lower()}",
                table,
                command=command,
                to=["devmentor_owner"],
                using="true",
                **check,
            )
    for definition in (RECORD_CREATED, RECORD_UPDATED, RECORD_DELETED):
        op.create_function(definition)
    for what, comment in COMMENTS.items():
        op.revoke(["EXECUTE"], f"FUNCTION projects.record_{what}()", "PUBLIC")
        op.comment_on(f"FUNCTION projects.record_{what}()", comment)
    for event, (what, referencing, tables) in EVENTS.items():
        for table in tables:
            op.create_trigger(
                f"CREATE TRIGGER history_{event.lower()} AFTER {event} ON projects.{table}"
                f" REFERENCING {referencing} FOR EACH STATEMENT EXECUTE FUNCTION projects.record_{what}()"
            )


def downgrade() -> None:
    """Drop them."""
    for event, (what, _, tables) in EVENTS.items():
        for table in tables:
            op.drop_trigger(f"history_{event.lower()}", f"projects.{table}")
        op.drop_function(f"projects.record_{what}()")
    for table, commands in DEFINER.items():
        for command in commands:
            op.drop_policy(f"definer_{command.lower()}", table)

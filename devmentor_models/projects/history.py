"""The history of projects, written by the database itself from what a statement changed (S3, F4, Z4).

So bulk SQL and psql are recorded as repositories are. One INSERT per statement, from its transition tables;
`devmentor_models.security.audit` explains the ways that both share.
"""

from __future__ import annotations

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare, trigger
from devmentor_models.security.context import DEFINER, definer_function

# The actor is NULL where the user is being erased: nothing may refer to the user any more.
_HEAD = f"""
LANGUAGE plpgsql {DEFINER} SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    entity CONSTANT text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    actor CONSTANT uuid := (SELECT id FROM auth.users WHERE id = devmentor.user_id());
BEGIN
"""

# clock_timestamp(): a transaction's lines are in the order in which things happened.
_COLUMNS = """
    INSERT INTO projects.activity
        (created_at, user_id, project_id, actor_id, action, entity_table, entity_id, details, mentions)"""

_RECORD_CREATED = f"""
CREATE FUNCTION projects.record_created() RETURNS trigger
{_HEAD.strip()}
    {_COLUMNS.strip()}
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
            ELSE '{{}}'
        END,
        CASE WHEN r ? 'member_id' THEN ARRAY[(r ->> 'member_id')::uuid] END
    FROM (SELECT to_jsonb(new_rows) AS r FROM new_rows OFFSET 0) AS made;
    RETURN NULL;
END
$fn$
"""

# A file whose new version was added has its line from there. Where the project (or its owner) is gone, too,
# this change is part of that: no line.
#
# Several rows that a statement gave other places, and nothing else, are one line.
_RECORD_UPDATED = f"""
CREATE FUNCTION projects.record_updated() RETURNS trigger
{_HEAD.strip()}
    {_COLUMNS.strip()}
    SELECT clock_timestamp(), user_id, project_id, actor, action::projects.activity_action, entity, entity_id,
        CASE action
            WHEN 'reordered' THEN jsonb_build_object(TG_TABLE_NAME, together)
            ELSE special
                || CASE WHEN fields <@ explained THEN '{{}}' ELSE jsonb_build_object('fields', fields) END
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
                ELSE '{{}}'
            END AS special,
            CASE
                WHEN kind = 'assigned' THEN '{{assignee_id}}'
                WHEN kind = 'role_changed' THEN '{{role}}'
                WHEN kind = 'moved' AND n ? 'epic_id' THEN '{{epic_id,position}}'
                WHEN kind LIKE 'credits_%' THEN '{{credits}}'
                ELSE '{{}}'
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
                    WHEN fields && '{{epic_id,position}}' THEN 'moved'
                    ELSE 'updated'
                END AS kind
            FROM (
                SELECT *, fields = '{{position}}' AS moved
                FROM (
                    SELECT old_rows AS old_row, new_rows AS new_row
                    FROM old_rows FULL JOIN new_rows ON new_rows.id = old_rows.id
                ) AS pair
                CROSS JOIN LATERAL (
                    SELECT to_jsonb(old_row) AS o, to_jsonb(new_row) AS n OFFSET 0
                ) AS both_ways
                CROSS JOIN LATERAL (
                    SELECT array_agg(key ORDER BY key COLLATE "C") AS fields
                    FROM jsonb_each(n - '{{updated_at,version}}'::text[])
                    WHERE value IS DISTINCT FROM o -> key
                ) AS differences
            ) AS changed
            WHERE fields IS NOT NULL AND o IS NOT NULL
                AND NOT ('latest_version' = ANY (fields) AND fields <@ '{{current_version,latest_version}}')
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

_RECORD_DELETED = f"""
CREATE FUNCTION projects.record_deleted() RETURNS trigger
{_HEAD.strip()}
    {_COLUMNS.strip()}
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

_RECORDED = ("projects", "epics", "tasks", "project_files", "project_collaborators")
#: Function, and what it reads; versions of files never change.
_EVENTS = {
    "INSERT": ("created", "NEW TABLE AS new_rows", (*_RECORDED, "project_file_versions")),
    "UPDATE": ("updated", "OLD TABLE AS old_rows NEW TABLE AS new_rows", _RECORDED),
    "DELETE": ("deleted", "OLD TABLE AS old_rows", (*_RECORDED, "project_file_versions")),
}


_WHY = "a trigger, which nobody can call: it adds a line about the changed rows to their owner's history"


def declare_history() -> None:
    """Declare the functions and the triggers that feed ``projects.activity``."""
    declare(
        Base.metadata,
        *definer_function(
            _RECORD_CREATED,
            comment="Writes what a statement created to the history of projects",
            why=_WHY,
        ),
        *definer_function(
            _RECORD_UPDATED,
            comment="Writes what a statement changed to the history of projects",
            why=_WHY,
        ),
        *definer_function(
            _RECORD_DELETED,
            comment="Writes what a statement deleted to the history of projects",
            why=_WHY,
        ),
    )
    for event, (what, referencing, tables) in _EVENTS.items():
        called = f"projects.record_{what}()"
        declare(
            Base.metadata,
            *(
                trigger(
                    f"history_{event.lower()}",
                    f"projects.{table}",
                    f"AFTER {event}",
                    called,
                    each="STATEMENT",
                    referencing=referencing,
                )
                for table in tables
            ),
        )

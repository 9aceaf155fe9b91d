"""The audit trail of data changes, written by the database itself (DESIGN §1; S2, Z4).

Every insert, update, delete and truncation of a table with ``audited=True`` in its ``__security__`` writes to
``auth.audit_log``, in the same transaction and whoever it is: a repository, bulk SQL, psql or a cascade.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base, protected_tables
from devmentor_models.kit.encryption import EncryptedText
from devmentor_models.kit.objects import Statement, declare, function, trigger
from devmentor_models.security.context import DEFINER, claimed, definer_function
from devmentor_models.security.declarations import Security

#: Whose ids are kept beside a line that mentions them, so that an erasure finds it.
_USER_ID = "auth.users.id"
#: The key stands in ``row_id``; the others change with every update.
_NEVER_SHOWN = ("id", "updated_at", "version")

# A value set by hand may be anything; it must not fail the write that it describes.
_ADDRESS = """
CREATE FUNCTION devmentor.address(given text) RETURNS inet LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN host(given::inet)::inet;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END
$fn$
"""

# One INSERT per statement, from its transition tables. Arguments: the owner's column; columns never shown;
# columns shown as changed only; columns with ids of users.
#
# FULL JOIN: also a changed key is recorded, and PostgreSQL cannot take it for a nested loop, whose time would
# grow with the square of the rows. Generic plans: planning anew would take longer than a single row does.
# OFFSET 0 keeps PostgreSQL from writing a row as JSON once per use.
_RECORD_CHANGE = """
CREATE FUNCTION devmentor.record_change() RETURNS trigger LANGUAGE plpgsql {definer} AS $fn$
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
    request CONSTANT text := left({request_id}, 128);
    client CONSTANT text := {ip_address};
    address CONSTANT inet := CASE WHEN client IS NOT NULL THEN devmentor.address(client) END;
    agent CONSTANT text := left({user_agent}, 512);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
            mentions, request_id, ip_address, user_agent)
        SELECT 'insert', (r ->> owner)::uuid, actor, actor_label, relation, (r ->> 'id')::uuid,
            jsonb_build_object('new', {shown}),{mentioned}, request, address, agent
        FROM (SELECT to_jsonb(new_rows) AS r FROM new_rows OFFSET 0) AS made;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO auth.audit_log (event, user_id, actor_id, actor_name, table_name, row_id, details,
            mentions, request_id, ip_address, user_agent)
        SELECT 'delete', (r ->> owner)::uuid, actor, actor_label, relation, (r ->> 'id')::uuid,
            jsonb_build_object('old', {shown}),{mentioned}, request, address, agent
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
        VALUES ('delete', actor, actor_label, relation, '{{"truncated": true}}', request, address, agent);
    END IF;
    RETURN NULL;
END
$fn$
""".format(
    **{
        name: f"CASE WHEN authentic THEN {claimed(name)} END"
        for name in ("request_id", "ip_address", "user_agent")
    },
    definer=f"{DEFINER} SET plan_cache_mode = force_generic_plan",
    # The owner stands in the line's user_id.
    shown="""(r - hidden - secret - owner) || coalesce(
                (SELECT jsonb_object_agg(c, '[redacted]'::text) FROM unnest(secret) AS c
                 WHERE r ->> c IS NOT NULL), '{}')""",
    mentioned="""
            (SELECT array_agg(DISTINCT (r ->> c)::uuid) FROM unnest(people) AS c
             WHERE r ->> c IS NOT NULL AND r ->> c IS DISTINCT FROM r ->> owner)""",
)

_EVENTS = {
    "insert": "NEW TABLE AS new_rows",
    "update": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "OLD TABLE AS old_rows",
    "truncate": "",
}


def declare_audit() -> None:
    """Declare the functions and, for every audited table, its triggers."""
    declare(
        Base.metadata,
        function(_ADDRESS, arguments="text", comment="An address, or NULL where the text is none"),
        *definer_function(
            _RECORD_CHANGE,
            comment="Writes what a statement changed to the audit trail",
            why="a trigger, which nobody can call: it adds a line about the changed rows to the trail",
        ),
    )
    for table, security in audited_tables():
        declare(Base.metadata, *_triggers(table, security))


def audited_tables() -> Iterator[tuple[Table, Security]]:
    """Return the tables whose changes are recorded, and what protects them."""
    return ((table, security) for table, security in protected_tables() if security.audited)


def _triggers(table: Table, security: Security) -> Iterator[Statement]:
    """Yield the triggers of a table; each event has its own, since transition tables demand it."""
    computed = [column.name for column in table.c if column.computed is not None]
    hidden = [name for name in _NEVER_SHOWN if name in table.c] + computed
    secret = [name for name in redacted_columns(table, security) if name not in computed]
    lists = (_array(names) for names in (hidden, secret, _people(table)))
    arguments = ", ".join(f"'{value}'" for value in (security.policy.owner or "", *lists))
    for event, referencing in _EVENTS.items():
        yield trigger(
            f"audit_{event}",
            table.fullname,
            f"AFTER {event.upper()}",
            f"{TECHNICAL_SCHEMA}.record_change({arguments})",
            each="STATEMENT",
            referencing=referencing,
        )


def redacted_columns(table: Table, security: Security) -> list[str]:
    """Name the columns whose values the trail never shows: what is declared so, and what is encrypted."""
    encrypted = {column.name for column in table.c if isinstance(column.type, EncryptedText)}
    return [column.name for column in table.c if column.name in encrypted.union(security.redacted)]


def _people(table: Table) -> list[str]:
    """Name the columns with ids of users, the owner among them: a row may change hands."""
    found = {"user_id"} if "user_id" in table.c else set()
    found.update(key.parent.name for key in table.foreign_keys if key.target_fullname == _USER_ID)
    return [column.name for column in table.c if column.name in found]


def _array(names: list[str]) -> str:
    return "{" + ",".join(names) + "}"

"""The functions and the row trigger that every schema stands on, declared as the models' own.

They live in the technical schema. A revision has a copy of its own: it must not change with the library.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Table

from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base, MutableRecord
from devmentor_models.kit.objects import (
    Definer,
    Extension,
    Schema,
    Statement,
    declare,
    function,
    statement,
    trigger,
)
from devmentor_models.security.roles import EXTENSIONS, ROLES

# PostgreSQL 18 has uuidv7() itself. Before that: 48 bits of milliseconds in hexadecimal, the version, and
# the digits of a random UUID behind its own version digit, which keep the variant bits right.
_UUIDV7 = """
DO $do$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        CREATE FUNCTION devmentor.uuidv7() RETURNS uuid
            LANGUAGE sql VOLATILE PARALLEL SAFE
            AS 'SELECT pg_catalog.uuidv7()';
    ELSE
        CREATE FUNCTION devmentor.uuidv7() RETURNS uuid
            LANGUAGE sql VOLATILE PARALLEL SAFE
            AS $fn$
                SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
                    || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
            $fn$;
    END IF;
END
$do$
"""

# In the database rather than in the ORM, so that bulk statements and psql count too.
_TOUCH = """
CREATE FUNCTION devmentor.touch() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    NEW.updated_at := pg_catalog.now();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$fn$
"""

# SECURITY DEFINER: whoever calls it need not own the tables, and the partitions belong to who does.
#
# The parent's policies count for statements on the parent. Whoever is granted a partition itself sees
# nothing, except for backups, which read partitions one by one.
_ENSURE_PARTITIONS = """
CREATE FUNCTION devmentor.ensure_partitions(months_ahead integer DEFAULT 3) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    parent record;
    starts timestamptz;
    partition text;
    unprotected regclass;
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
        FOR unprotected IN
            SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = parent.oid AND NOT c.relforcerowsecurity
        LOOP
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', unprotected);
            EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', unprotected);
            EXECUTE format(
                'CREATE POLICY backup ON %s FOR SELECT TO devmentor_backup USING (true)', unprotected);
            EXECUTE format('GRANT SELECT ON %s TO devmentor_backup', unprotected);
        END LOOP;
    END LOOP;
END
$fn$
"""


def declare_functions() -> None:
    """Declare the technical schema and its functions."""
    declare(
        Base.metadata,
        Schema(TECHNICAL_SCHEMA),
        *ROLES,
        *(Extension(name) for name in EXTENSIONS),
        statement(f"GRANT USAGE ON SCHEMA {TECHNICAL_SCHEMA} TO {', '.join(role.name for role in ROLES)}"),
        Statement(
            _UUIDV7,
            needs_tables=False,
            target=f"FUNCTION {TECHNICAL_SCHEMA}.uuidv7()",
            comment="Time-ordered UUIDv7, on every supported server",
        ),
        function(_TOUCH, comment="Keeps updated_at and version of a mutable row"),
        replace(
            function(
                _ENSURE_PARTITIONS,
                arguments="integer",
                comment="Creates missing monthly partitions, from this month on; returns the new ones",
            ),
            definer=Definer("reads no rows of any table; makes empty partitions"),
        ),
        statement(
            f"REVOKE EXECUTE ON FUNCTION {TECHNICAL_SCHEMA}.ensure_partitions(integer) FROM PUBLIC",
            needs_tables=False,
        ),
    )


def declare_touch_triggers() -> None:
    """Declare the trigger that keeps ``updated_at`` and ``version`` of every table of mutable rows."""
    for mapper in Base.registry.mappers:
        table = mapper.local_table
        if issubclass(mapper.class_, MutableRecord) and isinstance(table, Table):
            called = f"{TECHNICAL_SCHEMA}.touch()"
            declare(Base.metadata, trigger("touch", table.fullname, "BEFORE UPDATE", called))

"""Protect partitions like their parents, and let backups read everything.

Revision: 0d1c5a6e00c1
Revises: 0d1c5a6e00b1
Created: 2026-11-24 01:53:27.020121+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00c1"
down_revision: str | None = "0d1c5a6e00b1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The tables that are no model's. Not the keys that sign contexts: a copy of the database needs its own.
_TABLES = "devmentor.alembic_version, devmentor.revisions, devmentor.seeds"

_UNPROTECT = """
DO $do$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN
        SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('auth', 'projects', 'memory', 'learning', 'ai') AND c.relkind = 'r'
            AND c.relforcerowsecurity
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM devmentor_backup', partition);
        EXECUTE format('DROP POLICY backup ON %s', partition);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', partition);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', partition);
    END LOOP;
END
$do$
"""


def upgrade() -> None:
    """Protect those that exist, and those that will."""
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.ensure_partitions(months_ahead integer DEFAULT 3)
     RETURNS SETOF text
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
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
    $function$
    """)
    op.execute("SELECT devmentor.ensure_partitions(3)")
    op.execute(f"GRANT SELECT ON {_TABLES} TO devmentor_backup")


def downgrade() -> None:
    """Leave partitions to the rights on them alone."""
    op.execute(f"REVOKE SELECT ON {_TABLES} FROM devmentor_backup")
    op.execute(_UNPROTECT)
    op.replace_function("""
    CREATE OR REPLACE FUNCTION devmentor.ensure_partitions(months_ahead integer DEFAULT 3)
     RETURNS SETOF text
     LANGUAGE plpgsql
     SECURITY DEFINER
     SET search_path TO 'pg_catalog', 'pg_temp'
    AS $function$
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
    $function$
    """)

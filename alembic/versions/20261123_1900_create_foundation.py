"""Create what every schema stands on: the key function, the row trigger, partition upkeep.

Revision: 0d1c5a6e0001
Revises:
Created: 2026-11-23 19:00:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# PostgreSQL 18 has uuidv7() itself. Before that: 48 bits of milliseconds in hexadecimal, the version, and
# the digits of a random UUID behind its own version digit, which keep the variant bits right.
UUIDV7 = """
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
TOUCH = """
CREATE FUNCTION devmentor.touch() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    NEW.updated_at := pg_catalog.now();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$fn$
"""

# SECURITY DEFINER: whoever calls it every month need not own the tables, and the partitions belong to who does.
ENSURE_PARTITIONS = """
CREATE FUNCTION devmentor.ensure_partitions(months_ahead integer DEFAULT 3) RETURNS SETOF text
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


def upgrade() -> None:
    """Create functions; roles and extensions are there already, an administrator has made them."""
    for statement in (UUIDV7, TOUCH, ENSURE_PARTITIONS):
        op.execute(statement)
    op.execute("REVOKE EXECUTE ON FUNCTION devmentor.ensure_partitions(integer) FROM PUBLIC")
    op.execute("COMMENT ON FUNCTION devmentor.uuidv7() IS 'Time-ordered UUIDv7, on every supported server'")
    op.execute("COMMENT ON FUNCTION devmentor.touch() IS 'Keeps updated_at and version of a mutable row'")
    op.execute(
        "COMMENT ON FUNCTION devmentor.ensure_partitions(integer)"
        " IS 'Creates missing monthly partitions, from this month on; returns the new ones'"
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION devmentor.ensure_partitions(integer)")
    op.execute("DROP FUNCTION devmentor.touch()")
    op.execute("DROP FUNCTION devmentor.uuidv7()")

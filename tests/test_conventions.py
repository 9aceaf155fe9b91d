"""The conventions of the schema, read from the live catalog, not from the models (DESIGN §2, S7, P4)."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, text

from devmentor_models.registry import SCHEMAS

OURS = {"schemas": list(SCHEMAS)}
DESIGNED = {
    "auth": {
        "users",
        "user_keys",
        "user_sessions",
        "password_resets",
        "email_verifications",
        "audit_log",
        "teams",
        "team_members",
    },
    "projects": {
        "projects",
        "epics",
        "tasks",
        "project_files",
        "project_file_versions",
        "project_templates",
        "project_collaborators",
        "activity",
        "credit_entries",
    },
    "memory": {"documents", "chunks", "embeddings_meta", "search_history", "vector_outbox"},
    "learning": {"roadmaps", "roadmap_steps", "progress", "assessments", "recommendations"},
    "ai": {"provider_configs", "embedding_models", "response_cache", "usage", "project_embeddings"},
}


@pytest.fixture
def query(devmentor_engine: Engine) -> Any:
    """Return a function that runs a catalog query and returns its rows."""

    def run(statement: str) -> Sequence[Any]:
        with devmentor_engine.connect() as connection:
            return connection.execute(text(statement), OURS).all()

    return run


def test_every_table_of_the_design_exists(query: Any) -> None:
    """DESIGN §3, table by table; so the queries below cannot pass because they look at nothing."""
    rows = query(
        "SELECT n.nspname, array_agg(c.relname::text)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY 1"
    )
    tables = {schema: set(names) for schema, names in rows}
    assert {schema: DESIGNED[schema] - tables.get(schema, set()) for schema in SCHEMAS} == {
        schema: set() for schema in SCHEMAS
    }


def test_nothing_of_ours_is_in_public(query: Any) -> None:
    """Requirement S1: in public are the extensions' objects and nothing else."""
    rows = query(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
    )
    assert rows == []


def test_every_table_is_keyed_by_uuid(query: Any) -> None:
    """Each primary key starts with `id uuid`; a partitioned table's adds the time."""
    rows = query(
        """
        SELECT c.oid::regclass::text,
               array_agg(a.attname || ' ' || format_type(a.atttypid, NULL) ORDER BY k.n)
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
        LEFT JOIN LATERAL unnest(p.conkey) WITH ORDINALITY k(attnum, n) ON true
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p')
        GROUP BY c.oid
        """
    )
    allowed = (["id uuid"], ["id uuid", "created_at timestamp with time zone"])
    assert [row for row in rows if row[1] not in allowed] == []


def test_no_column_has_a_forbidden_type(query: Any) -> None:
    """No SERIAL or identity, no TIMESTAMP or TIME without zone, no JSON, no CHAR(n), no MONEY."""
    rows = query(
        """
        SELECT c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod)
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval%%'
               OR format_type(a.atttypid, NULL) IN
                  ('timestamp without time zone', 'time without time zone', 'json', 'money', 'character'))
        """
    )
    assert rows == []


def test_no_text_column_holds_json_or_a_list(query: Any) -> None:
    """Columns named like structures are structures: JSONB, arrays or enums, never TEXT."""
    rows = query(
        r"""
        SELECT c.oid::regclass::text, a.attname
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND a.attnum > 0
          AND format_type(a.atttypid, NULL) IN ('text', 'character varying')
          AND (a.attname ~ '(_json|_list|_ids)$' OR a.attname IN
               ('metadata', 'settings', 'details', 'payload', 'response', 'tags', 'labels', 'plan',
                'questions', 'answers', 'status', 'role', 'kind', 'priority', 'source', 'level'))
        """
    )
    assert rows == []


def test_every_foreign_key_is_indexed_by_its_leading_columns(query: Any) -> None:
    """Requirement P4: some valid, non-partial index starts with the key's columns, in any order."""
    rows = query(
        """
        SELECT f.conrelid::regclass::text, f.conname
        FROM pg_constraint f
        JOIN pg_class c ON c.oid = f.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE f.contype = 'f' AND n.nspname = ANY(:schemas) AND f.conparentid = 0
          AND NOT EXISTS (
              SELECT FROM pg_index i
              WHERE i.indrelid = f.conrelid AND i.indisvalid AND i.indpred IS NULL
                AND (SELECT array_agg(k ORDER BY k)
                     FROM unnest((i.indkey::smallint[])[0:cardinality(f.conkey) - 1]) k)
                    = (SELECT array_agg(k ORDER BY k) FROM unnest(f.conkey) k))
        """
    )
    assert rows == []


def test_every_foreign_key_says_what_happens_on_delete(query: Any) -> None:
    """No foreign key is left at NO ACTION, which nobody chose."""
    rows = query(
        """
        SELECT f.conrelid::regclass::text, f.conname
        FROM pg_constraint f
        JOIN pg_namespace n ON n.oid = f.connamespace
        WHERE f.contype = 'f' AND n.nspname = ANY(:schemas) AND f.confdeltype = 'a'
        """
    )
    assert rows == []


def test_foreign_keys_between_tenant_tables_carry_the_tenant(query: Any) -> None:
    """Trap 7: a key to a table with a user_id includes user_id, so no row joins another tenant's parent."""
    rows = query(
        """
        SELECT f.conrelid::regclass::text, f.conname
        FROM pg_constraint f
        JOIN pg_namespace n ON n.oid = f.connamespace
        JOIN pg_attribute child ON child.attrelid = f.conrelid AND child.attname = 'user_id'
        JOIN pg_attribute parent ON parent.attrelid = f.confrelid AND parent.attname = 'user_id'
        WHERE f.contype = 'f' AND n.nspname = ANY(:schemas)
          AND NOT (child.attnum = ANY(f.conkey) AND parent.attnum = ANY(f.confkey))
        """
    )
    assert rows == []


def test_unique_constraints_of_tenant_tables_carry_the_tenant(query: Any) -> None:
    """DESIGN §8: uniqueness holds per tenant; primary keys and digests of random tokens are unique anyway."""
    rows = query(
        """
        SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'user_id'
        WHERE i.indisunique AND NOT i.indisprimary AND n.nspname = ANY(:schemas)
          AND NOT t.attnum = ANY(i.indkey::smallint[])
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                          AND a.attnum = ANY(i.indkey::smallint[]) AND a.attname = 'token_hash')
        """
    )
    assert rows == []


def test_every_table_and_column_is_commented(query: Any) -> None:
    """Requirement S9: the data dictionary is made from these comments."""
    rows = query(
        """
        SELECT c.oid::regclass::text, a.attname
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN LATERAL (SELECT '(table)' AS attname, 0 AS attnum UNION ALL
                      SELECT attname, attnum FROM pg_attribute
                      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a ON true
        WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND coalesce(CASE a.attnum WHEN 0 THEN obj_description(c.oid, 'pg_class')
                       ELSE col_description(c.oid, a.attnum) END, '') = ''
        """
    )
    assert rows == []


def test_every_constraint_and_index_is_named_by_the_convention(query: Any) -> None:
    """Names are deterministic: prefix by kind, then the table, then what it is about."""
    rows = query(
        r"""
        SELECT c.conrelid::regclass::text, c.conname
        FROM pg_constraint c
        JOIN pg_namespace n ON n.oid = c.connamespace
        JOIN pg_class t ON t.oid = c.conrelid
        WHERE n.nspname = ANY(:schemas) AND NOT t.relispartition AND c.contype IN ('p', 'u', 'f', 'c', 'x')
          AND c.conname !~ (CASE c.contype WHEN 'p' THEN '^pk_' WHEN 'u' THEN '^uq_' WHEN 'f' THEN '^fk_'
                            WHEN 'c' THEN '^ck_' ELSE '^ex_' END || t.relname || '(_|$)')
        UNION ALL
        SELECT i.indrelid::regclass::text, x.relname
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = ANY(:schemas) AND NOT t.relispartition
          AND x.relname !~ ('^(pk|uq|ix|ex)_' || t.relname || '(_|$)')
        """
    )
    assert rows == []


def test_mutable_tables_have_the_row_trigger(query: Any) -> None:
    """Every table with a version has the trigger that counts it, and no other table has."""
    rows = query(
        """
        SELECT c.oid::regclass::text, count(v.*), count(t.*)
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute v ON v.attrelid = c.oid AND v.attname = 'version'
             AND EXISTS (SELECT FROM pg_attribute u WHERE u.attrelid = c.oid AND u.attname = 'updated_at')
        LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgfoid = 'devmentor.touch()'::regprocedure
        WHERE n.nspname = ANY(:schemas) AND c.relkind = 'r' AND NOT c.relispartition
        GROUP BY c.oid
        """
    )
    assert [row for row in rows if row[1] != row[2]] == []
    assert sum(row[1] for row in rows) > 10


def test_growing_tables_are_partitioned_by_month(query: Any) -> None:
    """The four append-only tables of DESIGN §2 have a default partition and this month's, at least."""
    rows = query(
        """
        SELECT p.partrelid::regclass::text, p.partdefid <> 0,
               to_regclass(p.partrelid::regclass::text
                           || to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')) IS NOT NULL
        FROM pg_partitioned_table p ORDER BY 1
        """
    )
    names = [row[0] for row in rows]
    assert names == ["ai.usage", "auth.audit_log", "memory.search_history", "projects.activity"]
    assert all(default and current for _, default, current in rows)

"""Holes that are planted in a database, each of which the isolation proof must name (Z1, Z2).

All are planted at once, in the transaction that the proof runs in, and nothing of it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, text

from devmentor_models.proof import Failure, Report, prove_on
from devmentor_models.testing.databases import DatabaseServer


@dataclass(frozen=True)
class Hole:
    """A hole, and how the failure that tells of it begins.

    Attributes:
        sql: What makes it.
        relation: What it is in.
        way: The way round that finds it.
        role: As whom; empty where the catalog alone tells.
        happened: What the failure says.
    """

    sql: str
    relation: str
    way: str
    role: str = ""
    happened: str = ""


_DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

HOLES = {
    "policy dropped": Hole(
        "DROP POLICY owner ON learning.progress", "learning.progress", "policy", happened="it is not there"
    ),
    "policy dropped, tried": Hole(
        "", "learning.progress", "SELECT of one's own row", "devmentor_learning", "no rows"
    ),
    "policy that lets all pass": Hole(
        "ALTER POLICY owner ON learning.assessments USING (true)",
        "learning.assessments",
        "SELECT of another user's row",
        "devmentor_learning",
        "1 row",
    ),
    "policy that lets all pass, told by a function": Hole(
        "", "learning.assessments", "a leaky function in WHERE", "devmentor_learning", "DMLEK seen: "
    ),
    "policy that lets write": Hole(
        "ALTER POLICY owner ON ai.response_cache WITH CHECK (true)",
        "ai.response_cache",
        "INSERT of another user's row",
        "devmentor_ai",
        "23505",
    ),
    "policy that shares too much": Hole(
        "ALTER POLICY reader ON projects.tasks USING (user_id = ANY (devmentor.owners()))",
        "projects.tasks",
        "viewer's SELECT, not shared",
        "devmentor_projects",
        "1 row",
    ),
    "policy that lets viewers write": Hole(
        "ALTER POLICY editor ON projects.epics USING (user_id = ANY (devmentor.owners()))"
        " WITH CHECK (user_id = ANY (devmentor.owners()))",
        "projects.epics",
        "viewer's UPDATE",
        "devmentor_projects",
        "1 row",
    ),
    "chore that changes what it deletes": Hole(
        "ALTER POLICY chore_lock ON auth.user_sessions WITH CHECK (true);"
        " ALTER POLICY barrier_update ON auth.user_sessions WITH CHECK (true)",
        "auth.user_sessions",
        "UPDATE, expired, service alone",
        "devmentor_auth",
        "1 row",
    ),
    "owner that changes": Hole(
        "DROP TRIGGER keep_owner ON auth.user_sessions",
        "auth.user_sessions",
        "UPDATE to move a row, expired, service alone",
        "devmentor_auth",
        "1 row",
    ),
    "one policy too many": Hole(
        "CREATE POLICY more ON auth.teams FOR SELECT TO devmentor_auth USING (true)",
        "auth.teams",
        "policy",
        happened="it is for SELECT to devmentor_auth",
    ),
    "row security not forced": Hole(
        "ALTER TABLE learning.roadmaps NO FORCE ROW LEVEL SECURITY",
        "learning.roadmaps",
        "row security enabled and forced",
        happened="row security is not forced",
    ),
    "row security disabled": Hole(
        "ALTER TABLE memory.search_history DISABLE ROW LEVEL SECURITY",
        "memory.search_history",
        "SELECT of all rows of others",
        "devmentor_memory",
        "1 row",
    ),
    "row security of a partition disabled": Hole(
        "ALTER TABLE ai.usage_default DISABLE ROW LEVEL SECURITY",
        "ai.usage_default",
        "row security enabled and forced",
        happened="row security is disabled",
    ),
    "view with its owner's rights": Hole(
        "CREATE VIEW projects.titles AS SELECT title FROM projects.tasks;"
        " GRANT SELECT ON projects.titles TO devmentor_projects",
        "projects.titles",
        "view with its reader's rights",
        happened="it reads with its owner's rights",
    ),
    "materialized view": Hole(
        "CREATE MATERIALIZED VIEW projects.totals AS SELECT user_id FROM projects.projects;"
        " GRANT SELECT ON projects.totals TO devmentor_readonly",
        "projects.totals",
        "classification",
        happened="nobody classified this materialized view",
    ),
    "materialized view, tried": Hole(
        "", "projects.totals", "SELECT of a bare relation", "devmentor_readonly", ""
    ),
    "grant to a service": Hole(
        "GRANT SELECT ON ai.provider_configs TO devmentor_memory",
        "ai.provider_configs",
        "grant",
        "devmentor_memory",
        "devmentor_memory has SELECT",
    ),
    "grant to PUBLIC": Hole(
        "GRANT SELECT ON projects.credit_entries TO PUBLIC",
        "projects.credit_entries",
        "grant",
        "PUBLIC",
        "PUBLIC has SELECT",
    ),
    "grant of a column": Hole(
        "GRANT SELECT (password_hash) ON auth.users TO devmentor_readonly",
        "auth.users",
        "grant",
        "devmentor_readonly",
        "devmentor_readonly has SELECT (password_hash)",
    ),
    "grant on a partition": Hole(
        "GRANT SELECT ON auth.audit_log_default TO devmentor_ai",
        "auth.audit_log_default",
        "SELECT of a partition",
        "devmentor_ai",
        "no rows",
    ),
    "TRUNCATE": Hole(
        "GRANT TRUNCATE ON memory.embeddings_meta TO devmentor_memory",
        "memory.embeddings_meta",
        "TRUNCATE",
        "devmentor_memory",
    ),
    "sequence": Hole(
        "CREATE SEQUENCE ai.counter; GRANT USAGE ON SEQUENCE ai.counter TO devmentor_ai",
        "ai.counter",
        "USAGE of a bare relation",
        "devmentor_ai",
        "1 row",
    ),
    "unclassified table": Hole(
        "CREATE TABLE learning.notes (id uuid)",
        "learning.notes",
        "classification",
        happened="nobody classified this table",
    ),
    "owner": Hole(
        "ALTER TABLE learning.notes OWNER TO devmentor_learning",
        "learning.notes",
        "ownership",
        happened="it belongs to devmentor_learning",
    ),
    "function without search_path": Hole(
        "ALTER FUNCTION devmentor.adopt(uuid) RESET search_path",
        "devmentor.adopt(uuid)",
        "SECURITY DEFINER function",
        happened="it has row_security=on",
    ),
    "unclassified function": Hole(
        f"CREATE FUNCTION learning.everything() RETURNS bigint LANGUAGE sql {_DEFINER}"
        " RETURN (SELECT count(*) FROM learning.progress)",
        "learning.everything()",
        "SECURITY DEFINER function",
        happened="nobody classified it",
    ),
    "function of PUBLIC": Hole(
        "", "learning.everything()", "SECURITY DEFINER function", happened="PUBLIC may execute it"
    ),
    "function, called": Hole(
        "", "learning.everything()", "call of a SECURITY DEFINER function", "devmentor_learning", "1 row"
    ),
    "function that tells": Hole(
        "DROP FUNCTION auth.anonymise_trail(uuid);"
        f" CREATE FUNCTION auth.anonymise_trail(erased uuid) RETURNS text LANGUAGE sql {_DEFINER}"
        " RETURN (SELECT max(email) FROM auth.users WHERE id = erased);"
        " GRANT EXECUTE ON FUNCTION auth.anonymise_trail(uuid) TO devmentor_auth",
        "auth.anonymise_trail(uuid)",
        "SECURITY DEFINER function asked about another user",
        "devmentor_auth",
        "@example.com",
    ),
    "function of another caller": Hole(
        "GRANT EXECUTE ON FUNCTION auth.anonymise_trail(uuid) TO devmentor_learning",
        "auth.anonymise_trail(uuid)",
        "SECURITY DEFINER function",
        happened="it may be called by",
    ),
    "foreign key without the owner": Hole(
        "CREATE UNIQUE INDEX uq_documents_id ON memory.documents (id); ALTER TABLE memory.chunks"
        " ADD CONSTRAINT fk_plain FOREIGN KEY (document_id) REFERENCES memory.documents (id)",
        "memory.chunks",
        "foreign key to another tenant's row",
        happened="fk_plain (document_id) would take",
    ),
    "unique index without the owner": Hole(
        "CREATE UNIQUE INDEX uq_target ON learning.recommendations (target)",
        "learning.recommendations",
        "unique index across tenants",
        happened="uq_target (target) tells",
    ),
    "unique index, tried": Hole(
        "", "learning.recommendations", "ON CONFLICT DO NOTHING", "devmentor_learning", "no rows"
    ),
    "BYPASSRLS": Hole(
        "ALTER ROLE devmentor_ai BYPASSRLS", "role devmentor_ai", "role options", happened="it has BYPASSRLS"
    ),
    "membership": Hole(
        "GRANT pg_read_all_data TO devmentor_monitor",
        "role devmentor_monitor",
        "role memberships",
        happened="it is a member of pg_read_all_data",
    ),
    "membership, tried": Hole(
        "", "auth.user_sessions", "SELECT of another user's row", "devmentor_monitor", "no rows"
    ),
    "CREATE in a schema": Hole(
        "GRANT CREATE ON SCHEMA memory TO devmentor_memory",
        "schema memory",
        "CREATE in a schema",
        "devmentor_memory",
        "no rows",
    ),
    "temporary tables": Hole(
        "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO devmentor_projects',"
        " current_database()); END $$",
        "database",
        "temporary tables, types and functions",
        "devmentor_projects",
        "no rows",
    ),
    "default privileges": Hole(
        "ALTER DEFAULT PRIVILEGES FOR ROLE devmentor_owner IN SCHEMA auth"
        " GRANT SELECT ON TABLES TO devmentor_auth",
        "database",
        "default privileges",
        happened="devmentor_auth will have SELECT on what devmentor_owner makes in auth",
    ),
}


@pytest.fixture(scope="module")
def report(devmentor_server: DatabaseServer, devmentor_template: str) -> Iterator[Report]:
    """Yield what the proof says of a database with every hole, and without rows, which could stop up one."""
    name = f"devmentor_test_{uuid4().hex}"
    with devmentor_server.database(name, template=devmentor_template, drop=True) as url:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            for hole in HOLES.values():
                if hole.sql:
                    connection.execute(text(hole.sql))
            yield prove_on(connection)
            connection.rollback()


def tells(failure: Failure, hole: Hole) -> bool:
    """Return whether a failure is about a hole."""
    found = (failure.relation, failure.way, failure.role)
    return found == (hole.relation, hole.way, hole.role) and hole.happened in failure.happened


@pytest.mark.parametrize("name", HOLES)
def test_a_planted_hole_is_found(name: str, report: Report) -> None:
    """The report has a line that names the relation, the role and the way round."""
    hole = HOLES[name]
    found = [failure for failure in report.failures if tells(failure, hole)]
    about = [str(failure) for failure in report.failures if failure.relation == hole.relation]
    assert found, about
    assert hole.relation in str(found[0])
    assert not report.passed

"""Grants, default privileges, row security and owners."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import ENUM

from devmentor_models.kit.objects import Schema, Statement, declare, statement
from devmentor_models.security.roles import Role
from tests.migrations.matrix.case import case, table
from tests.migrations.matrix.statements import READER, WRITER, roles, swap

Declarations = Sequence[Statement | Role | str]
FUNCTION = "CREATE FUNCTION app.f(v integer) RETURNS integer RETURN v"


def granted(name: str, before: Declarations, after: Declarations, always: Declarations = ()) -> None:
    """Register a case about privileges of two roles."""
    swap("grants", name, before, after, always=[*roles(READER, WRITER), *always])


granted("on a table", [], [f"GRANT SELECT ON app.t TO {READER}"])
granted("revoked", [f"GRANT SELECT, INSERT ON app.t TO {READER}"], [])
granted(
    "more and less",
    [f"GRANT SELECT, INSERT ON app.t TO {READER}"],
    [f"GRANT SELECT, UPDATE ON app.t TO {READER}"],
)
granted("to another role", [f"GRANT SELECT ON app.t TO {READER}"], [f"GRANT SELECT ON app.t TO {WRITER}"])
granted(
    "WITH GRANT OPTION",
    [f"GRANT SELECT, INSERT ON app.t TO {READER}"],
    [f"GRANT SELECT, INSERT ON app.t TO {READER} WITH GRANT OPTION"],
)
granted(
    "grant option withdrawn",
    [f"GRANT SELECT ON app.t TO {READER} WITH GRANT OPTION"],
    [f"GRANT SELECT ON app.t TO {READER}"],
)
granted("all privileges", [f"GRANT SELECT ON app.t TO {READER}"], [f"GRANT ALL ON app.t TO {READER}"])
granted(
    "on columns",
    [f"GRANT SELECT (name) ON app.t TO {READER}"],
    [f"GRANT SELECT (id, n), UPDATE (n) ON app.t TO {READER}"],
)
granted(
    "on some columns instead of all",
    [f"GRANT SELECT, UPDATE ON app.t TO {READER}"],
    [f"GRANT SELECT, UPDATE (id, name) ON app.t TO {READER}"],
)
granted(
    "on all columns instead of some",
    [f"GRANT SELECT, UPDATE (id, name) ON app.t TO {READER}"],
    [f"GRANT SELECT, UPDATE ON app.t TO {READER}"],
)
granted("to PUBLIC", [], ["GRANT SELECT ON app.t TO PUBLIC"])
granted("on a schema", [], [f"GRANT USAGE ON SCHEMA app TO {READER}"])
granted("on a sequence", [], [f"GRANT USAGE ON SEQUENCE app.s TO {READER}"], ["CREATE SEQUENCE app.s"])
granted(
    "on a view", [], [f"GRANT SELECT ON app.v TO {READER}"], ["CREATE VIEW app.v AS SELECT id FROM app.t"]
)
granted(
    "on a column of a view",
    [],
    [f"GRANT SELECT (id) ON app.v TO {READER}"],
    ["CREATE VIEW app.v AS SELECT id FROM app.t"],
)
granted(
    "on a materialized view",
    [],
    [f"GRANT SELECT ON app.m TO {READER}"],
    ["CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.t"],
)
granted(
    "on a function",
    [],
    [
        "REVOKE EXECUTE ON FUNCTION app.f(integer) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION app.f(integer) TO {READER}",
    ],
    [FUNCTION],
)
granted(
    "PUBLIC may call a function again",
    ["REVOKE EXECUTE ON FUNCTION app.f(integer) FROM PUBLIC"],
    [],
    [FUNCTION],
)
granted(
    "on a procedure",
    [],
    [f"GRANT EXECUTE ON PROCEDURE app.p() TO {READER}"],
    ["CREATE PROCEDURE app.p() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$"],
)
granted(
    "new function without PUBLIC", [], [FUNCTION, "REVOKE EXECUTE ON FUNCTION app.f(integer) FROM PUBLIC"]
)
granted(
    "on a domain",
    [],
    ["REVOKE USAGE ON DOMAIN app.d FROM PUBLIC", f"GRANT USAGE ON DOMAIN app.d TO {READER}"],
    ["CREATE DOMAIN app.d AS integer"],
)
granted(
    "stay with a function made anew",
    [FUNCTION],
    [FUNCTION.replace("integer RETURN v", "bigint RETURN v")],
    [
        "REVOKE EXECUTE ON FUNCTION app.f(integer) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION app.f(integer) TO {READER}",
    ],
)
granted(
    "stay with a view made anew",
    ["CREATE VIEW app.v AS SELECT id FROM app.t"],
    ["CREATE VIEW app.v AS SELECT id, name FROM app.t"],
    [f"GRANT SELECT ON app.v TO {READER} WITH GRANT OPTION"],
)
granted("owner's own revoked", [], ["REVOKE INSERT ON app.t FROM postgres"])


@case("grants", "on an enum type")
def _(metadata: MetaData, new: bool) -> None:
    declare(metadata, *roles(READER))
    table(metadata, "t", Column("kind", ENUM("a", "b", name="kind", schema="app")))
    if new:
        declare(metadata, statement("REVOKE USAGE ON TYPE app.kind FROM PUBLIC"))
        declare(metadata, statement(f"GRANT USAGE ON TYPE app.kind TO {READER}"))


@case("grants", "names that need quotes")
def _(metadata: MetaData, new: bool) -> None:
    odd = f"{READER}: %odd"
    declare(metadata, *roles(odd))
    table(metadata, "order", Column("Odd, column", Integer))
    if new:
        declare(metadata, statement(f'GRANT SELECT ("Odd, column"), UPDATE (name) ON app."order" TO "{odd}"'))
        declare(metadata, statement(f'GRANT DELETE ON app."order" TO "{odd}" WITH GRANT OPTION'))


def by_default(name: str, before: Declarations, after: Declarations) -> None:
    """Register a case about default privileges."""
    swap("default privileges", name, before, after, always=roles(READER, WRITER))


DEFAULT = "ALTER DEFAULT PRIVILEGES"
TABLES = f"{DEFAULT} IN SCHEMA app GRANT SELECT ON TABLES TO {READER}"
by_default("add", [], [TABLES])
by_default("drop", [TABLES], [])
by_default(
    "privileges",
    [TABLES],
    [f"{DEFAULT} IN SCHEMA app GRANT SELECT, INSERT ON TABLES TO {READER} WITH GRANT OPTION"],
)
by_default(
    "of another role",
    [f"{DEFAULT} FOR ROLE {WRITER} IN SCHEMA app GRANT SELECT ON TABLES TO {READER}"],
    [TABLES],
)
by_default(
    "sequences, functions, types",
    [TABLES],
    [
        f"{DEFAULT} IN SCHEMA app GRANT {what} TO {READER}"
        for what in ("USAGE ON SEQUENCES", "EXECUTE ON FUNCTIONS", "USAGE ON TYPES")
    ],
)
by_default(
    "in every schema",
    [],
    [f"{DEFAULT} GRANT SELECT ON TABLES TO {READER}", f"{DEFAULT} GRANT USAGE ON SCHEMAS TO {READER}"],
)
by_default(
    "PUBLIC may no longer call new functions", [], [f"{DEFAULT} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"]
)
by_default(
    "several grantees", [TABLES], [TABLES, f"{DEFAULT} IN SCHEMA app GRANT INSERT ON TABLES TO {WRITER}"]
)

ENABLE, FORCE = "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", "ALTER TABLE app.t FORCE ROW LEVEL SECURITY"


def secured(name: str, before: Declarations, after: Declarations, always: Declarations = ()) -> None:
    """Register a case about row security."""
    swap("row security", name, before, after, always=[*roles(READER, WRITER), *always])


secured("enable", [], [ENABLE])
secured("enable and force", [], [ENABLE, FORCE])
secured("force", [ENABLE], [ENABLE, FORCE])
secured("no longer force", [ENABLE, FORCE], [ENABLE])
secured("disable", [ENABLE, FORCE], [])
secured("forced, but disabled", [ENABLE, FORCE], [FORCE])


def policy(name: str, before: str | None, after: str | None, always: Declarations = ()) -> None:
    """Register a case about the policy ``own`` of a table."""
    made = [[f"CREATE POLICY own ON app.t {end}"] if end is not None else [] for end in (before, after)]
    swap("policies", name, made[0], made[1], always=[*roles(READER, WRITER), ENABLE, *always])


policy("add", None, "USING (n = 1)")
policy("drop", "USING (n = 1)", None)
policy("USING", "USING (n = 1)", "USING (n = 2 OR name = ':x%''\"')")
policy("WITH CHECK", "USING (n = 1)", "USING (n = 1) WITH CHECK (n > 0)")
policy("command", "FOR SELECT USING (n = 1)", "FOR UPDATE USING (n = 1)")
policy("for insert alone", "USING (n = 1)", "FOR INSERT WITH CHECK (n = 1)")
policy("roles", f"TO {READER} USING (n = 1)", f"TO {WRITER}, {READER} USING (n = 1)")
policy("to PUBLIC", f"TO {READER} USING (n = 1)", "USING (n = 1)")
policy("restrictive", "USING (n = 1)", "AS RESTRICTIVE USING (n = 1)")
policy("asks another table", "USING (true)", "USING (EXISTS (SELECT FROM app.t AS o WHERE o.id = t.id))")
policy("calls a new function", "USING (n = 1)", "USING (n = app.f(1))", [FUNCTION])
policy(
    "function beneath it",
    "USING (n = app.f(1))",
    "USING (n = app.g(1))",
    [FUNCTION, FUNCTION.replace("app.f", "app.g")],
)
swap(
    "policies",
    "comment",
    [],
    ["COMMENT ON POLICY own ON app.t IS 'Mine'"],
    always=["CREATE POLICY own ON app.t"],
)
swap("policies", "name that needs quotes", [], ["CREATE POLICY \"Odd: policy%\" ON app.t USING (name = '%')"])


@case(
    "policies",
    "column that it asks for comes with it",
    rows="INSERT INTO app.t VALUES (1, 'a')",
    kept="SELECT * FROM app.t",
)
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([Column("team", Text, server_default=text("'x'"))] if new else []))
    declare(metadata, statement(ENABLE))
    if new:
        declare(
            metadata, statement("CREATE POLICY own ON app.t USING (team = current_setting('a.team', true))")
        )


def owned(name: str, sql: str, target: str) -> None:
    """Register a case in which something has an owner other than the one that all should have."""
    swap(
        "owners",
        name,
        [],
        [f"ALTER {target} OWNER TO {WRITER}"],
        always=[*roles(WRITER), sql] if sql else roles(WRITER),
    )


owned("table", "", "TABLE app.t")
owned("schema", "", "SCHEMA app")
owned("view", "CREATE VIEW app.v AS SELECT 1 AS a", "VIEW app.v")
owned("function", FUNCTION, "FUNCTION app.f(integer)")
owned("type", "CREATE TYPE app.kind AS ENUM ('a')", "TYPE app.kind")
owned("sequence", "CREATE SEQUENCE app.s", "SEQUENCE app.s")


@case("schemas", "with grants")
def _(metadata: MetaData, new: bool) -> None:
    declare(metadata, *roles(READER))
    table(metadata, "t")
    if new:
        declare(
            metadata,
            Schema("other"),
            statement(f"GRANT USAGE ON SCHEMA other TO {READER}", needs_tables=True),
        )

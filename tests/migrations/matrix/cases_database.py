"""Roles, publications, event triggers and settings of the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Integer, MetaData

from devmentor_models.kit.objects import Statement, declare, statement
from devmentor_models.security.roles import SAFE_OPTIONS, Role
from tests.migrations.matrix.case import case, table
from tests.migrations.matrix.statements import PREFIX, READER, WRITER, roles, swap

Declarations = Sequence[Statement | Role | str]


def role(*options: str, member: tuple[str, ...] = (), name: str = READER, **settings: str) -> Role:
    """Return a role."""
    return Role(name, "", (*(options or ("NOLOGIN",)), *SAFE_OPTIONS), member, settings)


def server(name: str, before: Declarations, after: Declarations, always: Declarations = ()) -> None:
    """Register a case about roles."""
    swap("roles", name, before, after, always=always)


server("add", [], [role()])
server("drop", [role()], [])
server("add, with a grant", [], [role(), f"GRANT SELECT ON app.t TO {READER}"])
server("drop, with a grant", [role(), f"GRANT SELECT ON app.t TO {READER}"], [])
server("LOGIN", [role()], [role("LOGIN")])
server("may go round row security", [role()], [Role(READER, "", ("NOLOGIN", "BYPASSRLS"))])
server(
    "CREATEROLE and REPLICATION",
    [role()],
    [Role(READER, "", ("NOLOGIN", "CREATEROLE", "CREATEDB", "REPLICATION"))],
)
server("member of another", [role()], [role(member=("pg_monitor",))])
server(
    "no longer a member", [role(member=("pg_monitor", "pg_read_all_stats"))], [role(member=("pg_monitor",))]
)
server("member of a new one", [role()], [Role(f"{PREFIX}group", ""), role(member=(f"{PREFIX}group",))])
server("settings", [role(statement_timeout="30s")], [role(lock_timeout="5s", statement_timeout="10s")])
server("settings with quotes", [], [role(application_name="it's 100%")])
server("name that needs quotes", [], [role(name=f"{PREFIX}Odd: role%", statement_timeout="1s")])

PUBLISH = "CREATE PUBLICATION changes"


def published(name: str, before: str | None, after: str | None, always: Declarations = ()) -> None:
    """Register a case about the publication ``changes``."""
    made = [[f"{PUBLISH} {end}"] if end is not None else [] for end in (before, after)]
    swap("publications", name, made[0], made[1], always=["CREATE TABLE app.u (id integer)", *always])


published("add", None, "FOR TABLE app.t")
published("drop", "FOR TABLE app.t", None)
published("tables", "FOR TABLE app.t", "FOR TABLE app.t, app.u")
published("rows", "FOR TABLE app.t", "FOR TABLE app.t WHERE (id > 3 AND name <> '%:x')")
published("columns", "FOR TABLE app.t", "FOR TABLE app.t (id, name)")
published("all tables", "FOR TABLE app.t", "FOR ALL TABLES")
published("tables of a schema", "FOR TABLE app.t", "FOR TABLES IN SCHEMA app")
published(
    "table and schema", "FOR TABLE app.t", "FOR TABLE app.t, TABLES IN SCHEMA other", ["CREATE SCHEMA other"]
)
published(
    "what is published",
    "FOR TABLE app.t",
    "FOR TABLE app.t WITH (publish = 'insert, truncate', publish_via_partition_root = true)",
)
published("generated columns", "FOR TABLE app.t", "FOR TABLE app.t WITH (publish_generated_columns = stored)")
published("nothing yet", None, "")
swap("publications", "comment", [], ["COMMENT ON PUBLICATION changes IS 'To the lake'"], always=[PUBLISH])


@case("publications", "column that it names retyped beneath it")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", BigInteger if new else Integer))
    declare(metadata, statement(f"{PUBLISH} FOR TABLE app.t WHERE (n > 3)"))


@case("publications", "with its table")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    if new:
        table(metadata, "order")
        declare(metadata, statement(f'{PUBLISH} FOR TABLE app."order" (id)'))


FIRED = "CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$"


def guarded(name: str, before: Declarations, after: Declarations, always: Declarations = ()) -> None:
    """Register a case about event triggers."""
    swap("event triggers", name, before, after, always=[FIRED, *always])


GUARD = "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION app.guard()"
guarded("add", [], [GUARD])
guarded("drop", [GUARD], [])
guarded("event", [GUARD], ["CREATE EVENT TRIGGER guard ON sql_drop EXECUTE FUNCTION app.guard()"])
guarded("tags", [GUARD], [GUARD.replace("EXECUTE", "WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE")])
guarded("disabled", [], ["ALTER EVENT TRIGGER guard DISABLE"], [GUARD])
guarded("comment", [], ["COMMENT ON EVENT TRIGGER guard IS 'Looks on'"], [GUARD])


def setting(value: str) -> str:
    """Return the statement that gives every new session of the database a setting."""
    return f"DO $do$ BEGIN EXECUTE format('ALTER DATABASE %I SET {value}', current_database()); END $do$"


swap("database settings", "add", [], [setting("statement_timeout TO ''30s''")])
swap("database settings", "drop", [setting("statement_timeout TO ''30s''")], [])
swap("database settings", "value", [setting("work_mem TO ''8MB''")], [setting("work_mem TO ''16MB''")])
swap("database settings", "value with quotes", [], [setting("application_name TO ''it''''s 100%% :x''")])
swap("database settings", "list", [], [setting("search_path TO app, pg_catalog")])


@case("roles", "of a policy, new with it")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    if new:
        declare(metadata, *roles(READER, WRITER))
        declare(metadata, statement("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY"))
        declare(metadata, statement(f"CREATE POLICY own ON app.t TO {READER}, {WRITER} USING (id > 0)"))

"""Functions, procedures and triggers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Computed, Integer, MetaData, Table, Text, text

from devmentor_models.kit.objects import Statement, declare, function, statement
from tests.migrations.matrix.case import SCHEMA, case, table
from tests.migrations.matrix.statements import TOUCH, swap


def early(sql: str) -> Statement:
    """Return a declared function that exists before the tables."""
    return statement(sql, needs_tables=False)


def changed(name: str, before: str | None, after: str | None, always: Sequence[str] = ()) -> None:
    """Register a case about one function."""
    swap("functions", name, [before] if before else [], [after] if after else [], always=always)


ONE = "CREATE FUNCTION app.f(v integer) RETURNS integer LANGUAGE sql"
changed("add", None, f"{ONE} AS 'SELECT v'")
changed("drop", f"{ONE} AS 'SELECT v'", None)
changed("body", f"{ONE} AS 'SELECT v'", f"{ONE} AS 'SELECT v + 1'")
changed(
    "arguments",
    f"{ONE} AS 'SELECT 1'",
    "CREATE FUNCTION app.f(v text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
)
changed(
    "name of an argument",
    f"{ONE} AS 'SELECT 1'",
    "CREATE FUNCTION app.f(w integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
)
changed(
    "default of an argument",
    "CREATE FUNCTION app.f(v integer DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT v'",
    "CREATE FUNCTION app.f(v integer) RETURNS integer LANGUAGE sql AS 'SELECT v'",
)
changed(
    "overload",
    None,
    "CREATE FUNCTION app.f(v text) RETURNS text LANGUAGE sql AS 'SELECT v'",
    [f"{ONE} AS 'SELECT v'"],
)
changed(
    "return type",
    f"{ONE} AS 'SELECT v'",
    "CREATE FUNCTION app.f(v integer) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
)
changed(
    "columns of a returned table",
    "CREATE FUNCTION app.f() RETURNS TABLE (a integer) LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION app.f() RETURNS TABLE (a integer, b text) LANGUAGE sql AS 'SELECT 1, NULL::text'",
)
changed("SECURITY DEFINER", f"{ONE} AS 'SELECT v'", f"{ONE} SECURITY DEFINER AS 'SELECT v'")
changed(
    "settings",
    f"{ONE} SET search_path TO '' AS 'SELECT v'",
    f"{ONE} SET search_path TO pg_catalog, pg_temp SET work_mem TO '8MB' AS 'SELECT v'",
)
changed(
    "volatility, cost, parallel",
    f"{ONE} AS 'SELECT v'",
    f"{ONE} IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE COST 7 AS 'SELECT v'",
)
changed(
    "language",
    f"{ONE} AS 'SELECT v'",
    "CREATE FUNCTION app.f(v integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN v; END $$",
)
changed(
    "function becomes procedure",
    f"{ONE} AS 'SELECT v'",
    "CREATE PROCEDURE app.f(v integer) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
)
changed(
    "procedure",
    "CREATE PROCEDURE app.f(v integer) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
    "CREATE PROCEDURE app.f(v integer) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN COMMIT; END $$",
)
changed(
    "SQL body over a table",
    "CREATE FUNCTION app.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM app.t; END",
    "CREATE FUNCTION app.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(n) FROM app.t"
    " WHERE name <> ':x%'; END",
)
changed(
    "quotes, percent signs, backslashes and :words",
    "CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'x'; END $$",
    'CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql AS $$\nBEGIN\n    -- """ '
    "it's :not a %(parameter)s, %s, %\n"
    "    RETURN E'\\\\ \\n :word' || format('%I ''\"', \"f\");\nEND $$",
)
changed(
    "comment",
    None,
    "COMMENT ON FUNCTION app.f(integer) IS 'Doubles: 100%'",
    [f"{ONE} AS 'SELECT v'"],
)
changed(
    "body beneath a view",
    f"{ONE} AS 'SELECT v'",
    f"{ONE} AS 'SELECT v + 1'",
    ["CREATE VIEW app.v AS SELECT app.f(n) AS f FROM app.t"],
)
changed(
    "other type beneath a view",
    f"{ONE} AS 'SELECT v'",
    "CREATE FUNCTION app.f(v integer) RETURNS text LANGUAGE sql AS $$ SELECT 'x' || v $$",
    ["CREATE VIEW app.v AS SELECT app.f(n) AS f FROM app.t"],
)
changed(
    "other type beneath a policy",
    f"{ONE} AS 'SELECT v'",
    "CREATE FUNCTION app.f(v integer) RETURNS bigint LANGUAGE sql AS 'SELECT 5::bigint'",
    ["ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON app.t USING (app.f(n) > 3)"],
)
changed(
    "name that needs quotes",
    None,
    'CREATE FUNCTION app."Odd (name)"("The arg" integer) RETURNS integer LANGUAGE sql'
    ' AS $$ SELECT "The arg" $$',
)


@case("functions", "new, called by a new default, generated column and index")
def _(metadata: MetaData, new: bool) -> None:
    if new:
        sql = "CREATE FUNCTION app.f(v text) RETURNS text IMMUTABLE RETURN lower(v)"
        declare(metadata, function(sql, arguments="text", comment="Lower, :always"))
        columns = [
            Column("low", Text, Computed("app.f(name)", persisted=True)),
            Column("code", Text, server_default=text("app.f('X%')")),
        ]
        made = table(metadata, "t", *columns)
        declare(metadata, statement(f"CREATE INDEX i ON {made.fullname} (app.f(name))"))
    else:
        table(metadata, "t")


@case(
    "functions",
    "other type beneath a default",
    rows="INSERT INTO app.t (id) VALUES (1)",
    kept="SELECT id, code FROM app.t",
)
def _(metadata: MetaData, new: bool) -> None:
    result = "bigint" if new else "integer"
    declare(metadata, function(f"CREATE FUNCTION app.f() RETURNS {result} RETURN 7::{result}"))
    table(metadata, "t", Column("code", Integer, server_default=text("app.f()")))


ROW = "ON app.t FOR EACH ROW"
CALL = "EXECUTE FUNCTION app.touch()"


def fired(name: str, before: Sequence[str], after: Sequence[str], always: Sequence[str] = ()) -> None:
    """Register a case about a trigger."""
    swap("triggers", name, before, after, always=[early(TOUCH), *always])


PLAIN = f"CREATE TRIGGER touch BEFORE UPDATE {ROW} {CALL}"
fired("add", [], [PLAIN])
fired("drop", [PLAIN], [])
fired(
    "function",
    [PLAIN],
    [f"CREATE TRIGGER touch BEFORE UPDATE {ROW} EXECUTE FUNCTION app.other()"],
    [TOUCH.replace("touch()", "other()")],
)
fired("moment", [PLAIN], [f"CREATE TRIGGER touch AFTER INSERT OR UPDATE {ROW} {CALL}"])
fired("WHEN", [PLAIN], [f"CREATE TRIGGER touch BEFORE UPDATE {ROW} WHEN (NEW.name <> '%:x') {CALL}"])
fired("UPDATE OF columns", [PLAIN], [f"CREATE TRIGGER touch BEFORE UPDATE OF name, n {ROW} {CALL}"])
fired(
    "for each statement, with transition tables",
    [],
    [f"CREATE TRIGGER s AFTER UPDATE ON app.t REFERENCING NEW TABLE AS added FOR EACH STATEMENT {CALL}"],
)
fired("disabled", [], ["ALTER TABLE app.t DISABLE TRIGGER touch"], [PLAIN])
fired(
    "always",
    ["ALTER TABLE app.t DISABLE TRIGGER touch"],
    ["ALTER TABLE app.t ENABLE ALWAYS TRIGGER touch"],
    [PLAIN],
)
fired("new, on replicas alone", [], [PLAIN, "ALTER TABLE app.t ENABLE REPLICA TRIGGER touch"])
OFF = "ALTER TABLE app.t DISABLE TRIGGER touch"
fired("changed while disabled", [PLAIN, OFF], [PLAIN.replace("UPDATE", "INSERT"), OFF])
fired(
    "constraint trigger",
    [PLAIN],
    [
        PLAIN.replace("TRIGGER", "CONSTRAINT TRIGGER")
        .replace("BEFORE", "AFTER")
        .replace("FOR EACH", "DEFERRABLE INITIALLY DEFERRED FOR EACH")
    ],
)
fired("comment", [], ["COMMENT ON TRIGGER touch ON app.t IS 'Says so'"], [PLAIN])
fired(
    "names and arguments that need quotes",
    [],
    [f"CREATE TRIGGER \"Odd: name%\" BEFORE UPDATE {ROW} EXECUTE FUNCTION app.touch('it''s', ':x%')"],
)
swap(
    "triggers",
    "its function's body",
    [early(TOUCH)],
    [early(TOUCH.replace("touched", "changed"))],
    always=[PLAIN],
    rows="INSERT INTO app.t VALUES (1)",
    kept="SELECT * FROM app.t",
)


@case(
    "triggers",
    "of a partitioned table",
    live="CREATE TABLE app.p_1 PARTITION OF app.p FOR VALUES FROM (1) TO (10)",
    rows="INSERT INTO app.p VALUES (1)",
    kept="SELECT * FROM app.p",
)
def _(metadata: MetaData, new: bool) -> None:
    Table(
        "p",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", Text),
        schema=SCHEMA,
        postgresql_partition_by="RANGE (id)",
    )
    declare(metadata, early(TOUCH))
    moment = "BEFORE INSERT OR UPDATE" if new else "BEFORE UPDATE"
    declare(metadata, statement(f"CREATE TRIGGER touch {moment} ON app.p FOR EACH ROW {CALL}"))


@case(
    "triggers",
    "type of a column that WHEN and UPDATE OF name",
    rows="INSERT INTO app.t VALUES (1, 'x', 7)",
    kept="SELECT * FROM app.t",
)
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Text if new else Integer))
    declare(metadata, early(TOUCH))
    sql = f"CREATE TRIGGER touch BEFORE UPDATE OF n {ROW} WHEN (OLD.n IS DISTINCT FROM NEW.n) {CALL}"
    declare(metadata, statement(sql))


@case("triggers", "instead of writing to a view")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    declare(metadata, early(TOUCH), statement("CREATE VIEW app.v AS SELECT id, name FROM app.t"))
    if new:
        declare(metadata, statement(f"CREATE TRIGGER touch INSTEAD OF INSERT ON app.v FOR EACH ROW {CALL}"))

"""Views, materialized views and rules."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Integer, MetaData, Text, text

from devmentor_models.kit.objects import Statement, declare, statement, view
from tests.migrations.matrix.case import case, table
from tests.migrations.matrix.statements import swap

Declarations = Sequence[Statement | str]


def seen(name: str, before: Declarations, after: Declarations, always: Declarations = ()) -> None:
    """Register a case about views."""
    swap("views", name, before, after, always=always)


NAMES = view("app.v", "SELECT id, name FROM app.t")
seen("add", [], [NAMES])
seen("drop", [NAMES], [])
seen("query", [NAMES], [view("app.v", "SELECT id, name FROM app.t WHERE n > 0 AND name NOT LIKE '%:x'")])
seen("column added", [NAMES], [view("app.v", "SELECT id, name, n FROM app.t")])
seen("column dropped", [NAMES], [view("app.v", "SELECT id FROM app.t")])
seen("columns renamed and reordered", [NAMES], [view("app.v", "SELECT name AS title, id FROM app.t")])
seen("security_invoker", [NAMES], [view("app.v", "SELECT id, name FROM app.t", security_invoker=False)])
seen(
    "security_barrier",
    [NAMES],
    ["CREATE VIEW app.v WITH (security_barrier, security_invoker=true) AS SELECT id, name FROM app.t"],
)
seen(
    "WITH CHECK OPTION",
    ["CREATE VIEW app.v AS SELECT id FROM app.t WHERE n > 0"],
    ["CREATE VIEW app.v AS SELECT id FROM app.t WHERE n > 0 WITH LOCAL CHECK OPTION"],
)
seen(
    "beneath other views",
    [NAMES],
    [view("app.v", "SELECT id, upper(name) AS name FROM app.t")],
    [
        "CREATE VIEW app.w AS SELECT name FROM app.v",
        "CREATE VIEW app.x AS SELECT w.name, v.id FROM app.w, app.v",
    ],
)
seen("comment", [], ["COMMENT ON VIEW app.v IS 'Names, 100%'"], [NAMES])
seen("comments on columns", [], ["COMMENT ON COLUMN app.v.name IS 'The name'"], [NAMES])
seen("default of a column", [], ["ALTER VIEW app.v ALTER COLUMN name SET DEFAULT 'x'"], [NAMES])
seen(
    "recursive, with quotes",
    [],
    [
        """CREATE VIEW app."Odd: view%" AS WITH RECURSIVE r("N n") AS (
            VALUES (1) UNION ALL SELECT "N n" + 1 FROM r WHERE "N n" < 3
        ) SELECT "N n", E'\\\\it''s \"\"\" :w'::text AS x FROM r"""
    ],
)
seen("becomes a materialized view", [NAMES], ["CREATE MATERIALIZED VIEW app.v AS SELECT id, name FROM app.t"])
seen("becomes a table", ["CREATE VIEW app.v AS SELECT 1 AS a"], ["CREATE TABLE app.v (a integer)"])
WHOLE = view("app.m", "SELECT id, name FROM app.t", materialized=True)


def stored(name: str, before: Declarations, after: Declarations, always: Declarations = ()) -> None:
    """Register a case about materialized views."""
    swap("materialized views", name, before, after, always=always)


stored("add with index", [], [WHOLE, "CREATE UNIQUE INDEX i ON app.m (id)"])
stored("drop", [WHOLE], [])
stored(
    "query, beneath an index and a comment",
    [WHOLE],
    [view("app.m", "SELECT id, lower(name) AS name FROM app.t", materialized=True)],
    ["CREATE UNIQUE INDEX i ON app.m (id)", "COMMENT ON MATERIALIZED VIEW app.m IS 'Stored'"],
)
stored(
    "index", ["CREATE INDEX i ON app.m (id)"], ["CREATE INDEX i ON app.m (name DESC) WHERE id > 0"], [WHOLE]
)
stored(
    "storage parameters",
    [WHOLE],
    ["CREATE MATERIALIZED VIEW app.m WITH (fillfactor = 70) AS SELECT id, name FROM app.t"],
)
stored("without data", [], ["CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.t WITH NO DATA"])
stored(
    "over a view that changes",
    [NAMES],
    [view("app.v", "SELECT id, name, n FROM app.t")],
    ["CREATE MATERIALIZED VIEW app.m AS SELECT name FROM app.v", "CREATE INDEX i ON app.m (name)"],
)


@case(
    "views",
    "type of a column beneath views, index and policy",
    rows="INSERT INTO app.t (id, code) VALUES (1, 7)",
    kept="SELECT * FROM app.t",
)
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("code", Text if new else Integer, server_default=text("'5'")))
    for sql in (
        "CREATE VIEW app.v AS SELECT code FROM app.t",
        "CREATE VIEW app.w AS SELECT code FROM app.v",
        "CREATE MATERIALIZED VIEW app.m AS SELECT code FROM app.w",
        "CREATE INDEX i ON app.m (code)",
        "CREATE INDEX j ON app.t (code) WHERE code IS NOT NULL",
        "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON app.t USING (code IS NOT NULL)",
        "GRANT SELECT ON app.v TO PUBLIC",
        "COMMENT ON VIEW app.w IS 'Comes back'",
    ):
        declare(metadata, statement(sql))


@case("views", "column dropped beneath a view that no longer shows it")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([] if new else [Column("n", Integer)]))
    declare(metadata, view("app.v", "SELECT id FROM app.t" if new else "SELECT id, n FROM app.t"))


@case("views", "column added and shown")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", *([Column("n", Integer)] if new else []))
    declare(metadata, view("app.v", "SELECT * FROM app.t"))


RULE = "CREATE RULE r AS ON INSERT TO app.t DO ALSO NOTIFY changed"
swap("rules", "add", [], [RULE])
swap("rules", "drop", [RULE], [])
swap(
    "rules",
    "what it does",
    [RULE],
    [
        """CREATE RULE r AS ON DELETE TO app.t WHERE old.n > 0
            DO INSTEAD UPDATE app.t SET n = 0 WHERE id = old.id"""
    ],
)
swap("rules", "comment", [], ["COMMENT ON RULE r ON app.t IS 'Why'"], always=[RULE])
swap("rules", "disabled", [], ["ALTER TABLE app.t DISABLE RULE r"], always=[RULE])
swap(
    "rules",
    "of a view",
    [],
    ["CREATE RULE r AS ON INSERT TO app.v DO INSTEAD INSERT INTO app.t (id, name) VALUES (new.id, ':x%')"],
    always=[NAMES],
)

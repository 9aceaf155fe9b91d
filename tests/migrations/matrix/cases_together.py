"""Many changes in one revision."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ENUM, TSTZRANGE, ExcludeConstraint

from devmentor_models.kit.objects import Extension, declare, function, statement, trigger, view
from tests.migrations.matrix.case import case, table
from tests.migrations.matrix.statements import READER, TOUCH, roles

OBJECTS = (
    "ALTER TABLE app.lesson ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE app.lesson FORCE ROW LEVEL SECURITY",
    f"""CREATE POLICY own ON app.lesson TO {READER}
        USING (id = app.me()) WITH CHECK (id = app.me() AND kind <> 'b')""",
    f"GRANT SELECT, INSERT ON app.lesson TO {READER}",
    f"GRANT UPDATE (name) ON app.lesson TO {READER}",
    f"GRANT USAGE ON SCHEMA app TO {READER}",
    "REVOKE EXECUTE ON FUNCTION app.me() FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION app.me() TO {READER}",
    "CREATE MATERIALIZED VIEW app.counts AS SELECT kind, count(*) AS lessons FROM app.names GROUP BY kind",
    "CREATE UNIQUE INDEX ux_counts ON app.counts (kind)",
    f"GRANT SELECT ON app.counts TO {READER}",
    "COMMENT ON MATERIALIZED VIEW app.counts IS 'How many'",
    "COMMENT ON CONSTRAINT ck_lesson_long ON app.lesson IS 'Long: 100%'",
    "COMMENT ON INDEX app.ix_lesson_low IS 'By name'",
    "CREATE STATISTICS app.st (dependencies) ON kind, name FROM app.lesson",
    "CREATE PUBLICATION lessons FOR TABLE app.lesson",
    f"ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO {READER}",
    "ALTER TABLE app.lesson ALTER COLUMN name SET STATISTICS 500",
)


def _course(metadata: MetaData) -> None:
    """Declare tables with everything on them."""
    declare(metadata, *roles(READER), Extension("btree_gist"))
    declare(metadata, function(TOUCH, comment="Touches"))
    declare(metadata, function("CREATE FUNCTION app.me() RETURNS integer STABLE RETURN 1"))
    low = "CREATE FUNCTION app.low(v text) RETURNS text IMMUTABLE RETURN lower(v)"
    declare(metadata, function(low))
    table(metadata, "course", Column("first", Integer), ForeignKeyConstraint(["first"], ["app.lesson.id"]))
    table(
        metadata,
        "lesson",
        Column("course", Integer, comment="Whose it is"),
        Column("kind", ENUM("a", "b", name="kind", schema="app"), server_default="a", nullable=False),
        Column("low", Text, Computed("app.low(name)", persisted=True)),
        Column("me", Integer, server_default=text("app.me()")),
        Column("time", TSTZRANGE),
        ForeignKeyConstraint(["course"], ["app.course.id"], ondelete="CASCADE"),
        UniqueConstraint("course", "name", postgresql_nulls_not_distinct=True),
        CheckConstraint("length(app.low(name)) > 3 OR kind = 'b'", name="long"),
        ExcludeConstraint(("course", "="), ("time", "&&"), name="ex_lesson_time"),
        Index("ix_lesson_low", text("app.low(name)"), postgresql_where=text("kind = 'a'")),
        comment="What is taught: 100%",
        postgresql_with={"fillfactor": 80},
    )
    declare(metadata, view("app.names", "SELECT id, name, kind FROM app.lesson"))
    declare(metadata, trigger("touch", "app.lesson", "BEFORE UPDATE OF name", "app.touch()"))
    declare(metadata, *map(statement, OBJECTS))


@case("several at once", "new tables in a circle, with everything on them")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    if new:
        _course(metadata)


@case("several at once", "dropped tables in a circle, with everything on them")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t")
    if not new:
        _course(metadata)


@case("several at once", "everything from nothing")
def _(metadata: MetaData, new: bool) -> None:
    if new:
        _course(metadata)


@case(
    "several at once",
    "function, trigger, view, policy and grant",
    rows="INSERT INTO app.t (id, n) VALUES (1, 7)",
    kept="SELECT * FROM app.t",
)
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "t", Column("n", Integer), CheckConstraint("n > 1" if new else "n > 0", name="c"))
    declare(metadata, *roles(READER), statement(TOUCH.replace("touched", "new") if new else TOUCH))
    declare(metadata, statement(f"CREATE FUNCTION app.f() RETURNS {'bigint' if new else 'integer'} RETURN 5"))
    declare(
        metadata,
        view(
            "app.v", "SELECT id, n + app.f() AS n FROM app.t" if new else "SELECT id, app.f() AS n FROM app.t"
        ),
    )
    declare(metadata, view("app.w", "SELECT n FROM app.v WHERE n <> app.f()"))
    declare(metadata, trigger("touch", "app.t", "BEFORE INSERT" if new else "BEFORE UPDATE", "app.touch()"))
    declare(metadata, statement("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY"))
    declare(metadata, statement(f"CREATE POLICY p ON app.t USING (n {'>' if new else '<'} app.f())"))
    declare(metadata, statement(f"GRANT {'SELECT, INSERT' if new else 'SELECT'} ON app.v TO {READER}"))
    declare(metadata, statement(f"GRANT SELECT ON app.w TO {READER}"))

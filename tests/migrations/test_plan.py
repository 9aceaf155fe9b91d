"""`devmentor-db plan`: what revisions do to a database in use, measured on a copy (requirement M6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.migrations.plan import Duration, RevisionPlan, Verdict, plan
from devmentor_models.testing.databases import DatabaseServer
from tests.support.revisions import Revisions

EXCLUSIVE = "ACCESS EXCLUSIVE"


def outside(statement: str) -> str:
    """Return a body that runs a statement outside of the transaction."""
    return f"with op.get_context().autocommit_block():\n    op.execute({statement!r})"


def execute(*statements: str) -> str:
    """Return a body that runs statements in the transaction."""
    return "\n".join(f"op.execute({statement!r})" for statement in statements)


STEPS = {
    # Row security would bind the owner's own statements below; what plans say of it is tested elsewhere.
    "unbound": execute(
        "ALTER TABLE auth.teams NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE auth.users NO FORCE ROW LEVEL SECURITY",
    ),
    "nullable": execute("ALTER TABLE auth.teams ADD COLUMN motto varchar(50)"),
    "volatile": execute("ALTER TABLE auth.teams ADD COLUMN luck float8 DEFAULT random()"),
    "constant": execute("ALTER TABLE auth.teams ADD COLUMN kind text NOT NULL DEFAULT 'x'"),
    "required": execute("ALTER TABLE auth.teams ADD COLUMN must text", "UPDATE auth.teams SET must = name"),
    "not_null": execute("ALTER TABLE auth.teams ALTER COLUMN must SET NOT NULL"),
    "index": execute("CREATE INDEX ix_p1 ON projects.projects (description)"),
    "concurrent": outside("CREATE INDEX CONCURRENTLY ix_p2 ON projects.projects (description)"),
    "concurrent_drop": outside("DROP INDEX CONCURRENTLY projects.ix_p2"),
    "not_valid": execute("ALTER TABLE auth.teams ADD CONSTRAINT ck_p CHECK (length(kind) < 99) NOT VALID"),
    "validate": execute("ALTER TABLE auth.teams VALIDATE CONSTRAINT ck_p"),
    "validate_outside": outside("ALTER TABLE auth.teams VALIDATE CONSTRAINT ck_p"),
    "valid_at_once": execute("ALTER TABLE auth.teams ADD CONSTRAINT ck_q CHECK (length(kind) < 98)"),
    "foreign_key": execute(
        "ALTER TABLE auth.teams ADD COLUMN boss uuid",
        "ALTER TABLE auth.teams ADD CONSTRAINT fk_p FOREIGN KEY (boss) REFERENCES auth.users (id)",
    ),
    "retype": execute("ALTER TABLE auth.teams ALTER COLUMN luck TYPE numeric"),
    "widen": execute("ALTER TABLE auth.teams ALTER COLUMN motto TYPE varchar(80)"),
    "rename": execute("ALTER TABLE auth.teams RENAME COLUMN kind TO sort"),
    "drop_column": execute("ALTER TABLE auth.teams DROP COLUMN motto"),
    "new_table": execute(
        "CREATE TABLE auth.fresh (id uuid PRIMARY KEY)", "CREATE INDEX ix_fresh ON auth.fresh (id)"
    ),
    "required_at_once": execute("ALTER TABLE auth.fresh ADD COLUMN word text NOT NULL"),
    "drop_table": execute("DROP TABLE auth.fresh"),
    "partitions": execute("ALTER TABLE auth.audit_log ADD COLUMN note text"),
    "backfill": execute("UPDATE auth.users SET is_active = true"),
    "nothing": "pass",
    "other": execute(
        "CREATE TYPE auth.mood AS ENUM ('good', 'bad')",
        "CREATE FUNCTION auth.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "GRANT SELECT ON auth.teams TO PUBLIC",
        "CREATE VIEW auth.seen WITH (security_invoker) AS SELECT id, name FROM auth.teams",
    ),
    "less": execute(
        "DROP FUNCTION auth.f()",
        "REVOKE SELECT ON auth.teams FROM PUBLIC",
        "ALTER TYPE auth.mood RENAME VALUE 'bad' TO 'sad'",
        "DROP VIEW auth.seen",
        "CREATE VIEW auth.seen WITH (security_invoker) AS SELECT id FROM auth.teams",
    ),
    "renamed_table": execute("ALTER TABLE auth.teams RENAME TO groups"),
}


@pytest.fixture(scope="module")
def steps(
    devmentor_server: DatabaseServer, devmentor_template: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RevisionPlan]:
    """Return the plan of all of them, each on top of those before it."""
    name = f"devmentor_test_{uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch:
        revisions = Revisions(tmp_path_factory.mktemp("plan"), patch)
        for revision, body in STEPS.items():
            revisions.add(revision, body)
        with devmentor_server.database(name, template=devmentor_template, drop=True) as url:
            found = plan(url)
            assert migrate.current(url) == revisions.released, "the database itself stays as it is"
    return {step.revision: step for step in found}


def test_every_pending_revision_is_there(steps: dict[str, RevisionPlan]) -> None:
    """In their order, with their titles."""
    assert list(steps) == list(STEPS)
    assert {step.title for step in steps.values()} == {"A test's."}


@pytest.mark.parametrize(
    ("step", "locks"),
    [
        ("nullable", {"auth.teams": EXCLUSIVE}),
        ("index", {"projects.projects": "SHARE"}),
        ("concurrent", {"projects.projects": "SHARE UPDATE EXCLUSIVE"}),
        ("validate", {"auth.teams": "SHARE UPDATE EXCLUSIVE"}),
        ("validate_outside", {"auth.teams": "SHARE UPDATE EXCLUSIVE"}),
        ("not_valid", {"auth.teams": EXCLUSIVE}),
        ("foreign_key", {"auth.teams": EXCLUSIVE, "auth.users": "SHARE ROW EXCLUSIVE"}),
        ("new_table", {}),
        ("nothing", {}),
        ("drop_table", {"auth.fresh": EXCLUSIVE}),
        ("partitions", {"auth.audit_log": EXCLUSIVE}),
        ("backfill", {"auth.users": "ROW EXCLUSIVE", "auth.audit_log": "ROW EXCLUSIVE"}),
    ],
)
def test_locks(steps: dict[str, RevisionPlan], step: str, locks: dict[str, str]) -> None:
    """The strongest mode on each table that was there before, also of locks that are gone soon."""
    assert steps[step].locks == locks


def test_an_index_is_dropped_beside_readers(steps: dict[str, RevisionPlan]) -> None:
    """DROP INDEX CONCURRENTLY waits for readers and writers without making them wait."""
    assert steps["concurrent_drop"].locks == {"projects.projects": "SHARE UPDATE EXCLUSIVE"}
    assert steps["concurrent_drop"].verdict is Verdict.SAFE


@pytest.mark.parametrize(
    ("step", "duration"),
    [
        ("nullable", Duration.INSTANT),
        ("constant", Duration.INSTANT),
        ("volatile", Duration.REWRITE),
        ("retype", Duration.REWRITE),
        ("widen", Duration.INSTANT),
        ("not_null", Duration.SCAN),
        ("index", Duration.SCAN),
        ("concurrent", Duration.SCAN),
        ("not_valid", Duration.INSTANT),
        ("validate", Duration.SCAN),
        ("valid_at_once", Duration.SCAN),
        ("foreign_key", Duration.SCAN),
        ("drop_column", Duration.INSTANT),
        ("backfill", Duration.WRITE),
        ("nothing", Duration.INSTANT),
    ],
)
def test_what_the_time_grows_with(steps: dict[str, RevisionPlan], step: str, duration: Duration) -> None:
    """A rewrite is a new file, a scan was counted, and what the catalogue alone can say is instant."""
    assert steps[step].duration is duration


@pytest.mark.parametrize(
    ("step", "verdict", "reason"),
    [
        ("nullable", Verdict.SAFE, ""),
        ("constant", Verdict.SAFE, ""),
        ("concurrent", Verdict.SAFE, ""),
        ("new_table", Verdict.SAFE, ""),
        (
            "widen",
            Verdict.CAREFUL,
            "auth.teams.motto is character varying(80) now, it was character varying(50)",
        ),
        ("retype", Verdict.UNSAFE, "changes the type of auth.teams.luck from double precision to numeric"),
        (
            "volatile",
            Verdict.UNSAFE,
            "readers and writers of auth.teams wait for: ALTER TABLE auth.teams ADD",
        ),
        ("required", Verdict.UNSAFE, "readers and writers of auth.teams wait for: UPDATE auth.teams"),
        ("not_null", Verdict.UNSAFE, "auth.teams.must now refuses NULL"),
        ("index", Verdict.UNSAFE, "writers of projects.projects wait for: CREATE INDEX ix_p1"),
        ("not_valid", Verdict.CAREFUL, "ck_p now holds for auth.teams"),
        ("validate", Verdict.SAFE, ""),
        ("valid_at_once", Verdict.UNSAFE, "readers and writers of auth.teams wait for"),
        ("foreign_key", Verdict.UNSAFE, "writers of auth.users wait for"),
        ("rename", Verdict.UNSAFE, "renames column auth.teams.kind to sort"),
        ("drop_column", Verdict.UNSAFE, "drops column auth.teams.motto"),
        ("required_at_once", Verdict.UNSAFE, "adds column auth.fresh.word, which is required and has no def"),
        ("drop_table", Verdict.UNSAFE, "drops auth.fresh"),
        ("backfill", Verdict.CAREFUL, "rows of auth.users stay locked until it commits"),
        ("less", Verdict.UNSAFE, "drops function auth.f()"),
        ("less", Verdict.UNSAFE, "takes SELECT on auth.teams from PUBLIC"),
        ("less", Verdict.UNSAFE, "takes the value 'bad' from auth.mood"),
        ("less", Verdict.UNSAFE, "drops column auth.seen.name"),
        ("renamed_table", Verdict.UNSAFE, "renames auth.teams to auth.groups"),
        ("nothing", Verdict.SAFE, ""),
    ],
)
def test_whether_the_old_version_can_serve_on(
    steps: dict[str, RevisionPlan], step: str, verdict: Verdict, reason: str
) -> None:
    """Unsafe: somebody waits for something long, or old code loses what it uses."""
    assert (steps[step].verdict, reason in "\n".join(steps[step].reasons)) == (verdict, True), steps[step]
    assert bool(steps[step].reasons) == (verdict is not Verdict.SAFE)


def test_what_is_read_and_written_is_named(steps: dict[str, RevisionPlan]) -> None:
    """By table, and a backfill by its rows in the copy."""
    assert steps["volatile"].rewrites == ["auth.teams"]
    assert steps["concurrent"].indexes == ["projects.projects"]
    assert steps["not_null"].scans == ["auth.teams"]
    assert steps["backfill"].writes["auth.users"] > 3
    assert steps["new_table"].indexes == steps["new_table"].scans == []


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    """Yield the checkout's revisions, to which the test may add."""
    with pytest.MonkeyPatch.context() as patch:
        yield Revisions(tmp_path, patch)


def test_a_declared_window_is_believed(devmentor_database_url: str, revisions: Revisions) -> None:
    """A contract step that says whose code does without is not unsafe for that code."""
    drop = "op.drop_column('teams', 'description', schema='auth')"
    revisions.add("f1")
    revisions.add("f2", drop, compatible_from="f1")
    revisions.add("f3", execute("ALTER TABLE auth.teams DROP COLUMN version"), compatible_from="f3")
    _, second, third = plan(devmentor_database_url)
    assert (second.verdict, second.compatible_from) == (Verdict.CAREFUL, "f1")
    assert "declares that only code of f1 or later works with it" in second.reasons
    assert (third.verdict, third.compatible_from) == (Verdict.UNSAFE, "f3")


def test_the_command(devmentor_database_url: str, revisions: Revisions) -> None:
    """It prints a block for each revision, or JSON; a range may be given."""
    url = devmentor_database_url
    revisions.add(
        "f1",
        execute("CREATE INDEX ix_p ON projects.epics (title)"),
        doc="Find projects by their description.",
    )
    result = CliRunner().invoke(app, ["plan", "--url", url])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "f1  Find projects by their description.",
        "  locks           projects.epics: SHARE",
        "  reads all of    projects.epics",
        "  builds index on projects.epics",
        "  time            grows with the tables read",
        "  while serving   UNSAFE",
        "                  writers of projects.epics wait for: CREATE INDEX ix_p ON projects.epics (title)",
        "  works with      code of 0d1c5a6e0115 or later",
    ]
    result = CliRunner().invoke(
        app, ["plan", "--url", url, "--json", "--from", "base", "--to", "0d1c5a6e0002"]
    )
    assert [step["revision"] for step in json.loads(result.stdout)] == ["0d1c5a6e0001", "0d1c5a6e0002"]
    migrate.upgrade(url)
    result = CliRunner().invoke(app, ["plan", "--url", url])
    assert (result.stdout, result.stderr) == ("", "Nothing is pending.\n")


@pytest.mark.long
def test_the_released_revisions_only_create(devmentor_database_url: str) -> None:
    """From nothing to head nothing is rewritten; only who says so takes away what code may use."""
    # Exchanges a unique index in one transaction, so that there is no moment without one: before the first
    # release, when nobody has users yet.
    exchanges_index = "0d1c5a6e0114"
    reads = {exchanges_index: ["auth.users"], "0d1c5a6e0116": ["projects.epics", "projects.tasks"]}
    for step in plan(devmentor_database_url, "base"):
        expected = reads.get(step.revision, [])
        assert (step.rewrites, step.scans) == ([], expected), step
        ends_older_code = step.compatible_from == step.revision
        assert step.verdict is Verdict.SAFE or ends_older_code or step.revision == exchanges_index, step


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (execute("SELECT 1/0"), "division by zero"),
        (
            outside("CREATE UNIQUE INDEX CONCURRENTLY ix_p ON auth.users (is_active)"),
            "could not create unique",
        ),
    ],
)
def test_a_revision_that_fails_fails_the_plan(
    devmentor_database_url: str, revisions: Revisions, body: str, message: str
) -> None:
    """Better there than in the database itself, which stays as it is."""
    revisions.add("f1", body)
    with pytest.raises(DBAPIError, match=message):
        plan(devmentor_database_url)
    assert migrate.current(devmentor_database_url) == revisions.released


@pytest.mark.parametrize(("start", "end"), [("nowhere", "head"), ("head", "0d1c5a6e0001")])
def test_a_range_that_leads_nowhere(devmentor_database_url: str, start: str, end: str) -> None:
    """It says so before it starts anything."""
    with pytest.raises(CommandError):
        plan(devmentor_database_url, start, end)

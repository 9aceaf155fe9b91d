"""What revisions do to a database in use, judged by squawk from their SQL (requirement M6)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import Script, ScriptDirectory

from devmentor_models import migrate
from devmentor_models.migrations.script import write_script
from tests.support.revisions import Revisions

ROOT = Path(__file__).parents[2]


def scripts() -> list[Script]:
    """Return every revision, the oldest first."""
    return [*ScriptDirectory.from_config(migrate.config()).walk_revisions()][::-1]


def lint(script: Script, directory: Path) -> str:
    """Return what squawk finds in a revision's upgrade, apart from the exceptions that it declares."""
    exceptions: dict[str, str] = getattr(script.module, "lint_exceptions", {})
    assert all(reason.strip() for reason in exceptions.values()), "an exception needs its reason"
    ignored = "".join(f"-- squawk-ignore-file {rule}\n" for rule in exceptions)
    path = directory / f"{script.revision}.sql"
    path.write_text(
        ignored + write_script(migrate.config(), str(script.down_revision or "base"), script.revision)
    )
    squawk = Path(sys.executable).with_name("squawk")
    done = subprocess.run(  # noqa: S603 - a tool of the test group
        [squawk, "--config", ROOT / ".squawk.toml", "--reporter", "gcc", path],
        capture_output=True,
        text=True,
        check=False,
        env={"NO_COLOR": "1"},
    )
    assert (done.returncode == 0) == (not done.stdout.strip()), done.stderr
    return done.stdout


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    """Yield the checkout's revisions, to which the test may add."""
    with pytest.MonkeyPatch.context() as patch:
        yield Revisions(tmp_path, patch)


@pytest.mark.parametrize("script", scripts(), ids=lambda script: Path(script.path).stem)
def test_a_revision_is_safe_by_its_sql(script: Script, tmp_path: Path) -> None:
    """No revision blocks writers for long, or takes away what older code uses, without saying so."""
    assert lint(script, tmp_path) == ""


BAD = {
    "require-concurrent-index-creation": "op.create_index('ix_bad', 'teams', ['name'], schema='auth')",
    "require-concurrent-index-deletion": "op.drop_index('ix_teams_owner', table_name='teams', schema='auth')",
    "adding-required-field": "op.execute('ALTER TABLE auth.teams ADD bad text NOT NULL')",
    "adding-field-with-default": "op.execute('ALTER TABLE auth.teams ADD bad float8 DEFAULT random()')",
    "adding-not-nullable-field": "op.alter_column('teams', 'description', nullable=False, schema='auth')",
    "changing-column-type": "op.alter_column('teams', 'name', type_=sa.Text(), schema='auth')",
    "renaming-column": "op.alter_column('teams', 'name', new_column_name='title', schema='auth')",
    "ban-drop-column": "op.drop_column('teams', 'description', schema='auth')",
    "constraint-missing-not-valid": "op.create_check_constraint('ck_bad', 'teams', 'true', schema='auth')",
    "disallowed-unique-constraint": "op.create_unique_constraint('uq_bad', 'teams', ['name'], schema='auth')",
    "renaming-table": "op.rename_table('teams', 'groups', schema='auth')",
    "require-table-schema": "op.execute('CREATE TABLE bad (id uuid PRIMARY KEY)')",
}


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_revision_is_found(rule: str, revisions: Revisions, tmp_path: Path) -> None:
    """Each of the usual ways to stop a service is reported by its name."""
    revisions.add("f1", BAD[rule])
    assert rule in lint(scripts()[-1], tmp_path)


def test_an_exception_is_declared_with_its_reason(revisions: Revisions, tmp_path: Path) -> None:
    """A contract step drops what nobody reads any more, and says why that is so."""
    drop = "op.drop_column('teams', 'description', schema='auth')"
    revisions.add("f1", drop, extra='lint_exceptions = {"ban-drop-column": "No code reads it since f0."}')
    assert lint(scripts()[-1], tmp_path) == ""
    revisions.add("f2", drop, extra='lint_exceptions = {"ban-drop-column": " "}')
    with pytest.raises(AssertionError, match="needs its reason"):
        lint(scripts()[-1], tmp_path)


def test_what_is_safe_is_not_reported(revisions: Revisions, tmp_path: Path) -> None:
    """A nullable column, a concurrent build, and a constraint that is validated in a step of its own."""
    revisions.add(
        "f1",
        "op.add_column('teams', sa.Column('good', sa.Text()), schema='auth')\n"
        "with op.get_context().autocommit_block():\n"
        "    op.create_index('ix_good', 'teams', ['good'], schema='auth', postgresql_concurrently=True)",
    )
    assert lint(scripts()[-1], tmp_path) == ""
    revisions.add("f2", "op.execute('ALTER TABLE auth.teams ADD CONSTRAINT ck_good CHECK (true) NOT VALID')")
    assert lint(scripts()[-1], tmp_path) == ""
    revisions.add("f3", "op.execute('ALTER TABLE auth.teams VALIDATE CONSTRAINT ck_good')")
    assert lint(scripts()[-1], tmp_path) == ""

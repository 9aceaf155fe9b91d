"""The revisions: both directions, nothing left over, nothing missing (requirements M1, M2, M4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Engine, NullPool, create_engine, text

from devmentor_models import migrate
from devmentor_models.errors import ConfigurationError, LockTimeout
from devmentor_models.migrations.environment import make_engine, migration_lock
from devmentor_models.registry import SCHEMAS

#: Everything in a database that is not PostgreSQL's own.
OBJECTS = text(
    """
    SELECT 'schema', nspname::text FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
    UNION ALL SELECT 'relation', oid::regclass::text FROM pg_class
     WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'type', oid::regtype::text FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'extension', extname::text FROM pg_extension WHERE oid >= 16384
    """
)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """Yield an engine on that database."""
    engine = create_engine(empty_url, poolclass=NullPool)
    yield engine
    engine.dispose()


def objects(engine: Engine) -> set[tuple[str, str]]:
    """Return what is in the database."""
    with engine.connect() as connection:
        return {(kind, name) for kind, name in connection.execute(OBJECTS)}


def scripts() -> list[Script]:
    """Return every revision, the oldest first."""
    return [*ScriptDirectory.from_config(migrate.config()).walk_revisions()][::-1]


def test_the_revisions_form_one_line() -> None:
    """One base, one head, and one revision for each schema."""
    found = scripts()
    directory = ScriptDirectory.from_config(migrate.config())
    assert len(directory.get_heads()) == len(directory.get_bases()) == 1
    made = [match[1] for script in found if (match := re.search(r"_create_(\w+)\.py$", script.path))]
    assert made == ["foundation", *SCHEMAS]


@pytest.mark.parametrize("script", scripts(), ids=lambda script: Path(script.path).stem)
def test_a_revision_is_dated_and_explains_itself(script: Script) -> None:
    """The file name sorts by date, the docstring says what, and both directions exist."""
    assert re.fullmatch(r"20\d{6}_\d{4}_[a-z_]+\.py", Path(script.path).name)
    assert script.doc
    source = Path(script.path).read_text()
    assert "def upgrade()" in source
    assert not re.search(r"def downgrade\(\) -> None:\s+pass", source)
    assert "devmentor_models" not in source, "a revision must not change with the library"


def test_up_and_down_leave_nothing_and_up_again_works(empty_url: str, empty: Engine) -> None:
    """Up, down and up again: base is what bootstrap left, head is the same twice."""
    before = objects(empty)
    migrate.upgrade(empty_url)
    first = objects(empty)
    assert len(first) > len(before) + 100
    migrate.downgrade(empty_url, "base", allow_data_loss=True)
    assert objects(empty) == before
    migrate.upgrade(empty_url)
    assert objects(empty) == first


@pytest.mark.long
def test_each_step_is_undone_exactly(empty_url: str, empty: Engine) -> None:
    """The stairway: after every single step up, the step down restores what was there."""
    for script in scripts():
        before = objects(empty)
        migrate.upgrade(empty_url, script.revision)
        after = objects(empty)
        if script.down_revision is not None:
            migrate.downgrade(empty_url, str(script.down_revision), allow_data_loss=True)
            assert objects(empty) == before
            migrate.upgrade(empty_url, script.revision)
            assert objects(empty) == after


def test_head_equals_the_models(devmentor_url: str) -> None:
    """Autogenerate on a migrated database finds nothing to do."""
    assert migrate.check(devmentor_url) == []


def test_check_names_a_difference(devmentor_database_url: str) -> None:
    """A column changed behind the models' back is reported."""
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE auth.teams DROP COLUMN description"))
    (difference,) = migrate.check(devmentor_database_url)
    assert "description" in difference


def test_check_never_proposes_to_drop_a_partition(devmentor_database_url: str) -> None:
    """Months come and go: partitions exist in the database only."""
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with engine.begin() as connection:
        made = connection.scalars(text("SELECT devmentor.ensure_partitions(12)")).all()
        again = connection.scalars(text("SELECT devmentor.ensure_partitions(12)")).all()
    assert len(made) == 4 * 9
    assert again == []
    assert migrate.check(devmentor_database_url) == []


def test_upgrade_twice_does_nothing(devmentor_database_url: str) -> None:
    """The second upgrade finds the database at head."""
    migrate.upgrade(devmentor_database_url)
    assert migrate.check(devmentor_database_url) == []


def test_a_second_migrator_waits_and_gives_up_in_time(devmentor_url: str) -> None:
    """One migrator at a time; waiting is bounded and ends in a typed error."""
    engine = make_engine(devmentor_url)
    with migration_lock(engine), pytest.raises(LockTimeout), migration_lock(engine, wait_seconds=0.3):
        pass
    with migration_lock(engine, wait_seconds=0.3):
        pass


def test_without_a_url_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No guessing of a database."""
    monkeypatch.delenv("DEVMENTOR_DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="DEVMENTOR_DATABASE_URL"):
        command.upgrade(migrate.config(), "head")


def test_the_key_function_of_older_servers_makes_the_same_kind_of_key(devmentor_url: str) -> None:
    """PostgreSQL 15 to 17 use an expression of ours: version 7, right variant, the current millisecond."""
    source = Path(scripts()[0].path).read_text()
    body = re.search(r"AS \$fn\$\s+(SELECT \(lpad.*?)\s+\$fn\$", source, re.DOTALL)
    assert body
    engine = create_engine(devmentor_url, poolclass=NullPool)
    with engine.connect() as connection:
        key, version, off = connection.execute(
            text(
                "SELECT k, uuid_extract_version(k), now() - uuid_extract_timestamp(k)"
                f" FROM ({body[1]} AS k) AS made"
            )
        ).one()
    assert version == 7
    assert key.variant == "specified in RFC 4122"
    assert abs(off.total_seconds()) < 5

"""Seed data: complete, valid, written once, brought up by newer versions, and never over people's changes."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import ValidationError
from sqlalchemy import Engine

from devmentor_models import Actor, Database, seeds
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.base import TECHNICAL_SCHEMA
from devmentor_models.projects.plans import EpicPlan, Plan
from devmentor_models.seeds import base, demo
from devmentor_models.seeds.ledger import SEEDS
from devmentor_models.seeds.values import TemplateSeed
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer


@pytest.fixture
def database(devmentor_database_url: str) -> Database:
    """Return a database of the test's own."""
    return Database.from_url(devmentor_database_url, pool_min=0)


def writes(database: Database) -> int:
    """Return how many rows were ever written to the database's tables."""
    with psycopg.connect(conninfo(database.settings.database_url.get_secret_value())) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        counted = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
        (count,) = connection.execute(counted).fetchone() or (0,)
    return int(count)


def test_a_second_run_writes_nothing(database: Database) -> None:
    """Applying the same seeds again touches no row."""
    with database:
        first = seeds.apply(database, demo=True)
    assert first.created == {
        "template": len(base.TEMPLATES),
        "embedding model": 1,
        "user": 2,
        "project": 1,
        "team": 1,
        "roadmap": 1,
    }
    before = writes(database)
    with Database(database.settings) as again:
        second = seeds.apply(again, demo=True)
    assert not second.changed
    assert str(second) == "Seeds base 1, demo 1: everything was there."
    assert writes(database) == before


def second_version(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    """Let the base data be version 2, whose first template differs."""
    changed = dataclasses.replace(base.TEMPLATES[0], **changes)  # type: ignore[arg-type] # all of them texts
    monkeypatch.setattr(base, "TEMPLATES", (changed, *base.TEMPLATES[1:]))
    monkeypatch.setattr(base, "VERSION", 2)


def run(database: Database, statement: str) -> list[tuple[object, ...]]:
    """Run a statement as somebody with psql would, and return its rows."""
    url = conninfo(database.settings.database_url.get_secret_value())
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def versions(database: Database) -> dict[str, int]:
    """Return which version last wrote each template."""
    rows = run(database, "SELECT item, version FROM devmentor.seeds WHERE item LIKE 'template %'")
    return {str(item).removeprefix("template "): int(str(version)) for item, version in rows}


def test_a_newer_version_brings_up_what_an_older_one_wrote(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 changes the rows of version 1, and only those that differ; the ledger says who wrote what."""
    with database:
        seeds.apply(database)
        assert set(versions(database).values()) == {1}
        second_version(monkeypatch, description="Another description")
        report = seeds.apply(database)
        assert (report.created, report.updated, report.kept) == ({}, {"template": 1}, {})
        assert str(report) == "Seeds base 2: 1 template updated."
        assert set(versions(database).values()) == {2}
        assert not seeds.apply(database).changed
    told = run(
        database, "SELECT description, version FROM projects.project_templates WHERE slug = 'web-service'"
    )
    assert told == [("Another description", 2)]


def test_a_new_seed_is_added(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 has a template that version 1 had not."""
    with database:
        seeds.apply(database)
        more = dataclasses.replace(base.TEMPLATES[0], slug="library", name="Library")
        monkeypatch.setattr(base, "TEMPLATES", (*base.TEMPLATES, more))
        assert seeds.apply(database).created == {"template": 1}


def test_what_people_changed_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is not as an older version left it is people's, whatever a newer version says."""
    with database:
        seeds.apply(database)
        run(database, "UPDATE projects.project_templates SET name = 'Ours' WHERE slug = 'web-service'")
        assert str(seeds.apply(database)) == "Seeds base 1: 1 template left as people have it."
        second_version(monkeypatch, description="Another description")
        report = seeds.apply(database)
        assert (report.changed, report.kept) == (False, {"template": 1})
    (row,) = run(
        database, "SELECT name, description FROM projects.project_templates WHERE slug = 'web-service'"
    )
    assert row[0] == "Ours"
    assert row[1] != "Another description"


def test_what_people_renamed_is_not_made_again(database: Database) -> None:
    """The row is known by its id, not by the name that people gave it."""
    with database:
        seeds.apply(database, demo=True)
        run(database, "UPDATE projects.project_templates SET slug = 'service' WHERE slug = 'web-service'")
        run(database, "UPDATE projects.projects SET slug = 'engine' WHERE slug = 'analytical-engine'")
        run(database, "UPDATE auth.users SET email = 'lovelace@example.com' WHERE username = 'demo-ada'")
        report = seeds.apply(database, demo=True)
        assert report.created == {}
        assert report.kept == {"template": 1, "user": 1, "project": 1}


def test_what_people_removed_stays_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that an installation does not want does not come back with the next version."""
    with database:
        seeds.apply(database)
        run(database, "DELETE FROM projects.project_templates WHERE slug = 'web-service'")
        second_version(monkeypatch, description="Another description")
        report = seeds.apply(database)
        assert (report.changed, report.kept) == (False, {"template": 1})
    assert run(database, "SELECT id FROM projects.project_templates WHERE slug = 'web-service'") == []


def test_the_demo_is_made_whole_again(database: Database) -> None:
    """Whoever asks for the demo wants to see it: what was removed comes back, what was changed stays."""
    with database:
        seeds.apply(database, demo=True)
        run(database, "UPDATE projects.projects SET deleted_at = now()")
        run(database, "UPDATE learning.roadmaps SET goal = 'Mine'")
        report = seeds.apply(database, demo=True)
        assert (report.created, report.kept) == ({"project": 1}, {"roadmap": 1})
        run(database, "DELETE FROM auth.users WHERE username = 'demo-ada'")
        report = seeds.apply(database, demo=True)
        assert report.created == {"user": 1, "project": 1, "team": 1, "roadmap": 1}


def test_a_newer_demo_changes_what_people_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo is versioned too."""
    with database:
        seeds.apply(database, demo=True)
        monkeypatch.setattr(demo, "PROJECT", dataclasses.replace(demo.PROJECT, tags=("demo", "history")))
        monkeypatch.setattr(demo, "VERSION", 2)
        report = seeds.apply(database, demo=True)
    assert (report.updated, report.kept) == ({"project": 1}, {})
    assert run(database, "SELECT tags FROM projects.projects WHERE slug = 'analytical-engine'") == [
        (["demo", "history"],)
    ]


def test_an_older_library_takes_nothing_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While two versions are in service, the older one's seeds do not undo the newer one's."""
    with database:
        with monkeypatch.context() as newer:
            second_version(newer, description="Another description")
            seeds.apply(database)
        report = seeds.apply(database)
        assert (report.changed, report.kept) == (False, {})
        assert set(versions(database).values()) == {2}
    told = run(database, "SELECT description FROM projects.project_templates WHERE slug = 'web-service'")
    assert told == [("Another description",)]


def test_rows_from_before_the_ledger_are_taken_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What equals the seed counts as seeded; what differs counts as people's."""
    with database:
        seeds.apply(database)
        run(database, "TRUNCATE devmentor.seeds")
        run(database, "UPDATE projects.project_templates SET name = 'Ours' WHERE slug = 'learning-project'")
        assert seeds.apply(database).kept == {"template": 1}
        assert set(versions(database)) == {"web-service", "command-line-tool"}
        second_version(monkeypatch, description="Another description")
        assert seeds.apply(database).updated == {"template": 1}


def test_two_at_once_do_what_one_does(database: Database) -> None:
    """Deployments that seed at the same time neither fail nor write twice."""
    start = threading.Barrier(4)

    def seed(_: int) -> seeds.SeedReport:
        with Database(database.settings) as own:
            start.wait(timeout=30)
            return seeds.apply(own, demo=True)

    with database, ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(seed, range(4)))
    made = sum((report.created for report in reports), Counter[str]())
    assert made == {
        "template": len(base.TEMPLATES),
        "embedding model": 1,
        "user": 2,
        "project": 1,
        "team": 1,
        "roadmap": 1,
    }
    assert not any(report.updated or report.kept for report in reports)


WRONG_TITLE: Any = 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": 3}, "name"),
        ({"plan": Plan(epics=(EpicPlan(title=WRONG_TITLE),))}, "plan.epics.0.title"),
        ({"slugs": "typo"}, "slugs"),
    ],
)
def test_a_wrong_seed_is_refused_where_it_is_written(changes: dict[str, Any], field: str) -> None:
    """The error names the field, however deep it is."""
    values = {
        item.name: getattr(base.TEMPLATES[0], item.name) for item in dataclasses.fields(base.TEMPLATES[0])
    }
    with pytest.raises(ValidationError) as refused:
        TemplateSeed(**(values | changes))
    assert [".".join(map(str, error["loc"])) for error in refused.value.errors()] == [field]


def test_a_seed_that_does_not_fit_its_column_writes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the column, and the whole set is taken back."""
    with database:
        second_version(monkeypatch, name="x" * 201)
        with pytest.raises(InvalidValue, match=r"projects\.project_templates\.name"):
            seeds.apply(database)
    assert run(database, "SELECT item FROM devmentor.seeds") == []
    assert run(database, "SELECT slug FROM projects.project_templates") == []


def test_a_changed_seed_has_a_new_version() -> None:
    """Whoever changes seeds raises VERSION, then writes the digest down here."""
    sets = {
        (base.SET, base.VERSION): repr((base.TEMPLATES, base.EMBEDDING_MODEL)),
        (demo.SET, demo.VERSION): repr((demo.OWNER, demo.MEMBER, demo.PROJECT, demo.TEAM, demo.ROADMAP)),
    }
    assert {key: hashlib.sha256(text.encode()).hexdigest()[:12] for key, text in sets.items()} == {
        ("base", 1): "624639e4a823",
        ("demo", 1): "57a59fbfb935",
    }


def test_the_ledger_is_as_the_revision_made_it(devmentor_engine: Engine) -> None:
    """No autogenerate looks at a table that is not among the models."""

    def is_it(name: str | None, kind: str, parents: Any) -> bool:
        return name == TECHNICAL_SCHEMA if kind == "schema" else kind != "table" or name == SEEDS.name

    with devmentor_engine.connect() as connection:
        options = {"include_schemas": True, "compare_server_default": True, "include_name": is_it}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, SEEDS.metadata) == []


def test_services_rights_are_enough(devmentor_database_url: str, devmentor_server: DatabaseServer) -> None:
    """Of those whose data it is; twice, since the second run looks for what the first one made."""
    roles = [f"devmentor_{name}" for name in ("projects", "ai", "auth", "learning")]
    with devmentor_server.login(devmentor_database_url, *roles) as url:
        with Database.from_url(url, pool_min=0) as seeding:
            assert seeds.apply(seeding, demo=True).created["user"] == 2
            assert not seeds.apply(seeding, demo=True).changed
    with devmentor_server.login(devmentor_database_url, *roles[:2]) as url:
        with Database.from_url(url, pool_min=0) as seeding:
            assert not seeds.apply(seeding).changed


def test_the_chosen_default_model_stays(database: Database) -> None:
    """Seeds make their model the default only where nobody chose one."""
    with database:
        with database.begin(Actor.service("ai")) as tx:
            own = tx.embedding_models.register(name="own-model", dimensions=8, default=True)
        seeds.apply(database)
        with database.begin(Actor.service("ai")) as tx:
            assert tx.embedding_models.get_default().id == own.id


def test_templates_make_projects(database: Database) -> None:
    """Everybody can start a project from each template of the catalogue."""
    with database:
        seeds.apply(database)
        with database.begin(Actor.service("auth")) as tx:
            user = tx.users.register(email="u@example.com", username="u", password_hash="x").user
        with database.begin(Actor.user(user.id)) as tx:
            for template in tx.templates.list().items:
                made = tx.projects.from_template(template.id, name=template.name)
                assert made.tasks


@pytest.mark.parametrize("plan", [template.plan for template in base.TEMPLATES] + [demo.PROJECT.plan])
def test_plans_survive_json(plan: Plan) -> None:
    """What a template stores can be read back."""
    assert Plan.from_json(plan.to_json()).to_json() == plan.to_json()

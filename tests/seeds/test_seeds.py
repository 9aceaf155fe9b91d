"""Seed data: complete, valid, and written once."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest

from devmentor_models import Actor, Database, seeds
from devmentor_models.projects.plans import Plan
from devmentor_models.seeds import base, demo
from devmentor_models.settings import conninfo


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


def test_a_changed_template_is_brought_up_to_date(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version of the seed data changes the rows of the older one, and only those that differ."""
    with database:
        seeds.apply(database)
        changed = dataclasses.replace(base.TEMPLATES[0], description="Another description")
        monkeypatch.setattr(base, "TEMPLATES", (changed, *base.TEMPLATES[1:]))
        report = seeds.apply(database)
        assert (report.created, report.updated) == ({}, {"template": 1})
        assert str(report) == "Seeds base 1: 1 template updated."


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


@pytest.mark.parametrize("plan", [template.plan for template in base.TEMPLATES] + [demo.PLAN])
def test_plans_survive_json(plan: Plan) -> None:
    """What a template stores can be read back."""
    assert Plan.from_json(plan.to_json()).to_json() == plan.to_json()

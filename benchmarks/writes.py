"""Writes as an actor: one row (a team), and a project with its line of history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from sqlalchemy import Engine, create_engine

from benchmarks import names
from benchmarks.measure import Variant
from benchmarks.plain import (
    ActorSession,
    PlainActivity,
    PlainProject,
    PlainTeam,
    TeamRepository,
    as_user,
)
from benchmarks.reads import SET_USER
from benchmarks.server import Target
from devmentor_models import Actor, Database
from devmentor_models.auth.models import Team
from devmentor_models.kit.ids import uuid7
from devmentor_models.projects.enums import ActivityAction
from devmentor_models.projects.models import Project

_FILLED = "created_at, updated_at, version"
INSERT_TEAM = (
    f"INSERT INTO auth.teams (id, user_id, name, description) VALUES (%s, %s, %s, NULL) RETURNING {_FILLED}"
)
INSERT_PROJECT = (
    "INSERT INTO projects.projects (id, user_id, name, slug, status, credits, tags, settings)"
    f" VALUES (%s, %s, %s, %s, 'active', 0, %s, %s) RETURNING {_FILLED}"
)
INSERT_ACTIVITY = (
    "INSERT INTO projects.activity"
    " (id, user_id, project_id, actor_id, action, entity_table, entity_id, details)"
    " VALUES (%s, %s, %s, %s, 'created', 'projects.projects', %s, %s)"
)


@contextmanager
def team_variants(target: Target) -> Iterator[list[Variant]]:
    """Yield the ways of inserting a team, with their connections open."""
    with _connections(target) as (connection, pool, engine, database):

        def psycopg_autocommit(key: UUID) -> TupleRow | None:
            team = uuid7()
            return connection.execute(INSERT_TEAM, [team, key, str(team)]).fetchone()

        def psycopg_actor(key: UUID) -> TupleRow | None:
            team = uuid7()
            with pool.connection() as own:
                own.execute(SET_USER, [str(key)])
                return own.execute(INSERT_TEAM, [team, key, str(team)]).fetchone()

        def orm_actor(key: UUID) -> PlainTeam:
            with ActorSession(engine, expire_on_commit=False, info=as_user(key)) as session, session.begin():
                team = PlainTeam(user_id=key, name=str(uuid7()))
                session.add(team)
            return team

        def alchemy_actor(key: UUID) -> PlainTeam:
            with ActorSession(engine, expire_on_commit=False, info=as_user(key)) as session, session.begin():
                return TeamRepository(session=session).add(PlainTeam(user_id=key, name=str(uuid7())))

        def ours(key: UUID) -> Team:
            with database.begin(Actor.user(key)) as tx:
                return tx.teams.create(name=str(uuid7()))

        yield [
            Variant(names.PSYCOPG_AUTOCOMMIT, psycopg_autocommit),
            Variant(names.PSYCOPG, psycopg_actor),
            Variant(names.ORM, orm_actor),
            Variant(names.ALCHEMY, alchemy_actor),
            Variant(names.OURS, ours),
        ]


@contextmanager
def project_variants(target: Target) -> Iterator[list[Variant]]:
    """Yield the ways of making a project and its line of history, with their connections open."""
    with _connections(target) as (_, pool, engine, database):

        def psycopg_actor(key: UUID) -> TupleRow | None:
            project = uuid7()
            values = [project, key, str(project), str(project), [], Jsonb({})]
            with pool.connection() as own:
                own.execute(SET_USER, [str(key)])
                made = own.execute(INSERT_PROJECT, values).fetchone()
                own.execute(INSERT_ACTIVITY, [uuid7(), key, project, key, project, Jsonb({})])
                return made

        def orm_actor(key: UUID) -> PlainProject:
            with ActorSession(engine, expire_on_commit=False, info=as_user(key)) as session, session.begin():
                name = str(uuid7())
                project = PlainProject(user_id=key, name=name, slug=name)
                session.add(project)
                session.flush()
                line = PlainActivity(
                    user_id=key,
                    project_id=project.id,
                    actor_id=key,
                    action=ActivityAction.CREATED,
                    entity_table="projects.projects",
                    entity_id=project.id,
                )
                session.add(line)
            return project

        def ours(key: UUID) -> Project:
            with database.begin(Actor.user(key)) as tx:
                return tx.projects.create(name=str(uuid7()))

        yield [
            Variant(names.PSYCOPG, psycopg_actor),
            Variant(names.ORM, orm_actor),
            Variant(names.OURS, ours),
        ]


@contextmanager
def _connections(
    target: Target,
) -> Iterator[tuple[psycopg.Connection, ConnectionPool, Engine, Database]]:
    engine = create_engine(target.url, pool_size=2)
    pool: ConnectionPool = ConnectionPool(
        target.conninfo, min_size=2, open=False, kwargs={"prepare_threshold": 2}
    )
    with (
        psycopg.connect(target.conninfo, autocommit=True, prepare_threshold=2) as connection,
        pool,
        Database.from_url(target.url) as database,
    ):
        yield connection, pool, engine, database
    engine.dispose()

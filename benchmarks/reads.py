"""Point read by key: the user who acts reads the own row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks import names
from benchmarks.measure import Variant
from benchmarks.plain import ActorSession, PlainUser, UserRepository, as_user
from benchmarks.server import Target
from devmentor_models import Actor, Database
from devmentor_models.auth.models import User

_COLUMNS = (
    "id, created_at, updated_at, version, email, email_key, username, username_key, password_hash, role,"
    " is_active, email_verified_at, last_login_at, full_name, metadata"
)
SELECT_USER = f"SELECT {_COLUMNS} FROM auth.users WHERE id = %s"
SET_USER = "SELECT set_config('devmentor.user_id', %s, true)"


@contextmanager
def read_variants(target: Target) -> Iterator[list[Variant]]:
    """Yield the ways of reading a user, with their connections open."""
    engine = create_engine(target.url, pool_size=2)
    with (
        psycopg.connect(target.conninfo, autocommit=True, prepare_threshold=2) as connection,
        ConnectionPool(target.conninfo, min_size=2, kwargs={"prepare_threshold": 2}) as pool,
        Database.from_url(target.url) as database,
    ):

        def psycopg_autocommit(key: UUID) -> TupleRow | None:
            return connection.execute(SELECT_USER, [key]).fetchone()

        def psycopg_actor(key: UUID) -> TupleRow | None:
            with pool.connection() as own:
                own.execute(SET_USER, [str(key)])
                return own.execute(SELECT_USER, [key]).fetchone()

        def orm(key: UUID) -> PlainUser | None:
            with Session(engine) as session:
                return session.get(PlainUser, key)

        def orm_actor(key: UUID) -> PlainUser | None:
            with ActorSession(engine, expire_on_commit=False, info=as_user(key)) as session, session.begin():
                return session.get(PlainUser, key)

        def alchemy_actor(key: UUID) -> PlainUser:
            with ActorSession(engine, expire_on_commit=False, info=as_user(key)) as session, session.begin():
                return UserRepository(session=session).get(key)

        def ours(key: UUID) -> User:
            with database.begin(Actor.user(key)) as tx:
                return tx.users.get()

        def ours_reading(key: UUID) -> User:
            with database.begin(Actor.user(key), readonly=True) as tx:
                return tx.users.get()

        yield [
            Variant(names.PSYCOPG_AUTOCOMMIT, psycopg_autocommit),
            Variant(names.PSYCOPG, psycopg_actor),
            Variant(names.ORM_NO_ACTOR, orm),
            Variant(names.ORM, orm_actor),
            Variant(names.ALCHEMY, alchemy_actor),
            Variant(names.OURS, ours),
            Variant(names.OURS_READING, ours_reading),
        ]
    engine.dispose()

# Generated from test_plain_session_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repositories over sessions that a service opened itself (DESIGN §4)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database, bind_actor
from devmentor_models.auth.repositories import UserRepository
from devmentor_models.errors import ActorChanged, ActorMissing, InvalidValue, UniqueViolation
from devmentor_models.memory.documents import DocumentRepository
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.memory import MemoryRepository
from devmentor_models.memory.values import NewChunk
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory

pytestmark = pytest.mark.anyio

USER_ID = text("SELECT nullif(current_setting('devmentor.user_id', true), '')")


def test_a_repository_works_over_a_plain_session(session: Session) -> None:
    """Without an actor row security would hide every row, so that it says so; with one it works."""
    user = UserFactory.insert(session)
    users = UserRepository(session)
    for whom in (user.id, None):
        with pytest.raises(ActorMissing):
            users.get(whom)
    user_id = user.id
    session.commit()
    bind_actor(session, Actor.user(user_id))
    assert (users.get()).id == user_id


def test_a_bound_actor_reaches_every_transaction(session: Session) -> None:
    """Trap 3: after a commit and after a rollback the next transaction has the context again."""
    actor = Actor.user(uuid4())
    bind_actor(session, actor)
    for end in (session.commit, session.rollback, session.commit):
        assert (session.execute(USER_ID)).scalar_one() == str(actor.user_id)
        end()


def test_a_bound_actor_is_fixed(session: Session) -> None:
    """Trap 4: another tenant would be served what the identity map holds of the first."""
    actor = Actor.user(uuid4())
    bind_actor(session, actor)
    bind_actor(session, actor)
    with pytest.raises(ActorChanged):
        bind_actor(session, Actor.user(uuid4()))


def test_an_actor_is_bound_before_the_first_statement(session: Session) -> None:
    """A transaction that began without an actor does not get one half-way."""
    session.execute(USER_ID)
    with pytest.raises(ActorChanged):
        bind_actor(session, Actor.user(uuid4()))


def test_errors_are_typed_over_a_foreign_engine(session: Session) -> None:
    """Repositories translate themselves, whoever made the engine."""
    bind_actor(session, Actor.service("auth"))
    user = UserFactory.insert(session)
    users = UserRepository(session)
    with pytest.raises(UniqueViolation) as caught:
        users.register(email=user.email, username="somebody else", password_hash="x")
    assert caught.value.columns == ("email",)
    assert user.email not in str(caught.value)
    with pytest.raises(ActorMissing):
        users.get(uuid4())


def test_a_bad_lookup_is_refused_by_name(database: Database) -> None:
    """Also an argument that is only compared is checked before it is sent."""
    with database.begin(Actor.service("auth")) as tx:
        with pytest.raises(InvalidValue, match="NUL"):
            tx.users.find_credentials("a\x00@example.com")


def test_without_prepared_statements_none_are_made(devmentor_url: str) -> None:
    """Trap 32: behind an old PgBouncer nothing may depend on the session."""
    with Database.from_url(devmentor_url, pool_min=1, pool_max=1, prepared_statements=False) as database:
        for _ in range(10):
            with database.begin(Actor.service("auth")) as tx:
                tx.users.find_credentials("nobody@example.com")
        with database.begin(Actor.service("auth")) as tx:
            left = tx.session.execute(text("SELECT count(*) FROM pg_prepared_statements"))
            assert left.scalar_one() == 0


def test_a_vector_is_searched_over_a_plain_session(session: Session) -> None:
    """An engine that connected before this library was imported knows no packed vectors."""
    model = EmbeddingModelFactory.insert(session, dimensions=3)
    user = UserFactory.insert(session)
    name, user_id = model.name, user.id
    session.commit()
    bind_actor(session, Actor.user(user_id))
    chunk = NewChunk("text", [0.25, 0, 1])
    DocumentRepository(session).store(
        title="t", content="text", source=DocumentSource.NOTE, chunks=[chunk], model=name
    )
    (hit,) = MemoryRepository(session).search(embedding=[0.25, 0, 1], model=name)
    assert hit.distance == pytest.approx(0, abs=1e-6)

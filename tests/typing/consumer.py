"""A service's code, as a type checker sees it: nothing here runs, everything here must type-check.

``mypy --strict`` and ``pyright`` read this file; `assert_type` fails when a public type changes.
"""

from __future__ import annotations

from typing import Any, assert_type
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction, Database, Page, Transaction, bind_actor
from devmentor_models.auth.models import User
from devmentor_models.auth.repositories import Credentials, UserRepository
from devmentor_models.auth.repositories_async import AsyncUserRepository
from devmentor_models.projects.models import Project


def script(user_id: UUID) -> None:
    """A plain sync script."""
    with Database.from_env() as db:
        with db.begin(Actor.user(user_id)) as tx:
            assert_type(tx, Transaction)
            project = tx.projects.create(name="My First Project")
            assert_type(project, Project)
            assert_type(tx.users.find_credentials("ada@example.com"), Credentials | None)
            assert_type(tx.projects.list(), Page[Project])

        def count(tx: Transaction) -> int:
            return len(tx.projects.list().items)

        assert_type(db.run(count, actor=Actor.service("projects", on_behalf_of=user_id)), int)


async def service(db: AsyncDatabase, user_id: UUID) -> Project:
    """An async service's handler."""
    async with db.begin(Actor.user(user_id), readonly=True) as tx:
        assert_type(tx, AsyncTransaction)
        assert_type(await tx.users.get(user_id), User)

    async def create(tx: AsyncTransaction) -> Project:
        return await tx.projects.create(name="My First Project")

    project = await db.run(create, actor=Actor.user(user_id))
    assert_type(project, Project)
    return project


async def plain_sessions(session: Session, async_session: AsyncSession, actor: Actor) -> None:
    """Repositories over sessions that the service opened itself."""
    bind_actor(session, actor)
    bind_actor(async_session, actor)
    assert_type(UserRepository(session).export(), dict[str, Any])
    assert_type(await AsyncUserRepository(async_session).export(), dict[str, Any])

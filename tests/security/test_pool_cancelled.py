"""A task that is cancelled within a statement leaves its connection without a context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.users import committed

pytestmark = pytest.mark.anyio


async def test_a_cancelled_task_leaves_nothing(
    devmentor_url: str, devmentor_service_url: Callable[..., str], anyio_backend: str
) -> None:
    """The next transaction on the pool's only connection sees its own rows alone."""
    mine, theirs = (
        committed(devmentor_url, lambda session: ProjectFactory.insert(session).user_id) for _ in range(2)
    )
    url = devmentor_service_url("projects")
    async with AsyncDatabase.from_url(url, pool_min=0, pool_max=1) as database:

        async def sleep() -> None:
            async with database.begin(Actor.user(theirs)) as tx:
                await tx.session.execute(text("SELECT pg_sleep(30)"))

        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.begin(Actor.user(mine)) as tx:
            owners = {project.user_id for project in (await tx.projects.list()).items}
    assert owners == {mine}

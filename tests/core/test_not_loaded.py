"""What only an async session does: it cannot load an attribute while that is read."""

from __future__ import annotations

import pytest

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import NotLoaded
from tests.support.users import NewUser


@pytest.mark.anyio
async def test_an_attribute_that_is_not_loaded_says_how(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Reading it needs a statement, which an async session cannot send by itself."""
    async with async_database.begin(Actor.user(new_user().id)) as tx:
        project = await tx.projects.create(name="One")
        tx.session.sync_session.expire(project)
        with pytest.raises(NotLoaded, match="refresh"):
            _ = project.name
        await tx.session.refresh(project)
        assert project.name == "One"

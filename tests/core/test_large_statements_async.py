"""A transaction's first statement travels with what begins it, whatever its size and that of its answer.

Sockets take a part of a large message at once, and the rest when the server has read that part.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import ContextRefused
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.security.signing import ContextKeys
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

#: More than a socket takes at once, by a little and by far.
SIZES = (300_000, 1_000_000, 12_000_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("readonly", [False, True], ids=["", "readonly"])
async def test_a_large_first_statement_arrives(
    async_database: AsyncDatabase, size: int, *, readonly: bool
) -> None:
    """And so does an answer that is as large, while the server may still be reading."""
    sent = "x" * size
    for _ in range(2):
        async with async_database.begin(Actor.service("projects"), readonly=readonly) as tx:
            answer = await tx.session.execute(
                text("SELECT :sent || repeat('y', :size)"), {"sent": sent, "size": size}
            )
            received = answer.scalar_one()
        assert received == sent + "y" * size


@pytest.mark.parametrize("size", SIZES)
async def test_a_large_value_is_stored(async_database: AsyncDatabase, new_user: NewUser, size: int) -> None:
    """By a repository, as the first thing that a transaction does."""
    actor, description = Actor.user(new_user().id), "word " * (size // 5)
    async with async_database.begin(actor) as tx:
        made = await tx.projects.create(name="Large", description=description)
    async with async_database.begin(actor) as tx:
        assert (await tx.projects.get(made.id)).description == description


async def test_a_large_first_statement_of_a_refused_context(devmentor_database_url: str) -> None:
    """The refusal is read, and the rest of the message is sent for all that."""
    context_keys.install(devmentor_database_url, ContextKeys.from_text(generate_key()))
    async with AsyncDatabase.from_url(devmentor_database_url, pool_max=1) as database:
        for _ in range(2):
            with pytest.raises(ContextRefused):
                async with database.begin(Actor.service("projects")) as tx:
                    await tx.session.execute(text("SELECT :sent"), {"sent": "x" * max(SIZES)})
        assert database.pool_stats().available == 1

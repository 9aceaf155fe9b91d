"""Teams and their members (F8)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.enums import TeamRole
from devmentor_models.auth.models import TeamMember
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound, UniqueViolation
from tests.support.concurrency_async import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio


async def test_a_team_is_made_found_renamed_and_deleted(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Its whole life; names are unique for the owner, in whatever case."""
    owner = new_user()
    async with async_database.begin(Actor.user(owner.id)) as tx:
        team = await tx.teams.create(name="Core", description="who does what")
        other = await tx.teams.create(name="Docs")
        assert (await tx.teams.rename(team.id, "Kernel")).version == 2
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.teams.create(name="KERNEL")
        with pytest.raises(InvalidValue, match="name"):
            await tx.teams.rename(team.id, "")
        assert [item.id for item in (await tx.teams.list()).items] == [other.id, team.id]
        assert (await tx.teams.get(team.id)).name == "Kernel"
        await tx.teams.add_member(team.id, owner.id)
        await tx.teams.delete(team.id)
        for call in (tx.teams.get, tx.teams.delete, tx.teams.members):
            with pytest.raises(NotFound, match="team"):
                await call(team.id)


async def test_another_users_team_does_not_exist(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Neither to read nor to change, and members cannot be put into it."""
    owner, stranger = new_user(), new_user()
    async with async_database.begin(Actor.user(owner.id)) as tx:
        team = await tx.teams.create(name="Core")
        await tx.teams.add_member(team.id, owner.id)
    async with async_database.begin(Actor.user(stranger.id)) as tx:
        for call in (tx.teams.get, tx.teams.delete, tx.teams.members):
            with pytest.raises(NotFound):
                await call(team.id)
        with pytest.raises(NotFound):
            await tx.teams.rename(team.id, "Mine")
        with pytest.raises(NotFound):
            await tx.teams.remove_member(team.id, owner.id)
        with pytest.raises(NotFound):
            await tx.teams.add_member(team.id, stranger.id)
        assert (await tx.teams.list()).items == []
    async with async_database.begin(Actor.user(owner.id)) as tx:
        assert len((await tx.teams.members(team.id)).items) == 1


async def test_members_join_change_their_role_and_leave(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """Joining twice is one membership with the newer role."""
    owner, member = new_user(), new_user()
    async with async_database.begin(Actor.user(owner.id)) as tx:
        team = await tx.teams.create(name="Core")
        first = await tx.teams.add_member(team.id, member.id)
        assert first.role is TeamRole.MEMBER
        again = await tx.teams.add_member(team.id, member.id, role=TeamRole.MANAGER)
        assert (again.id, again.role) == (first.id, TeamRole.MANAGER)
        with pytest.raises(InvalidValue, match="role"):
            await tx.teams.add_member(team.id, member.id, role="boss")  # type: ignore[arg-type] # the mistake
        with pytest.raises(ForeignKeyViolation):
            async with tx.savepoint():
                await tx.teams.add_member(team.id, uuid4())
        await tx.teams.remove_member(team.id, member.id)
        with pytest.raises(NotFound, match="team member"):
            await tx.teams.remove_member(team.id, member.id)
        assert (await tx.teams.members(team.id)).items == []


async def test_concurrent_invitations_make_one_membership(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """An upsert, not a look and an insert."""
    owner, member = new_user(), new_user()
    async with async_database.begin(Actor.user(owner.id)) as tx:
        team = await tx.teams.create(name="Core")

    async def invite() -> TeamMember:
        async with async_database.begin(Actor.user(owner.id)) as tx:
            return await tx.teams.add_member(team.id, member.id)

    results = await run_concurrently([invite] * 10)
    assert len({result.id for result in results if isinstance(result, TeamMember)}) == 1
    assert all(isinstance(result, TeamMember) for result in results)


async def test_members_are_listed_by_page(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """The newest first, none twice and none left out."""
    owner, *people = [new_user() for _ in range(6)]
    async with async_database.begin(Actor.user(owner.id)) as tx:
        team = await tx.teams.create(name="Core")
        for person in people:
            await tx.teams.add_member(team.id, person.id)
        first = await tx.teams.members(team.id, limit=3)
        rest = await tx.teams.members(team.id, limit=3, cursor=first.next_cursor)
    listed = [item.member_id for item in [*first.items, *rest.items]]
    assert listed == [person.id for person in reversed(people)]
    assert rest.next_cursor is None

# Generated from test_teams_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Teams and their members (F8)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from devmentor_models import Actor, Database
from devmentor_models.auth.enums import TeamRole
from devmentor_models.auth.models import TeamMember
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound, UniqueViolation
from tests.support.concurrency import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio


def test_a_team_is_made_found_renamed_and_deleted(database: Database, new_user: NewUser) -> None:
    """Its whole life; names are unique for the owner, in whatever case."""
    owner = new_user()
    with database.begin(Actor.user(owner.id)) as tx:
        team = tx.teams.create(name="Core", description="who does what")
        other = tx.teams.create(name="Docs")
        assert (tx.teams.rename(team.id, "Kernel")).version == 2
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.teams.create(name="KERNEL")
        with pytest.raises(InvalidValue, match="name"):
            tx.teams.rename(team.id, "")
        assert [item.id for item in (tx.teams.list()).items] == [other.id, team.id]
        assert (tx.teams.get(team.id)).name == "Kernel"
        tx.teams.add_member(team.id, owner.id)
        tx.teams.delete(team.id)
        for call in (tx.teams.get, tx.teams.delete, tx.teams.members):
            with pytest.raises(NotFound, match="team"):
                call(team.id)


def test_another_users_team_does_not_exist(database: Database, new_user: NewUser) -> None:
    """Neither to read nor to change, and members cannot be put into it."""
    owner, stranger = new_user(), new_user()
    with database.begin(Actor.user(owner.id)) as tx:
        team = tx.teams.create(name="Core")
        tx.teams.add_member(team.id, owner.id)
    with database.begin(Actor.user(stranger.id)) as tx:
        for call in (tx.teams.get, tx.teams.delete, tx.teams.members):
            with pytest.raises(NotFound):
                call(team.id)
        with pytest.raises(NotFound):
            tx.teams.rename(team.id, "Mine")
        with pytest.raises(NotFound):
            tx.teams.remove_member(team.id, owner.id)
        with pytest.raises(NotFound):
            tx.teams.add_member(team.id, stranger.id)
        assert (tx.teams.list()).items == []
    with database.begin(Actor.user(owner.id)) as tx:
        assert len((tx.teams.members(team.id)).items) == 1


def test_members_join_change_their_role_and_leave(database: Database, new_user: NewUser) -> None:
    """Joining twice is one membership with the newer role."""
    owner, member = new_user(), new_user()
    with database.begin(Actor.user(owner.id)) as tx:
        team = tx.teams.create(name="Core")
        first = tx.teams.add_member(team.id, member.id)
        assert first.role is TeamRole.MEMBER
        again = tx.teams.add_member(team.id, member.id, role=TeamRole.MANAGER)
        assert (again.id, again.role) == (first.id, TeamRole.MANAGER)
        with pytest.raises(InvalidValue, match="role"):
            tx.teams.add_member(team.id, member.id, role="boss")  # type: ignore[arg-type] # the mistake
        with pytest.raises(ForeignKeyViolation):
            with tx.savepoint():
                tx.teams.add_member(team.id, uuid4())
        tx.teams.remove_member(team.id, member.id)
        with pytest.raises(NotFound, match="team member"):
            tx.teams.remove_member(team.id, member.id)
        assert (tx.teams.members(team.id)).items == []


def test_concurrent_invitations_make_one_membership(database: Database, new_user: NewUser) -> None:
    """An upsert, not a look and an insert."""
    owner, member = new_user(), new_user()
    with database.begin(Actor.user(owner.id)) as tx:
        team = tx.teams.create(name="Core")

    def invite() -> TeamMember:
        with database.begin(Actor.user(owner.id)) as tx:
            return tx.teams.add_member(team.id, member.id)

    results = run_concurrently([invite] * 10)
    assert len({result.id for result in results if isinstance(result, TeamMember)}) == 1
    assert all(isinstance(result, TeamMember) for result in results)


def test_members_are_listed_by_page(database: Database, new_user: NewUser) -> None:
    """The newest first, none twice and none left out."""
    owner, *people = [new_user() for _ in range(6)]
    with database.begin(Actor.user(owner.id)) as tx:
        team = tx.teams.create(name="Core")
        for person in people:
            tx.teams.add_member(team.id, person.id)
        first = tx.teams.members(team.id, limit=3)
        rest = tx.teams.members(team.id, limit=3, cursor=first.next_cursor)
    listed = [item.member_id for item in [*first.items, *rest.items]]
    assert listed == [person.id for person in reversed(people)]
    assert rest.next_cursor is None

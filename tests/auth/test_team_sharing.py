# Generated from test_team_sharing_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Teams: members see them, managers describe them, the owner decides who they are (F8; Z1).

As the auth service alone: what these tests may, its role may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database, Transaction
from devmentor_models.auth.enums import TeamRole
from devmentor_models.errors import ForeignKeyViolation, NotFound, PermissionDenied, RoleRequired
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.users import committed

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Shared:
    """A team, and who may do what in it."""

    owner: UUID
    member: UUID
    manager: UUID
    stranger: UUID
    team_id: UUID


@pytest.fixture
def database(devmentor_service_url: Callable[..., str], anyio_backend: str) -> Iterator[Database]:
    """Yield a Database for the auth service."""
    with Database.from_url(devmentor_service_url("auth"), pool_min=0) as made:
        yield made


@pytest.fixture
def shared(database: Database, devmentor_url: str) -> Shared:
    """Return a team with a member and a manager."""
    owner, member, manager, stranger = committed(
        devmentor_url, lambda session: [UserFactory.insert(session).id for _ in range(4)]
    )
    with database.begin(Actor.user(owner)) as tx:
        team = tx.teams.create(name="Core")
        tx.teams.add_member(team.id, member)
        tx.teams.add_member(team.id, manager, role=TeamRole.MANAGER)
        return Shared(owner, member, manager, stranger, team.id)


#: What managers do and members may not.
CHANGES: dict[str, Callable[[Transaction, Shared], object]] = {
    "rename": lambda tx, it: tx.teams.rename(it.team_id, "Kernel"),
    "describe": lambda tx, it: tx.teams.describe(it.team_id, "What it is for"),
}

#: What the owner alone does.
OWNERS: dict[str, Callable[[Transaction, Shared], object]] = {
    "add_member": lambda tx, it: tx.teams.add_member(it.team_id, it.stranger),
    "change_role": lambda tx, it: tx.teams.add_member(it.team_id, it.member, role=TeamRole.MANAGER),
    "remove_member": lambda tx, it: tx.teams.remove_member(it.team_id, it.member),
    "delete": lambda tx, it: tx.teams.delete(it.team_id),
}


@pytest.mark.parametrize("role", ["member", "manager"])
def test_members_see_the_team(database: Database, shared: Shared, role: str) -> None:
    """The team, who is in it, and what one is there."""
    with database.begin(Actor.user(getattr(shared, role)), readonly=True) as tx:
        assert (tx.teams.get(shared.team_id)).user_id == shared.owner
        listed = (tx.teams.members(shared.team_id)).items
        assert [item.member_id for item in listed] == [shared.manager, shared.member]
        (joined,) = (tx.teams.list_joined()).items
        assert (joined.team.id, joined.role) == (shared.team_id, TeamRole(role))
        assert (tx.teams.list()).items == [], "the user's own teams"


def test_joined_teams_are_listed_by_page(database: Database, shared: Shared) -> None:
    """The newest first, none twice and none left out; an owner's own teams where they are a member."""
    with database.begin(Actor.user(shared.owner)) as tx:
        second = tx.teams.create(name="Second")
        third = tx.teams.create(name="Third")
        for team in (second, third):
            tx.teams.add_member(team.id, shared.member)
        tx.teams.add_member(third.id, shared.owner)
        (own,) = (tx.teams.list_joined()).items
        assert own.team.id == third.id
    with database.begin(Actor.user(shared.member)) as tx:
        first = tx.teams.list_joined(limit=2)
        rest = tx.teams.list_joined(limit=2, cursor=first.next_cursor)
        assert [item.team.id for item in first.items] == [third.id, second.id]
        assert [item.team.id for item in rest.items] == [shared.team_id]
        assert rest.next_cursor is None


@pytest.mark.parametrize("what", CHANGES)
def test_managers_change_the_team(database: Database, shared: Shared, what: str) -> None:
    """The team stays its owner's."""
    with database.begin(Actor.user(shared.manager)) as tx:
        CHANGES[what](tx, shared)
    with database.begin(Actor.user(shared.owner)) as tx:
        team = tx.teams.get(shared.team_id)
        assert (team.version, team.user_id) == (2, shared.owner)
        assert (team.name, team.description) in {("Kernel", None), ("Core", "What it is for")}


@pytest.mark.parametrize("what", CHANGES)
def test_members_do_not_change_the_team(database: Database, shared: Shared, what: str) -> None:
    """They are told which role it takes."""
    with database.begin(Actor.user(shared.member)) as tx:
        with pytest.raises(RoleRequired) as refused:
            CHANGES[what](tx, shared)
        assert refused.value.role == "manager"


@pytest.mark.parametrize("what", OWNERS)
@pytest.mark.parametrize("role", ["member", "manager"])
def test_some_things_are_the_owners(database: Database, shared: Shared, what: str, role: str) -> None:
    """Who is in the team, and whether it is there at all."""
    with database.begin(Actor.user(getattr(shared, role))) as tx:
        with pytest.raises(RoleRequired) as refused:
            OWNERS[what](tx, shared)
        assert refused.value.role == "owner"


@pytest.mark.parametrize("what", [*CHANGES, *OWNERS])
def test_a_stranger_finds_nothing(database: Database, shared: Shared, what: str) -> None:
    """Whoever is no member does not learn that the team exists."""
    with database.begin(Actor.user(shared.stranger)) as tx:
        with pytest.raises(NotFound):
            (CHANGES | OWNERS)[what](tx, shared)
        for read in (tx.teams.get, tx.teams.members, tx.teams.leave):
            with pytest.raises(NotFound):
                read(shared.team_id)


@pytest.mark.parametrize("what", [*CHANGES, *OWNERS])
def test_the_owner_may_do_everything(database: Database, shared: Shared, what: str) -> None:
    """None of it is refused."""
    with database.begin(Actor.user(shared.owner)) as tx:
        (CHANGES | OWNERS)[what](tx, shared)


@pytest.mark.parametrize("role", ["member", "manager"])
def test_members_leave(database: Database, shared: Shared, role: str) -> None:
    """By themselves, once; they see nothing from the next transaction on, and the others stay."""
    with database.begin(Actor.user(getattr(shared, role))) as tx:
        tx.teams.leave(shared.team_id)
        with pytest.raises(NotFound):
            tx.teams.leave(shared.team_id)
    with database.begin(Actor.user(getattr(shared, role))) as tx:
        with pytest.raises(NotFound):
            tx.teams.get(shared.team_id)
        assert (tx.teams.list_joined()).items == []
    with database.begin(Actor.user(shared.owner)) as tx:
        (left,) = (tx.teams.members(shared.team_id)).items
        assert left.member_id != getattr(shared, role)


def test_whoever_was_removed_has_no_access(database: Database, shared: Shared) -> None:
    """From the next transaction on; a manager who became a member changes nothing any more."""
    with database.begin(Actor.user(shared.owner)) as tx:
        tx.teams.remove_member(shared.team_id, shared.member)
        tx.teams.add_member(shared.team_id, shared.manager, role=TeamRole.MEMBER)
        with pytest.raises(ForeignKeyViolation):
            with tx.savepoint():
                tx.teams.add_member(shared.team_id, shared.team_id)
    with database.begin(Actor.user(shared.member)) as tx:
        with pytest.raises(NotFound):
            tx.teams.get(shared.team_id)
    with database.begin(Actor.user(shared.manager)) as tx:
        with pytest.raises(RoleRequired):
            tx.teams.rename(shared.team_id, "Mine")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth.teams SET user_id = devmentor.user_id()",
        (
            "INSERT INTO auth.team_members (user_id, team_id, member_id)"
            " SELECT user_id, id, user_id FROM auth.teams"
        ),
    ],
)
def test_sql_of_a_manager_takes_nothing(database: Database, shared: Shared, statement: str) -> None:
    """The database refuses by itself what the repository does."""
    with database.begin(Actor.user(shared.manager)) as tx:
        with pytest.raises(PermissionDenied):
            tx.session.execute(text(statement))
        tx.session.rollback()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("member", "UPDATE auth.teams SET name = 'Mine'"),
        ("manager", "DELETE FROM auth.teams"),
        ("manager", "UPDATE auth.team_members SET role = 'manager'"),
        ("manager", "DELETE FROM auth.team_members WHERE member_id <> devmentor.user_id()"),
        ("stranger", "UPDATE auth.teams SET name = 'Mine'"),
        ("stranger", "DELETE FROM auth.team_members"),
    ],
)
def test_sql_does_not_reach_what_is_the_owners(
    database: Database, shared: Shared, role: str, statement: str
) -> None:
    """Rows that one may read are not there for a command that one may not run."""
    with database.begin(Actor.user(getattr(shared, role))) as tx:
        touched = tx.session.execute(text(f"{statement} RETURNING 1"))
        assert touched.all() == []

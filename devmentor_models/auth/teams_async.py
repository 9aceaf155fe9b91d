"""Teams and their members (requirement F8)."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select

from devmentor_models.auth import team_queries
from devmentor_models.auth.base_async import AsyncAuthRepository
from devmentor_models.auth.enums import TeamRole
from devmentor_models.auth.models import Team, TeamMember
from devmentor_models.auth.values import JoinedTeam
from devmentor_models.errors import NotFound, RoleRequired
from devmentor_models.kit.arguments import member
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page, after, page_of


class AsyncTeamRepository(AsyncAuthRepository):
    """Teams that the acting user owns or belongs to.

    Members see a team and who is in it; managers change its name and description; the owner decides who is in
    it and whether it is there at all. Row security says the same, below every statement.
    """

    async def create(self, *, name: str, description: str | None = None) -> Team:
        """Make a team without members.

        Raises:
            UniqueViolation: The user has a team of that name already, in whatever case.
            InvalidValue: A value cannot be stored.
        """
        return await self._add(Team(user_id=self.user_id, name=name, description=description))

    async def get(self, team_id: UUID) -> Team:
        """Return a team.

        Raises:
            NotFound: The user neither owns nor belongs to such a team.
        """
        return await self._get(team_queries.TEAM, self._key(team_id), entity="team", key=team_id)

    async def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[Team]:
        """Return a page of the teams that the user owns, the newest first."""
        statement = team_queries.OWN_TEAMS.params(me=self.user_id)
        return await self._page(statement, [Team.id], cursor=cursor, limit=limit)

    async def list_joined(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[JoinedTeam]:
        """Return a page of the teams that the user is a member of, the newest first."""
        # `after` is typed for one entity; it only adds conditions and an order.
        statement = cast("Select[Any]", team_queries.JOINED_TEAMS.params(me=self.user_id))
        rows = (await self._execute(after(statement, [Team.id], cursor=cursor, limit=limit))).mappings()
        joined = [JoinedTeam(row["Team"], row["role"]) for row in rows]
        page = page_of([item.team for item in joined], [Team.id], limit)
        return Page(joined[: len(page.items)], page.next_cursor)

    async def rename(self, team_id: UUID, name: str) -> Team:
        """Give a team another name.

        Raises:
            NotFound: The user neither owns nor belongs to such a team.
            RoleRequired: The user belongs to it, but is no manager.
            UniqueViolation: Its owner has a team of that name already.
            InvalidValue: The name cannot be stored.
        """
        team = await self._managed(team_id)
        team.name = name
        await self._flush()
        return team

    async def describe(self, team_id: UUID, description: str | None) -> Team:
        """Say what a team is for; errors as for `rename`."""
        team = await self._managed(team_id)
        team.description = description
        await self._flush()
        return team

    async def delete(self, team_id: UUID) -> None:
        """Delete a team and its memberships.

        Raises:
            NotFound: The user neither owns nor belongs to such a team.
            RoleRequired: The user belongs to it, but does not own it.
        """
        await self.session.delete(await self._owned(team_id))
        await self._flush()

    async def add_member(
        self, team_id: UUID, member_id: UUID, *, role: TeamRole = TeamRole.MEMBER
    ) -> TeamMember:
        """Put a user into a team; one who is in it already gets the role.

        Raises:
            NotFound: The acting user neither owns nor belongs to such a team.
            RoleRequired: The acting user belongs to it, but does not own it.
            ForeignKeyViolation: There is no such user.
        """
        values = {
            "id": uuid7(),
            "user_id": self.user_id,
            "team_id": team_id,
            "member_id": member_id,
            "role": member("role", TeamRole, role),
        }
        await self._owned(team_id)
        added: TeamMember = (await self._execute(team_queries.ADD_MEMBER, values)).scalar_one()
        return added

    async def remove_member(self, team_id: UUID, member_id: UUID) -> None:
        """Take a user out of a team.

        Raises:
            NotFound: The user is not in that team, or the acting user neither owns nor belongs to it.
            RoleRequired: The acting user belongs to it, but does not own it; see `leave`.
        """
        which = self._key(team_id) | {"member": member_id}
        if (await self._execute(team_queries.REMOVE_MEMBER, which)).first() is None:
            await self._owned(team_id)
            raise NotFound("team member", member_id)

    async def leave(self, team_id: UUID) -> None:
        """Leave a team, from the next transaction on.

        Raises:
            NotFound: The acting user is no member of such a team.
        """
        if (await self._execute(team_queries.LEAVE, self._key(team_id))).first() is None:
            raise NotFound("team", team_id)

    async def members(
        self, team_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[TeamMember]:
        """Return a page of a team's memberships, the newest first.

        Raises:
            NotFound: The user neither owns nor belongs to such a team.
        """
        if cursor is None:
            await self.get(team_id)
        statement = team_queries.MEMBERS.params(self._key(team_id))
        return await self._page(statement, [TeamMember.id], cursor=cursor, limit=limit)

    def _key(self, team_id: UUID) -> dict[str, UUID]:
        return {"me": self.user_id, "team": team_id}

    async def _managed(self, team_id: UUID) -> Team:
        """Return a team that the acting user owns or manages, locked."""
        team = await self._find(team_queries.MANAGED_TEAM, self._key(team_id))
        if team is None:
            await self.get(team_id)
            raise RoleRequired(TeamRole.MANAGER, "team", team_id)
        return team

    async def _owned(self, team_id: UUID) -> Team:
        """Return a team that the acting user owns, locked."""
        team = await self._find(team_queries.OWN_TEAM, self._key(team_id))
        if team is None:
            await self.get(team_id)
            raise RoleRequired("owner", "team", team_id)
        return team

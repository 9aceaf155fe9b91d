# Generated from teams_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Teams and their members (requirement F8)."""

from __future__ import annotations

from uuid import UUID

from devmentor_models.auth import queries
from devmentor_models.auth.base import AuthRepository
from devmentor_models.auth.enums import TeamRole
from devmentor_models.auth.models import Team, TeamMember
from devmentor_models.auth.queries import parameters
from devmentor_models.errors import NotFound
from devmentor_models.kit.arguments import member
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page


class TeamRepository(AuthRepository):
    """Teams that the acting user owns."""

    def create(self, *, name: str, description: str | None = None) -> Team:
        """Make a team without members.

        Raises:
            UniqueViolation: The user has a team of that name already, in whatever case.
            InvalidValue: A value cannot be stored.
        """
        return self._add(Team(user_id=self.user_id, name=name, description=description))

    def get(self, team_id: UUID) -> Team:
        """Return a team.

        Raises:
            NotFound: The user owns no such team.
        """
        return self._get(queries.TEAM, self._key(team_id), entity="team", key=team_id)

    def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[Team]:
        """Return a page of the user's teams, the newest first."""
        return self._page(queries.teams_of(self.user_id), [Team.id], cursor=cursor, limit=limit)

    def rename(self, team_id: UUID, name: str) -> Team:
        """Give a team another name.

        Raises:
            NotFound: The user owns no such team.
            UniqueViolation: The user has a team of that name already.
            InvalidValue: The name cannot be stored.
        """
        team = self._locked(team_id)
        team.name = name
        self._flush()
        return team

    def delete(self, team_id: UUID) -> None:
        """Delete a team and its memberships.

        Raises:
            NotFound: The user owns no such team.
        """
        self.session.delete(self._locked(team_id))
        self._flush()

    def add_member(self, team_id: UUID, member_id: UUID, *, role: TeamRole = TeamRole.MEMBER) -> TeamMember:
        """Put a user into a team; one who is in it already gets the role.

        Raises:
            ForeignKeyViolation: There is no such user, or the acting user owns no such team.
        """
        values = {
            "id": uuid7(),
            "user_id": self.user_id,
            "team_id": team_id,
            "member_id": member_id,
            "role": member("role", TeamRole, role),
        }
        added: TeamMember = (self._execute(queries.ADD_MEMBER, values)).scalar_one()
        return added

    def remove_member(self, team_id: UUID, member_id: UUID) -> None:
        """Take a user out of a team.

        Raises:
            NotFound: The user is not in that team, or the acting user owns no such team.
        """
        which = self._key(team_id) | parameters(member_id=member_id)
        if (self._execute(queries.REMOVE_MEMBER, which)).first() is None:
            raise NotFound("team member", member_id)

    def members(
        self, team_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[TeamMember]:
        """Return a page of a team's memberships, the newest first.

        Raises:
            NotFound: The user owns no such team.
        """
        if cursor is None:
            self.get(team_id)
        statement = queries.members_of(self.user_id, team_id)
        return self._page(statement, [TeamMember.id], cursor=cursor, limit=limit)

    def _key(self, team_id: UUID) -> dict[str, UUID]:
        return parameters(user_id=self.user_id, team_id=team_id)

    def _locked(self, team_id: UUID) -> Team:
        return self._get(queries.TEAM_FOR_UPDATE, self._key(team_id), entity="team", key=team_id)

"""Statements about teams: values without a session, testable by compiling.

Whom a team is shared with is looked up once per transaction, see `security.context`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Select,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql

from devmentor_models.auth.models import Team, TeamMember

_ME: BindParameter[Any] = bindparam("me", type_=Uuid())
_TEAM: BindParameter[Any] = bindparam("team", type_=Uuid())
_MEMBER: BindParameter[Any] = bindparam("member", type_=Uuid())


def _shared_with_me() -> ColumnElement[Any]:
    return any_(func.devmentor.shared_teams(type_=ARRAY(Uuid())))


def _managed_by_me() -> ColumnElement[Any]:
    return any_(func.devmentor.edited_teams(type_=ARRAY(Uuid())))


#: A team that the acting user owns or belongs to.
TEAM = select(Team).where(or_(Team.user_id == _ME, Team.id == _shared_with_me()), Team.id == _TEAM)
#: For changing it: one that the acting user owns or manages.
MANAGED_TEAM = (
    select(Team)
    .where(or_(Team.user_id == _ME, Team.id == _managed_by_me()), Team.id == _TEAM)
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
OWN_TEAM = (
    select(Team)
    .where(Team.user_id == _ME, Team.id == _TEAM)
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
#: As a value within another statement: an index condition there.
_OWNER_OF_TEAM = TEAM.with_only_columns(Team.user_id).scalar_subquery()

OWN_TEAMS = select(Team).where(Team.user_id == _ME)
JOINED_TEAMS: Select[Team, Any] = (
    select(Team, TeamMember.role)
    .join(TeamMember, (TeamMember.user_id == Team.user_id) & (TeamMember.team_id == Team.id))
    .where(TeamMember.member_id == _ME)
)
MEMBERS = select(TeamMember).where(TeamMember.user_id == _OWNER_OF_TEAM, TeamMember.team_id == _TEAM)

_add = postgresql.insert(TeamMember)
ADD_MEMBER = (
    _add.on_conflict_do_update(
        index_elements=["user_id", "team_id", "member_id"], set_={"role": _add.excluded.role}
    )
    .returning(TeamMember)
    .execution_options(populate_existing=True)
)
REMOVE_MEMBER = (
    delete(TeamMember)
    .where(TeamMember.user_id == _ME, TeamMember.team_id == _TEAM, TeamMember.member_id == _MEMBER)
    .returning(TeamMember.id)
)
LEAVE = (
    delete(TeamMember)
    .where(TeamMember.team_id == _TEAM, TeamMember.member_id == _ME)
    .returning(TeamMember.id)
)

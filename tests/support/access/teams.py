"""What people try with teams."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from devmentor_models.auth.enums import TeamRole
from tests.support.access.attempt import LIMIT, WORDS, Action, Attempt, Step, change, keys_of, pick
from tests.support.access.model import NOT_FOUND, OK, Model, Team, keys

NAMES = ("Core", "Docs")
TEAM_ROLES = tuple(TeamRole)


def _create_team(m: Model, me: UUID, s: Step) -> Attempt:
    name = pick(NAMES, s.choice)
    return Attempt(
        "auth",
        lambda tx: tx.teams.create(name=name),
        "UniqueViolation" if m.name_taken(me, name) else OK,
        lambda made: m.teams.append(Team(made.id, me, name=name)),
    )


def _on_team(act: Callable[[Model, UUID, Step, Team], Attempt]) -> Action:
    """Return an action on one of the teams."""
    return lambda m, me, s: act(m, me, s, pick(m.teams, s.which))


def _get_team(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    refused = OK if t.seen_by(me) else NOT_FOUND
    return Attempt(
        "auth", lambda tx: tx.teams.get(t.id), refused, answer=lambda found: found.name, expected=t.name
    )


def _members(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    return Attempt(
        "auth",
        lambda tx: tx.teams.members(t.id, limit=LIMIT),
        OK if t.seen_by(me) else NOT_FOUND,
        answer=lambda page: {found.member_id: found.role for found in page.items},
        expected=dict(t.members),
    )


def _list_teams(m: Model, me: UUID, s: Step) -> Attempt:
    own = keys(t for t in m.teams if t.owner == me)
    return Attempt("auth", lambda tx: tx.teams.list(limit=LIMIT), answer=keys_of, expected=own)


def _list_joined(m: Model, me: UUID, s: Step) -> Attempt:
    return Attempt(
        "auth",
        lambda tx: tx.teams.list_joined(limit=LIMIT),
        answer=lambda page: {(found.team.id, found.role) for found in page.items},
        expected={(t.id, t.members[me]) for t in m.teams if me in t.members},
    )


def _rename(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    name = pick(NAMES, s.choice)
    refused = m.manage(me, t) or ("UniqueViolation" if m.name_taken(t.owner, name, t) else OK)
    return Attempt("auth", lambda tx: tx.teams.rename(t.id, name), refused, change(t, name=name))


def _describe(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    word = pick(WORDS, s.choice)
    then = change(t, description=word)
    return Attempt("auth", lambda tx: tx.teams.describe(t.id, word), m.manage(me, t), then)


def _delete_team(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    return Attempt("auth", lambda tx: tx.teams.delete(t.id), m.lead(me, t), lambda _: m.teams.remove(t))


def _add_member(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    whom, role = pick(m.users, s.other), pick(TEAM_ROLES, s.choice)
    return Attempt(
        "auth",
        lambda tx: tx.teams.add_member(t.id, whom, role=role),
        m.lead(me, t),
        lambda _: t.members.update({whom: role.value}),
    )


def _remove_member(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    whom = pick(m.users, s.other)
    refused = m.lead(me, t) or (OK if whom in t.members else NOT_FOUND)
    return Attempt(
        "auth", lambda tx: tx.teams.remove_member(t.id, whom), refused, lambda _: t.members.pop(whom)
    )


def _leave_team(m: Model, me: UUID, s: Step, t: Team) -> Attempt:
    refused = OK if me in t.members else NOT_FOUND
    return Attempt("auth", lambda tx: tx.teams.leave(t.id), refused, lambda _: t.members.pop(me))


#: By the repository's method.
TEAMS: dict[str, Action] = {
    "teams.create": _create_team,
    "teams.get": _on_team(_get_team),
    "teams.members": _on_team(_members),
    "teams.list": _list_teams,
    "teams.list_joined": _list_joined,
    "teams.rename": _on_team(_rename),
    "teams.describe": _on_team(_describe),
    "teams.delete": _on_team(_delete_team),
    "teams.add_member": _on_team(_add_member),
    "teams.remove_member": _on_team(_remove_member),
    "teams.leave": _on_team(_leave_team),
}

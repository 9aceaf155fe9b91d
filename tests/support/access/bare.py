"""What a service does that forgets its WHERE clause: row security alone says which rows it meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from devmentor_models import Transaction
from tests.support.access.attempt import WORDS, Action, Attempt, Step, pick
from tests.support.access.model import OK, Item, Model, Project

DENIED = "PermissionDenied"


def _bare(
    service: str,
    sql: str,
    effect: Callable[[Model, UUID, str], object],
    refused: Callable[[Model, UUID], str] = lambda _m, _me: OK,
) -> Action:
    """Return the action that runs a statement; ``:word`` is one of the words."""

    def act(m: Model, me: UUID, s: Step) -> Attempt:
        word = pick(WORDS, s.choice)
        statement = text(sql).bindparams(**({"word": word} if ":word" in sql else {}))
        return Attempt(
            service,
            lambda tx: tx.session.execute(statement),
            refused(m, me),
            lambda _: effect(m, me, word),
        )

    return act


def _edited(kind: str, name: str) -> Callable[[Model, UUID, str], None]:
    """Return what sets an attribute of everything that the acting user may change."""

    def effect(m: Model, me: UUID, word: str) -> None:
        for thing in getattr(m, kind):
            if (thing.project if isinstance(thing, Item) else thing).edited_by(me):
                setattr(thing, name, word)

    return effect


def _deleted(kind: str) -> Callable[[Model, UUID, str], None]:
    """Return what deletes all items that the acting user may change."""

    def effect(m: Model, me: UUID, word: str) -> None:
        items = getattr(m, kind)
        items[:] = [item for item in items if not item.project.edited_by(me)]

    return effect


def _own(things: list[Any], me: UUID) -> list[Any]:
    return [thing for thing in things if thing.owner == me]


def _others(m: Model, me: UUID) -> list[Project]:
    """Return the projects of others that somebody edits."""
    return [p for p in m.projects if p.edited_by(me) and p.owner != me]


def _delete_documents(m: Model, me: UUID, word: str) -> None:
    m.documents[:] = [d for d in m.documents if d.owner != me]


def _title_documents(m: Model, me: UUID, word: str) -> None:
    for document in _own(m.documents, me):
        document.title = word


def _delete_members(kind: str) -> Callable[[Model, UUID, str], None]:
    """Return what takes everybody out of what one owns, and oneself out of everything."""

    def effect(m: Model, me: UUID, word: str) -> None:
        for shared in getattr(m, kind):
            if shared.owner == me:
                shared.members.clear()
            shared.members.pop(me, None)

    return effect


def _promote(kind: str, role: str) -> Callable[[Model, UUID, str], None]:
    def effect(m: Model, me: UUID, word: str) -> None:
        for shared in _own(getattr(m, kind), me):
            shared.members.update(dict.fromkeys(shared.members, role))

    return effect


def _hide(m: Model, me: UUID, word: str) -> None:
    for project in _own(m.projects, me):
        project.deleted = True


def _spend_all(m: Model, me: UUID, word: str) -> None:
    for project in _own(m.projects, me):
        project.forced = 0


def _purge(m: Model, me: UUID, word: str) -> None:
    for project in _own(m.projects, me):
        m.purge(project)


def _delete_teams(m: Model, me: UUID, word: str) -> None:
    m.teams[:] = [team for team in m.teams if team.owner != me]


def _any_task_of_others(m: Model, me: UUID) -> str:
    return DENIED if any(task.project in _others(m, me) for task in m.tasks) else OK


def _invite(m: Model, me: UUID, s: Step) -> Attempt:
    """Let oneself into a project, with its owner's id."""
    p = pick(m.projects, s.which)
    statement = text(
        "INSERT INTO projects.project_collaborators (user_id, project_id, member_id, role)"
        " VALUES (:owner, :project, :me, 'editor')"
    ).bindparams(owner=p.owner, project=p.id, me=me)
    # Even the owner cannot be their own collaborator.
    refused = "CheckViolation" if me == p.owner else DENIED
    return Attempt("projects", lambda tx: tx.session.execute(statement), refused)


def _join(m: Model, me: UUID, s: Step) -> Attempt:
    """Put oneself into a team, with its owner's id."""
    t = pick(m.teams, s.which)
    statement = text(
        "INSERT INTO auth.team_members (user_id, team_id, member_id, role)"
        " VALUES (:owner, :team, :me, 'manager')"
    ).bindparams(owner=t.owner, team=t.id, me=me)
    own = "UniqueViolation" if me in t.members else OK
    return Attempt(
        "auth",
        lambda tx: tx.session.execute(statement),
        own if me == t.owner else DENIED,
        lambda _: t.members.update({me: "manager"}),
    )


def _add_task(m: Model, me: UUID, s: Step) -> Attempt:
    """Put a task into a project, with its owner's id."""
    p = pick(m.projects, s.which)
    statement = text(
        "INSERT INTO projects.tasks (user_id, project_id, title)"
        " VALUES (:owner, :project, 'Bare') RETURNING id"
    ).bindparams(owner=p.owner, project=p.id)

    def call(tx: Transaction) -> UUID:
        made: UUID = tx.session.execute(statement).scalar_one()
        return made

    return Attempt(
        "projects",
        call,
        OK if p.edited_by(me) else DENIED,
        lambda made: m.tasks.append(Item(made, p, "Bare")),
    )


BARE: dict[str, Action] = {
    "UPDATE projects": _bare(
        "projects", "UPDATE projects.projects SET description = :word", _edited("projects", "description")
    ),
    "UPDATE epics": _bare("projects", "UPDATE projects.epics SET title = :word", _edited("epics", "title")),
    "UPDATE tasks": _bare("projects", "UPDATE projects.tasks SET title = :word", _edited("tasks", "title")),
    "UPDATE files": _bare(
        "projects", "UPDATE projects.project_files SET media_type = :word", _edited("files", "media_type")
    ),
    "UPDATE documents": _bare("memory", "UPDATE memory.documents SET title = :word", _title_documents),
    "UPDATE teams": _bare(
        "auth", "UPDATE auth.teams SET description = :word", _edited("teams", "description")
    ),
    "UPDATE collaborators": _bare(
        "projects",
        "UPDATE projects.project_collaborators SET role = 'editor'",
        _promote("projects", "editor"),
    ),
    "UPDATE members": _bare(
        "auth", "UPDATE auth.team_members SET role = 'manager'", _promote("teams", "manager")
    ),
    "UPDATE credits": _bare(
        "projects",
        "UPDATE projects.projects SET credits = 0",
        _spend_all,
        lambda m, me: DENIED if any(p.credits for p in _others(m, me)) else OK,
    ),
    "UPDATE deleted_at": _bare(
        "projects",
        "UPDATE projects.projects SET deleted_at = now()",
        _hide,
        lambda m, me: DENIED if _others(m, me) else OK,
    ),
    "UPDATE owner": _bare(
        "projects",
        "UPDATE projects.tasks SET user_id = devmentor.user_id()",
        lambda _m, _me, _word: None,
        _any_task_of_others,
    ),
    "INSERT collaborator": _invite,
    "INSERT member": _join,
    "INSERT task": _add_task,
    "DELETE epics": _bare("projects", "DELETE FROM projects.epics", lambda m, me, _: m.purge_epics(me)),
    "DELETE tasks": _bare("projects", "DELETE FROM projects.tasks", _deleted("tasks")),
    "DELETE files": _bare("projects", "DELETE FROM projects.project_files", _deleted("files")),
    "DELETE collaborators": _bare(
        "projects", "DELETE FROM projects.project_collaborators", _delete_members("projects")
    ),
    "DELETE members": _bare("auth", "DELETE FROM auth.team_members", _delete_members("teams")),
    "DELETE documents": _bare("memory", "DELETE FROM memory.documents", _delete_documents),
    "DELETE teams": _bare("auth", "DELETE FROM auth.teams", _delete_teams),
    "DELETE projects": _bare("projects", "DELETE FROM projects.projects", _purge),
}

"""What people try with projects: whose they are, and whom they are shared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from devmentor_models import Transaction
from devmentor_models.projects.enums import CollaboratorRole
from tests.support.access.attempt import LIMIT, WORDS, Action, Attempt, Step, change, keys_of, pick
from tests.support.access.model import NOT_FOUND, OK, Model, Project, keys

KEYS = (None, None, "k1", "k2")
PROJECT_ROLES = tuple(CollaboratorRole)


def _create_project(m: Model, me: UUID, s: Step) -> Attempt:
    amount = pick((0, 5, 20), s.choice)

    def then(made: Any) -> None:
        m.projects.append(Project(made.id, me, ledger=[(amount, None)] if amount else []))

    return Attempt("projects", lambda tx: tx.projects.create(name="Shared", credits=amount), then=then)


def _on_project(
    rule: Callable[[Model, UUID, Project], str],
    call: Callable[[Transaction, UUID, str], Any],
    values: Callable[[str], dict[str, Any]],
) -> Action:
    """Return the action that changes a live project, if ``rule`` lets it."""

    def act(m: Model, me: UUID, s: Step) -> Attempt:
        p, word = pick(m.projects, s.which), pick(WORDS, s.choice)
        then = change(p, **values(word))
        return Attempt("projects", lambda tx: call(tx, p.id, word), rule(m, me, p), then)

    return act


def _get_project(m: Model, me: UUID, s: Step) -> Attempt:
    p = pick(m.projects, s.which)
    return Attempt(
        "projects",
        lambda tx: tx.projects.get(p.id),
        m.reach(me, p),
        answer=lambda made: (made.description, made.credits),
        expected=(p.description, p.credits),
    )


def _list_projects(m: Model, me: UUID, s: Step) -> Attempt:
    own = keys(p for p in m.projects if p.owner == me and not p.deleted)
    return Attempt("projects", lambda tx: tx.projects.list(limit=LIMIT), answer=keys_of, expected=own)


def _list_shared(m: Model, me: UUID, s: Step) -> Attempt:
    return Attempt(
        "projects",
        lambda tx: tx.collaborators.projects_shared_with_me(limit=LIMIT),
        answer=lambda page: {(found.project.id, found.role) for found in page.items},
        expected={(p.id, p.members[me]) for p in m.projects if me in p.members and not p.deleted},
    )


def _restore_project(m: Model, me: UUID, s: Step) -> Attempt:
    p = pick(m.projects, s.which)
    refused = (
        NOT_FOUND if not (p.seen_by(me) and p.deleted) else OK if me == p.owner else "RoleRequired owner"
    )
    return Attempt("projects", lambda tx: tx.projects.restore(p.id), refused, change(p, deleted=False))


def _move_credits(m: Model, me: UUID, s: Step) -> Attempt:
    p, amount, key = pick(m.projects, s.which), pick((-3, 4, -30), s.other), pick(KEYS, s.choice)
    earlier = next((entry for entry in p.ledger if key is not None and entry[1] == key), None)
    refused = m.own(me, p)
    if not refused and earlier:
        refused = OK if earlier[0] == amount else "InvalidValue"
    elif not refused and p.credits + amount < 0:
        refused = "InsufficientCredits"

    def call(tx: Transaction) -> Any:
        move = tx.projects.spend_credits if amount < 0 else tx.projects.grant_credits
        return move(p.id, abs(amount), reason="test", idempotency_key=key)

    def then(_: Any) -> None:
        if not earlier:
            p.forced = None if p.forced is None else p.forced + amount
            p.ledger.append((amount, key))

    return Attempt("projects", call, refused, then, lambda entry: entry.amount, amount)


def _credit_history(m: Model, me: UUID, s: Step) -> Attempt:
    p = pick(m.projects, s.which)
    return Attempt(
        "projects",
        lambda tx: tx.projects.credit_history(p.id, limit=LIMIT),
        answer=lambda page: [entry.amount for entry in reversed(page.items)],
        expected=[amount for amount, _ in p.ledger] if p.seen_by(me) else [],
    )


# Collaborators


def _share(m: Model, me: UUID, s: Step) -> Attempt:
    p, whom, role = pick(m.projects, s.which), pick(m.users, s.other), pick(PROJECT_ROLES, s.choice)
    return Attempt(
        "projects",
        lambda tx: tx.collaborators.add(p.id, whom, role=role),
        m.own(me, p) or ("InvalidValue" if whom == p.owner else OK),
        lambda _: p.members.update({whom: role.value}),
    )


def _change_role(m: Model, me: UUID, s: Step) -> Attempt:
    p, whom, role = pick(m.projects, s.which), pick(m.users, s.other), pick(PROJECT_ROLES, s.choice)
    return Attempt(
        "projects",
        lambda tx: tx.collaborators.change_role(p.id, whom, role),
        m.own(me, p) or (OK if whom in p.members else NOT_FOUND),
        lambda _: p.members.update({whom: role.value}),
    )


def _remove(m: Model, me: UUID, s: Step) -> Attempt:
    p, whom = pick(m.projects, s.which), pick(m.users, s.other)
    return Attempt(
        "projects",
        lambda tx: tx.collaborators.remove(p.id, whom),
        m.own(me, p) or (OK if whom in p.members else NOT_FOUND),
        lambda _: p.members.pop(whom),
    )


def _leave_project(m: Model, me: UUID, s: Step) -> Attempt:
    p = pick(m.projects, s.which)
    refused = OK if me in p.members else NOT_FOUND
    return Attempt("projects", lambda tx: tx.collaborators.leave(p.id), refused, lambda _: p.members.pop(me))


def _list_collaborators(m: Model, me: UUID, s: Step) -> Attempt:
    p = pick(m.projects, s.which)
    return Attempt(
        "projects",
        lambda tx: tx.collaborators.list(p.id, limit=LIMIT),
        answer=lambda page: {found.member_id: found.role for found in page.items},
        expected=dict(p.members) if p.seen_by(me) else {},
    )


#: By the repository's method.
PROJECTS: dict[str, Action] = {
    "projects.create": _create_project,
    "projects.get": _get_project,
    "projects.list": _list_projects,
    "projects.update": _on_project(
        Model.edit, lambda tx, key, w: tx.projects.update(key, description=w), lambda w: {"description": w}
    ),
    "projects.archive": _on_project(
        Model.edit, lambda tx, key, _: tx.projects.archive(key), lambda _: {"archived": True}
    ),
    "projects.unarchive": _on_project(
        Model.edit, lambda tx, key, _: tx.projects.unarchive(key), lambda _: {"archived": False}
    ),
    "projects.soft_delete": _on_project(
        Model.own, lambda tx, key, _: tx.projects.soft_delete(key), lambda _: {"deleted": True}
    ),
    "projects.restore": _restore_project,
    "projects.move_credits": _move_credits,
    "projects.credit_history": _credit_history,
    "collaborators.add": _share,
    "collaborators.change_role": _change_role,
    "collaborators.remove": _remove,
    "collaborators.leave": _leave_project,
    "collaborators.list": _list_collaborators,
    "collaborators.projects_shared_with_me": _list_shared,
}

"""What people try with epics, tasks and files."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from devmentor_models import Transaction
from tests.support.access.attempt import LIMIT, WORDS, Action, Attempt, Step, change, keys_of, pick
from tests.support.access.model import NOT_FOUND, OK, Item, Model, keys

PATHS = ("a.py", "b.py")


def _create_epic(m: Model, me: UUID, s: Step) -> Attempt:
    p = pick(m.projects, s.which)
    return Attempt(
        "projects",
        lambda tx: tx.epics.create(project_id=p.id, title="Epic"),
        m.edit(me, p),
        lambda made: m.epics.append(Item(made.id, p, "Epic")),
    )


def _create_task(m: Model, me: UUID, s: Step) -> Attempt:
    p, epic = pick(m.projects, s.which), pick([None, *m.epics], s.other)
    lost = epic is not None and (epic.project is not p or not epic.there_for(me))
    return Attempt(
        "projects",
        lambda tx: tx.tasks.create(project_id=p.id, epic_id=epic.id if epic else None, title="Task"),
        m.edit(me, p) or (NOT_FOUND if lost else OK),
        lambda made: m.tasks.append(Item(made.id, p, "Task", epic=epic)),
    )


def _create_file(m: Model, me: UUID, s: Step) -> Attempt:
    p, path = pick(m.projects, s.which), pick(PATHS, s.choice)
    return Attempt(
        "projects",
        lambda tx: tx.files.create(project_id=p.id, path=path),
        m.edit(me, p) or ("UniqueViolation" if m.path_taken(p, path) else OK),
        lambda made: m.files.append(Item(made.id, p, path)),
    )


def _get_item(kind: str) -> Action:
    """Return the action that reads an item by its key."""

    def act(m: Model, me: UUID, s: Step) -> Attempt:
        item = pick(getattr(m, kind), s.which)
        refused = OK if item.there_for(me) else NOT_FOUND
        shown = "path" if kind == "files" else "title"
        return Attempt(
            "projects",
            lambda tx: getattr(tx, kind).get(item.id),
            refused,
            answer=lambda found: (found.id, getattr(found, shown)),
            expected=(item.id, item.title),
        )

    return act


def _list_items(kind: str) -> Action:
    """Return the action that lists a project's items."""

    def act(m: Model, me: UUID, s: Step) -> Attempt:
        p = pick(m.projects, s.which)
        there = keys(item for item in getattr(m, kind) if item.project is p and item.there_for(me))
        return Attempt(
            "projects", lambda tx: getattr(tx, kind).list(p.id, limit=LIMIT), answer=keys_of, expected=there
        )

    return act


def _on_item(
    kind: str,
    call: Callable[[Any, UUID, str], Any],
    values: Callable[[str], dict[str, Any]],
    *,
    binned: bool = False,
) -> Action:
    """Return the action that changes a live (or deleted) item, which takes an editor."""

    def act(m: Model, me: UUID, s: Step) -> Attempt:
        item, word = pick(getattr(m, kind), s.which), pick(WORDS, s.choice)
        refused = m.edit_item(me, item, found=item.bin_of(me) if binned else item.there_for(me))
        if not refused and binned and kind == "files" and m.path_taken(item.project, item.title):
            refused = "UniqueViolation"
        then = change(item, **values(word))
        return Attempt("projects", lambda tx: call(getattr(tx, kind), item.id, word), refused, then)

    return act


def _move_task(m: Model, me: UUID, s: Step) -> Attempt:
    task, epic = pick(m.tasks, s.which), pick([None, *m.epics], s.other)
    lost = epic is not None and (epic.project is not task.project or not epic.there_for(me))
    return Attempt(
        "projects",
        lambda tx: tx.tasks.move(task.id, epic_id=epic.id if epic else None),
        m.edit_item(me, task, found=task.there_for(me)) or (NOT_FOUND if lost else OK),
        change(task, epic=epic),
    )


def _assign_task(m: Model, me: UUID, s: Step) -> Attempt:
    task, whom = pick(m.tasks, s.which), pick([None, *m.users], s.other)
    return Attempt(
        "projects",
        lambda tx: tx.tasks.assign(task.id, whom),
        m.edit_item(me, task, found=task.there_for(me)),
        change(task, assignee=whom),
    )


def _tasks_of_team(m: Model, me: UUID, s: Step) -> Attempt:
    team = pick(m.teams, s.which)
    people = team.members if team.seen_by(me) else {}
    return Attempt(
        "projects",
        lambda tx: tx.tasks.assigned_to_team(team.id, limit=LIMIT),
        answer=keys_of,
        expected=keys(t for t in m.tasks if t.assignee in people and t.there_for(me)),
    )


def _add_version(m: Model, me: UUID, s: Step) -> Attempt:
    file, digest = pick(m.files, s.which), sha256(pick(WORDS, s.choice).encode()).digest()

    def call(tx: Transaction) -> Any:
        return tx.files.add_version(
            file.id, storage_bucket="test", storage_key=uuid4().hex, size_bytes=1, sha256=digest
        )

    def then(made: Any) -> None:
        if digest not in file.versions:
            file.versions.append(digest)

    return Attempt("projects", call, m.edit_item(me, file, found=file.there_for(me)), then)


def _purge_file(m: Model, me: UUID, s: Step) -> Attempt:
    file = pick(m.files, s.which)
    refused = m.edit_item(me, file, found=file.project.seen_by(me))
    return Attempt("projects", lambda tx: tx.files.purge(file.id), refused, lambda _: m.files.remove(file))


def _of_items(kind: str) -> dict[str, Action]:
    return {
        f"{kind}.get": _get_item(kind),
        f"{kind}.list": _list_items(kind),
        f"{kind}.soft_delete": _on_item(
            kind, lambda r, key, _: r.soft_delete(key), lambda _: {"deleted": True}
        ),
        f"{kind}.restore": _on_item(
            kind, lambda r, key, _: r.restore(key), lambda _: {"deleted": False}, binned=True
        ),
    }


def _titled(word: str) -> dict[str, Any]:
    return {"title": word}


#: By the repository's method.
ITEMS: dict[str, Action] = {
    "epics.create": _create_epic,
    "epics.update": _on_item("epics", lambda r, key, w: r.update(key, title=w), _titled),
    "tasks.create": _create_task,
    "tasks.update": _on_item("tasks", lambda r, key, w: r.update(key, title=w), _titled),
    "tasks.complete": _on_item("tasks", lambda r, key, _: r.complete(key), lambda _: {"done": True}),
    "tasks.reopen": _on_item("tasks", lambda r, key, _: r.reopen(key), lambda _: {"done": False}),
    "tasks.move": _move_task,
    "tasks.assign": _assign_task,
    "tasks.assigned_to_team": _tasks_of_team,
    "files.create": _create_file,
    "files.add_version": _add_version,
    "files.purge": _purge_file,
    **_of_items("epics"),
    **_of_items("tasks"),
    **_of_items("files"),
}

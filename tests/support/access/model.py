"""The model of access: three people, what they made, whom they share it with (F4, F8; Z1).

It knows nothing of SQL, policies or repositories. It only says what each of them must see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar
from uuid import UUID

OK = ""
NOT_FOUND = "NotFound"

T = TypeVar("T")
Row = tuple[Any, ...]


@dataclass(eq=False)
class Shared:
    """What an owner shares with members, each in a role."""

    id: UUID
    owner: UUID
    members: dict[UUID, str] = field(default_factory=dict)

    def seen_by(self, me: UUID) -> bool:
        """Tell whether somebody sees it at all."""
        return me == self.owner or me in self.members

    def edited_by(self, me: UUID) -> bool:
        """Tell whether somebody may change it."""
        return me == self.owner or self.members.get(me) in {"editor", "manager"}


@dataclass(eq=False)
class Project(Shared):
    """A project with its ledger: amounts and the callers' keys."""

    description: str | None = None
    archived: bool = False
    deleted: bool = False
    ledger: list[tuple[int, str | None]] = field(default_factory=list)
    #: Set by SQL that goes round the ledger; None: the ledger's sum.
    forced: int | None = None

    @property
    def credits(self) -> int:
        """The balance."""
        return sum(amount for amount, _ in self.ledger) if self.forced is None else self.forced


@dataclass(eq=False)
class Item:
    """An epic, a task or a file of a project."""

    id: UUID
    project: Project
    title: str
    deleted: bool = False
    #: Of a task.
    epic: Item | None = None
    assignee: UUID | None = None
    done: bool = False
    #: Of a file.
    media_type: str | None = None
    versions: list[bytes] = field(default_factory=list)

    def there_for(self, me: UUID) -> bool:
        """Tell whether somebody finds it: neither it nor anything around it is deleted."""
        hidden = self.deleted or self.project.deleted or (self.epic is not None and self.epic.deleted)
        return self.project.seen_by(me) and not hidden

    def bin_of(self, me: UUID) -> bool:
        """Tell whether somebody finds it among what was deleted, and may bring back by itself."""
        hidden = self.project.deleted or (self.epic is not None and self.epic.deleted)
        return self.project.seen_by(me) and self.deleted and not hidden


@dataclass(eq=False)
class Document:
    """What somebody remembered: theirs alone, whatever its project is shared with."""

    id: UUID
    owner: UUID
    content: str
    project: Project | None = None
    title: str = "note"
    deleted: bool = False

    def same_as(self, other: Document) -> bool:
        """Tell whether the two cannot both be live."""
        return (self.owner, self.project, self.content) == (other.owner, other.project, other.content)


@dataclass(eq=False)
class Team(Shared):
    """A team."""

    name: str = ""
    description: str | None = None


@dataclass
class Model:
    """Everything there is.

    Attributes:
        users: The three people.
        gone: Owner and key of projects that were deleted for good: their history stays with the owner.
    """

    users: Sequence[UUID]
    projects: list[Project] = field(default_factory=list)
    epics: list[Item] = field(default_factory=list)
    tasks: list[Item] = field(default_factory=list)
    files: list[Item] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    gone: list[tuple[UUID, UUID]] = field(default_factory=list)

    # What a call must answer: the name of an error and the role that it names, or nothing.

    def reach(self, me: UUID, project: Project) -> str:
        """Answer whoever wants to see a live project."""
        return OK if project.seen_by(me) and not project.deleted else NOT_FOUND

    def edit(self, me: UUID, project: Project) -> str:
        """Answer whoever wants to work in a live project."""
        return self.reach(me, project) or (OK if project.edited_by(me) else "RoleRequired editor")

    def own(self, me: UUID, project: Project) -> str:
        """Answer whoever wants what only the owner of a live project may."""
        return self.reach(me, project) or (OK if me == project.owner else "RoleRequired owner")

    def edit_item(self, me: UUID, item: Item, *, found: bool) -> str:
        """Answer whoever wants to change an item that they find, or do not."""
        if not found:
            return NOT_FOUND
        return OK if item.project.edited_by(me) else "RoleRequired editor"

    def manage(self, me: UUID, team: Team) -> str:
        """Answer whoever wants to change a team."""
        if not team.seen_by(me):
            return NOT_FOUND
        return OK if team.edited_by(me) else "RoleRequired manager"

    def lead(self, me: UUID, team: Team) -> str:
        """Answer whoever wants what only the owner of a team may."""
        if not team.seen_by(me):
            return NOT_FOUND
        return OK if me == team.owner else "RoleRequired owner"

    def path_taken(self, project: Project, path: str) -> bool:
        """Tell whether a live file stands at a path."""
        return any(f.project is project and f.title == path and not f.deleted for f in self.files)

    def twin_of(self, document: Document) -> Document | None:
        """Return the live document that a document would be a second copy of."""
        return next((d for d in self.documents if not d.deleted and d.same_as(document)), None)

    def name_taken(self, owner: UUID, name: str, but: Team | None = None) -> bool:
        """Tell whether somebody has another team of that name."""
        return any(t.owner == owner and t.name == name and t is not but for t in self.teams)

    def searchable(self, me: UUID, word: str) -> frozenset[UUID]:
        """Return the documents that somebody's search for a word finds."""
        return keys(
            d
            for d in self.documents
            if d.owner == me
            and word in d.content
            and not d.deleted
            and (d.project is None or not (d.project.deleted or d.project.archived))
        )

    # What happens.

    def purge(self, project: Project) -> None:
        """Delete a project for good, with what is in it."""
        self.gone.append((project.owner, project.id))
        self.projects.remove(project)
        for items in (self.epics, self.tasks, self.files):
            items[:] = [item for item in items if item.project is not project]
        self.documents[:] = [d for d in self.documents if d.project is not project]

    def purge_epics(self, me: UUID) -> None:
        """Delete every epic that somebody may; tasks stay, without one."""
        self.epics[:] = [epic for epic in self.epics if not epic.project.edited_by(me)]
        for task in self.tasks:
            if task.epic not in self.epics:
                task.epic = None

    # What everybody sees: all rows of a table, through row security, without a condition.

    def rows(self, table: str, me: UUID) -> Counter[Row]:
        """Return what somebody sees of a table, in the columns of `VIEWS`."""
        return Counter(getattr(self, f"_{table.replace('.', '_')}")(me))

    def _mine(self, shared: Iterable[Any], me: UUID) -> Iterator[Any]:
        return (one for one in shared if (one.project if isinstance(one, Item) else one).seen_by(me))

    def _projects_projects(self, me: UUID) -> Iterator[Row]:
        for p in self._mine(self.projects, me):
            status = "archived" if p.archived else "active"
            yield p.id, p.owner, p.description, status, p.credits, p.deleted

    def _projects_project_collaborators(self, me: UUID) -> Iterator[Row]:
        for p in self._mine(self.projects, me):
            yield from ((p.id, member, role) for member, role in p.members.items())

    def _projects_epics(self, me: UUID) -> Iterator[Row]:
        return ((e.id, e.title, e.deleted) for e in self._mine(self.epics, me))

    def _projects_tasks(self, me: UUID) -> Iterator[Row]:
        for t in self._mine(self.tasks, me):
            yield t.id, t.epic.id if t.epic else None, t.title, t.assignee, t.done, t.deleted

    def _projects_project_files(self, me: UUID) -> Iterator[Row]:
        return ((f.id, f.title, f.media_type, f.deleted) for f in self._mine(self.files, me))

    def _projects_project_file_versions(self, me: UUID) -> Iterator[Row]:
        for f in self._mine(self.files, me):
            yield from ((f.id, number, digest) for number, digest in enumerate(f.versions, 1))

    def _projects_credit_entries(self, me: UUID) -> Iterator[Row]:
        for p in self._mine(self.projects, me):
            yield from ((p.id, amount, key) for amount, key in p.ledger)

    def _projects_activity(self, me: UUID) -> Iterator[Row]:
        gone = (project_id for owner, project_id in self.gone if owner == me)
        return ((key,) for key in chain(keys(self._mine(self.projects, me)), gone))

    def _projects_storage_orphans(self, me: UUID) -> Iterator[Row]:
        return iter(())  # the services' own

    def _memory_documents(self, me: UUID) -> Iterator[Row]:
        return ((d.id, d.title, d.deleted) for d in self.documents if d.owner == me)

    def _memory_chunks(self, me: UUID) -> Iterator[Row]:
        return ((d.id,) for d in self.documents if d.owner == me)

    def _auth_users(self, me: UUID) -> Iterator[Row]:
        return iter([(me,)])

    def _auth_teams(self, me: UUID) -> Iterator[Row]:
        return ((t.id, t.owner, t.name, t.description) for t in self._mine(self.teams, me))

    def _auth_team_members(self, me: UUID) -> Iterator[Row]:
        for t in self._mine(self.teams, me):
            yield from ((t.id, member, role) for member, role in t.members.items())


#: The columns of each table that the model knows of.
VIEWS = {
    "projects.projects": "id, user_id, description, status::text, credits, deleted_at IS NOT NULL",
    "projects.project_collaborators": "project_id, member_id, role::text",
    "projects.epics": "id, title, deleted_at IS NOT NULL",
    "projects.tasks": "id, epic_id, title, assignee_id, status = 'done', deleted_at IS NOT NULL",
    "projects.project_files": "id, path, media_type, deleted_at IS NOT NULL",
    "projects.project_file_versions": "file_id, number, sha256",
    "projects.credit_entries": "project_id, amount, idempotency_key",
    "projects.activity": "DISTINCT project_id",
    "projects.storage_orphans": "id",
    "memory.documents": "id, title, deleted_at IS NOT NULL",
    "memory.chunks": "DISTINCT document_id",
    "auth.users": "id",
    "auth.teams": "id, user_id, name, description",
    "auth.team_members": "team_id, member_id, role::text",
}


def keys(things: Iterable[Any]) -> frozenset[UUID]:
    """Return the keys of things, of the model or of the database."""
    return frozenset(thing.id for thing in things)

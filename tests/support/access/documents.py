"""What people try with documents, their own and those of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from devmentor_models import Transaction
from devmentor_models.memory.enums import DocumentSource
from tests.support.access.attempt import LIMIT, Action, Attempt, Step, change, keys_of, pick
from tests.support.access.model import NOT_FOUND, OK, Document, Model, keys

CONTENTS = ("alpha memory", "beta memory")
SEARCHES = ("alpha", "beta", "memory")


def _store(m: Model, me: UUID, s: Step) -> Attempt:
    project, content = pick([None, *m.projects], s.which), pick(CONTENTS, s.choice)
    new = Document(uuid4(), me, content, project)
    twin = m.twin_of(new)

    def then(made: Any) -> None:
        new.id = made.id
        if twin is None:
            m.documents.append(new)

    return Attempt(
        "memory",
        lambda tx: tx.documents.store(
            title="note",
            content=content,
            source=DocumentSource.NOTE,
            project_id=project.id if project else None,
        ),
        OK if project is None or project.owner == me else "ForeignKeyViolation",
        then,
        # A copy of somebody else's is a document of one's own.
        lambda made: made.id if twin else made.id in keys(m.documents),
        twin.id if twin else False,
    )


def _on_document(
    call: Callable[[Transaction, UUID], Any], *, binned: bool = False, **values: object
) -> Action:
    """Return the action on a document that is live, or deleted; it takes its owner."""

    def act(m: Model, me: UUID, s: Step) -> Attempt:
        d = pick(m.documents, s.which)
        refused = OK if d.owner == me and d.deleted is binned else NOT_FOUND
        if not refused and binned and m.twin_of(d):
            refused = "UniqueViolation"
        return Attempt("memory", lambda tx: call(tx, d.id), refused, change(d, **values))

    return act


def _purge(m: Model, me: UUID, s: Step) -> Attempt:
    d = pick(m.documents, s.which)
    refused = OK if d.owner == me else NOT_FOUND
    return Attempt("memory", lambda tx: tx.documents.purge(d.id), refused, lambda _: m.documents.remove(d))


def _list_documents(m: Model, me: UUID, s: Step) -> Attempt:
    own = keys(d for d in m.documents if d.owner == me and not d.deleted)
    return Attempt("memory", lambda tx: tx.documents.list(limit=LIMIT), answer=keys_of, expected=own)


def _search(m: Model, me: UUID, s: Step) -> Attempt:
    word = pick(SEARCHES, s.choice)
    return Attempt(
        "memory",
        lambda tx: tx.memory.search(word, limit=LIMIT, related=0),
        answer=lambda hits: frozenset(hit.document_id for hit in hits),
        expected=m.searchable(me, word),
    )


#: By the repository's method.
DOCUMENTS: dict[str, Action] = {
    "documents.store": _store,
    "documents.get": _on_document(lambda tx, key: tx.documents.get(key)),
    "documents.list": _list_documents,
    "documents.update": _on_document(lambda tx, key: tx.documents.update(key, title="mine"), title="mine"),
    "documents.soft_delete": _on_document(lambda tx, key: tx.documents.soft_delete(key), deleted=True),
    "documents.restore": _on_document(lambda tx, key: tx.documents.restore(key), binned=True, deleted=False),
    "documents.purge": _purge,
    "memory.search": _search,
}

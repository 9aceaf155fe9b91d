"""The flows that every service relies on, in a few seconds, with nothing but the installed package.

``python -m devmentor_models.testing.flows`` runs them on DEVMENTOR_DATABASE_URL. They travel in the wheel, so
that a released one can be tried on a newer schema than its own: an expand step promises that this passes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

from devmentor_models import seeds
from devmentor_models.database import Database
from devmentor_models.errors import DevMentorError, InsufficientCredits, NotFound
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk, NewDocument
from devmentor_models.security.actor import Actor
from devmentor_models.seeds.base import EMBEDDING_MODEL

AUTH = Actor.service("auth")
FUNDS, PRICE = 100, 30  # credits


class FlowFailed(DevMentorError):
    """A flow ran, and something else came out of it than what services rely on; the message says what."""


#: With what a service connects, by its name.
At = Callable[[str], Database]


def run(database: Database | At) -> Iterator[str]:
    """Run every flow and yield its name when it is done; the accounts that they make are erased at the end.

    Args:
        database: A migrated database; what the flows write is committed. Or a function that returns it as a
            service connects to it, by the service's name: ``{"auth": …}.__getitem__``; ``seeds`` for seeds.

    Raises:
        SchemaMismatch: This code does not work with the schema.
        FlowFailed: A flow had another result than it should.
        DevMentorError: A flow failed.
    """
    at: At = (lambda _: database) if isinstance(database, Database) else database
    state = at("auth").verify_schema()
    yield f"schema: {state.message}"
    seeds.apply(at("seeds"))
    owner, stranger = _register(at("auth")), _register(at("auth"))
    flows: tuple[Callable[[At, UUID, UUID], None], ...] = (
        _sessions,
        _projects,
        _credits,
        _memory,
        _isolation,
    )
    try:
        for flow in flows:
            flow(at, owner, stranger)
            yield flow.__name__.strip("_")
    finally:
        for user_id in (owner, stranger):
            with at("auth").begin(_for(user_id)) as tx:
                tx.users.erase(user_id)
    yield "erasure"


def _for(user_id: UUID) -> Actor:
    return Actor.service("auth", on_behalf_of=user_id)


def _expect(*, that: bool, what: str) -> None:
    if not that:
        raise FlowFailed(f"Expected: {what}.")


def _register(database: Database) -> UUID:
    name = f"flow-{uuid4().hex}"
    with database.begin(AUTH) as tx:
        user = tx.users.register(
            email=f"{name}@example.org",
            username=name,
            password_hash="none",  # noqa: S106 - no password has this hash
        ).user
    with database.begin(AUTH) as tx:
        found = tx.users.find_credentials(f"{name}@EXAMPLE.org")
    _expect(that=found is not None and found.user_id == user.id, what="an address is found whatever its case")
    return user.id


def _sessions(at: At, owner: UUID, stranger: UUID) -> None:
    """Log in, renew the session, and have the copied token refused."""
    database = at("auth")
    with database.begin(_for(owner)) as tx:
        first = tx.sessions.open(owner)
    second = database.run(lambda tx: tx.sessions.rotate(first.token), actor=AUTH).require()
    with database.begin(AUTH) as tx:
        _expect(that=tx.sessions.find_active(second.token) is not None, what="a renewed session is live")
    again = database.run(lambda tx: tx.sessions.rotate(first.token), actor=AUTH)
    _expect(that=again.outcome.value == "reused", what="a token is exchanged once")
    with database.begin(AUTH) as tx:
        _expect(that=tx.sessions.find_active(second.token) is None, what="a copied token ends its family")


def _projects(at: At, owner: UUID, stranger: UUID) -> None:
    """Make a project with a task, and find both."""
    database = at("projects")
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Flow")
        task = tx.tasks.create(project_id=project.id, title="Do it")
    with database.begin(Actor.user(owner), readonly=True) as tx:
        _expect(that=tx.projects.get(project.id).name == "Flow", what="a project is read as it was written")
        _expect(that=tx.tasks.get(task.id).title == "Do it", what="a task is read as it was written")


def _credits(at: At, owner: UUID, stranger: UUID) -> None:
    """Spend credits, not more than there are."""
    database = at("projects")
    actor = Actor.user(owner)
    with database.begin(actor) as tx:
        project = tx.projects.create(name="Credits", credits=FUNDS)
        entry = tx.projects.spend_credits(project.id, PRICE, reason="review")
    _expect(that=entry.balance_after == FUNDS - PRICE, what="what is spent is gone, and no more")
    try:
        with database.begin(actor) as tx:
            tx.projects.spend_credits(project.id, FUNDS, reason="too much")
    except InsufficientCredits:
        return
    raise FlowFailed("Expected: nobody spends more credits than there are.")


def _memory(at: At, owner: UUID, stranger: UUID) -> None:
    """Remember a document, and find it by its words and by its vector."""
    database = at("memory")
    vector = [1.0, *[0.0] * (EMBEDDING_MODEL.dimensions - 1)]
    chunk = NewChunk(content="Keysets page without skipping rows.", embedding=vector)
    document = NewDocument(title="Paging", content=chunk.content, source=DocumentSource.NOTE, chunks=[chunk])
    with database.begin(Actor.user(owner)) as tx:
        tx.documents.store_many([document], model=EMBEDDING_MODEL.name)
        by_words = tx.memory.search("keysets")
        by_vector = tx.memory.search(embedding=vector, model=EMBEDDING_MODEL.name)
    _expect(that=len(by_words) == 1, what="a document is found by its words")
    _expect(that=len(by_vector) == 1, what="a document is found by its vector")


def _isolation(at: At, owner: UUID, stranger: UUID) -> None:
    """See nothing of another tenant."""
    database = at("projects")
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Private")
    with at("memory").begin(Actor.user(stranger)) as tx:
        _expect(that=not tx.memory.search("keysets"), what="nobody finds another tenant's documents")
    with database.begin(Actor.user(stranger)) as tx:
        try:
            tx.projects.get(project.id)
        except NotFound:
            return
    raise FlowFailed("Expected: nobody reads another tenant's project.")


def main() -> int:
    """Run the flows on DEVMENTOR_DATABASE_URL; return 0 when all passed, else 1."""
    try:
        with Database.from_env(pool_min=0, pool_max=2) as database:
            for name in run(database):
                print(name)  # noqa: T201 - a command
    except DevMentorError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

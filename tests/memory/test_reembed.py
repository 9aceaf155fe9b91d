"""The way to another embedding model and back, whatever happens meanwhile (F5)."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from devmentor_models import Actor, Database
from devmentor_models.embeddings import reembed
from devmentor_models.embeddings.catalog import EmbeddingCatalog, IndexState
from devmentor_models.embeddings.indexes import build_index
from devmentor_models.embeddings.reembed import EmbedderFailed, Reembedding, SwitchRefused, drop_vectors
from devmentor_models.errors import ConfigurationError, LockTimeout, NotFound
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.values import NewChunk, NewDocument
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.embedders import broken, five, three
from tests.support.logins import login

ROOT = Path(__file__).parents[2]
CHUNKS = 24

#: A run that is killed by its own embedder, in its third batch.
KILLED = """
import os, signal, sys
from devmentor_models import registry
from devmentor_models.embeddings.reembed import Reembedding
from tests.support.embedders import five
calls = []
def embedder(texts):
    calls.append(texts)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return five(texts)
with Reembedding(sys.argv[1], "five", embedder, batch=5) as run:
    run.run()
"""


class Place:
    """A database with two models, and users who have stored chunks with vectors of the first.

    Args:
        url: The database, as superuser.
        owner_url: The same for a member of the owner, whom row security binds.
        database: The same for services.
    """

    def __init__(self, url: str, owner_url: str, database: Database) -> None:
        self.url = url
        self.owner_url = owner_url
        self.database = database
        self.users: list[UUID] = []
        with database.begin(Actor.service("ai")) as tx:
            tx.embedding_models.register(name="three", dimensions=3, default=True)
            tx.embedding_models.register(name="five", dimensions=5)
        for number in range(2):
            with database.begin(Actor.service("auth")) as tx:
                self.users.append(UserFactory.insert(tx.session).id)
            self.store(self.users[number], *(f"text {number} {place}" for place in range(CHUNKS // 2)))

    def store(self, user: UUID, *texts: str) -> UUID:
        """Store a document of these chunks, with vectors of the default model."""
        with self.database.begin(Actor.user(user)) as tx:
            embedder = {"three": three, "five": five}[tx.embedding_models.get_default().name]
            chunks = [NewChunk(*pair) for pair in zip(texts, embedder(texts), strict=True)]
            new = NewDocument(title="T", content=" ".join(texts), source=DocumentSource.NOTE, chunks=chunks)
            return tx.documents.store_many([new]).document_ids[0]

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as superuser and return its rows."""
        with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def vectors(self, model: str) -> int:
        """Return how many vectors of a model there are."""
        found = self.ask(
            "SELECT count(*) FROM memory.embeddings_meta e JOIN ai.embedding_models m ON m.id = e.model_id"
            f" WHERE m.name = '{model}' AND e.embedding IS NOT NULL"
        )
        return int(str(found[0][0]))

    def default(self) -> str:
        """Return the name of the default model."""
        return str(self.ask("SELECT name FROM ai.embedding_models WHERE is_default")[0][0])

    def hits(self, text: str, model: str) -> list[str]:
        """Return what the first user finds by the vector of a text, the best one alone."""
        vector = {"three": three, "five": five}[model]([text])[0]
        with self.database.begin(Actor.user(self.users[0])) as tx:
            return [hit.content for hit in tx.memory.search(embedding=vector, model=model, limit=1)]


@pytest.fixture
def place(devmentor_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a database of the test's own, since a run is about everybody's chunks."""
    monkeypatch.setattr(reembed, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(reembed, "PAGE_ROWS", 10)
    with (
        login(devmentor_database_url, member_of="devmentor_owner") as owner_url,
        Database.from_url(devmentor_database_url, pool_min=0) as database,
    ):
        yield Place(devmentor_database_url, owner_url, database)


def counting(seen: list[str]) -> reembed.Embedder:
    """Return an embedder of five dimensions that notes what it was given."""

    def embedder(texts: Sequence[str]) -> list[list[float]]:
        seen.extend(texts)
        return five(texts)

    return embedder


def test_there_and_back(place: Place) -> None:
    """Both models stay searchable; the way back embeds only what was stored since."""
    with Reembedding(place.owner_url, "five", five, batch=7) as run:
        steps: list[int] = []
        assert run.pending() == CHUNKS
        assert run.run(steps.append).stored == CHUNKS == sum(steps)
        assert (place.default(), place.hits("text 0 3", "three")) == ("three", ["text 0 3"])
        run.switch()
        assert run.pending() == 0
    assert place.default() == "five"
    assert [place.hits("text 0 3", model) for model in ("three", "five")] == [["text 0 3"]] * 2
    place.store(place.users[0], "new")
    with Reembedding(place.owner_url, "three", three) as back:
        assert back.run().stored == 1
        back.switch()
    assert (place.default(), place.hits("new", "three")) == ("three", ["new"])
    assert place.ask("SELECT count(*) FROM auth.audit_log WHERE table_name = 'ai.embedding_models'") != [(0,)]


def test_killed_in_the_middle(place: Place) -> None:
    """What a killed run stored stays; the next one does the rest, and nothing twice."""
    command = [sys.executable, "-c", KILLED, place.owner_url]
    killed = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - the text above
    assert killed.returncode == -signal.SIGKILL
    assert place.vectors("five") == 10
    seen: list[str] = []
    with Reembedding(place.owner_url, "five", counting(seen)) as run:
        run.run()
        run.switch()
    assert (len(seen), place.vectors("five"), place.default()) == (CHUNKS - 10, CHUNKS, "five")


def test_stored_while_it_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that come in at any time before the switch get their vector, however many they are."""
    monkeypatch.setattr(reembed, "SWITCH_TEXTS", 2)
    calls: list[int] = []

    def embedder(texts: Sequence[str]) -> list[list[float]]:
        calls.append(len(texts))
        if len(calls) == 2:
            place.store(place.users[0], "during the run")
        return five(texts)

    with Reembedding(place.owner_url, "five", embedder, batch=8) as run:
        assert run.run().stored == CHUNKS + 1
        place.store(place.users[1], "one", "two", "three", "too many for the switch itself")
        run.switch()
        assert (run.pending(), place.vectors("five"), place.default()) == (0, CHUNKS + 5, "five")
        place.store(place.users[1], "afterwards")
        assert run.pending() == 0


def test_the_switch_waits_for_who_knows_the_old_default(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that has read the old default may store with it; what it stores is not missed."""
    monkeypatch.setattr(reembed, "SWITCH_LOCK_TIMEOUT", "50ms")
    with Reembedding(place.owner_url, "five", five) as run:
        run.run()
        with place.database.begin(Actor.user(place.users[0])) as tx:
            assert tx.embedding_models.get_default().name == "three"
            switching = threading.Thread(target=run.switch)
            switching.start()
            time.sleep(0.15)
            assert switching.is_alive()
            tx.documents.store(
                title="T",
                content="late",
                source=DocumentSource.NOTE,
                chunks=[NewChunk("late", three(["late"])[0])],
            )
        switching.join()
        assert (run.pending(), place.default(), place.hits("late", "five")) == (0, "five", ["late"])


def test_the_switch_gives_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction without end does not stop services: the switch leaves, and says so."""
    monkeypatch.setattr(reembed, "SWITCH_LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(reembed, "SWITCH_TRIES", 2)
    with Reembedding(place.owner_url, "five", five) as run:
        run.run()
        with place.database.begin(Actor.user(place.users[0])) as tx:
            tx.embedding_models.get_default()
            with pytest.raises(LockTimeout, match="was not switched"):
                run.switch()
        assert place.default() == "three"
        run.switch()
    assert place.default() == "five"


def test_texts_without_a_vector(place: Place) -> None:
    """A text that the model makes no usable vector of is named; the default stays unless that is allowed."""

    def embedder(texts: Sequence[str]) -> list[list[float]]:
        return [
            [0.0] * 5 if text == "odd" else vector for text, vector in zip(texts, five(texts), strict=True)
        ]

    document = place.store(place.users[0], "even", "odd")
    with Reembedding(place.owner_url, "five", embedder) as run:
        assert run.run().stored == CHUNKS + 1
        assert list(run.done.refused.values()) == [
            "is a zero vector (in half precision), which has no direction"
        ]
        with pytest.raises(SwitchRefused, match="1 chunks have no vector of five"):
            run.switch()
        assert place.default() == "three"
        run.switch(tolerate=1)
    assert place.default() == "five"
    with place.database.begin(Actor.user(place.users[0])) as tx:
        tx.documents.soft_delete(document)
    with Reembedding(place.owner_url, "five", embedder) as run:
        assert run.pending() == 0, "what is deleted needs no vector"


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (broken, "ConnectionError: the model's server is away"),
        (three, "have 3 dimensions; those of five have 5"),
        (lambda texts: five(texts)[1:], "vectors of [0-9]+ texts"),
        (len, "TypeError"),
    ],
)
def test_a_failing_embedder(place: Place, embedder: reembed.Embedder, message: str) -> None:
    """The error says what was wrong, and nothing of the batch is written."""
    with Reembedding(place.owner_url, "five", embedder) as run:
        with pytest.raises(EmbedderFailed, match=message):
            run.run()
        with pytest.raises(EmbedderFailed, match=message):
            run.switch()
    assert (place.vectors("five"), place.default()) == (0, "three")


def test_a_changed_chunk_lacks_its_vector(place: Place) -> None:
    """A vector of what a chunk said before counts for nothing, and is replaced."""
    with Reembedding(place.owner_url, "five", five) as run:
        run.run()
        place.ask("UPDATE memory.chunks SET content = 'new', content_hash = sha256('new') WHERE ordinal = 1")
        place.ask(
            "UPDATE memory.embeddings_meta SET status = 'stale' WHERE dimensions = 5 AND chunk_id ="
            " (SELECT id FROM memory.chunks WHERE ordinal = 2 LIMIT 1)"
        )
        assert (run.pending(), run.run().stored) == (3, CHUNKS + 3)
    assert place.vectors("five") == CHUNKS
    assert place.hits("new", "five") == ["new"]


def test_several_at_once(place: Place) -> None:
    """Runs at the same time share the work: every chunk gets one vector."""
    seen: list[str] = []

    def work() -> None:
        with Reembedding(place.owner_url, "five", counting(seen), batch=3) as run:
            run.run()
            run.switch()

    runs = [threading.Thread(target=work) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert (place.vectors("five"), place.default()) == (CHUNKS, "five")
    assert sorted(set(seen)) == sorted(seen)


def test_old_vectors_are_deleted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches, and never those of the default."""
    monkeypatch.setattr(reembed, "DELETE_ROWS", 10)
    with EmbeddingCatalog(place.owner_url) as catalog:
        old = catalog.get("three")
        with pytest.raises(SwitchRefused, match="three is the default"):
            drop_vectors(place.owner_url, old)
        build_index(place.owner_url, old)
        assert catalog.index(old).state is IndexState.READY
        with Reembedding(place.owner_url, "five", five) as run:
            run.run()
            run.switch()
        steps: list[int] = []
        assert (drop_vectors(place.owner_url, old, steps.append), steps) == (CHUNKS, [10, 10, 4])
    assert (place.vectors("three"), place.vectors("five")) == (0, CHUNKS)


def test_who_may_not(place: Place) -> None:
    """A stranger, a database that hides rows, and a model that is not in use are told at once."""
    with login(place.url) as stranger, pytest.raises(ConfigurationError, match="member of devmentor_owner"):
        Reembedding(stranger, "five", five).__enter__()
    with pytest.raises(NotFound, match="six"):
        Reembedding(place.owner_url, "six", five).__enter__()
    place.ask("UPDATE ai.embedding_models SET active = false WHERE name = 'five'")
    with pytest.raises(NotFound, match="five"):
        Reembedding(place.owner_url, "five", five).__enter__()
    place.ask("DROP POLICY definer_select ON memory.chunks")
    with pytest.raises(ConfigurationError, match=r"memory\.chunks: row security hides rows"):
        Reembedding(place.owner_url, "five", five).__enter__()

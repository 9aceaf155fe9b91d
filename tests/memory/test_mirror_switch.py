"""Which models are mirrored, and the command that does the work (S4)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from qdrant_client import QdrantClient
from typer.testing import CliRunner, Result

from devmentor_models import Actor
from devmentor_models.cli.app import app
from devmentor_models.embeddings import mirror_switch
from devmentor_models.errors import ConfigurationError, ExtraMissing, InvalidValue, LockTimeout, NotFound
from tests.support.mirroring import Mirrored, new_documents

Command = Callable[..., Result]


@pytest.fixture
def run(mirrored: Mirrored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs the command on the database of the test and a Qdrant in a folder."""
    environment = {"DEVMENTOR_DATABASE_URL": mirrored.url, "DEVMENTOR_QDRANT_URL": f"file://{tmp_path}"}

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(app, ["sync-qdrant", *arguments], env=environment | variables)

    return run


def test_a_model_is_mirrored_to_one_collection(mirrored: Mirrored, mirror_urls: tuple[str, str]) -> None:
    """Once more is no mistake; another collection, or another model's, is. Only the owner decides."""
    url, worker_url = mirror_urls
    assert mirror_switch.enable(url, mirrored.model) == mirrored.collection
    with pytest.raises(ConfigurationError, match="disable that first"):
        mirror_switch.enable(url, mirrored.model, "another")
    mirrored.execute("INSERT INTO ai.embedding_models (name, dimensions) VALUES ('org/é', 3)")
    with pytest.raises(ConfigurationError, match="Another model"):
        mirror_switch.enable(url, "org/é", mirrored.collection)
    assert mirror_switch.enable(url, "org/e\u0301") == "org--"
    for name in ("", "a/b", "x" * 256):
        with pytest.raises(InvalidValue):
            mirror_switch.enable(url, mirrored.model, name)
    with pytest.raises(NotFound):
        mirror_switch.enable(url, "no such model")
    with pytest.raises(ConfigurationError, match="member of devmentor_owner"):
        mirror_switch.enable(worker_url, mirrored.model)
    mirrored.execute("DELETE FROM ai.embedding_models WHERE name = 'org/é'")


def test_disable_takes_copies_and_orders_along(mirrored: Mirrored) -> None:
    """If the mirror cannot be reached, the model stays mirrored."""
    user = mirrored.new_user()
    mirrored.store(user)
    mirrored.worker().drain()
    mirrored.store(user)

    def unreachable(_: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        mirror_switch.disable(mirrored.url, mirrored.model, unreachable)
    assert len(mirrored.queued()) == 2
    drop = mirrored.client.delete_collection
    assert mirror_switch.disable(mirrored.url, mirrored.model, drop) == mirrored.collection
    assert mirror_switch.disable(mirrored.url, mirrored.model, drop) is None
    assert mirrored.queued() == []
    assert not mirrored.client.collection_exists(mirrored.collection)


def test_enable_waits_for_those_who_store(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they store is there when it returns, for reconcile to find; they are never waited for long."""
    monkeypatch.setattr(mirror_switch, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(mirror_switch, "LOCK_TRIES", 2)
    mirror_switch.disable(mirrored.url, mirrored.model, mirrored.client.delete_collection)
    user = mirrored.new_user()
    with mirrored.database.begin(Actor.user(user)) as tx:
        tx.documents.store_many(new_documents(1, 1), model=mirrored.model)
        with pytest.raises(LockTimeout):
            mirror_switch.enable(mirrored.url, mirrored.model)
        monkeypatch.setattr(mirror_switch, "LOCK_TRIES", 100)
        waiting = Thread(target=mirror_switch.enable, args=(mirrored.url, mirrored.model))
        waiting.start()
    waiting.join()
    mirrored.store(user, chunks=1)
    (found,) = mirrored.worker().reconcile()
    assert found.missing == 2
    mirrored.worker().drain()
    assert mirrored.is_whole()


def test_the_command_mirrors_a_model(mirrored: Mirrored, run: Command, tmp_path: Path) -> None:
    """Begin, copy what is there, deliver what changes, end."""
    user = mirrored.new_user()
    mirror_switch.disable(mirrored.url, mirrored.model, mirrored.client.delete_collection)
    mirrored.store(user, 2)
    assert "No embedding model is mirrored" in run().output
    enabled = run("--enable", mirrored.model, "--collection", "copies")
    assert "mirrored to the collection copies" in enabled.output, enabled.output
    assert "Delivered: 0 written" in run().output
    done = run("--reconcile", "--batch", "3").output
    assert "copies: 0 in both, 4 missing, 0 too many, 0 out of date.\nDelivered: 4 written" in done
    (document,) = mirrored.store(user, 1)
    mirrored.soft_delete(user, document)
    assert "Delivered: 0 written, 2 deleted." in run().output
    client = QdrantClient(path=str(tmp_path))
    assert client.count("copies").count == 4
    client.close()
    assert "is deleted" in run("--disable", mirrored.model).output
    assert "was not mirrored" in run("--disable", mirrored.model).output


def test_the_command_says_what_is_wrong(mirrored: Mirrored, run: Command, tmp_path: Path) -> None:
    """In a line, with exit code 1: no address, a collection that does not fit, changes that were refused."""
    missing = run(DEVMENTOR_QDRANT_URL="")
    assert (missing.exit_code, "DEVMENTOR_QDRANT_URL" in missing.output) == (1, True)
    away = run(DEVMENTOR_QDRANT_URL="http://127.0.0.1:9")
    assert (away.exit_code, away.output) == (1, "devmentor-db: Qdrant did not answer: ConnectError.\n")
    mirrored.execute("UPDATE ai.embedding_models SET dimensions = 4 WHERE name = %s", mirrored.model)
    run()
    mirrored.execute("UPDATE ai.embedding_models SET dimensions = 3 WHERE name = %s", mirrored.model)
    misfit = run()
    assert (misfit.exit_code, "has vectors of 4 dimensions" in misfit.output) == (1, True)


def test_without_the_extra_an_error_names_it(
    mirrored: Mirrored, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL alone is enough for everything else."""
    for name in [name for name in sys.modules if name.startswith("devmentor_models.memory.mirror")]:
        if not name.endswith("_values"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    result = run()
    assert (result.exit_code, 'pip install "devmentor-models[qdrant]"' in result.output) == (1, True)
    with pytest.raises(ExtraMissing):
        __import__("devmentor_models.memory.mirror")
    mirrored.store(mirrored.new_user())

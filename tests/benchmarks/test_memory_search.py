"""The benchmark of the search judges what was found as it says, and runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import corpus, memory, tenants
from benchmarks.corpus import Corpus
from benchmarks.searching import judge
from benchmarks.tenants import Exact
from devmentor_models.testing.databases import DatabaseServer


@pytest.fixture
def small(tmp_path: Path) -> Corpus:
    """Return texts and queries that were made up."""
    random = np.random.default_rng(3)
    vectors = random.standard_normal((305, corpus.DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [f"text number {number} about things" for number in range(305)]
    files = [f"file{number // 30}" for number in range(300)]
    return Corpus(texts[:300], files, vectors[:300], texts[300:], vectors[300:], tmp_path)


def test_searches_are_measured(
    small: Corpus, devmentor_database_url: str, devmentor_server: DatabaseServer
) -> None:
    """Everything is stored and searched by each plan, and ten hits are found by the library's choice."""
    size = memory.Size(durable=False, texts=300, tenants=(20, 100), rounds=1, calls=1, more=20)
    with devmentor_server.login(devmentor_database_url, "devmentor_memory") as service:
        tables, asked = memory.measure_corpus(devmentor_database_url, service, small, size)
    assert {row[0] for row in tables[0].rows} == {"20", "100"}
    assert all(check.passed for check in asked if "x the better" not in check.text)


def test_texts_are_divided_among_tenants(small: Corpus) -> None:
    """Each tenant has as many texts as said, nobody has another's, and what is left over has owners."""
    divided = tenants.divide(small, [20, 100])
    assert [tenant.size for tenant in divided] == [20, 100, 100]
    places = [place for tenant in divided for place in tenant.places.tolist()]
    assert len(set(places)) == len(places)
    stored = list(tenants.documents(small, divided[0]))
    assert [len(document.chunks or ()) for document in stored] == [20]


def test_recall_counts_the_nearest_only(small: Corpus) -> None:
    """All of the nearest are 1; others, strangers' and the same one twice are not."""
    tenant, stranger, *_ = tenants.divide(small, [20, 100])
    exact = Exact(small, tenant, 10, half=False)
    similar = small.vectors[tenant.places] @ small.query_vectors[0]
    ordered = tenant.places[np.argsort(-similar)].tolist()
    assert exact.recall(0, ordered[:10]) == 1
    assert exact.recall(0, ordered[10:]) == 0
    assert exact.recall(0, [ordered[0]] * 10) == 0.1
    assert exact.recall(0, stranger.places[:10].tolist()) == 0
    good = judge(exact, [ordered[:10]])
    assert (good.fewest, good.recall) == (10, 1)


def test_a_corpus_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Different pieces of the files, none of the queries among them; the second time they are read."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(250):
        (folder / f"{number}.txt").write_text(f"This is what file {number} says about number {number}. " * 2)
    monkeypatch.setattr(corpus, "_files", lambda: sorted(folder.iterdir()))
    made = corpus.load(60, tmp_path / "cache")
    assert len(set(made.texts)) == 60
    assert not set(made.texts) & set(made.queries)
    assert len(made.queries) == corpus.HELD_OUT + len(corpus.QUESTIONS) == len(made.query_vectors)
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-3)
    monkeypatch.setattr(corpus, "_make", None)
    assert corpus.load(60, tmp_path / "cache").texts == made.texts
    with pytest.raises(ValueError, match="300 pieces are wanted"):
        monkeypatch.undo()
        monkeypatch.setattr(corpus, "_files", lambda: sorted(folder.iterdir()))
        corpus.load(300, tmp_path / "cache")

"""The probe: what the search finds of a database's own data, and what to do about it (F5)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from typer.testing import CliRunner

from devmentor_models.cli.app import app
from devmentor_models.embeddings.catalog import CatalogModel, EmbeddingCatalog
from devmentor_models.embeddings.indexes import build_index
from devmentor_models.embeddings.recall import Probe, SizeClass, probe
from devmentor_models.errors import ConfigurationError, InvalidValue, NotFound
from devmentor_models.memory.enums import SearchPlan
from devmentor_models.settings import conninfo
from tests.support.logins import ask, login

MODEL = CatalogModel(UUID(int=1), "model", 3, "cosine", active=True, is_default=True)
#: A tenant's documents, each of ten chunks whose vectors lie on a curve.
STORE = """
    WITH u AS (
        INSERT INTO auth.users (email, username, password_hash)
        VALUES (%(documents)s || '@x.example', 'user' || %(documents)s, 'x') RETURNING id),
    d AS (
        INSERT INTO memory.documents (user_id, title, content, source, content_hash)
        SELECT u.id, 'T', 'C', 'note', sha256(int4send(n)) FROM u, generate_series(1, %(documents)s) n
        RETURNING user_id, id),
    c AS (
        INSERT INTO memory.chunks (user_id, document_id, ordinal, content, content_hash)
        SELECT user_id, id, n, 'C', sha256('C') FROM d, generate_series(0, 9) n
        RETURNING user_id, document_id, id)
    INSERT INTO memory.embeddings_meta
        (user_id, document_id, chunk_id, model_id, dimensions, content_hash, status, embedding)
    SELECT user_id, document_id, id, (SELECT id FROM ai.embedding_models), 3, sha256('C'), 'indexed',
        ARRAY[1, sin(row_number() OVER ()), cos(row_number() OVER ())]::real[]::halfvec
      FROM c
"""


@pytest.fixture
def url(devmentor_database_url: str) -> str:
    """Return a database of the test's own, with a default model."""
    with EmbeddingCatalog(devmentor_database_url) as catalog:
        catalog.add("model", 3)
    with psycopg.connect(conninfo(devmentor_database_url), autocommit=True) as connection:
        connection.execute("UPDATE ai.embedding_models SET is_default = true")
    return devmentor_database_url


@pytest.fixture
def operator_url(url: str) -> Iterator[str]:
    """Yield the same for a member of the owner and of the memory service."""
    with login(url, member_of="devmentor_owner") as made:
        name = made.partition("//")[2].partition(":")[0]
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            connection.execute(f"GRANT devmentor_memory TO {name}".encode())
        yield made


def test_every_plan_is_measured(url: str, operator_url: str) -> None:
    """By size of the tenants; without an index the search compares all, and finds all."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        for documents in (3, 210):
            connection.execute(STORE, {"documents": documents})
        connection.execute("ANALYZE memory.embeddings_meta")
    found = probe(operator_url, k=3, queries=4)
    assert [(item.name, item.vectors) for item in found.classes] == [
        ("1 to 999", [30]),
        ("1,000 to 9,999", [2100]),
    ]
    for item in found.classes:
        assert (item.recall, item.plans) == ([1.0] * 4, {"exact": 4})
        assert {plan: len(times) for plan, times in item.milliseconds.items()} == {"chosen": 4, "exact": 4}
        assert (item.short, item.truncated) == (0, 0)
    with EmbeddingCatalog(url) as catalog:
        build_index(url, catalog.get("model"))
    user = UUID(str(ask(url, "SELECT id FROM auth.users LIMIT 1")[0][0]))
    seen: list[int] = []
    found = probe(operator_url, model="model", user=user, k=3, queries=4, advance=seen.append)
    (item,) = found.classes
    assert (found.indexed, sum(seen), set(item.milliseconds)) == (True, 4, {"chosen", "exact", "index"})
    shown = CliRunner().invoke(app, ["recall-probe", "--queries", "2", "--url", operator_url])
    assert shown.output.strip().startswith("model: 3 dimensions, cosine, with an index; the 10 nearest.\n")
    assert "1 to 999             2        exact 2  1.000" in shown.output


def test_who_may_not(url: str) -> None:
    """A login that cannot search as the service does, and a model without vectors, are told at once."""
    with (
        login(url, member_of="devmentor_owner") as owner,
        pytest.raises(ConfigurationError, match="no member"),
    ):
        probe(owner)
    with pytest.raises(NotFound, match="another"):
        probe(url, model="another")
    with EmbeddingCatalog(url) as catalog:
        catalog.add("empty", 3)
    with pytest.raises(NotFound, match="empty"):
        probe(url, model="empty")
    with pytest.raises(InvalidValue, match="k"):
        probe(url, k=0)


def size_class(chosen: float, exact: float, recalled: float = 1.0, plan: str = "exact") -> SizeClass:
    """Return a class of which every query went alike."""
    times = {"chosen": [chosen], SearchPlan.EXACT: [exact]}
    return SizeClass("10 to 99", [50], [recalled], {plan: 1}, times)


@pytest.mark.parametrize(
    ("item", "indexed", "advice"),
    [
        (size_class(5, 5), False, None),
        (size_class(5, 80, plan="index"), True, None),
        (size_class(80, 80), False, "`devmentor-db models index model` builds an index"),
        (size_class(5, 5), True, "No search used the index"),
        (size_class(5, 80, 0.9, "index"), True, "find 90.0% of the nearest"),
        (size_class(8, 5, plan="index"), True, "ANALYZE"),
    ],
)
def test_advice(item: SizeClass, indexed: bool, advice: str | None) -> None:
    """One line for what could be better, none where nothing is to be done."""
    lines = Probe(MODEL, indexed, 10, [item]).advice()
    assert len(lines) == (advice is not None)
    assert advice is None or advice in lines[0]


def test_hits_that_are_missing() -> None:
    """A result that is too short and does not say so is a fault of the library."""
    item = size_class(5, 5)
    item.short = 1
    assert "lack hits" in Probe(MODEL, False, 10, [item]).advice()[0]

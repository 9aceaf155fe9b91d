"""A model's approximate index: built while services go on, and known to every comparison (F5, M3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine
from typer.testing import CliRunner, Result

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.embeddings import indexes as model_indexes
from devmentor_models.embeddings.catalog import CatalogModel, EmbeddingCatalog, IndexState
from devmentor_models.embeddings.indexes import BuildOptions, Progress, build_index, drop_index
from devmentor_models.errors import ConfigurationError, InvalidValue, LockTimeout, UniqueViolation
from devmentor_models.memory.vector_indexes import index_column
from devmentor_models.migrations.catalog import read
from devmentor_models.migrations.environment import SCOPE
from devmentor_models.settings import conninfo
from tests.support.logins import ask, login

MAX = 4000
OF_ANOTHER = UUID(int=1)


@pytest.fixture
def url(devmentor_database_url: str) -> str:
    """Return a database of the test's own, as superuser."""
    return devmentor_database_url


@pytest.fixture
def owner_url(url: str) -> Iterator[str]:
    """Yield the same for a member of the owner, whom row security binds."""
    with login(url, member_of="devmentor_owner") as made:
        yield made


@pytest.fixture
def catalog(owner_url: str) -> Iterator[EmbeddingCatalog]:
    """Yield the catalog of models."""
    with EmbeddingCatalog(owner_url) as made:
        yield made


def insert_vector(url: str, model: CatalogModel, vector: str) -> None:
    """Store one vector, given as SQL, with the document and chunk that it belongs to."""
    with psycopg.connect(conninfo(url)) as connection:
        values = {"model": model.id, "dimensions": model.dimensions}
        connection.execute(
            f"""
            WITH u AS (INSERT INTO auth.users (email, username, password_hash)
                VALUES (gen_random_uuid() || '@x.example', 'u' || left(gen_random_uuid()::text, 8), 'x')
                RETURNING id),
            d AS (INSERT INTO memory.documents (user_id, title, content, source, content_hash)
                SELECT id, 'T', 'C', 'note', sha256('C') FROM u RETURNING user_id, id),
            c AS (INSERT INTO memory.chunks (user_id, document_id, ordinal, content, content_hash)
                SELECT user_id, id, 0, 'C', sha256('C') FROM d RETURNING user_id, document_id, id)
            INSERT INTO memory.embeddings_meta (user_id, document_id, chunk_id, model_id, dimensions,
                content_hash, status, embedding)
            SELECT user_id, document_id, id, %(model)s, %(dimensions)s, sha256('C'), 'indexed', {vector}
            FROM c
            """.encode(),
            values,
        )


def known(url: str) -> set[str]:
    """Return the names of the indexes that a comparison would look at."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return {key.name for key in read(connection, SCOPE) if "_hnsw_" in key.name}


def test_up_to_the_most_dimensions(catalog: EmbeddingCatalog, url: str, owner_url: str) -> None:
    """An index of 4,000 dimensions is built, for each metric; 4,001 are refused by name."""
    for metric in ("cosine", "l2", "inner_product"):
        model = catalog.add(f"big {metric}", MAX, metric)
        insert_vector(url, model, f"array_fill(1::real, ARRAY[{MAX}])::halfvec")
        assert catalog.index(model).state is IndexState.NONE
        assert build_index(owner_url, model, BuildOptions(m=8, ef_construction=32, memory="64MB", workers=0))
        index = catalog.index(model)
        assert (index.state, index.options) == (IndexState.READY, ("ef_construction=32", "m=8"))
        assert not build_index(owner_url, model)
        with pytest.raises(ConfigurationError, match="was built with ef_construction=32, m=8"):
            build_index(owner_url, model, BuildOptions(m=9))
    with pytest.raises(InvalidValue, match=r"ai\.embedding_models\.dimensions: .* 1 to 4000"):
        catalog.add("too big", MAX + 1)
    with pytest.raises(InvalidValue, match=r"ai\.embedding_models\.metric"):
        catalog.add("odd", 3, "hamming")
    with pytest.raises(InvalidValue, match="ef_construction"):
        BuildOptions(ef_construction=1)
    with pytest.raises(UniqueViolation):
        catalog.add("big l2", 3, "l2")
    assert known(url) == set()


def test_a_search_uses_it(catalog: EmbeddingCatalog, url: str, owner_url: str) -> None:
    """With the index's own cast and condition; another cast, or another order, leaves it unused."""
    model = catalog.add("used", 3)
    insert_vector(url, model, "'[1,2,3]'::halfvec")
    build_index(owner_url, model)
    expression = index_column(model.dimensions, model.metric).split(" ")[0]
    query = "EXPLAIN SELECT id FROM memory.embeddings_meta WHERE model_id = '{}' ORDER BY {} LIMIT 5".replace(
        "{}", str(model.id), 1
    )
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_sort = off")

        def uses(order: str) -> bool:
            plan = connection.execute(query.format(order).encode()).fetchall()
            return model.index.partition(".")[2] in str(plan)

        assert uses(f"{expression} <=> '[1,1,1]'::halfvec(3)")
        assert not uses("embedding <=> '[1,1,1]'::halfvec(3)")
        assert not uses(f"{expression} <-> '[1,1,1]'::halfvec(3)")
        assert not uses(f"1 - ({expression} <=> '[1,1,1]'::halfvec(3)) DESC")


def test_what_is_not_the_models_index_is_reported(
    catalog: EmbeddingCatalog, url: str, owner_url: str
) -> None:
    """Autogenerate and check take a model's index as it is, and report what only looks like one."""
    model = catalog.add("model", 3)
    name, build = model.index.partition(".")[2], "CREATE INDEX {} ON memory.embeddings_meta USING hnsw"
    right = f"((embedding::halfvec(3)) halfvec_cosine_ops) WHERE model_id = '{model.id}'"
    wrong = [
        right.replace("halfvec(3)", "vector(3)").replace("halfvec_cosine", "vector_cosine"),
        right.replace("halfvec_cosine_ops", "halfvec_l1_ops"),
        right.replace(str(model.id), str(OF_ANOTHER)),
        right.partition(" WHERE")[0],
    ]
    for definition in wrong:
        ask(url, f"{build.format(name)} {definition}")
        assert known(url) == {name}
        assert catalog.index(model).state is IndexState.WRONG
        with pytest.raises(ConfigurationError, match="is not the index of model"):
            build_index(owner_url, model)
        assert drop_index(owner_url, model)
    ask(url, f"{build.format(name)} {right.replace('cosine', 'l2')}")
    assert catalog.index(model).state is IndexState.WRONG, "the metric is the model's"
    drop_index(owner_url, model)
    assert not drop_index(owner_url, model)
    build_index(owner_url, model)
    assert known(url) == set()
    other = "ix_embeddings_meta_hnsw_" + OF_ANOTHER.hex
    ask(url, f"{build.format(other)} {right}")
    (difference,) = migrate.check(url)
    assert difference.startswith(f"index {other} of memory.embeddings_meta: is in the database but not in")


def test_what_a_killed_build_left(catalog: EmbeddingCatalog, url: str, owner_url: str) -> None:
    """An invalid index is reported, and built anew by the next run."""
    model = catalog.add("model", 3)
    build_index(owner_url, model)
    ask(url, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{model.index}'::regclass")
    assert catalog.index(model).state is IndexState.INVALID
    assert known(url) == {model.index.partition(".")[2]}
    assert build_index(owner_url, model)
    assert (catalog.index(model).state, known(url)) == (IndexState.READY, set())


def test_two_builds_at_once(
    catalog: EmbeddingCatalog, url: str, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One builds, and tells how far it is; the other one leaves it alone."""
    monkeypatch.setattr(model_indexes, "POLL_SECONDS", 0.01)
    model = catalog.add("model", 3)
    insert_vector(url, model, "'[1,2,3]'::halfvec")
    seen: list[Progress] = []
    with psycopg.connect(conninfo(url)) as writer:
        writer.execute("UPDATE memory.embeddings_meta SET status = 'indexed'")  # which the build waits for
        building = threading.Thread(target=build_index, args=(owner_url, model, None, seen.append))
        building.start()
        while catalog.index(model).state is not IndexState.BUILDING or not seen:
            assert building.is_alive()
        with pytest.raises(LockTimeout, match="Another session"):
            build_index(owner_url, model)
    building.join()
    assert catalog.index(model).state is IndexState.READY
    assert (seen[0].phase, seen[0].done) == ("waiting for writers before build", 0.0)


@pytest.fixture
def run(url: str) -> Callable[..., Result]:
    """Return a function that runs a command of ``devmentor-db``."""
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--url", url])


def test_the_commands(run: Callable[..., Result], url: str) -> None:
    """Models are added, indexed, switched and given up from the command line."""
    for name, dimensions in (("three", "3"), ("five", "5")):
        assert run("models", "add", name, "--dimensions", dimensions).output.startswith(
            f"{name}: {dimensions}"
        )
    refused = run("models", "add", "more", "--dimensions", "4001")
    assert (refused.exit_code, "ai.embedding_models.dimensions" in refused.output) == (1, True)
    embedders = "tests.support.embedders"
    first = run("reembed", "--to", "three", "--embedder", f"{embedders}:three")
    assert "The default is three." in first.output
    assert "Built memory.ix_embeddings_meta_hnsw_" in run("models", "index", "three").output
    assert "Nothing to do" in run("models", "index", "three").output
    model = ask(url, "SELECT id FROM ai.embedding_models WHERE name = 'five'")[0][0]
    with EmbeddingCatalog(url) as catalog:
        for number in range(2):
            insert_vector(url, catalog.get("three"), f"'[1,2,{number}]'::halfvec")
    stays = run("reembed", "--to", "five", "--embedder", f"{embedders}:five", "--no-switch")
    assert stays.output.strip() == "Stored 2 vectors of five."
    assert run("models", "drop-vectors", "three", "--yes").exit_code == 1, "it is the default"
    moved = run("reembed", "--to", "five", "--embedder", f"{embedders}:five", "--drop-old", "--yes")
    assert (
        f"Built memory.ix_embeddings_meta_hnsw_{str(model).replace('-', '')}, as three has one."
        in moved.output
    )
    assert "The default is five, before three." in moved.output
    assert "Deleted 2 vectors of three." in moved.output
    listed = run("models", "list").output.splitlines()
    assert [line.split()[:6] for line in listed[:3]] == [
        ["model", "dimensions", "metric", "use", "vectors", "index"],
        ["three", "3", "cosine", "active", "0", "none"],
        ["five", "5", "cosine", "default", "2", "ready,"],
    ]
    assert "Dropped" in run("models", "drop-index", "five").output
    for given, message in {
        "nothing": "package.module:callable",
        "no.such:one": "No module named",
        f"{embedders}:none": "has no attribute",
        f"{embedders}:__doc__": "cannot be called",
    }.items():
        failed = run("reembed", "--to", "five", "--embedder", given)
        assert (failed.exit_code, message in failed.output) == (1, True)
    unknown = run("reembed", "--to", "six", "--embedder", f"{embedders}:five")
    assert (unknown.exit_code, "six" in unknown.output) == (1, True)

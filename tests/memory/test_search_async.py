"""Search by words, by vector and by both (F5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from devmentor_models import AsyncDatabase, AsyncTransaction
from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.memory.enums import DocumentSource, SearchMode, SearchPlan, TextLanguage
from devmentor_models.memory.models import Document
from devmentor_models.memory.values import Hit, NewChunk
from tests.memory.conftest import Tenant

pytestmark = pytest.mark.anyio

NOTE = DocumentSource.NOTE


async def _store(tx: AsyncTransaction, model: str | None, *chunks: NewChunk, **values: Any) -> UUID:
    given: dict[str, Any] = {"title": chunks[0].content[:50], "source": NOTE} | values
    content = "\n".join(chunk.content for chunk in chunks)
    return (await tx.documents.store(content=content, chunks=chunks, model=model, **given)).id


def _contents(hits: Sequence[Hit]) -> list[str]:
    return [hit.content for hit in hits]


async def test_vector_search_orders_by_distance(
    async_database: AsyncDatabase, tenant: Tenant, model: str
) -> None:
    """Nearest first, each hit with document, project and author; the threshold cuts."""
    async with async_database.begin(tenant.actor) as tx:
        near = NewChunk("near", [1, 0.1, 0])
        document_id = await _store(
            tx, model, near, NewChunk("far", [0, 1, 0]), project_id=tenant.project_id, source_uri="a.md"
        )
        await _store(tx, model, NewChunk("exact", [2, 0, 0]))
        hits = await tx.memory.search(embedding=[1, 0, 0], model=model)
        assert _contents(hits) == ["exact", "near", "far"]
        assert [hit.vector_place for hit in hits] == [1, 2, 3]
        assert hits[0].distance == pytest.approx(0, abs=1e-3)
        assert (hits[0].project_name, hits[0].author) == (None, tenant.username)
        hit = hits[1]
        assert (hit.document_id, hit.title, hit.source, hit.source_uri) == (document_id, "near", NOTE, "a.md")
        assert (hit.ordinal, hit.text_rank, hit.text_place) == (0, None, None)
        assert (hit.project_id, hit.project_name) == (tenant.project_id, tenant.project_name)
        assert hit.distance == pytest.approx(1 - 1 / math.hypot(1, 0.1), abs=1e-3)
        assert hits[0].score > hits[1].score > hits[2].score
        cut = await tx.memory.search(embedding=[1, 0, 0], model=model, max_distance=0.5)
        assert _contents(cut) == ["exact", "near"]
        assert _contents(await tx.memory.search(embedding=[1, 0, 0], model=model, limit=1)) == ["exact"]


async def test_every_metric_orders_its_own_way(
    async_database: AsyncDatabase, tenant: Tenant, any_model: str
) -> None:
    """The model says how vectors are compared: by angle, by distance or by inner product."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, any_model, NewChunk("long", [4, 3, 0]), NewChunk("short", [0.5, 0, 0]))
        found = await tx.embedding_models.find_by_name(any_model)
        assert found is not None
        expected = {"cosine": ["short", "long"], "l2": ["short", "long"], "inner_product": ["long", "short"]}
        hits = await tx.memory.search(embedding=[1, 0, 0], model=any_model)
        assert _contents(hits) == expected[found.metric]
        distances = {"cosine": [0, 0.2], "l2": [0.5, math.sqrt(18)], "inner_product": [-4, -0.5]}
        assert [hit.distance for hit in hits] == pytest.approx(distances[found.metric], abs=1e-2)


async def test_related_memories_come_with_each_hit(
    async_database: AsyncDatabase, tenant: Tenant, model: str
) -> None:
    """The nearest three others of the same project, nearest first, never the hit itself (F5)."""
    async with async_database.begin(tenant.actor) as tx:
        chunks = [NewChunk(f"angle {step}", [1, step / 10, 0]) for step in range(6)]
        document_id = await _store(tx, model, *chunks, project_id=tenant.project_id)
        await _store(tx, model, NewChunk("of no project", [1, 0, 0]))
        deleted = await _store(tx, model, NewChunk("gone", [1, 0, 0.01]), project_id=tenant.project_id)
        await tx.documents.soft_delete(deleted)
        (hit,) = await tx.memory.search(
            embedding=[1, 0, 0], model=model, project_id=tenant.project_id, limit=1
        )
        assert hit.content == "angle 0"
        assert [near.content for near in hit.related] == ["angle 1", "angle 2", "angle 3"]
        near = hit.related[0]
        assert (near.document_id, near.ordinal, near.title) == (document_id, 1, "angle 0")
        assert near.distance == pytest.approx(1 - 1 / math.hypot(1, 0.1), abs=1e-3)
        (hit,) = await tx.memory.search("angle 5", model=model, limit=1, related=1)
        assert [near.content for near in hit.related] == ["angle 4"]
        await tx.documents.store(title="t", content="waits for its vector", source=NOTE, model=model)
        (hit,) = await tx.memory.search("waits", model=model)
        assert hit.related == ()
        (hit,) = await tx.memory.search(embedding=[1, 0, 0], model=model, limit=1, related=0)
        assert hit.related == ()


async def test_text_search_understands_a_question(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """All words first, then some of them (trap 28); words are stemmed; no model is needed."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(
            tx,
            None,
            NewChunk("An index on a UUID column is a B-tree."),
            NewChunk("Indexing takes time."),
            NewChunk("Vacuum removes dead rows."),
        )
        hits = await tx.memory.search("how do I index a uuid?")
        assert _contents(hits) == ["An index on a UUID column is a B-tree.", "Indexing takes time."]
        assert [hit.text_place for hit in hits] == [1, 2]
        assert hits[0].text_rank is not None
        assert (hits[0].distance, hits[0].vector_place, hits[0].related) == (None, None, ())
        search = tx.memory.search
        assert _contents(await search("index -uuid")) == ["Indexing takes time."]
        assert _contents(await search('"dead rows"')) == ["Vacuum removes dead rows."]
        assert len(await search("vacuum or uuid")) == 2
        for nothing in ("", "the", "!!! & | ':*", "zebra"):
            assert len(await search(nothing)) == 0


@pytest.mark.parametrize("rule", ["-" * 40, "- " * 40, "-(" * 40, "|---|" * 20, "--"])
async def test_rows_of_minus_signs_exclude_nothing(
    async_database: AsyncDatabase, tenant: Tenant, rule: str
) -> None:
    """A line pasted from a table, or an option, is no error and no double negation."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, None, NewChunk("pip install --no-cache saves space"))
        (hit,) = await tx.memory.search(f"install {rule}no-cache")
        assert hit.headline is not None
        assert "**install**" in hit.headline


async def test_language_decides_about_stems(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """German words are found by their German stems, and not by English ones."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, None, NewChunk("Die Häuser am Meer"), language=TextLanguage.GERMAN)
        assert len(await tx.memory.search("Häuser", language=TextLanguage.GERMAN)) == 1
        assert len(await tx.memory.search("Häuser", language=TextLanguage.ENGLISH)) == 0


async def test_hybrid_keeps_hits_of_either_leg(
    async_database: AsyncDatabase, tenant: Tenant, model: str
) -> None:
    """What both legs find comes first; what one of them finds is kept (trap 29)."""
    async with async_database.begin(tenant.actor) as tx:
        chunks = [NewChunk(f"filler {step}", [0, 1, step / 100]) for step in range(60)]
        await _store(tx, model, *chunks)
        await _store(tx, model, NewChunk("zebra in words only", [-1, 0, 0]))
        await _store(tx, model, NewChunk("near only", [1, 0, 0]))
        await _store(tx, model, NewChunk("zebra and near", [1, 0.1, 0]))
        await _store(tx, None, NewChunk("zebra without a vector"))
        hits = await tx.memory.search("zebra", [1, 0, 0], model=model, limit=5)
        assert _contents(hits)[0] == "zebra and near"
        assert set(_contents(hits)) >= {
            "zebra and near",
            "near only",
            "zebra in words only",
            "zebra without a vector",
        }
        by_content = {hit.content: hit for hit in hits}
        best = by_content["zebra and near"]
        assert best.vector_place == 2
        assert best.text_place is not None
        assert best.score == pytest.approx(1 / 62 + 1 / (60 + best.text_place))
        words = by_content["zebra in words only"]
        assert words.vector_place is None
        assert words.distance == pytest.approx(2, abs=1e-3)
        assert by_content["zebra without a vector"].distance is None
        cut = await tx.memory.search("zebra", [1, 0, 0], model=model, max_distance=0.001)
        assert {hit.content for hit in cut if hit.vector_place} == {"near only"}


async def test_filters(async_database: AsyncDatabase, tenant: Tenant, model: str) -> None:
    """Project, source and time restrict every mode."""
    async with async_database.begin(tenant.actor) as tx:
        inside = await _store(tx, model, NewChunk("word one", [1, 0, 0]), project_id=tenant.project_id)
        code = await _store(tx, model, NewChunk("word two", [1, 0, 0]), source=DocumentSource.CODE)
        old = await _store(tx, model, NewChunk("word three", [1, 0, 0]))
        aged = datetime.now(UTC) - timedelta(days=40)
        await tx.session.execute(update(Document).where(Document.id == old).values(created_at=aged))
        modes: list[dict[str, Any]] = [
            {"query": "word"},
            {"embedding": [1, 0, 0], "model": model},
            {"query": "word", "embedding": [1, 0, 0], "model": model},
        ]
        for mode in modes:

            async def found(mode: dict[str, Any] = mode, **filters: Any) -> set[UUID]:
                return {hit.document_id for hit in await tx.memory.search(**mode, **filters)}

            assert await found() == {inside, code, old}
            assert await found(project_id=tenant.project_id) == {inside}
            assert await found(source=DocumentSource.CODE) == {code}
            assert await found(since=timedelta(days=30)) == {inside, code}
            assert await found(since=datetime.now(UTC) - timedelta(days=50)) == {inside, code, old}


@pytest.mark.parametrize("change", ["status = 'archived'", "deleted_at = now()"])
async def test_projects_that_are_put_away_are_not_searched(
    async_database: AsyncDatabase, tenant: Tenant, model: str, change: str
) -> None:
    """Documents of an archived or deleted project are no hits, nor are deleted documents."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, model, NewChunk("word inside", [1, 0, 0]), project_id=tenant.project_id)
        gone = await _store(tx, model, NewChunk("word gone", [1, 0, 0]))
        await tx.documents.soft_delete(gone)
        assert len(await tx.memory.search("word", [1, 0, 0], model=model)) == 1
        await tx.session.execute(
            text(f"UPDATE projects.projects SET {change} WHERE id = :id"), {"id": tenant.project_id}
        )
        assert len(await tx.memory.search("word", [1, 0, 0], model=model)) == 0


async def test_tenants_do_not_find_each_other(
    async_database: AsyncDatabase, tenant: Tenant, stranger: Tenant, model: str
) -> None:
    """Neither as hits nor as related memories."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, model, NewChunk("secret word", [1, 0, 0]))
    async with async_database.begin(stranger.actor) as tx:
        await _store(tx, model, NewChunk("own word", [1, 0, 0]))
        (hit,) = await tx.memory.search("word", [1, 0, 0], model=model)
        assert (hit.content, hit.related) == ("own word", ())
        assert len(await tx.memory.search("word", project_id=tenant.project_id)) == 0


async def test_ties_are_broken_by_key(async_database: AsyncDatabase, tenant: Tenant, model: str) -> None:
    """Equal hits come in one order, whatever the limit."""
    async with async_database.begin(tenant.actor) as tx:
        chunks = [NewChunk(f"equal {number}", [1, 0, 0]) for number in range(20)]
        await _store(tx, model, *chunks)
        searches: list[dict[str, Any]] = [{"embedding": [1, 0, 0]}, {"query": "equal"}]
        for arguments in searches:
            hits = await tx.memory.search(**arguments, model=model, limit=20)
            assert [hit.ordinal for hit in hits] == list(range(20))
            few = await tx.memory.search(**arguments, model=model, limit=7)
            assert [hit.chunk_id for hit in few] == [hit.chunk_id for hit in hits[:7]]


async def test_exact_scan_finds_what_brute_force_finds(
    async_database: AsyncDatabase, tenant: Tenant, stranger: Tenant, model: str
) -> None:
    """All of the tenant's k nearest, also where another tenant has many that are nearer (trap 10)."""
    async with async_database.begin(stranger.actor) as tx:
        await _store(tx, model, *(NewChunk(f"near {number}", [1, 0, number / 1e4]) for number in range(500)))
    vectors = [[math.cos(number), math.sin(number), 0.5] for number in range(1, 200)]
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, model, *(NewChunk(f"chunk {place}", vector) for place, vector in enumerate(vectors)))
        hits = await tx.memory.search(embedding=[1, 0, 0], model=model, limit=25)
        nearest = sorted(range(len(vectors)), key=lambda place: -vectors[place][0])[:25]
        assert [hit.distance for hit in hits] == pytest.approx(
            [1 - vectors[place][0] / math.hypot(1, 0.5) for place in nearest], abs=2e-3
        )


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("query", {}),
        ("query", {"query": "nul \x00"}),
        ("query", {"query": "\ud800"}),
        ("query", {"query": "x" * 2001}),
        ("query", {"query": 5}),
        ("embedding", {"embedding": [1, 0]}),
        ("embedding", {"embedding": [0, 0, 0]}),
        ("embedding", {"embedding": [math.nan, 0, 0]}),
        ("embedding", {"embedding": []}),
        ("embedding", {"embedding": "xyz"}),
        ("model", {"query": "x", "model": "nul \x00"}),
        ("model", {"embedding": [1, 0, 0], "model": "x" * 101}),
        ("model", {"embedding": [1, 0, 0], "model": 5}),
        ("max_distance", {"query": "x", "max_distance": 0.5}),
        ("max_distance", {"embedding": [1, 0, 0], "max_distance": math.nan}),
        ("max_distance", {"embedding": [1, 0, 0], "max_distance": "1"}),
        ("related", {"query": "x", "related": 21}),
        ("related", {"query": "x", "related": True}),
        ("limit", {"query": "x", "limit": 0}),
        ("language", {"query": "x", "language": "klingon"}),
        ("source", {"query": "x", "source": "nowhere"}),
        ("since", {"query": "x", "since": datetime(2026, 1, 1)}),  # noqa: DTZ001 - refused
    ],
)
async def test_a_bad_argument_is_refused_by_name(
    async_database: AsyncDatabase, tenant: Tenant, model: str, field: str, arguments: dict[str, Any]
) -> None:
    """And the transaction goes on."""
    named: dict[str, Any] = {"model": model}
    async with async_database.begin(tenant.actor) as tx:
        with pytest.raises(InvalidValue) as caught:
            await tx.memory.search(**named | arguments)
        assert caught.value.field == field
        assert len(await tx.memory.search("x")) == 0


async def test_a_model_must_be_known(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """A named model that is not registered is not found, in any mode."""
    async with async_database.begin(tenant.actor) as tx:
        searches: list[dict[str, Any]] = [{"query": "x"}, {"embedding": [1, 0, 0]}]
        for arguments in searches:
            with pytest.raises(NotFound, match="No embedding model 'no such model' is visible"):
                await tx.memory.search(**arguments, model="no such model")
        assert (await tx.search_history.list()).items == []


async def test_searches_are_logged(async_database: AsyncDatabase, tenant: Tenant, model: str) -> None:
    """In the same transaction, with what was asked; not in a read-only one, and not when told so."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, model, NewChunk("word", [1, 0, 0]))
        await tx.memory.search("word", project_id=tenant.project_id, source=NOTE)
        await tx.memory.search("word", [1, 0, 0], model=model, max_distance=1.5, limit=3)
        await tx.memory.search(embedding=[1, 0, 0], model=model)
        await tx.memory.search("unseen", log=False)
        with pytest.raises(InvalidValue, match=r"has 2 dimensions; the vectors of .* have 3"):
            await tx.memory.search("refused", [1, 0], model=model)
    async with async_database.begin(tenant.actor, readonly=True) as tx:
        assert len(await tx.memory.search("word")) == 1
    async with async_database.begin(tenant.actor) as tx:
        vector, hybrid, words = (await tx.search_history.list()).items
        assert (words.query, words.mode, words.hit_count) == ("word", SearchMode.TEXT, 0)
        assert (words.project_id, words.filters) == (tenant.project_id, {"limit": 10, "source": "note"})
        assert (hybrid.mode, hybrid.hit_count) == (SearchMode.HYBRID, 1)
        assert hybrid.filters == {"limit": 3, "max_distance": 1.5}
        assert (vector.query, vector.mode) == (None, SearchMode.VECTOR)
        assert vector.model_id == hybrid.model_id is not None


async def test_symbols_are_found_as_they_stand(async_database: AsyncDatabase, tenant: Tenant) -> None:
    """Identifiers, paths and error codes, also in parts, which tsvector takes to pieces (trap 28)."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, None, NewChunk("raises KeyError: 'user_id' without a session"))
        await _store(tx, None, NewChunk("the id of a user, and a key that was an error"))
        await _store(tx, None, NewChunk("userxid42 is another"))
        await _store(
            tx, None, NewChunk("see src/app/main.py, line 12"), NewChunk("std::vector<int> 0x80070005")
        )
        await _store(tx, None, NewChunk("def main(): ..."), title="Entry", source_uri="src/app/main.py")

        async def found(query: str) -> list[str]:
            return _contents(await tx.memory.search(query))

        assert (await found("KeyError: 'user_id'"))[0] == "raises KeyError: 'user_id' without a session"
        assert (await found("user_i"))[0] == "raises KeyError: 'user_id' without a session"
        assert set(await found("src/app/main.py")) == {"see src/app/main.py, line 12", "def main(): ..."}
        assert set(await found("app/main.py")) == {"see src/app/main.py, line 12", "def main(): ..."}
        assert await found("0x8007") == ["std::vector<int> 0x80070005"]
        assert await found("std::vec") == ["std::vector<int> 0x80070005"]
        assert "userxid42 is another" not in await found("user_id")
        assert await found("no_such_name") == []


async def test_words_are_read_in_the_language_of_each_document(
    async_database: AsyncDatabase, tenant: Tenant
) -> None:
    """One query finds documents of several languages, each by its own stems; a language is a filter."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, None, NewChunk("Die Häuser am Meer"), language=TextLanguage.GERMAN)
        await _store(tx, None, NewChunk("Houses by the sea"))
        hits = await tx.memory.search("Haus or house")
        assert set(_contents(hits)) == {"Houses by the sea", "Die Häuser am Meer"}
        (hit,) = await tx.memory.search("haus", language=TextLanguage.GERMAN)
        assert hit.headline == "Die **Häuser** am Meer"
        assert len(await tx.memory.search("haus", language=TextLanguage.ENGLISH)) == 0


async def test_a_title_finds_the_beginning_of_its_document(
    async_database: AsyncDatabase, tenant: Tenant
) -> None:
    """A document whose title has all the words is represented by its first chunk."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, None, NewChunk("first"), NewChunk("second"), title="Vacuuming large tables")
        assert _contents(await tx.memory.search("vacuum tables")) == ["first"]


async def test_a_result_is_a_sequence_and_says_how_it_was_found(
    async_database: AsyncDatabase, tenant: Tenant, model: str
) -> None:
    """Its hits in order; the plan where vectors were compared; complete unless it says otherwise."""
    async with async_database.begin(tenant.actor) as tx:
        await _store(tx, model, NewChunk("near", [1, 0, 0]), NewChunk("far", [0, 1, 0]))
        result = await tx.memory.search(embedding=[1, 0, 0], model=model)
        assert [hit.content for hit in result] == ["near", "far"]
        assert (result[0], result[-1:], len(result)) == (result.hits[0], result.hits[1:], 2)
        assert (result.truncated, result.reason, result.plan) == (False, None, SearchPlan.EXACT)
        assert (await tx.memory.search("near")).plan is None
        forced = await tx.memory.search(embedding=[1, 0, 0], model=model, plan=SearchPlan.INDEX)
        assert forced.plan is SearchPlan.EXACT, "a model without an index has no other"


@pytest.mark.parametrize("limit", [1, 5, 30])
async def test_as_many_rows_as_match_come_back(
    async_database: AsyncDatabase, tenant: Tenant, model: str, limit: int
) -> None:
    """The smaller of the limit and of what matches, in every mode and with every filter."""
    async with async_database.begin(tenant.actor) as tx:
        vectors = [[math.cos(step / 9), math.sin(step / 9), 0.1] for step in range(20)]
        for step, vector in enumerate(vectors):
            await _store(
                tx,
                model,
                NewChunk(f"{'even' if step % 2 == 0 else 'odd'} number_{step}", vector),
                project_id=tenant.project_id if step % 5 == 0 else None,
                source=DocumentSource.CODE if step % 4 == 0 else NOTE,
            )
        near: dict[str, Any] = {"embedding": [1, 0, 0], "model": model}
        filtered: list[tuple[dict[str, Any], Sequence[int]]] = [
            ({}, range(20)),
            ({"project_id": tenant.project_id}, range(0, 20, 5)),
            ({"source": DocumentSource.CODE}, range(0, 20, 4)),
            ({"project_id": tenant.project_id, "source": NOTE}, (5, 10, 15)),
        ]
        for filters, steps in filtered:
            even = [step for step in steps if step % 2 == 0]
            expected = [
                (near, len(steps)),
                (
                    near | {"max_distance": 0.25},
                    sum(1 - vectors[step][0] / math.hypot(1, 0.1) <= 0.25 for step in steps),
                ),
                ({"query": "even"}, len(even)),
                ({"query": "number_"}, len(steps)),
                (near | {"query": "even"}, len(steps)),
            ]
            for arguments, matching in expected:
                result = await tx.memory.search(**arguments, **filters, limit=limit)
                assert (len(result), result.truncated) == (min(limit, matching), False), (arguments, filters)

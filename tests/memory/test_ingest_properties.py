"""Whatever is ingested, and wherever it is cut off: the last version remains, whole (F5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from devmentor_models import Database
from devmentor_models.errors import ConnectionLost
from devmentor_models.ingest import ingest
from devmentor_models.memory import streams, writer
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.memory.ingest import chunk_rows
from devmentor_models.memory.values import NewChunk, NewDocument
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.memory.conftest import Tenant

Version = tuple[str, tuple[str, ...]]

#: Every address has words of its own: two never have the same content.
ADDRESSES = ("a", "b", "c")
PIECES = st.lists(st.sampled_from("12345"), max_size=5).map(tuple)
RUNS = st.lists(
    st.lists(st.tuples(st.sampled_from(ADDRESSES), PIECES), min_size=1, max_size=4), min_size=1, max_size=4
)
STORED = text(
    "SELECT d.source_uri, array_agg(c.content ORDER BY c.ordinal) FILTER (WHERE c.id IS NOT NULL),"
    " array_agg(c.ordinal ORDER BY c.ordinal) FILTER (WHERE c.id IS NOT NULL),"
    " array_agg(e.embedding::text ORDER BY c.ordinal) FILTER (WHERE c.id IS NOT NULL), d.content"
    " FROM memory.documents d LEFT JOIN memory.chunks c ON c.document_id = d.id"
    " LEFT JOIN memory.embeddings_meta e ON e.chunk_id = c.id WHERE d.user_id = :user_id GROUP BY d.id"
)


def _document(version: Version) -> NewDocument:
    address, pieces = version
    chunks = [NewChunk(f"{address}{piece}", [1.0, float(piece), float(ord(address))]) for piece in pieces]
    content = f"{address}: {' '.join(pieces)}"
    return NewDocument(
        title=address, content=content, source=DocumentSource.NOTE, source_uri=address, chunks=chunks
    )


def _tenant(engine: Engine) -> Tenant:
    with Session(engine) as session:
        user = UserFactory.insert(session)
        project = ProjectFactory.insert(session, user=user)
        tenant = Tenant(user.id, user.username, project.id, project.name)
        session.commit()
    return tenant


def _stored(engine: Engine, tenant: Tenant) -> dict[str, Any]:
    """Return what is stored, by address; fails where vectors or places are not those of the chunks."""
    found = {}
    with engine.connect() as connection:
        for address, pieces, ordinals, vectors, content in connection.execute(
            STORED, {"user_id": tenant.user_id}
        ):
            expected = [f"[1,{piece[1:]},{ord(address)}]" for piece in pieces or ()]
            assert (vectors or []) == expected
            assert (ordinals or []) == list(range(len(expected)))
            assert content == f"{address}: {' '.join(piece[1:] for piece in pieces or ())}"
            assert address not in found
            found[address] = tuple(piece[1:] for piece in pieces or ())
    return found


def _last(versions: Sequence[Version]) -> Mapping[str, tuple[str, ...]]:
    return dict(versions)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(runs=RUNS, few=st.sampled_from([0, 3, 10]), workers=st.sampled_from([1, 3]))
def test_the_last_version_remains(
    *,
    database: Database,
    devmentor_engine: Engine,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    runs: list[list[Version]],
    few: int,
    workers: int,
) -> None:
    """Exactly its chunks, in order, and vectors of those alone, by COPY or not, side by side or not."""
    monkeypatch.setattr(writer, "FEW", few)
    monkeypatch.setattr(streams, "MAX_BATCH_DOCUMENTS", 2)
    tenant = _tenant(devmentor_engine)
    for run in runs:
        ingest(database, map(_document, run), actor=tenant.actor, model=model, workers=workers)
    assert _stored(devmentor_engine, tenant) == _last([version for run in runs for version in run])


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
def test_a_connection_that_breaks_during_copy(
    *,
    database: Database,
    devmentor_engine: Engine,
    tenant: Tenant,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    lasting: bool,
) -> None:
    """Nothing of the batch is there; the next attempt, or the next ingest, does the work."""
    old = [(address, tuple("123")) for address in ADDRESSES]
    new = [(address, tuple("4321" * 10)) for address in ADDRESSES]
    ingest(database, map(_document, old), actor=tenant.actor, model=model)
    broken: list[bool] = []

    def breaking(chunks: Any) -> Iterator[Any]:
        rows = list(chunk_rows(chunks))
        yield rows[0]
        if lasting or not broken:
            with devmentor_engine.connect() as connection:
                broken.extend(
                    connection.execute(
                        text(
                            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND query LIKE 'COPY pg_temp.%'"
                            " AND state = 'active'"
                        )
                    ).scalars()
                )
        yield from rows[1:]

    with monkeypatch.context() as patched:
        patched.setattr("devmentor_models.memory.writer.chunk_rows", breaking)
        if lasting:
            with pytest.raises(ConnectionLost):
                ingest(database, map(_document, new), actor=tenant.actor, model=model)
            assert _stored(devmentor_engine, tenant) == _last(old)
        else:
            ingest(database, map(_document, new), actor=tenant.actor, model=model)
    assert set(broken) == {True}
    result = ingest(database, map(_document, new), actor=tenant.actor, model=model)
    assert result.unchanged == (0 if lasting else 3)
    assert _stored(devmentor_engine, tenant) == _last(new)

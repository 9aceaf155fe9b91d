"""A vector that cannot be compared gets in by no way: repository, Core, SQL or COPY (F5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import errors as pg
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from devmentor_models.ai.models import EmbeddingModel
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.base import Base
from devmentor_models.kit.ids import uuid7
from devmentor_models.memory.models import Chunk
from devmentor_models.settings import conninfo
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.memory import ChunkFactory
from devmentor_models.testing.factories.projects import ProjectFactory

VECTORS, PROJECTS = "memory.embeddings_meta", "ai.project_embeddings"
TABLES = [VECTORS, PROJECTS]
NAN, INFINITY = float("nan"), float("inf")
#: What is wrong: the vector, how many dimensions the row claims, what Python says, what PostgreSQL says.
WRONG: dict[str, tuple[list[float], int, str | None, type[psycopg.Error]]] = {
    "nan": ([1, NAN, 1], 3, "contains NaN or infinity", pg.DataError),
    "infinity": ([1, -INFINITY, 1], 3, "contains NaN or infinity", pg.DataError),
    "zero": ([0, 0, 0], 3, "is a zero vector", pg.CheckViolation),
    "too long": ([1, 1, 1, 1], 3, None, pg.CheckViolation),
    "not the model's": ([1, 1, 1, 1], 4, None, pg.ForeignKeyViolation),
    "beyond half": ([1, 1e6, 1], 3, "beyond the range of half precision", pg.DataError),
}


def row_for(table: str, engine: Engine) -> dict[str, Any]:
    """Commit what a vector belongs to; return a row for it, without the vector."""
    with Session(engine) as session:
        model: EmbeddingModel = EmbeddingModelFactory.insert(session)
        row: dict[str, Any] = {
            "id": uuid7(),
            "model_id": model.id,
            "dimensions": 3,
            "content_hash": bytes(32),
        }
        if table == VECTORS:
            chunk: Chunk = ChunkFactory.insert(session)
            row |= {"user_id": chunk.user_id, "document_id": chunk.document_id, "chunk_id": chunk.id}
        else:
            project = ProjectFactory.insert(session)
            row |= {"user_id": project.user_id, "project_id": project.id}
        session.commit()
    return row


@pytest.fixture
def connection(devmentor_url: str) -> Iterator[psycopg.Connection]:
    """Yield a connection that takes everything back."""
    with psycopg.connect(conninfo(devmentor_url)) as made:
        register_vector(made)
        yield made
        made.rollback()


@pytest.mark.parametrize("table", TABLES)
def test_a_vector_that_cannot_be_compared(
    table: str, devmentor_engine: Engine, connection: psycopg.Connection
) -> None:
    """Core names the column, and PostgreSQL refuses by itself what comes in SQL, as text or in binary."""
    row = row_for(table, devmentor_engine)
    for wrong, (vector, dimensions, reason, error) in WRONG.items():
        values = row | {"embedding": vector, "dimensions": dimensions}
        if reason:
            with pytest.raises(InvalidValue, match=reason) as caught, Session(devmentor_engine) as session:
                session.execute(insert(Base.metadata.tables[table]), [values])
            assert caught.value.field == f"{table}.embedding", wrong
        text = values | {"embedding": str(vector)}
        for write in (_insert, _copy):
            with pytest.raises(error), connection.transaction():
                write(connection, table, text)
        if wrong != "beyond half":  # which no binary form has
            with pytest.raises(error), connection.transaction():
                _copy(connection, table, values | {"embedding": HalfVector(vector)}, binary=True)
    _copy(connection, table, row | {"embedding": HalfVector([1, 2, 3])}, binary=True)


def _insert(connection: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
    places = ", ".join(f"%({name})s{'::halfvec' if name == 'embedding' else ''}" for name in row)
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})".encode(), row)


def _copy(connection: psycopg.Connection, table: str, row: dict[str, Any], *, binary: bool = False) -> None:
    form = " WITH (FORMAT binary)" if binary else ""
    statement = f"COPY {table} ({', '.join(row)}) FROM STDIN{form}"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        if binary:
            kinds = {"dimensions": "int4", "content_hash": "bytea", "embedding": "halfvec"}
            copy.set_types([kinds.get(name, "uuid") for name in row])
        copy.write_row([*row.values()])

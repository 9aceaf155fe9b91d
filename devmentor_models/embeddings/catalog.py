"""The embedding models as an operator sees them: ``devmentor-db models`` (F5, F7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import psycopg

from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.errors import NotFound, UniqueViolation
from devmentor_models.kit.arguments import member, whole_number
from devmentor_models.kit.base import table_named
from devmentor_models.kit.ids import uuid7
from devmentor_models.kit.types import MAX_HALFVEC_DIMENSIONS, CheckedType
from devmentor_models.memory.vector_indexes import SCHEMA, index_name, is_index_of
from devmentor_models.owner_session import connect_as_owner

MODELS = "ai.embedding_models"
VECTORS = "memory.embeddings_meta"
#: What the catalog is read and written with.
NEEDS = {MODELS: ("SELECT", "INSERT"), VECTORS: ("SELECT",)}

_COLUMNS = "m.id, m.name, m.dimensions, m.metric::text, m.active, m.is_default"
_FIND = f"SELECT {_COLUMNS} FROM {MODELS} m WHERE m.name = %s"
_DEFAULT = f"SELECT {_COLUMNS} FROM {MODELS} m WHERE m.is_default"
_LIST = f"""
    SELECT {_COLUMNS}, coalesce(v.stored, 0)
      FROM {MODELS} m
      LEFT JOIN (SELECT model_id, count(*) AS stored FROM {VECTORS} WHERE embedding IS NOT NULL
                  GROUP BY model_id) v ON v.model_id = m.id
     ORDER BY m.id
"""
# Whoever builds an index holds an advisory lock of its name; progress reports are not for everybody to see.
_INDEX = """
    SELECT i.indisvalid AND i.indisready AND i.indislive, pg_get_indexdef(c.oid), pg_relation_size(c.oid),
        c.reloptions, EXISTS (
            SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
             WHERE l.locktype = 'advisory' AND l.objsubid = 1
               AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(%(name)s, 0))
      FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
     WHERE c.oid = to_regclass(%(name)s)
"""
_ADD = f"""
    INSERT INTO {MODELS} (id, name, dimensions, metric)
    VALUES (%(id)s, %(name)s, %(dimensions)s, %(metric)s::ai.distance_metric)
    ON CONFLICT (name) DO NOTHING
"""


class IndexState(StrEnum):
    """What there is of a model's index."""

    NONE = "none"
    READY = "ready"
    BUILDING = "building"
    #: A build that failed or was killed left it behind: it costs on every write and serves no search.
    INVALID = "invalid"
    #: Something stands under the name that is no index of this model, such as one of another metric.
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A registered model. ``metric`` is cosine, l2 or inner_product."""

    id: UUID
    name: str
    dimensions: int
    metric: str
    active: bool
    is_default: bool

    @property
    def index(self) -> str:
        """Name of the model's index, with its schema; it need not exist."""
        return f"{SCHEMA}.{index_name(self.id)}"


@dataclass(frozen=True, slots=True)
class ModelIndex:
    """A model's index.

    Attributes:
        state: What there is of it.
        size: Bytes; 0 where there is none.
        options: What it was built with: ``m``, ``ef_construction``.
    """

    state: IndexState
    size: int = 0
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model, how many vectors are stored of it, and its index."""

    model: CatalogModel
    vectors: int
    index: ModelIndex


class EmbeddingCatalog:
    """The catalog on a connection with the owner's rights; use it as a context manager.

    Args:
        url: The database; its role is a member of ``devmentor_owner``, as for migrations.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ConfigurationError: The role cannot see everybody's rows.
        """
        self._connection = connect_as_owner(self._url, NEEDS)
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def report(self) -> list[ModelReport]:
        """Return every model in the order in which they were registered; counts all vectors."""
        rows = self._connection.execute(_LIST.encode()).fetchall()
        found = ((CatalogModel(*row[:6]), row[6]) for row in rows)
        return [ModelReport(model, vectors, index_of(self._connection, model)) for model, vectors in found]

    def add(self, name: str, dimensions: int, metric: str = DistanceMetric.COSINE) -> CatalogModel:
        """Enter a model, or return the one of this name when it is the same.

        Args:
            name: Unique, ≤ 100 characters.
            dimensions: Length of its vectors, 1 to 4,000.
            metric: How two of its vectors are compared: cosine, l2 or inner_product.

        Raises:
            InvalidValue: A value does not fit its column.
            UniqueViolation: The name belongs to a model with other dimensions or another metric.
        """
        kind: Any = table_named(MODELS).c.name.type
        assert isinstance(kind, CheckedType)  # noqa: S101 - tells the type checkers what the model declares
        values = {
            "id": uuid7(),
            "name": kind.check(name),
            "dimensions": whole_number(
                f"{MODELS}.dimensions", dimensions, at_least=1, at_most=MAX_HALFVEC_DIMENSIONS
            ),
            "metric": member(f"{MODELS}.metric", DistanceMetric, metric).value,
        }
        self._connection.execute(_ADD.encode(), values)
        model = self.get(str(values["name"]))
        if (model.dimensions, model.metric) != (values["dimensions"], values["metric"]):
            raise UniqueViolation("uq_embedding_models_name", MODELS, ("name",))
        return model

    def get(self, name: str) -> CatalogModel:
        """Return the model of a name.

        Raises:
            NotFound: There is none.
        """
        return get_model(self._connection, name)

    def index(self, model: CatalogModel) -> ModelIndex:
        """Return what there is of a model's index."""
        return index_of(self._connection, model)


def get_model(connection: psycopg.Connection, name: str, *, active: bool = False) -> CatalogModel:
    """Return the model of a name; with ``active`` only one that makes new vectors.

    Raises:
        NotFound: There is none.
    """
    row = connection.execute(_FIND.encode(), [name]).fetchone()
    model = CatalogModel(*row) if row else None
    if model is None or (active and not model.active):
        raise NotFound("active embedding model" if active else "embedding model", name)
    return model


def find_default(connection: psycopg.Connection) -> CatalogModel | None:
    """Return the model to use when none is named, if there is one."""
    row = connection.execute(_DEFAULT.encode()).fetchone()
    return CatalogModel(*row) if row else None


def index_of(connection: psycopg.Connection, model: CatalogModel) -> ModelIndex:
    """Return what there is of a model's index."""
    row: Any = connection.execute(_INDEX, {"name": model.index}).fetchone()
    if row is None:
        return ModelIndex(IndexState.NONE)
    valid, definition, size, options, building = row
    state = IndexState.READY
    if not is_index_of(definition, model.id, model.dimensions, model.metric):
        state = IndexState.WRONG
    elif not valid:
        state = IndexState.BUILDING if building else IndexState.INVALID
    return ModelIndex(state, size, tuple(sorted(options or ())))

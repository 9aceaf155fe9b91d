"""The calls to Qdrant that the vector mirror makes, each safe to repeat (S4)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from devmentor_models.errors import CollectionMismatch, DevMentorError, ExtraMissing, MirrorRefused
from devmentor_models.memory.mirror_values import PointState
from devmentor_models.memory.values import ModelInfo

try:
    from qdrant_client import QdrantClient, models
    from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
except ImportError:
    raise ExtraMissing("qdrant") from None

DISTANCES = {
    "cosine": models.Distance.COSINE,
    "l2": models.Distance.EUCLID,
    "inner_product": models.Distance.DOT,
}
#: What searches of the mirror filter by: whose points, and of which project. Qdrant's strict mode, which is
#: on in its cloud, refuses to filter by anything that is not indexed.
INDEXED = frozenset({"user_id", "project_id"})
PAGE = 500


@contextmanager
def _talking() -> Iterator[None]:
    """Raise `MirrorRefused` for an error of the client."""
    try:
        yield
    except ApiException as error:
        raise MirrorRefused(describe(error)) from None


class MirrorClient:
    """What the mirror needs of a `qdrant_client.QdrantClient`. Every method raises `MirrorRefused`.

    Args:
        client: The client. Its timeout must be well below the lease that a worker claims entries for.
    """

    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    @_talking()
    def ensure(self, model: ModelInfo) -> None:
        """Make the collection of a model, and its indexes, if they are not there.

        Raises:
            CollectionMismatch: It is there, with vectors of another length or metric, or with several.
        """
        collection = _collection_of(model)
        if not self._client.collection_exists(collection):
            self._create(model, collection)
        info = self._client.get_collection(collection)
        found = info.config.params.vectors
        expected = (model.dimensions, DISTANCES[model.metric])
        if not isinstance(found, models.VectorParams):
            raise CollectionMismatch(collection, "named vectors", _described(*expected))
        if (found.size, found.distance) != expected:
            raise CollectionMismatch(
                collection, _described(found.size, found.distance), _described(*expected)
            )
        self._index(collection, INDEXED - info.payload_schema.keys())

    @_talking()
    def upsert(self, collection: str, points: Mapping[UUID, PointState]) -> None:
        """Write points, whole, in place of whatever is there under their ids.

        Raises:
            MirrorRefused: It is not certain that they were written.
        """
        structs = [
            models.PointStruct(id=str(key), vector=list(state.vector or ()), payload=state.payload)
            for key, state in points.items()
        ]
        # Strong: the replicas of a cluster take writes to a point in the order in which workers make them.
        _applied(self._client.upsert(collection, structs, wait=True, ordering=models.WriteOrdering.STRONG))

    @_talking()
    def delete(self, collection: str, point_ids: Sequence[UUID]) -> None:
        """Delete points that may be there.

        Raises:
            MirrorRefused: It is not certain that they were deleted.
        """
        chosen = models.PointIdsList(points=[str(key) for key in point_ids])
        _applied(self._client.delete(collection, chosen, wait=True, ordering=models.WriteOrdering.STRONG))

    @_talking()
    def exists(self, collection: str) -> bool:
        """Say whether there is such a collection."""
        return self._client.collection_exists(collection)

    @_talking()
    def drop(self, collection: str) -> None:
        """Delete a collection that may be there."""
        self._client.delete_collection(collection)

    def points(self, collection: str) -> Iterator[tuple[UUID, dict[str, Any]]]:
        """Yield ids and payloads of all points in the order of ids, from one page in memory at a time.

        Points whose ids are numbers are passed over: they are not the mirror's.
        """
        place: Any = None
        while True:
            with _talking():
                records, place = self._client.scroll(collection, limit=PAGE, offset=place, with_payload=True)
            for record in records:
                if not isinstance(record.id, int):
                    yield UUID(str(record.id)), record.payload or {}
            if place is None:
                return

    def _create(self, model: ModelInfo, collection: str) -> None:
        vectors = models.VectorParams(size=model.dimensions, distance=DISTANCES[model.metric])
        try:
            self._client.create_collection(collection, vectors_config=vectors)
        except (UnexpectedResponse, ValueError):
            # Another worker was quicker.
            if not self._client.collection_exists(collection):
                raise

    def _index(self, collection: str, names: AbstractSet[str]) -> None:
        for name in sorted(names):
            schema = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=name == "user_id"
            )
            with warnings.catch_warnings():
                # The local engine says that it does without indexes.
                warnings.simplefilter("ignore", UserWarning)
                self._client.create_payload_index(collection, name, schema, wait=True)


def describe(error: Exception) -> str:
    """Return what may be logged of an error: other messages than ours may quote what was sent."""
    if isinstance(error, DevMentorError):
        return str(error)
    if isinstance(error, UnexpectedResponse):
        return f"Qdrant answered {error.status_code}."
    if isinstance(error, ResponseHandlingException):
        return f"Qdrant did not answer: {type(error.source).__name__}."
    return type(error).__name__


def _applied(result: models.UpdateResult) -> None:
    if result.status != models.UpdateStatus.COMPLETED:
        raise MirrorRefused("Qdrant took the points, but did not say in time that they were written.")


def _collection_of(model: ModelInfo) -> str:
    if model.collection is None:
        raise ValueError(f"{model.name} is not mirrored")
    return model.collection


def _described(size: int, distance: models.Distance) -> str:
    return f"vectors of {size} dimensions compared by {distance.value}"

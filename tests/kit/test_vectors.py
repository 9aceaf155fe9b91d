"""Vectors as parameters: packed for our own connections, as text for others."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql import psycopg

from devmentor_models.dialect import AsyncPooledDialect, PooledDialect
from devmentor_models.kit.vectors import Packed
from devmentor_models.memory.ingest import pack_vector


def test_only_our_own_connections_take_packed_vectors() -> None:
    """What an engine learned before this library was imported, nobody knows."""
    packed = pack_vector([0.25, 0, 1], "embedding")
    ours: list[Any] = [PooledDialect, AsyncPooledDialect]  # SQLAlchemy's have no annotations
    assert [Packed().bind_processor(dialect()) for dialect in ours] == [None, None]
    plain: Any = psycopg.dialect
    as_text = Packed().bind_processor(plain())
    assert as_text is not None
    assert as_text(packed) == "[0.25,0.0,1.0]"
    assert as_text(None) is None

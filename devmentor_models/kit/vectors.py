"""Vectors on their way into a statement, packed as PostgreSQL receives them.

As text, a vector of 256 numbers takes a tenth of a millisecond to write and to read, which is as long as a
short search takes.
"""

from __future__ import annotations

from typing import Any

import psycopg
from pgvector import HalfVector
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import Dialect
from sqlalchemy.types import UserDefinedType


class PackedVector(bytes):
    """A ``halfvec`` in its binary form: two numbers of two bytes, the first its length, then its numbers.

    `kit.types.Embedding.pack` makes one.
    """

    __slots__ = ()

    @property
    def dimensions(self) -> int:
        r"""How many numbers it has.

        >>> PackedVector(b"\x00\x01\x00\x00\x3c\x00").dimensions
        1
        """
        return int.from_bytes(self[:2])


class PackedVectorDumper(Dumper):
    """Sends a packed vector as it is.

    Without a type, since an extension's types have other numbers in each database: PostgreSQL takes the type
    of what the parameter is compared with or handed to.
    """

    format = Format.BINARY

    def dump(self, obj: PackedVector) -> bytes:
        """Return the bytes."""
        return obj


class Packed(UserDefinedType[PackedVector]):
    """The type of a parameter that is a `PackedVector`."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """Leave vectors packed for our own connections, and write them as text for those of a plain engine.

        An engine that connected before this module was imported does not know how to send a packed one.
        """
        if getattr(dialect, "packs_vectors", False):
            return None
        return lambda packed: None if packed is None else HalfVector.from_binary(packed).to_text()

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name."""
        return "HALFVEC"


psycopg.adapters.register_dumper(PackedVector, PackedVectorDumper)

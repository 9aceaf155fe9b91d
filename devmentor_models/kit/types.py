"""Column types that refuse what PostgreSQL or psycopg would mangle, naming the field.

Each type checks a value twice: when it is assigned to a mapped attribute (so a bad value never enters a
unit of work) and when it is bound to a statement (so Core statements are covered too). Both raise
`InvalidValue` before anything is sent. The checks come from failures that were reproduced: NUL bytes and
lone surrogates are errors deep inside the driver, ``infinity`` dates cannot be read back, a zero vector
makes every cosine distance NaN.
"""

from __future__ import annotations

import ipaddress
import math
import re
import struct
import unicodedata
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeVar
from uuid import UUID

from pgvector import HalfVector
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Date, DateTime, Dialect, LargeBinary, Numeric, String, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.types import TypeDecorator

from devmentor_models.errors import InvalidValue
from devmentor_models.kit.vectors import PackedVector

T = TypeVar("T")

MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_JSON_DEPTH = 100
#: Larger integers can be stored, but Python refuses to read more than 4,300 digits.
MAX_JSON_BITS = 4096
#: Floats below are written with a point, or are the integer that they are written as.
EXACT_FLOATS = 2.0**53
MAX_HALFVEC_DIMENSIONS = 4000
HALF_MAX = 65504.0
#: Half of the smallest subnormal: anything up to here rounds to zero.
HALF_ZERO = 2.0**-25
#: Bytes before the numbers of a packed vector: how many there are, and two that are not used.
_HALFVEC_HEADER = 4
#: By a half's upper byte: 1 where all bits of the exponent are set, as in infinity and NaN.
_IS_NOT_FINITE = bytes(byte & 0x7C == 0x7C for byte in range(256))  # noqa: PLR2004 - the exponent's bits
#: A day within Python's own limits, which another time zone can move.
FIRST_MOMENT = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
_SURROGATE = re.compile("[\ud800-\udfff]")


class CheckedType(TypeDecorator[T]):
    """Base of the checked types: remembers its column, so that an error can name it."""

    cache_ok = True
    _column: Any = None

    def _set_parent(self, parent: Any, outer: bool = False, **kw: Any) -> None:
        super()._set_parent(parent, outer, **kw)
        self._column = parent

    @property
    def python_type(self) -> type[Any]:
        """The type of the values, which cursors are read back in; a TypeDecorator says ``object``."""
        return self.impl_instance.python_type

    @property
    def field(self) -> str:
        """``schema.table.column``, or ``value`` for a type that stands alone."""
        if self._column is None:
            return "value"
        table = getattr(self._column, "table", None)
        return f"{table.fullname}.{self._column.name}" if table is not None else str(self._column.name)

    def refuse(self, reason: str) -> InvalidValue:
        """Make the error for this column."""
        return InvalidValue(self.field, reason)

    def text(self, value: Any, at_most: int | None = None) -> str:
        """Return text that PostgreSQL can store; refuse NUL, lone surrogates and what is too long."""
        if not isinstance(value, str):
            raise self.refuse(f"expects text, not {type(value).__name__}")
        if problem := text_problem(value):
            raise self.refuse(problem)
        if at_most is not None and len(value) > at_most:
            raise self.refuse(f"is {len(value)} characters long; at most {at_most} fit")
        return value

    @abstractmethod
    def check(self, value: Any) -> Any:
        """Return the value to keep, or raise `InvalidValue`. None never arrives here."""

    def to_database(self, value: Any) -> Any:
        """Turn a checked value into what the driver sends."""
        return value

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Check a value on its way into a statement."""
        return None if value is None else self.to_database(self.check(value))


def text_problem(value: str) -> str | None:
    """Say why PostgreSQL cannot store this text, or return None."""
    if "\x00" in value:
        return "contains a NUL character"
    if not value.isascii() and _SURROGATE.search(value):
        return "contains a lone surrogate"
    return None


def moment_problem(value: Any) -> str | None:
    """Say why a value is no point in time that can be stored and read again in any zone, or return None."""
    if not isinstance(value, datetime):
        return f"expects a datetime, not {type(value).__name__}"
    if value.utcoffset() is None:
        return "has no time zone; use an aware datetime"
    return None if FIRST_MOMENT <= value <= LAST_MOMENT else "lies outside the years 1 to 9999"


class Varchar(CheckedType[str]):
    """``VARCHAR(n)``: at most n characters, never silently truncated."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def check(self, value: Any) -> str:
        """Refuse non-strings, NUL, lone surrogates and over-long text."""
        return self.text(value, self.length)


class Address(Varchar):
    """``VARCHAR(n)`` of at most n bytes in UTF-8, for what is unique: an index entry holds 2,704 bytes."""

    cache_ok = True

    def check(self, value: Any) -> str:
        """Refuse what `Varchar` refuses, and text that takes more bytes than it may have characters."""
        text = super().check(value)
        if not text.isascii() and (size := len(text.encode())) > self.length:
            raise self.refuse(f"is {size} bytes long in UTF-8; at most {self.length} fit")
        return text


class NormalizedVarchar(Varchar):
    """``VARCHAR(n)`` kept in Unicode normal form C, for names that must be unique (trap: NFC is not NFD)."""

    cache_ok = True

    def check(self, value: Any) -> str:
        """Normalise to NFC, trim, and refuse what `Varchar` refuses, control characters and emptiness."""
        text = super().check(value)
        text = unicodedata.normalize("NFC", text).strip()
        if not text:
            raise self.refuse("is empty")
        if any(unicodedata.category(char) == "Cc" for char in text):
            raise self.refuse("contains a control character")
        return super().check(text)


class LongText(CheckedType[str]):
    """``TEXT``, up to 64 MiB of UTF-8."""

    impl = Text
    cache_ok = True

    def check(self, value: Any) -> str:
        """Refuse non-strings, NUL, lone surrogates and text over 64 MiB."""
        text = self.text(value)
        if len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
            raise self.refuse(f"is longer than {MAX_TEXT_BYTES} bytes")
        return text


class TextList(CheckedType[list[str]]):
    """``TEXT[]`` of short strings; a plain string is refused rather than split into letters."""

    impl = ARRAY(Text())
    cache_ok = True

    def __init__(self, item_length: int = 100, max_items: int = 100) -> None:
        super().__init__()
        self.item_length = item_length
        self.max_items = max_items

    def check(self, value: Any) -> list[str]:
        """Refuse anything but a list of at most ``max_items`` strings of at most ``item_length``."""
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise self.refuse(f"expects a list of texts, not {type(value).__name__}")
        if len(value) > self.max_items:
            raise self.refuse(f"has {len(value)} items; at most {self.max_items} fit")
        for item in value:
            if not isinstance(item, str):
                raise self.refuse(f"expects texts, not {type(item).__name__}")
            if problem := text_problem(item):
                raise self.refuse(problem)
            if len(item) > self.item_length:
                raise self.refuse(f"has an item of {len(item)} characters; at most {self.item_length} fit")
        return list(value)


class UuidList(CheckedType[list[UUID]]):
    """``UUID[]``: keys of rows."""

    impl = ARRAY(Uuid())
    cache_ok = True

    def check(self, value: Any) -> list[UUID]:
        """Refuse anything but a list of UUIDs."""
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise self.refuse(f"expects a list of UUIDs, not {type(value).__name__}")
        for item in value:
            if not isinstance(item, UUID):
                raise self.refuse(f"expects UUIDs, not {type(item).__name__}")
        return list(value)


class Timestamp(CheckedType[datetime]):
    """``TIMESTAMPTZ``: an aware datetime; a naive one would be read in the session's zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def check(self, value: Any) -> datetime:
        """Refuse naive datetimes, dates, ``infinity``, and what a zone could move beyond the year 9999."""
        if problem := moment_problem(value):
            raise self.refuse(problem)
        moment: datetime = value
        return moment


class CalendarDate(CheckedType[date]):
    """``DATE``: a calendar day; psycopg cannot read ``infinity`` back, so it is not written."""

    impl = Date
    cache_ok = True

    def check(self, value: Any) -> date:
        """Refuse datetimes (which day depends on the zone) and strings such as ``infinity``."""
        if isinstance(value, datetime) or not isinstance(value, date):
            raise self.refuse(f"expects a date, not {type(value).__name__}")
        return value


class ExactNumber(CheckedType[Decimal]):
    """``NUMERIC(p, s)``, stored as it was given: PostgreSQL would round what has more digits.

    Args:
        precision: Digits in all.
        scale: Digits behind the point.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale
        self._unit = Decimal(1).scaleb(-scale)
        self._exact = Context(prec=precision, traps=[Inexact, InvalidOperation])

    def check(self, value: Any) -> Decimal:
        """Accept Decimal and int; refuse float, infinities, NaN (it passes ``>= 0``), and more digits."""
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise self.refuse(f"expects a Decimal, not {type(value).__name__}")
        number = Decimal(value)
        if not number.is_finite():
            raise self.refuse("is not a finite number")
        try:
            return number.quantize(self._unit, context=self._exact)
        except Inexact:
            raise self.refuse(f"has more than {self.scale} digits behind the point") from None
        except InvalidOperation:
            whole = self.precision - self.scale
            raise self.refuse(f"has more than {whole} digits before the point") from None


class Money(ExactNumber):
    """``NUMERIC(14, 6)`` in US dollars."""

    cache_ok = True

    def __init__(self, precision: int = 14, scale: int = 6) -> None:
        super().__init__(precision, scale)


class Json(CheckedType[Any]):
    """``JSONB`` holding an object, array or scalar that comes back equal to what went in."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def check(self, value: Any) -> Any:
        """Refuse what would not: NaN, NUL, lone surrogates, tuples and other types, depth over 100."""
        stack: list[tuple[Any, int]] = [(value, 1)]
        while stack:
            item, depth = stack.pop()
            if depth > MAX_JSON_DEPTH:
                raise self.refuse(f"is nested deeper than {MAX_JSON_DEPTH} levels")
            if isinstance(item, dict):
                if not all(isinstance(key, str) for key in item):
                    raise self.refuse("has a key that is not text")
                stack.extend((key, depth + 1) for key in item)
                stack.extend((child, depth + 1) for child in item.values())
            elif isinstance(item, list):
                stack.extend((child, depth + 1) for child in item)
            elif problem := _scalar_problem(item):
                raise self.refuse(problem)
        return value


def _scalar_problem(item: Any) -> str | None:
    """Say why a value would not come back from JSONB as it is."""
    if item is None or isinstance(item, bool):
        return None
    if isinstance(item, str):
        return text_problem(item)
    if isinstance(item, int):
        fits = item.bit_length() <= MAX_JSON_BITS
        return None if fits else f"contains a number of more than {MAX_JSON_BITS} bits"
    if isinstance(item, float):
        if not math.isfinite(item):
            return "contains a number that JSON does not have (NaN or infinity)"
        # PostgreSQL writes 1e+23 out, and such a number without a point is read as an int.
        same = abs(item) < EXACT_FLOATS or int(Decimal(repr(item))) == item
        return None if same else "contains a float that would come back as another number; write it as an int"
    return f"contains a {type(item).__name__}, which JSON does not have"


class Sha256(CheckedType[bytes]):
    """``BYTEA`` of exactly 32 bytes: a SHA-256 digest."""

    impl = LargeBinary
    cache_ok = True

    def check(self, value: Any) -> bytes:
        """Refuse anything but 32 bytes."""
        if not isinstance(value, bytes) or len(value) != 32:  # noqa: PLR2004 - SHA-256 is 32 bytes
            raise self.refuse("expects the 32 bytes of a SHA-256 digest")
        return value


class IpAddress(CheckedType[ipaddress.IPv4Address | ipaddress.IPv6Address]):
    """``INET`` holding one host address."""

    impl = INET
    cache_ok = True

    def check(self, value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """Accept an address object or its text."""
        try:
            return ipaddress.ip_address(value)
        except ValueError:
            raise self.refuse("is not an IP address") from None

    def to_database(self, value: Any) -> str:
        """Send text, which PostgreSQL reads in either family."""
        return str(value)

    def process_result_value(
        self, value: Any, dialect: Dialect
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Return an address object, whatever the driver delivers."""
        return None if value is None else ipaddress.ip_address(str(value).partition("/")[0])


class Embedding(CheckedType[list[float]]):
    """``halfvec``: a vector of at most 4,000 finite numbers, not all zero.

    Args:
        dimensions: Fixed length, or None where the row's model decides.
    """

    impl = HALFVEC
    cache_ok = True

    def __init__(self, dimensions: int | None = None) -> None:
        super().__init__(dimensions)
        self.dimensions = dimensions

    def check(self, value: Any) -> list[float]:
        """Refuse wrong lengths, NaN, infinities, zero vectors and numbers beyond half precision."""
        numbers = self._numbers(value)
        if self.dimensions is not None and len(numbers) != self.dimensions:
            raise self.refuse(f"has {len(numbers)} dimensions; {self.dimensions} are expected")
        if not 1 <= len(numbers) <= MAX_HALFVEC_DIMENSIONS:
            raise self.refuse(f"has {len(numbers)} dimensions; 1 to {MAX_HALFVEC_DIMENSIONS} are possible")
        if not all(map(math.isfinite, numbers)):
            raise self.refuse("contains NaN or infinity")
        largest = max(map(abs, numbers))
        if largest > HALF_MAX:
            raise self.refuse("has a component beyond the range of half precision")
        if largest <= HALF_ZERO:
            raise self.refuse("is a zero vector (in half precision), which has no direction")
        return numbers

    def pack(self, value: Any) -> PackedVector:
        """Return the vector as PostgreSQL receives it in binary form; refuses what `check` refuses.

        The checks look at the packed bytes, several times as fast as at the numbers one by one.
        """
        if isinstance(value, HalfVector):
            value = value.to_list()
        elif hasattr(value, "tolist"):  # of NumPy, or any other array
            value = value.tolist()
        if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
            raise self.refuse("expects a sequence of numbers")
        length = len(value)
        if not 1 <= length <= MAX_HALFVEC_DIMENSIONS:
            raise self.refuse(f"has {length} dimensions; 1 to {MAX_HALFVEC_DIMENSIONS} are possible")
        try:
            packed = struct.pack(f">HH{length}e", length, 0, *value)
        except OverflowError:
            raise self.refuse("has a component beyond the range of half precision") from None
        except (TypeError, ValueError, struct.error):
            raise self.refuse("expects a sequence of numbers") from None
        high, low = packed[_HALFVEC_HEADER::2], packed[_HALFVEC_HEADER + 1 :: 2]
        if b"\x01" in high.translate(_IS_NOT_FINITE):
            raise self.refuse("contains NaN or infinity")
        if not high.strip(b"\x00\x80") and not low.strip(b"\x00"):
            raise self.refuse("is a zero vector (in half precision), which has no direction")
        return PackedVector(packed)

    def _numbers(self, value: Any) -> list[float]:
        if isinstance(value, HalfVector):
            return value.to_list()
        try:
            return [float(number) for number in value]
        except (TypeError, ValueError, OverflowError):
            raise self.refuse("expects a sequence of numbers") from None

"""Identifiers sort by time and never repeat."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from devmentor_models.kit.ids import uuid7


def test_identifiers_of_one_process_are_strictly_increasing() -> None:
    """Ten thousand in a row are in order, whatever the clock's resolution."""
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_identifiers_are_unique_across_threads() -> None:
    """Threads share the counter, so none is issued twice."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: uuid7(), range(8_000)))
    assert len(set(made)) == len(made)


def test_an_identifier_tells_its_time() -> None:
    """The first 48 bits are the milliseconds since 1970, as RFC 9562 has it."""
    made = uuid7()
    moment = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=5)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_order_survives_a_clock_that_is_set_back() -> None:
    """An identifier made after the clock went back an hour still sorts last."""
    before = uuid7()
    past = (before.int >> 80) - 3_600_000
    with patch("time.time_ns", return_value=past * 1_000_000):
        assert uuid7() > before

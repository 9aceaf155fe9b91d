"""Passwords: what fits, what is hashed anew, and that a misfit tells nothing by its time (F2, Z6)."""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache

import argon2
import bcrypt
import pytest

from devmentor_models.errors import ConfigurationError, InvalidValue
from devmentor_models.kit import passwords
from devmentor_models.kit.passwords import (
    MAX_AT_ONCE,
    MAX_LENGTH,
    PasswordCheck,
    hash_password,
    hash_password_async,
    verify_password,
    verify_password_async,
)

PASSWORD = "correct horse battery"
FITS = PasswordCheck(fits=True)
OUTDATED = PasswordCheck(fits=True, outdated=True)
WRONG = PasswordCheck()
UNUSABLE = PasswordCheck(usable=False)
COST = 4


@cache
def stored_hash() -> str:
    """Return a hash of the password, computed once."""
    return hash_password(PASSWORD)


def old_hash(password: str, variant: str = "2b") -> str:
    """Return a hash as the older system made them: of the first 72 bytes."""
    made = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(COST)).decode()
    return made.replace("$2b$", f"${variant}$", 1)


def verify(password: str, stored: str | None) -> PasswordCheck:
    """Verify where the older system's hashes are cheap."""
    return verify_password(password, stored, bcrypt_cost=COST)


def test_a_hash_fits_its_password_alone() -> None:
    """RFC 9106's second option, salted; the check is true exactly if the password fits."""
    stored = stored_hash()
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert verify(PASSWORD, stored) == FITS
    assert verify(PASSWORD.title(), stored) == WRONG
    assert (bool(FITS), bool(OUTDATED), bool(WRONG), bool(UNUSABLE)) == (True, True, False, False)
    assert hash_password(PASSWORD) != stored
    assert PASSWORD not in stored


def test_other_parameters_are_outdated() -> None:
    """Weaker ones, and Argon2i: the password fits, and is to be hashed anew."""
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    other = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=argon2.Type.I)
    for hasher in (weak, other):
        assert verify(PASSWORD, hasher.hash(PASSWORD)) == OUTDATED
        assert verify("something else", hasher.hash(PASSWORD)) == WRONG


@pytest.mark.parametrize("variant", ["2a", "2b", "2y"])
def test_hashes_of_the_older_system_fit(variant: str) -> None:
    """Each variant of bcrypt, to be hashed anew."""
    stored = old_hash(PASSWORD, variant)
    assert verify(PASSWORD, stored) == OUTDATED
    assert verify("something else", stored) == WRONG


def test_bcrypt_looks_at_72_bytes() -> None:
    """As in the older system; a longer password is not hashed anew, since its end was not proven."""
    exact, longer = "ä" * 36, "ä" * 36 + "tail"
    assert verify(exact, old_hash(exact)) == OUTDATED
    stored = old_hash(longer)
    assert verify(longer, stored) == FITS
    assert verify(longer + "x", stored) == FITS
    assert verify("ä" * 35 + "tail", stored) == WRONG
    # In the middle of a character: bytes are cut, not characters.
    assert verify("a" + "ä" * 40, old_hash("a" + "ä" * 40)) == FITS


def test_argon2_looks_at_everything() -> None:
    """Up to the longest password that is taken."""
    longest = "x" * MAX_LENGTH
    stored = hash_password(longest)
    assert verify(longest, stored) == FITS
    assert verify(longest[:-1] + "y", stored) == WRONG


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE} creme", "cafe\N{COMBINING ACUTE ACCENT} creme"),
        ("two words\N{NO-BREAK SPACE}more \N{SNOWMAN}", "two words more \N{SNOWMAN}"),
    ],
    ids=["composed", "spaces"],
)
def test_forms_that_look_the_same_fit(chosen: str, typed: str) -> None:
    """Two keyboards may send them differently (RFC 8265)."""
    assert verify(typed, hash_password(chosen)) == FITS
    assert verify(chosen, hash_password(typed)) == FITS


def test_forms_that_look_different_do_not_fit() -> None:
    """NFC, not NFKC: no two passwords are merged that a user can tell apart."""
    assert verify("password 2 or more", hash_password("password \N{SUPERSCRIPT TWO} or more")) == WRONG
    assert verify(" " + PASSWORD, stored_hash()) == WRONG


def test_an_older_hash_is_compared_with_what_was_typed() -> None:
    """The older system knew no normal forms; the newer hash does."""
    typed = "cafe\N{COMBINING ACUTE ACCENT} creme"
    assert verify(typed, old_hash(typed)) == OUTDATED


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "!",
        "correct horse battery",
        "$argon2id$x",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
        "$argon2id$v=19$m=65536,t=3,p=4$ÄAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "$2b$04$tooshort",
        "$2b$99$" + "." * 53,
        "$2b$04$" + "." * 53 + "\n",
        "scrypt$00$00",
    ],
)
def test_what_is_no_hash_fits_nothing(stored: str) -> None:
    """Without an error, which would tell strangers that the account exists."""
    assert verify(PASSWORD, stored) == UNUSABLE


def test_without_an_account_nothing_fits() -> None:
    """Not even what the hash of nobody may be made of."""
    for password in (PASSWORD, "\x01" * 8, "A" * 43):
        assert not verify(password, None)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "empty"),
        ("x" * (MAX_LENGTH + 1), "longer"),
        ("pass\x00word", "NUL"),
        ("password\ud800", "surrogate"),
        (b"password", "bytes"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_password_is_refused(password: str, reason: str) -> None:
    """Whether there is an account or not, and without quoting it."""
    with pytest.raises(InvalidValue, match=reason):
        hash_password(password)
    for stored in (None, "!", old_hash(PASSWORD)):
        with pytest.raises(InvalidValue, match=reason):
            verify(password, stored)


def test_short_passwords_are_not_hashed_but_still_fit() -> None:
    """The minimum holds for new ones, counted in the form that is hashed; a service may ask for more."""
    for short in ("7 chars", "cafe\N{COMBINING ACUTE ACCENT}123"):
        with pytest.raises(InvalidValue, match="shorter than 8") as caught:
            hash_password(short)
        assert short not in str(caught.value)
    with pytest.raises(InvalidValue, match="shorter than 15"):
        hash_password("only 14 long..", at_least=15)
    assert verify("pw", old_hash("pw")) == OUTDATED
    assert verify("pw", hash_password("pw", at_least=1)) == FITS


def test_without_the_extra_an_older_hash_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than refuse the right password; everything else goes on."""
    stored = old_hash(PASSWORD)
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(ConfigurationError, match=r"devmentor-models\[bcrypt\]"):
        verify(PASSWORD, stored)
    assert verify(PASSWORD, stored_hash()) == FITS
    assert verify(PASSWORD, None) == UNUSABLE


@pytest.mark.long
def test_a_misfit_takes_as_long_with_and_without_an_account() -> None:
    """No account, no hash, ours or the older system's: the same work, so about the same processor time."""
    cost = 11  # dear enough that leaving it out would show
    kinds = {
        "nobody": None,
        "no password": "!",
        "ours": stored_hash(),
        "older": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode(),
    }
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(4):
        for kind, stored in kinds.items():
            begun = time.process_time()
            assert not verify_password("something else", stored, bcrypt_cost=cost)
            taken[kind].append(time.process_time() - begun)
    fastest = [min(times) for times in taken.values()]
    assert max(fastest) / min(fastest) < 1.4, taken


def test_few_hashes_are_computed_at_once() -> None:
    """However many threads ask: one more than the limit waits, so strangers cannot take all the memory."""
    with ThreadPoolExecutor(1) as pool, ExitStack() as taken:
        for _ in range(MAX_AT_ONCE):
            taken.enter_context(passwords._slots)
        waiting = pool.submit(hash_password, PASSWORD)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=1)
        taken.close()
        assert waiting.result().startswith("$argon2id$")


@pytest.mark.anyio
async def test_the_event_loop_goes_on_meanwhile() -> None:
    """Hashing is done in threads; errors come back from there."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    stored = await hash_password_async(PASSWORD)
    checks = await asyncio.gather(
        verify_password_async(PASSWORD, stored, bcrypt_cost=COST),
        verify_password_async("something else", stored, bcrypt_cost=COST),
        verify_password_async(PASSWORD, None, bcrypt_cost=COST),
    )
    ticking.cancel()
    assert list(checks) == [FITS, WRONG, UNUSABLE]
    assert ticks >= 3
    with pytest.raises(InvalidValue, match="shorter"):
        await hash_password_async("short")

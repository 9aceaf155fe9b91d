"""Encrypted values: tamper-proof, bound to their place, readable through a rotation (Z5)."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from devmentor_models.errors import ConfigurationError, DecryptionFailed, EncryptionKeyMissing
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing, Place, new_user_key, rewrap

OLD, NEW = KeyRing.generate(), KeyRing.generate()


def test_what_was_encrypted_comes_back() -> None:
    """A round trip returns the text, and no two ciphertexts are alike."""
    ring = KeyRing.from_text(NEW)
    first, second = (ring.encrypt(b"Ada", "auth.users.full_name") for _ in range(2))
    assert first != second
    assert b"Ada" not in first
    assert ring.decrypt(first, "auth.users.full_name") == b"Ada"


def test_a_moved_ciphertext_is_refused() -> None:
    """A ciphertext of one column cannot be read as another's."""
    ring = KeyRing.from_text(NEW)
    stored = ring.encrypt(b"Ada", "auth.users.full_name")
    with pytest.raises(DecryptionFailed):
        ring.decrypt(stored, "ai.provider_configs.api_key")


@pytest.mark.parametrize("position", [0, 3, 10, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    """Version, key id, nonce and text are all authenticated."""
    ring = KeyRing.from_text(NEW)
    stored = bytearray(ring.encrypt(b"Ada", "c"))
    stored[position] ^= 1
    with pytest.raises((DecryptionFailed, EncryptionKeyMissing)):
        ring.decrypt(bytes(stored), "c")


def test_an_old_key_still_reads() -> None:
    """After a rotation the first key writes and the second one reads what it wrote."""
    stored = KeyRing.from_text(OLD).encrypt(b"Ada", "c")
    rotated = KeyRing.from_text(f"{NEW},{OLD}")
    assert rotated.decrypt(stored, "c") == b"Ada"
    with pytest.raises(DecryptionFailed):
        KeyRing.from_text(NEW).decrypt(rotated.encrypt(b"x", "c")[:5] + stored[5:], "c")
    with pytest.raises(EncryptionKeyMissing, match="DEVMENTOR_ENCRYPTION_KEYS lacks"):
        KeyRing.from_text(NEW).decrypt(stored, "c")


def test_bad_keys_are_named_not_shown() -> None:
    """A missing, short or garbled key is a configuration error that does not print it."""
    with pytest.raises(EncryptionKeyMissing):
        KeyRing.from_text(" , ")
    for text in ("c2hvcnQ=", "not base64!"):
        with pytest.raises(ConfigurationError, match="DEVMENTOR_ENCRYPTION_KEYS") as caught:
            KeyRing.from_text(text)
        assert text not in str(caught.value)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return where a text belongs, with a ring in the environment."""
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    return Place("auth.users.full_name", uuid4(), uuid4())


@pytest.mark.parametrize("part", ["column", "row_id", "user_id"])
def test_a_text_is_bound_to_its_place(place: Place, part: str) -> None:
    """To its column, its row and its user; at home it comes back, and no two ciphertexts are alike."""
    key = new_user_key(place.user_id)
    first, second = place.encrypt("Ada", key), place.encrypt("Ada", key)
    assert first != second
    assert place.decrypt(first, key) == place.decrypt(second, key) == "Ada"
    changed: dict[str, Any] = {part: "ai.provider_configs.api_key" if part == "column" else uuid4()}
    elsewhere = replace(place, **changed)
    with pytest.raises(DecryptionFailed):
        elsewhere.decrypt(first, key)


def test_another_key_of_the_user_does_not_fit(place: Place) -> None:
    """A key that was deleted is not replaced by a new one."""
    stored = place.encrypt("Ada", new_user_key(place.user_id))
    with pytest.raises(DecryptionFailed):
        place.decrypt(stored, new_user_key(place.user_id))
    with pytest.raises(DecryptionFailed, match="the user's key is gone"):
        place.decrypt(stored, None)


def test_every_byte_of_a_text_and_its_key_counts(place: Place) -> None:
    """Whatever is changed or cut off is noticed."""
    key = new_user_key(place.user_id)
    stored = place.encrypt("Ada", key)
    for position in range(len(stored)):
        changed = bytearray(stored)
        changed[position] ^= 1
        for value in (bytes(changed), stored[:position]):
            with pytest.raises((DecryptionFailed, EncryptionKeyMissing)):
                place.decrypt(value, key)
    for position in range(len(key)):
        changed = bytearray(key)
        changed[position] ^= 1
        with pytest.raises((DecryptionFailed, EncryptionKeyMissing)):
            place.decrypt(stored, bytes(changed))


def test_a_key_that_is_wrapped_anew_is_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts stay readable when their user's key goes from one ring to the next."""
    key = new_user_key(place.user_id)
    stored = place.encrypt("Ada", key)
    newest = KeyRing.generate()
    monkeypatch.setenv(KEYS_VARIABLE, f"{newest},{NEW}")
    renewed = rewrap(key, place.user_id)
    monkeypatch.setenv(KEYS_VARIABLE, newest)
    assert place.decrypt(stored, renewed) == "Ada"
    with pytest.raises(DecryptionFailed):
        rewrap(renewed, uuid4())

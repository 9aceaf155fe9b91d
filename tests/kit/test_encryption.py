"""Encrypted columns: tamper-proof, bound to their column, readable through a rotation."""

import pytest

from devmentor_models.errors import ConfigurationError, DecryptionFailed, EncryptionKeyMissing
from devmentor_models.kit.encryption import KeyRing

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

# Generated from test_provider_configs_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Provider configurations: encrypted keys, upserts, tenants (F7, Z5)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.ai.enums import Provider
from devmentor_models.errors import DecryptionFailed, EncryptionKeyMissing, InvalidValue, NotFound
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the process an encryption key."""
    key = KeyRing.generate()
    monkeypatch.setenv(KEYS_VARIABLE, key)
    return key


def test_put_and_get(database: Database, new_user: NewUser) -> None:
    """A configuration comes back as it was put, and its key is readable for its user."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        put = tx.provider_configs.put(
            name="main", provider=Provider.OPENAI, api_key=SECRET, settings={"timeout": 30}
        )
    with database.begin(me, readonly=True) as tx:
        got = tx.provider_configs.get(put.id)
        assert (got.provider, got.api_key, got.settings) == (Provider.OPENAI, SECRET, {"timeout": 30})
        by_name = tx.provider_configs.find_by_name("main")
        assert by_name is got
        assert tx.provider_configs.find_by_name("other") is None


def test_put_replaces_everything(database: Database, new_user: NewUser) -> None:
    """A second put of the name replaces the row, and drops the key, which was for another provider."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        first = tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        again = tx.provider_configs.put(
            name="main", provider=Provider.OLLAMA, base_url="http://localhost:11434"
        )
        assert again is first
        # The key counted once more: it is encrypted for a row that is there already.
        assert (again.provider, again.api_key, again.version) == (Provider.OLLAMA, None, 3)


def test_key_is_stored_encrypted(database: Database, new_user: NewUser) -> None:
    """The column holds no trace of the key in clear, and neither does repr()."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        config = tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        stored = tx.session.execute(
            text("SELECT api_key FROM ai.provider_configs WHERE id = :id"), {"id": config.id}
        )
        assert SECRET.encode() not in bytes(stored.scalar_one())
        assert SECRET not in repr(config)


def test_key_needs_an_encryption_key(
    database: Database, new_user: NewUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key ring a secret is refused, while a configuration without one is stored."""
    monkeypatch.delenv(KEYS_VARIABLE)
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        with pytest.raises(EncryptionKeyMissing):
            tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        config = tx.provider_configs.put(name="local", provider=Provider.OLLAMA)
        assert config.api_key is None


def test_ciphertext_cannot_be_moved_to_another_column(database: Database, new_user: NewUser) -> None:
    """A ciphertext of another column does not decrypt as an API key."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        config = tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        tx.session.execute(
            text(
                "UPDATE auth.users SET full_name = (SELECT api_key FROM ai.provider_configs WHERE id = :id)"
                " WHERE id = :user"
            ),
            {"id": config.id, "user": me.user_id},
        )
    with database.begin(me, readonly=True) as tx:
        assert me.user_id is not None
        user = tx.users.get(me.user_id)
        with pytest.raises(DecryptionFailed):
            _ = user.full_name


def test_key_ring_rotation(
    database: Database, new_user: NewUser, monkeypatch: pytest.MonkeyPatch, ring: str
) -> None:
    """An old key still decrypts behind a new one; once it is gone, reading it fails with a typed error."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        config = tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
    fresh = KeyRing.generate()
    monkeypatch.setenv(KEYS_VARIABLE, f"{fresh},{ring}")
    with database.begin(me, readonly=True) as tx:
        assert (tx.provider_configs.get(config.id)).api_key == SECRET
    monkeypatch.setenv(KEYS_VARIABLE, fresh)
    with database.begin(me, readonly=True) as tx:
        found = tx.provider_configs.get(config.id)
        with pytest.raises(EncryptionKeyMissing):
            _ = found.api_key


def test_set_key(database: Database, new_user: NewUser) -> None:
    """A key is replaced or removed, and the object at hand shows it."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        config = tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        assert (tx.provider_configs.set_key(config.id, "sk-new")) is config
        assert config.api_key == "sk-new"
        tx.provider_configs.set_key(config.id, None)
        assert config.api_key is None


def test_activation(database: Database, new_user: NewUser) -> None:
    """An inactive configuration is listed only on request."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        config = tx.provider_configs.put(name="main", provider=Provider.OPENAI)
        tx.provider_configs.deactivate(config.id)
        assert not config.is_active
        assert (tx.provider_configs.list(active_only=True)).items == []
        tx.provider_configs.activate(config.id)
        assert (tx.provider_configs.list(active_only=True)).items == [config]


def test_list_by_priority_and_page(database: Database, new_user: NewUser) -> None:
    """Configurations come by priority, page by page, and can be narrowed to a provider."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        for name, provider, priority in [
            ("c", Provider.OPENAI, 30),
            ("a", Provider.OLLAMA, 10),
            ("b", Provider.OPENAI, 20),
        ]:
            tx.provider_configs.put(name=name, provider=provider, priority=priority)
        first = tx.provider_configs.list(limit=2)
        second = tx.provider_configs.list(limit=2, cursor=first.next_cursor)
        assert [config.name for config in [*first.items, *second.items]] == ["a", "b", "c"]
        assert second.next_cursor is None
        openai = tx.provider_configs.list(provider=Provider.OPENAI)
        assert [config.name for config in openai.items] == ["b", "c"]


def test_other_tenants(database: Database, new_user: NewUser) -> None:
    """Another user has no such configuration, and may use the same name."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    with database.begin(me) as tx:
        mine = tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
    with database.begin(other) as tx:
        for call in (tx.provider_configs.get, tx.provider_configs.deactivate):
            with pytest.raises(NotFound):
                call(mine.id)
        with pytest.raises(NotFound):
            tx.provider_configs.set_key(mine.id, "stolen")
        assert tx.provider_configs.find_by_name("main") is None
        theirs = tx.provider_configs.put(name="main", provider=Provider.OTHER)
        assert theirs.id != mine.id


def test_bad_values(database: Database, new_user: NewUser) -> None:
    """Values that do not fit are refused by field, before anything is sent."""
    me = Actor.user(new_user().id)
    with database.begin(me) as tx:
        with pytest.raises(InvalidValue, match="priority"):
            tx.provider_configs.put(name="x", provider=Provider.OPENAI, priority=-1)
        with pytest.raises(InvalidValue, match=r"ai\.provider_configs\.name"):
            tx.provider_configs.put(name=" ", provider=Provider.OPENAI)
        with pytest.raises(InvalidValue, match=r"ai\.provider_configs\.api_key"):
            tx.provider_configs.put(name="x", provider=Provider.OPENAI, api_key="nul\x00")
        with pytest.raises(InvalidValue, match=r"ai\.provider_configs\.settings"):
            tx.provider_configs.put(
                name="x", provider=Provider.OPENAI, settings={"temperature": float("nan")}
            )
        assert (tx.provider_configs.list()).items == []

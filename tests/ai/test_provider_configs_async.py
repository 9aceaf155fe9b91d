"""Provider configurations: encrypted keys, upserts, tenants (F7, Z5)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from devmentor_models import Actor, AsyncDatabase
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


async def test_put_and_get(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A configuration comes back as it was put, and its key is readable for its user."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        put = await tx.provider_configs.put(
            name="main", provider=Provider.OPENAI, api_key=SECRET, settings={"timeout": 30}
        )
    async with async_database.begin(me, readonly=True) as tx:
        got = await tx.provider_configs.get(put.id)
        assert (got.provider, got.api_key, got.settings) == (Provider.OPENAI, SECRET, {"timeout": 30})
        by_name = await tx.provider_configs.find_by_name("main")
        assert by_name is got
        assert await tx.provider_configs.find_by_name("other") is None


async def test_put_replaces_everything(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A second put of the name replaces the row, and drops the key, which was for another provider."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        first = await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        again = await tx.provider_configs.put(
            name="main", provider=Provider.OLLAMA, base_url="http://localhost:11434"
        )
        assert again is first
        # The key counted once more: it is encrypted for a row that is there already.
        assert (again.provider, again.api_key, again.version) == (Provider.OLLAMA, None, 3)


async def test_key_is_stored_encrypted(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """The column holds no trace of the key in clear, and neither does repr()."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        config = await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        stored = await tx.session.execute(
            text("SELECT api_key FROM ai.provider_configs WHERE id = :id"), {"id": config.id}
        )
        assert SECRET.encode() not in bytes(stored.scalar_one())
        assert SECRET not in repr(config)


async def test_key_needs_an_encryption_key(
    async_database: AsyncDatabase, new_user: NewUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key ring a secret is refused, while a configuration without one is stored."""
    monkeypatch.delenv(KEYS_VARIABLE)
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        with pytest.raises(EncryptionKeyMissing):
            await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        config = await tx.provider_configs.put(name="local", provider=Provider.OLLAMA)
        assert config.api_key is None


async def test_ciphertext_cannot_be_moved_to_another_column(
    async_database: AsyncDatabase, new_user: NewUser
) -> None:
    """A ciphertext of another column does not decrypt as an API key."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        config = await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        await tx.session.execute(
            text(
                "UPDATE auth.users SET full_name = (SELECT api_key FROM ai.provider_configs WHERE id = :id)"
                " WHERE id = :user"
            ),
            {"id": config.id, "user": me.user_id},
        )
    async with async_database.begin(me, readonly=True) as tx:
        assert me.user_id is not None
        user = await tx.users.get(me.user_id)
        with pytest.raises(DecryptionFailed):
            _ = user.full_name


async def test_key_ring_rotation(
    async_database: AsyncDatabase, new_user: NewUser, monkeypatch: pytest.MonkeyPatch, ring: str
) -> None:
    """An old key still decrypts behind a new one; once it is gone, reading it fails with a typed error."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        config = await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
    fresh = KeyRing.generate()
    monkeypatch.setenv(KEYS_VARIABLE, f"{fresh},{ring}")
    async with async_database.begin(me, readonly=True) as tx:
        assert (await tx.provider_configs.get(config.id)).api_key == SECRET
    monkeypatch.setenv(KEYS_VARIABLE, fresh)
    async with async_database.begin(me, readonly=True) as tx:
        found = await tx.provider_configs.get(config.id)
        with pytest.raises(EncryptionKeyMissing):
            _ = found.api_key


async def test_set_key(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """A key is replaced or removed, and the object at hand shows it."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        config = await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
        assert (await tx.provider_configs.set_key(config.id, "sk-new")) is config
        assert config.api_key == "sk-new"
        await tx.provider_configs.set_key(config.id, None)
        assert config.api_key is None


async def test_activation(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """An inactive configuration is listed only on request."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        config = await tx.provider_configs.put(name="main", provider=Provider.OPENAI)
        await tx.provider_configs.deactivate(config.id)
        assert not config.is_active
        assert (await tx.provider_configs.list(active_only=True)).items == []
        await tx.provider_configs.activate(config.id)
        assert (await tx.provider_configs.list(active_only=True)).items == [config]


async def test_list_by_priority_and_page(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Configurations come by priority, page by page, and can be narrowed to a provider."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        for name, provider, priority in [
            ("c", Provider.OPENAI, 30),
            ("a", Provider.OLLAMA, 10),
            ("b", Provider.OPENAI, 20),
        ]:
            await tx.provider_configs.put(name=name, provider=provider, priority=priority)
        first = await tx.provider_configs.list(limit=2)
        second = await tx.provider_configs.list(limit=2, cursor=first.next_cursor)
        assert [config.name for config in [*first.items, *second.items]] == ["a", "b", "c"]
        assert second.next_cursor is None
        openai = await tx.provider_configs.list(provider=Provider.OPENAI)
        assert [config.name for config in openai.items] == ["b", "c"]


async def test_other_tenants(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Another user has no such configuration, and may use the same name."""
    me, other = Actor.user(new_user().id), Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        mine = await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key=SECRET)
    async with async_database.begin(other) as tx:
        for call in (tx.provider_configs.get, tx.provider_configs.deactivate):
            with pytest.raises(NotFound):
                await call(mine.id)
        with pytest.raises(NotFound):
            await tx.provider_configs.set_key(mine.id, "stolen")
        assert await tx.provider_configs.find_by_name("main") is None
        theirs = await tx.provider_configs.put(name="main", provider=Provider.OTHER)
        assert theirs.id != mine.id


async def test_bad_values(async_database: AsyncDatabase, new_user: NewUser) -> None:
    """Values that do not fit are refused by field, before anything is sent."""
    me = Actor.user(new_user().id)
    async with async_database.begin(me) as tx:
        with pytest.raises(InvalidValue, match="priority"):
            await tx.provider_configs.put(name="x", provider=Provider.OPENAI, priority=-1)
        with pytest.raises(InvalidValue, match=r"ai\.provider_configs\.name"):
            await tx.provider_configs.put(name=" ", provider=Provider.OPENAI)
        with pytest.raises(InvalidValue, match=r"ai\.provider_configs\.api_key"):
            await tx.provider_configs.put(name="x", provider=Provider.OPENAI, api_key="nul\x00")
        with pytest.raises(InvalidValue, match=r"ai\.provider_configs\.settings"):
            await tx.provider_configs.put(
                name="x", provider=Provider.OPENAI, settings={"temperature": float("nan")}
            )
        assert (await tx.provider_configs.list()).items == []

"""Texts under a key per user: bound to their place, and gone with the key (Z5)."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text, update

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.ai.enums import Provider
from devmentor_models.auth.models import User, UserKey
from devmentor_models.auth.queries import USERS
from devmentor_models.errors import DecryptionFailed, EncryptionKeyMissing, InvalidValue, UniqueViolation
from devmentor_models.kit.base import table_named
from devmentor_models.kit.encryption import KEYS_VARIABLE, Ciphertext, KeyRing, key_ring
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth")
GET_NAME = text("SELECT full_name FROM auth.users WHERE id = :id")
SET_NAME = text("UPDATE auth.users SET full_name = :value WHERE id = :id")


@pytest.fixture(scope="session")
def database_url(devmentor_url: str) -> str:
    """Connect as whoever may do everything: these tests move ciphertexts to where no service could."""
    return devmentor_url


async def named(database: AsyncDatabase, name: str | None = "Ada") -> UUID:
    """Commit a user, with a name unless it is None, and return the id."""
    async with database.begin(AUTH) as tx:
        user: User = await tx.session.run_sync(UserFactory.insert, full_name=name)
    return user.id


async def stored_name(database: AsyncDatabase, user_id: UUID) -> bytes:
    """Return what the database holds."""
    async with database.begin(AUTH) as tx:
        return bytes((await tx.session.execute(GET_NAME, {"id": user_id})).scalar_one())


async def store_name(database: AsyncDatabase, user_id: UUID, value: bytes) -> None:
    """Put something into the column past the library."""
    async with database.begin(AUTH) as tx:
        await tx.session.execute(SET_NAME, {"id": user_id, "value": value})


async def keys_of(database: AsyncDatabase, user_id: UUID) -> int:
    """Count the keys of a user."""
    found = select(func.count()).select_from(UserKey).where(UserKey.user_id == user_id)
    async with database.begin(AUTH) as tx:
        return (await tx.session.execute(found)).scalar_one()


async def read_name(database: AsyncDatabase, user_id: UUID) -> str | None:
    """Read the name in a transaction of its own."""
    async with database.begin(Actor.user(user_id)) as tx:
        return (await tx.users.get(user_id)).full_name


async def test_a_key_is_made_with_the_first_text(async_database: AsyncDatabase) -> None:
    """In the same transaction, and never a second one; a user without texts has none."""
    user_id = await named(async_database, None)
    assert await keys_of(async_database, user_id) == 0
    for name in ("Ada", "Ada Lovelace"):
        async with async_database.begin(Actor.user(user_id)) as tx:
            user = await tx.users.update_profile(full_name=name)
            assert user.full_name == name
        assert user.full_name == name
        assert await keys_of(async_database, user_id) == 1
        assert await read_name(async_database, user_id) == name
        assert name.encode() not in await stored_name(async_database, user_id)


async def test_services_encrypt_and_read(async_database: AsyncDatabase, services_url: str) -> None:
    """With the rights of services alone, each user with their own key; a name can be removed."""
    user_id = await named(async_database, None)
    async with AsyncDatabase.from_url(services_url, pool_min=0) as services:
        async with services.begin(Actor.user(user_id)) as tx:
            await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key="sk-1")
            await tx.users.update_profile(full_name="Ada")
        async with services.begin(Actor.user(user_id)) as tx:
            found = await tx.provider_configs.find_by_name("main")
            user = await tx.users.get()
            assert found
            assert (found.api_key, user.full_name) == ("sk-1", "Ada")
            user.full_name = None
        async with services.begin(Actor.user(user_id)) as tx:
            assert (await tx.users.get()).full_name is None
        stranger = Actor.user(await named(async_database))
        async with services.begin(stranger) as tx:
            keys = (await tx.session.execute(select(UserKey.user_id))).scalars().all()
            assert keys == [stranger.user_id]


async def test_a_ciphertext_cannot_be_moved_to_another_user(async_database: AsyncDatabase) -> None:
    """Neither alone nor together with the user's key; the user stays readable otherwise."""
    ada, mallory = await named(async_database), await named(async_database, "Mallory")
    await store_name(async_database, mallory, await stored_name(async_database, ada))
    with pytest.raises(DecryptionFailed):
        await read_name(async_database, mallory)
    keys = table_named("auth.user_keys")
    its_key = select(keys.c.wrapped_key).where(keys.c.user_id == ada).scalar_subquery()
    async with async_database.begin(AUTH) as tx:
        await tx.session.execute(update(keys).where(keys.c.user_id == mallory).values(wrapped_key=its_key))
    async with async_database.begin(Actor.user(mallory)) as tx:
        assert (await tx.users.get(mallory)).username
    with pytest.raises(DecryptionFailed):
        await read_name(async_database, mallory)
    assert await read_name(async_database, ada) == "Ada"


async def test_a_ciphertext_cannot_be_moved_to_another_row_of_the_user(async_database: AsyncDatabase) -> None:
    """The same column, the same key, another row."""
    me = Actor.user(await named(async_database))
    async with async_database.begin(me) as tx:
        first = await tx.provider_configs.put(name="a", provider=Provider.OPENAI, api_key="sk-a")
        second = await tx.provider_configs.put(name="b", provider=Provider.OPENAI, api_key="sk-b")
        moved = text(
            "UPDATE ai.provider_configs SET api_key = (SELECT api_key FROM ai.provider_configs WHERE id = :a)"
            " WHERE id = :b"
        )
        await tx.session.execute(moved, {"a": first.id, "b": second.id})
    async with async_database.begin(me) as tx:
        assert (await tx.provider_configs.get(first.id)).api_key == "sk-a"
        config = await tx.provider_configs.get(second.id)
        with pytest.raises(DecryptionFailed):
            _ = config.api_key
        config.api_key = "sk-new"
    async with async_database.begin(me) as tx:
        assert (await tx.provider_configs.get(second.id)).api_key == "sk-new"


async def test_a_text_of_an_older_release_stays_readable(async_database: AsyncDatabase) -> None:
    """Under the ring and bound to the column only, until it is assigned again."""
    user_id = await named(async_database, None)
    await store_name(async_database, user_id, key_ring().encrypt(b"Ada", "auth.users.full_name"))
    assert await read_name(async_database, user_id) == "Ada"
    async with async_database.begin(Actor.user(user_id)) as tx:
        assert (await tx.users.export())["tables"]["auth.users"][0]["full_name"] == "Ada"
        await tx.users.update_profile(full_name="Ada")
    assert (await stored_name(async_database, user_id))[0] == 2
    assert await read_name(async_database, user_id) == "Ada"


async def test_an_erasure_makes_backups_unreadable(async_database: AsyncDatabase) -> None:
    """An archive without the table of keys, restored after the erasure, with the whole ring at hand."""
    user_id = await named(async_database)
    writable = [column for column in USERS.c if column.computed is None]
    async with async_database.begin(Actor.service("auth", on_behalf_of=user_id)) as tx:
        rows = select(*writable).where(USERS.c.id == user_id)
        backup = dict((await tx.session.execute(rows)).mappings().one())
        await tx.users.erase(user_id)
    assert await keys_of(async_database, user_id) == 0
    async with async_database.begin(AUTH) as tx:
        await tx.session.execute(insert(USERS).values(backup))
    with pytest.raises(DecryptionFailed, match="the user's key is gone"):
        await read_name(async_database, user_id)
    # Not even a new key helps: only the one that is gone fits.
    async with async_database.begin(Actor.user(user_id)) as tx:
        await tx.provider_configs.put(name="main", provider=Provider.OPENAI, api_key="sk-1")
    with pytest.raises(DecryptionFailed):
        await read_name(async_database, user_id)
    assert isinstance(backup["full_name"], Ciphertext)
    with pytest.raises(DecryptionFailed):
        key_ring().decrypt(backup["full_name"], "auth.users.full_name")


async def test_a_lost_ring_key_is_a_clear_error(
    async_database: AsyncDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which key is missing and where it belongs; without any ring nothing is sent."""
    user_id = await named(async_database)
    monkeypatch.setenv(KEYS_VARIABLE, KeyRing.generate())
    with pytest.raises(EncryptionKeyMissing, match="which DEVMENTOR_ENCRYPTION_KEYS lacks"):
        await read_name(async_database, user_id)
    monkeypatch.delenv(KEYS_VARIABLE)
    async with async_database.begin(Actor.user(user_id)) as tx:
        with pytest.raises(EncryptionKeyMissing, match="set DEVMENTOR_ENCRYPTION_KEYS"):
            await tx.users.update_profile(full_name="Ada")
        assert (await tx.users.get()).username


async def test_an_insert_that_was_rolled_back_can_be_made_again(async_database: AsyncDatabase) -> None:
    """The object keeps its text although the key went with the transaction."""
    taken = UserFactory.build()
    async with async_database.begin(AUTH) as tx:
        tx.session.add(taken)
    user = UserFactory.build(email=taken.email, full_name="Ada")
    async with async_database.begin(AUTH) as tx:
        with pytest.raises(UniqueViolation):
            async with tx.session.begin_nested():
                tx.session.add(user)
        user.email = f"other-{user.email}"
        tx.session.add(user)
    assert await read_name(async_database, user.id) == "Ada"


async def test_first_texts_at_the_same_time_share_a_key(async_database: AsyncDatabase) -> None:
    """Whoever comes second takes the key of whoever was first."""
    user_id = await named(async_database, None)
    me = Actor.user(user_id)

    names = [f"c{number}" for number in range(6)]
    waiting = iter(names)

    async def put() -> None:
        name = next(waiting)
        async with async_database.begin(me) as tx:
            await tx.provider_configs.put(name=name, provider=Provider.OPENAI, api_key=f"sk-{name}")

    assert await run_concurrently([put] * len(names)) == [None] * len(names)
    assert await keys_of(async_database, user_id) == 1
    async with async_database.begin(me) as tx:
        configs = (await tx.provider_configs.list()).items
        assert sorted(str(config.api_key) for config in configs) == [f"sk-{name}" for name in names]


async def test_a_row_that_was_inserted_past_the_models_works(async_database: AsyncDatabase) -> None:
    """A Core statement stores no text in clear; a row of its making has no key, and gets one."""
    data = UserFactory.build()
    row = {"id": data.id, "email": data.email, "username": data.username, "password_hash": "$h"}
    async with async_database.begin(AUTH) as tx:
        with pytest.raises(InvalidValue, match="assign it to an object, not in a statement"):
            await tx.session.execute(insert(USERS).values(**row, full_name="Ada"))
        await tx.session.execute(insert(USERS).values(row))
    assert await read_name(async_database, data.id) is None
    async with async_database.begin(Actor.user(data.id)) as tx:
        await tx.users.update_profile(full_name="Ada")
    assert await read_name(async_database, data.id) == "Ada"


async def test_values_are_refused_under_the_public_name(async_database: AsyncDatabase) -> None:
    """The error names the column, before anything is sent."""
    for value in (7, "nul\x00", "x" * 201):
        with pytest.raises(InvalidValue, match=r"auth\.users\.full_name"):
            UserFactory.build(full_name=value)
    assert "Ada" not in repr(vars(UserFactory.build(full_name="Ada")))

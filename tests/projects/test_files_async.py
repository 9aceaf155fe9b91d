"""Files, their versions, and the clean-up of storage (requirements S3, F4)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete

from devmentor_models import Actor, AsyncDatabase, AsyncTransaction
from devmentor_models.auth.models import User
from devmentor_models.errors import InvalidValue, NotFound, UniqueViolation
from devmentor_models.projects.enums import ActivityAction
from devmentor_models.projects.models import ProjectFile
from devmentor_models.projects.results import StorageKey
from devmentor_models.testing.factories.projects import ProjectFileFactory, ProjectFileVersionFactory
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio


def _content(text: str, key: str | None = None) -> dict[str, Any]:
    """Return the arguments of a version with this content."""
    return {
        "storage_bucket": "test",
        "storage_key": key or f"{uuid4()}",
        "size_bytes": len(text),
        "sha256": hashlib.sha256(text.encode()).digest(),
    }


async def _file(tx: AsyncTransaction) -> ProjectFile:
    """Return a file in a project of its own."""
    project = await tx.projects.create(name="Files")
    return await tx.files.create(project_id=project.id, path="src/main.py", media_type="text/x-python")


async def test_versions_are_numbered_and_listed(async_database: AsyncDatabase, owner: UUID) -> None:
    """1, 2, 3 without gaps, the newest in force, paged newest first, each in the project's history."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)
        with pytest.raises(NotFound):
            await tx.files.current_version(file.id)
        for text in "abc":
            await tx.files.add_version(file.id, **_content(text))
        assert (file.latest_version, file.current_version) == (3, 3)
        page = await tx.files.history(file.id, limit=2)
        rest = await tx.files.history(file.id, limit=2, cursor=page.next_cursor)
        assert [version.number for version in [*page.items, *rest.items]] == [3, 2, 1]
        assert (await tx.files.current_version(file.id)).number == 3
        newest = (await tx.activity.timeline(project_id=file.project_id)).items[0]
        assert (newest.action, newest.details) == (
            ActivityAction.VERSION_ADDED,
            {"number": 3, "size_bytes": 1},
        )


async def _orphans(database: AsyncDatabase) -> Sequence[StorageKey]:
    async with database.begin(Actor.service("projects")) as tx:
        return await tx.files.orphaned_storage_keys(500)


async def test_a_known_content_comes_into_force_again(async_database: AsyncDatabase, owner: UUID) -> None:
    """No second copy: the version that has the content is returned, and the new object is an orphan."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)
        first = await tx.files.add_version(file.id, **_content("a"))
        await tx.files.add_version(file.id, **_content("b"))
        again = _content("a")
        assert (await tx.files.add_version(file.id, **again)).id == first.id
        assert (file.latest_version, file.current_version) == (2, 1)
        assert (await tx.files.add_version(file.id, **_content("c"))).number == 3
        assert await tx.files.orphaned_storage_keys(500) == [], "only the service sees the keys of everybody"
    assert StorageKey("test", again["storage_key"]) in await _orphans(async_database)


async def test_twenty_add_versions_at_once(async_database: AsyncDatabase, owner: UUID) -> None:
    """Ten contents, each twice: ten versions with the numbers 1 to 10."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)

    def adding(text: str) -> Any:
        async def add() -> int:
            async with async_database.begin(Actor.user(owner)) as tx:
                return (await tx.files.add_version(file.id, **_content(text))).number

        return add

    numbers = await run_concurrently([adding(f"text {number % 10}") for number in range(20)])
    assert Counter(numbers) == dict.fromkeys(range(1, 11), 2)
    async with async_database.begin(Actor.user(owner)) as tx:
        assert (await tx.files.get(file.id)).latest_version == 10


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size_bytes", -1),
        ("size_bytes", 1.5),
        ("size_bytes", 2**63),
        ("sha256", b"short"),
        ("storage_key", "x" * 1025),
        ("storage_key", "\ud800"),
        ("storage_bucket", None),
    ],
)
async def test_bad_contents_are_refused_by_name(
    async_database: AsyncDatabase, owner: UUID, field: str, value: Any
) -> None:
    """InvalidValue names the field, and the file has no version."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)
        with pytest.raises(InvalidValue, match=field):
            await tx.files.add_version(file.id, **{**_content("a"), field: value})
        assert (await tx.files.history(file.id)).items == []


async def test_paths_are_unique_among_live_files(async_database: AsyncDatabase, owner: UUID) -> None:
    """A deleted file frees its path and comes back only when the path is free again."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)
        file_id = file.id
        place: dict[str, Any] = {"project_id": file.project_id, "path": file.path}
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.files.create(**place)
        await tx.files.soft_delete(file_id)
        with pytest.raises(NotFound):
            await tx.files.add_version(file_id, **_content("late"))
        other = await tx.files.create(**place)
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.files.restore(file_id)
        await tx.files.soft_delete(other.id)
        await tx.files.restore(file_id)
        assert [found.id for found in (await tx.files.list(place["project_id"])).items] == [file_id]


async def test_files_are_listed_by_path(async_database: AsyncDatabase, owner: UUID) -> None:
    """Page by page, in the order of their paths."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Sorted")
        for path in ("c", "a", "d", "b"):
            await tx.files.create(project_id=project.id, path=path)
        page = await tx.files.list(project.id, limit=3)
        rest = await tx.files.list(project.id, limit=3, cursor=page.next_cursor)
        assert [file.path for file in [*page.items, *rest.items]] == ["a", "b", "c", "d"]


async def test_purged_keys_are_orphans_until_forgotten(async_database: AsyncDatabase, owner: UUID) -> None:
    """S3: the clean-up job lists them, deletes the objects and forgets them."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)
        key = StorageKey("test", (await tx.files.add_version(file.id, **_content("a"))).storage_key)
        await tx.files.soft_delete(file.id)
        await tx.files.purge(file.id)
        with pytest.raises(NotFound):
            await tx.files.purge(file.id)
    async with async_database.begin(Actor.service("projects")) as tx:
        assert key in await tx.files.orphaned_storage_keys(500)
        assert await tx.files.forget_orphans([key]) == 1
        assert await tx.files.forget_orphans([key]) == await tx.files.forget_orphans([]) == 0
        assert key not in await tx.files.orphaned_storage_keys(500)


async def test_erasing_a_user_leaves_only_the_keys(async_database: AsyncDatabase, owner: UUID) -> None:
    """F9: a cascade from the user's row reaches the trigger as well."""
    async with async_database.begin(Actor.user(owner)) as tx:
        key = (await tx.files.add_version((await _file(tx)).id, **_content("a"))).storage_key
        await tx.session.execute(delete(User).where(User.id == owner))
    async with async_database.begin(Actor.service("projects")) as tx:
        assert StorageKey("test", key) in await tx.files.orphaned_storage_keys(500)


async def test_a_key_in_use_is_no_orphan(async_database: AsyncDatabase, owner: UUID) -> None:
    """Two versions share an object: it is an orphan only when both are gone."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await _file(tx)
        other = await tx.files.create(project_id=file.project_id, path="copy.py")
        content = _content("shared")
        for each in (file, other):
            await tx.files.add_version(each.id, **content)
        await tx.files.purge(file.id)
    assert StorageKey("test", content["storage_key"]) not in await _orphans(async_database)
    async with async_database.begin(Actor.user(owner)) as tx:
        await tx.files.purge(other.id)
    assert StorageKey("test", content["storage_key"]) in await _orphans(async_database)


async def test_others_files_are_not_found(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """Every method on another tenant's file says NotFound."""
    async with async_database.begin(Actor.user(owner)) as tx:
        file = await tx.session.run_sync(ProjectFileFactory.insert, user_id=owner)
        await tx.session.run_sync(ProjectFileVersionFactory.insert, file=file)
    async with async_database.begin(Actor.user(stranger)) as tx:
        for attempt in (
            lambda: tx.files.get(file.id),
            lambda: tx.files.history(file.id),
            lambda: tx.files.current_version(file.id),
            lambda: tx.files.add_version(file.id, **_content("a")),
            lambda: tx.files.soft_delete(file.id),
            lambda: tx.files.purge(file.id),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert (await tx.files.list(file.project_id)).items == []
        with pytest.raises(NotFound):
            await tx.files.create(project_id=file.project_id, path="mine.py")
    async with async_database.begin(Actor.user(owner)) as tx:
        assert (await tx.files.get(file.id)).current_version is None

# Generated from test_files_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Files, their versions, and the clean-up of storage (requirements S3, F4)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete

from devmentor_models import Actor, Database, Transaction
from devmentor_models.auth.models import User
from devmentor_models.errors import InvalidValue, NotFound, UniqueViolation
from devmentor_models.projects.enums import ActivityAction
from devmentor_models.projects.models import ProjectFile
from devmentor_models.projects.results import StorageKey
from devmentor_models.testing.factories.projects import ProjectFileFactory, ProjectFileVersionFactory
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.anyio


def _content(text: str, key: str | None = None) -> dict[str, Any]:
    """Return the arguments of a version with this content."""
    return {
        "storage_bucket": "test",
        "storage_key": key or f"{uuid4()}",
        "size_bytes": len(text),
        "sha256": hashlib.sha256(text.encode()).digest(),
    }


def _file(tx: Transaction) -> ProjectFile:
    """Return a file in a project of its own."""
    project = tx.projects.create(name="Files")
    return tx.files.create(project_id=project.id, path="src/main.py", media_type="text/x-python")


def test_versions_are_numbered_and_listed(database: Database, owner: UUID) -> None:
    """1, 2, 3 without gaps, the newest in force, paged newest first, each in the project's history."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)
        with pytest.raises(NotFound):
            tx.files.current_version(file.id)
        for text in "abc":
            tx.files.add_version(file.id, **_content(text))
        assert (file.latest_version, file.current_version) == (3, 3)
        page = tx.files.history(file.id, limit=2)
        rest = tx.files.history(file.id, limit=2, cursor=page.next_cursor)
        assert [version.number for version in [*page.items, *rest.items]] == [3, 2, 1]
        assert (tx.files.current_version(file.id)).number == 3
        newest = (tx.activity.timeline(project_id=file.project_id)).items[0]
        assert (newest.action, newest.details) == (
            ActivityAction.VERSION_ADDED,
            {"number": 3, "size_bytes": 1},
        )


def _orphans(database: Database) -> Sequence[StorageKey]:
    with database.begin(Actor.service("projects")) as tx:
        return tx.files.orphaned_storage_keys(500)


def test_a_known_content_comes_into_force_again(database: Database, owner: UUID) -> None:
    """No second copy: the version that has the content is returned, and the new object is an orphan."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)
        first = tx.files.add_version(file.id, **_content("a"))
        tx.files.add_version(file.id, **_content("b"))
        again = _content("a")
        assert (tx.files.add_version(file.id, **again)).id == first.id
        assert (file.latest_version, file.current_version) == (2, 1)
        assert (tx.files.add_version(file.id, **_content("c"))).number == 3
        assert tx.files.orphaned_storage_keys(500) == [], "only the service sees the keys of everybody"
    assert StorageKey("test", again["storage_key"]) in _orphans(database)


def test_twenty_add_versions_at_once(database: Database, owner: UUID) -> None:
    """Ten contents, each twice: ten versions with the numbers 1 to 10."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)

    def adding(text: str) -> Any:
        def add() -> int:
            with database.begin(Actor.user(owner)) as tx:
                return (tx.files.add_version(file.id, **_content(text))).number

        return add

    numbers = run_concurrently([adding(f"text {number % 10}") for number in range(20)])
    assert Counter(numbers) == dict.fromkeys(range(1, 11), 2)
    with database.begin(Actor.user(owner)) as tx:
        assert (tx.files.get(file.id)).latest_version == 10


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
def test_bad_contents_are_refused_by_name(database: Database, owner: UUID, field: str, value: Any) -> None:
    """InvalidValue names the field, and the file has no version."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)
        with pytest.raises(InvalidValue, match=field):
            tx.files.add_version(file.id, **{**_content("a"), field: value})
        assert (tx.files.history(file.id)).items == []


def test_paths_are_unique_among_live_files(database: Database, owner: UUID) -> None:
    """A deleted file frees its path and comes back only when the path is free again."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)
        file_id = file.id
        place: dict[str, Any] = {"project_id": file.project_id, "path": file.path}
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.files.create(**place)
        tx.files.soft_delete(file_id)
        with pytest.raises(NotFound):
            tx.files.add_version(file_id, **_content("late"))
        other = tx.files.create(**place)
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.files.restore(file_id)
        tx.files.soft_delete(other.id)
        tx.files.restore(file_id)
        assert [found.id for found in (tx.files.list(place["project_id"])).items] == [file_id]


def test_files_are_listed_by_path(database: Database, owner: UUID) -> None:
    """Page by page, in the order of their paths."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Sorted")
        for path in ("c", "a", "d", "b"):
            tx.files.create(project_id=project.id, path=path)
        page = tx.files.list(project.id, limit=3)
        rest = tx.files.list(project.id, limit=3, cursor=page.next_cursor)
        assert [file.path for file in [*page.items, *rest.items]] == ["a", "b", "c", "d"]


def test_purged_keys_are_orphans_until_forgotten(database: Database, owner: UUID) -> None:
    """S3: the clean-up job lists them, deletes the objects and forgets them."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)
        key = StorageKey("test", (tx.files.add_version(file.id, **_content("a"))).storage_key)
        tx.files.soft_delete(file.id)
        tx.files.purge(file.id)
        with pytest.raises(NotFound):
            tx.files.purge(file.id)
    with database.begin(Actor.service("projects")) as tx:
        assert key in tx.files.orphaned_storage_keys(500)
        assert tx.files.forget_orphans([key]) == 1
        assert tx.files.forget_orphans([key]) == tx.files.forget_orphans([]) == 0
        assert key not in tx.files.orphaned_storage_keys(500)


def test_erasing_a_user_leaves_only_the_keys(database: Database, owner: UUID) -> None:
    """F9: a cascade from the user's row reaches the trigger as well."""
    with database.begin(Actor.user(owner)) as tx:
        key = (tx.files.add_version((_file(tx)).id, **_content("a"))).storage_key
        tx.session.execute(delete(User).where(User.id == owner))
    with database.begin(Actor.service("projects")) as tx:
        assert StorageKey("test", key) in tx.files.orphaned_storage_keys(500)


def test_a_key_in_use_is_no_orphan(database: Database, owner: UUID) -> None:
    """Two versions share an object: it is an orphan only when both are gone."""
    with database.begin(Actor.user(owner)) as tx:
        file = _file(tx)
        other = tx.files.create(project_id=file.project_id, path="copy.py")
        content = _content("shared")
        for each in (file, other):
            tx.files.add_version(each.id, **content)
        tx.files.purge(file.id)
    assert StorageKey("test", content["storage_key"]) not in _orphans(database)
    with database.begin(Actor.user(owner)) as tx:
        tx.files.purge(other.id)
    assert StorageKey("test", content["storage_key"]) in _orphans(database)


def test_others_files_are_not_found(database: Database, owner: UUID, stranger: UUID) -> None:
    """Every method on another tenant's file says NotFound."""
    with database.begin(Actor.user(owner)) as tx:
        file = ProjectFileFactory.insert(tx.session, user_id=owner)
        ProjectFileVersionFactory.insert(tx.session, file=file)
    with database.begin(Actor.user(stranger)) as tx:
        for attempt in (
            lambda: tx.files.get(file.id),
            lambda: tx.files.history(file.id),
            lambda: tx.files.current_version(file.id),
            lambda: tx.files.add_version(file.id, **_content("a")),
            lambda: tx.files.soft_delete(file.id),
            lambda: tx.files.purge(file.id),
        ):
            with pytest.raises(NotFound):
                attempt()
        assert (tx.files.list(file.project_id)).items == []
        with pytest.raises(NotFound):
            tx.files.create(project_id=file.project_id, path="mine.py")
    with database.begin(Actor.user(owner)) as tx:
        assert (tx.files.get(file.id)).current_version is None

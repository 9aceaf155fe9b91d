"""Projects: names, schedules, status, deletion and restoring (requirements F4, S3, S8)."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import (
    ActorMissing,
    CheckViolation,
    ExclusionViolation,
    InvalidValue,
    NotFound,
    UniqueViolation,
    VersionConflict,
)
from devmentor_models.projects.enums import ActivityAction, ProjectStatus
from devmentor_models.projects.models import Project
from devmentor_models.testing.factories.projects import ProjectFactory
from tests.support.concurrency_async import meeting, run_concurrently

pytestmark = pytest.mark.anyio


async def test_create_fills_in_what_was_left_out(async_database: AsyncDatabase, owner: UUID) -> None:
    """A name is enough: slug, status, credits, tags and settings get their defaults, and it is recorded."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="  Über Straße ")
        assert (project.name, project.slug, project.user_id) == ("Über Straße", "uber-strasse", owner)
        assert (project.status, project.credits, project.tags) == (ProjectStatus.ACTIVE, 0, [])
        assert (project.settings, project.version) == ({}, 1)
        history = await tx.activity.timeline(project_id=project.id)
        assert [entry.action for entry in history.items] == [ActivityAction.CREATED]


async def test_get_and_find_by_slug(async_database: AsyncDatabase, owner: UUID) -> None:
    """Both find the same project; what does not exist is NotFound or None."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Found")
    async with async_database.begin(Actor.user(owner), readonly=True) as tx:
        assert (await tx.projects.get(project.id)).name == "Found"
        found = await tx.projects.find_by_slug("found")
        assert found is not None
        assert found.id == project.id
        assert await tx.projects.find_by_slug("lost") is None
        with pytest.raises(NotFound):
            await tx.projects.get(uuid4())


async def test_others_find_nothing(async_database: AsyncDatabase, owner: UUID, stranger: UUID) -> None:
    """Every method on another tenant's project says NotFound, and changes nothing."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Mine", credits=5)
    async with async_database.begin(Actor.user(stranger)) as tx:
        for attempt in (
            lambda: tx.projects.get(project.id),
            lambda: tx.projects.update(project.id, name="Theirs"),
            lambda: tx.projects.archive(project.id),
            lambda: tx.projects.soft_delete(project.id),
            lambda: tx.projects.restore(project.id),
            lambda: tx.projects.spend_credits(project.id, 1, reason="theft"),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert await tx.projects.find_by_slug("mine") is None
        assert (await tx.projects.list()).items == []


async def test_a_service_must_act_for_somebody(async_database: AsyncDatabase) -> None:
    """A service without a user has no tenant."""
    async with async_database.begin(Actor.service("projects")) as tx:
        with pytest.raises(ActorMissing, match="on_behalf_of"):
            await tx.projects.list()


async def test_names_that_collide_get_numbers(async_database: AsyncDatabase, owner: UUID) -> None:
    """The same name again is -2, -3; another user's names do not count."""
    async with async_database.begin(Actor.user(owner)) as tx:
        slugs = [(await tx.projects.create(name="Same")).slug for _ in range(3)]
    assert slugs == ["same", "same-2", "same-3"]


async def test_the_same_name_at_the_same_time(async_database: AsyncDatabase, owner: UUID) -> None:
    """Eight users of one account choose one name at once: eight projects, eight slugs."""

    async def create() -> str:
        async with async_database.begin(Actor.user(owner)) as tx:
            return (await tx.projects.create(name="Race")).slug

    slugs = await run_concurrently([create] * 8)
    assert set(slugs) == {"race", *(f"race-{number}" for number in range(2, 10))} - {"race-9"}


async def test_a_name_that_many_choose_at_once(database_url: str, owner: UUID) -> None:
    """Each gets a slug, also the last of more than find a number; all begin before the first one commits."""
    parties = 30
    together = meeting(parties)
    async with AsyncDatabase.from_url(database_url, pool_min=0, pool_max=parties) as database:

        async def create() -> str:
            async with database.begin(Actor.user(owner)) as tx:
                await together()
                return (await tx.projects.create(name="Rush")).slug

        slugs = await run_concurrently([create] * parties)
    assert [slug for slug in slugs if isinstance(slug, BaseException)] == []
    assert len({*slugs}) == parties
    assert {"rush", "rush-2", "rush-3"} <= {*slugs}


async def test_a_chosen_slug_is_kept_or_refused(async_database: AsyncDatabase, owner: UUID) -> None:
    """A slug that the caller chose is never changed: it is free, taken or unusable."""
    async with async_database.begin(Actor.user(owner)) as tx:
        assert (await tx.projects.create(name="A", slug="chosen")).slug == "chosen"
        with pytest.raises(InvalidValue, match="slug"):
            await tx.projects.create(name="B", slug="not a/slug")
        with pytest.raises(UniqueViolation) as caught:
            async with tx.savepoint():
                await tx.projects.create(name="C", slug="chosen")
        assert caught.value.columns == ("user_id", "slug")
        assert len((await tx.projects.list()).items) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 201),
        ("name", "nul\x00"),
        ("name", None),
        ("name", " "),
        ("credits", -1),
        ("credits", True),
        ("credits", 2**31),
        ("start_date", "2026-01-01"),
        ("tags", "abc"),
        ("tags", [1]),
        ("settings", {"ratio": float("nan")}),
        ("status", ProjectStatus.ARCHIVED),
    ],
)
async def test_bad_values_are_refused_by_name(
    async_database: AsyncDatabase, owner: UUID, field: str, value: Any
) -> None:
    """InvalidValue names the field, and nothing was written."""
    async with async_database.begin(Actor.user(owner)) as tx:
        with pytest.raises((InvalidValue, TypeError), match=field):
            await tx.projects.create(**{"name": "Good", field: value})
        assert (await tx.projects.list()).items == []


async def test_schedules_of_an_owner_do_not_overlap(
    async_database: AsyncDatabase, owner: UUID, stranger: UUID
) -> None:
    """S8: the EXCLUDE constraint covers live projects of one owner with both dates."""
    first, last = date(2026, 1, 1), date(2026, 3, 31)
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="First", start_date=first, end_date=last)
        with pytest.raises(ExclusionViolation) as caught:
            async with tx.savepoint():
                await tx.projects.create(name="Clash", start_date=last, end_date=date(2026, 4, 1))
        assert caught.value.constraint == "ex_projects_dates"
        await tx.projects.create(name="Next", start_date=date(2026, 4, 1), end_date=date(2026, 4, 2))
        await tx.projects.create(name="Open", start_date=first)
        await tx.projects.soft_delete(project.id)
        await tx.projects.create(name="Instead", start_date=first, end_date=last)
        with pytest.raises(ExclusionViolation):
            async with tx.savepoint():
                await tx.projects.restore(project.id)
        with pytest.raises(CheckViolation):
            async with tx.savepoint():
                await tx.projects.create(name="Backwards", start_date=last, end_date=first)
    async with async_database.begin(Actor.user(stranger)) as tx:
        await tx.projects.create(name="Elsewhere", start_date=first, end_date=last)


async def test_update_changes_what_is_given(async_database: AsyncDatabase, owner: UUID) -> None:
    """What is left out stays, None empties, and the history names the fields."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Before", description="text", tags=["a"])
        changed = await tx.projects.update(project.id, name="After", description=None)
        assert (changed.name, changed.description) == ("After", None)
        assert (changed.tags, changed.slug) == (["a"], "before")
        assert changed.version == 2
        newest = (await tx.activity.timeline(project_id=project.id)).items[0]
        assert newest.action is ActivityAction.UPDATED
        assert newest.details == {"fields": ["description", "name"]}
        await tx.projects.update(project.id, name="After")
        assert changed.version == 2


async def test_update_is_all_or_nothing(async_database: AsyncDatabase, owner: UUID) -> None:
    """A value that does not fit leaves the others as they were, also after a later flush."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Before")
        with pytest.raises(InvalidValue, match="tags"):
            await tx.projects.update(project.id, name="After", tags="text")
        with pytest.raises(InvalidValue, match="credits"):
            await tx.projects.update(project.id, credits=1000)  # type: ignore[call-arg] # the mistake
        with pytest.raises(InvalidValue, match="name"):
            await tx.projects.update(project.id, name=None)  # type: ignore[arg-type] # the mistake
    async with async_database.begin(Actor.user(owner)) as tx:
        assert (await tx.projects.get(project.id)).name == "Before"


async def test_a_lost_write_is_noticed(async_database: AsyncDatabase, owner: UUID) -> None:
    """Both who hold an old version and who raced another transaction get VersionConflict."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Contested")
    async with async_database.begin(Actor.user(owner)) as tx:
        mine = await tx.projects.get(project.id)
        async with async_database.begin(Actor.user(owner)) as other:
            await other.projects.update(project.id, name="Theirs", version=1)
        with pytest.raises(VersionConflict):
            async with tx.savepoint():
                await tx.projects.update(mine.id, name="Mine")
    async with async_database.begin(Actor.user(owner)) as tx:
        with pytest.raises(VersionConflict):
            await tx.projects.update(project.id, name="Late", version=1)
        assert (await tx.projects.get(project.id)).name == "Theirs"


async def test_archive_and_back(async_database: AsyncDatabase, owner: UUID) -> None:
    """Archiving twice is archiving once, and the list filters by status."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Old")
        await tx.projects.archive(project.id)
        await tx.projects.archive(project.id)
        assert (await tx.projects.list(status=ProjectStatus.ACTIVE)).items == []
        assert len((await tx.projects.list(status=ProjectStatus.ARCHIVED)).items) == 1
        await tx.projects.unarchive(project.id)
        actions = [entry.action for entry in (await tx.activity.timeline(project_id=project.id)).items]
    assert actions == [ActivityAction.UNARCHIVED, ActivityAction.ARCHIVED, ActivityAction.CREATED]


async def test_list_pages_while_rows_are_inserted(async_database: AsyncDatabase, owner: UUID) -> None:
    """Newest first, no row twice or never, whatever is inserted between the pages."""
    async with async_database.begin(Actor.user(owner)) as tx:
        made = [(await tx.projects.create(name=f"P{number}")).id for number in range(5)]
        seen: list[UUID] = []
        cursor = None
        while True:
            page = await tx.projects.list(cursor=cursor, limit=2)
            seen += [project.id for project in page.items]
            await tx.projects.create(name="later")
            if (cursor := page.next_cursor) is None:
                break
    assert seen == made[::-1]


async def test_list_by_tag(async_database: AsyncDatabase, owner: UUID) -> None:
    """Only projects with the tag; a bad limit or cursor is refused."""
    async with async_database.begin(Actor.user(owner)) as tx:
        tagged = await tx.projects.create(name="Tagged", tags=["python", "sql"])
        await tx.projects.create(name="Plain")
        assert [project.id for project in (await tx.projects.list(tag="sql")).items] == [tagged.id]
        with pytest.raises(InvalidValue, match="limit"):
            await tx.projects.list(limit=0)
        with pytest.raises(InvalidValue, match="cursor"):
            await tx.projects.list(cursor="nonsense")


async def test_delete_hides_all_and_restore_brings_back_exactly_that(
    async_database: AsyncDatabase, owner: UUID
) -> None:
    """S3: what was deleted before the project stays deleted after the project is restored."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Whole")
        epic = await tx.epics.create(project_id=project.id, title="Epic")
        kept = await tx.tasks.create(project_id=project.id, epic_id=epic.id, title="Kept")
        gone = await tx.tasks.create(project_id=project.id, title="Gone")
        file = await tx.files.create(project_id=project.id, path="a.py")
        await tx.tasks.soft_delete(gone.id)
        await tx.projects.soft_delete(project.id)
    async with async_database.begin(Actor.user(owner)) as tx:
        for attempt in (
            lambda: tx.projects.get(project.id),
            lambda: tx.epics.get(epic.id),
            lambda: tx.tasks.get(kept.id),
            lambda: tx.files.get(file.id),
            lambda: tx.tasks.create(project_id=project.id, title="Late"),
            lambda: tx.tasks.restore(gone.id),
            lambda: tx.projects.soft_delete(project.id),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert (await tx.tasks.list(project.id)).items == []
        await tx.projects.restore(project.id)
        assert (await tx.tasks.get(kept.id)).epic_id == epic.id
        assert (await tx.files.get(file.id)).path == "a.py"
        with pytest.raises(NotFound):
            await tx.tasks.get(gone.id)
        with pytest.raises(NotFound):
            await tx.projects.restore(project.id)


async def test_a_deleted_project_frees_its_slug(async_database: AsyncDatabase, owner: UUID) -> None:
    """The slug can be taken; the old project then comes back only under another one."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Slug")
        await tx.projects.soft_delete(project.id)
        assert (await tx.projects.create(name="Slug")).slug == "slug"
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.projects.restore(project.id)


async def test_rows_of_a_user_go_with_the_user(async_database: AsyncDatabase, owner: UUID) -> None:
    """S8: deleting a project's row cascades to what is in it."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.session.run_sync(ProjectFactory.insert, user_id=owner)
        task = await tx.tasks.create(project_id=project.id, title="In it")
        await tx.session.execute(delete(Project).where(Project.id == project.id))
        with pytest.raises(NotFound):
            await tx.tasks.get(task.id)
        assert (await tx.session.execute(select(Project.id).where(Project.user_id == owner))).all() == []

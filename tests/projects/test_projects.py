# Generated from test_projects_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Projects: names, schedules, status, deletion and restoring (requirements F4, S3, S8)."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select

from devmentor_models import Actor, Database
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
from tests.support.concurrency import meeting, run_concurrently

pytestmark = pytest.mark.anyio


def test_create_fills_in_what_was_left_out(database: Database, owner: UUID) -> None:
    """A name is enough: slug, status, credits, tags and settings get their defaults, and it is recorded."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="  Über Straße ")
        assert (project.name, project.slug, project.user_id) == ("Über Straße", "uber-strasse", owner)
        assert (project.status, project.credits, project.tags) == (ProjectStatus.ACTIVE, 0, [])
        assert (project.settings, project.version) == ({}, 1)
        history = tx.activity.timeline(project_id=project.id)
        assert [entry.action for entry in history.items] == [ActivityAction.CREATED]


def test_get_and_find_by_slug(database: Database, owner: UUID) -> None:
    """Both find the same project; what does not exist is NotFound or None."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Found")
    with database.begin(Actor.user(owner), readonly=True) as tx:
        assert (tx.projects.get(project.id)).name == "Found"
        found = tx.projects.find_by_slug("found")
        assert found is not None
        assert found.id == project.id
        assert tx.projects.find_by_slug("lost") is None
        with pytest.raises(NotFound):
            tx.projects.get(uuid4())


def test_others_find_nothing(database: Database, owner: UUID, stranger: UUID) -> None:
    """Every method on another tenant's project says NotFound, and changes nothing."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Mine", credits=5)
    with database.begin(Actor.user(stranger)) as tx:
        for attempt in (
            lambda: tx.projects.get(project.id),
            lambda: tx.projects.update(project.id, name="Theirs"),
            lambda: tx.projects.archive(project.id),
            lambda: tx.projects.soft_delete(project.id),
            lambda: tx.projects.restore(project.id),
            lambda: tx.projects.spend_credits(project.id, 1, reason="theft"),
        ):
            with pytest.raises(NotFound):
                attempt()
        assert tx.projects.find_by_slug("mine") is None
        assert (tx.projects.list()).items == []


def test_a_service_must_act_for_somebody(database: Database) -> None:
    """A service without a user has no tenant."""
    with database.begin(Actor.service("projects")) as tx:
        with pytest.raises(ActorMissing, match="on_behalf_of"):
            tx.projects.list()


def test_names_that_collide_get_numbers(database: Database, owner: UUID) -> None:
    """The same name again is -2, -3; another user's names do not count."""
    with database.begin(Actor.user(owner)) as tx:
        slugs = [(tx.projects.create(name="Same")).slug for _ in range(3)]
    assert slugs == ["same", "same-2", "same-3"]


def test_the_same_name_at_the_same_time(database: Database, owner: UUID) -> None:
    """Eight users of one account choose one name at once: eight projects, eight slugs."""

    def create() -> str:
        with database.begin(Actor.user(owner)) as tx:
            return (tx.projects.create(name="Race")).slug

    slugs = run_concurrently([create] * 8)
    assert set(slugs) == {"race", *(f"race-{number}" for number in range(2, 10))} - {"race-9"}


def test_a_name_that_many_choose_at_once(database_url: str, owner: UUID) -> None:
    """Each gets a slug, also the last of more than find a number; all begin before the first one commits."""
    parties = 30
    together = meeting(parties)
    with Database.from_url(database_url, pool_min=0, pool_max=parties) as database:

        def create() -> str:
            with database.begin(Actor.user(owner)) as tx:
                together()
                return (tx.projects.create(name="Rush")).slug

        slugs = run_concurrently([create] * parties)
    assert [slug for slug in slugs if isinstance(slug, BaseException)] == []
    assert len({*slugs}) == parties
    assert {"rush", "rush-2", "rush-3"} <= {*slugs}


def test_a_chosen_slug_is_kept_or_refused(database: Database, owner: UUID) -> None:
    """A slug that the caller chose is never changed: it is free, taken or unusable."""
    with database.begin(Actor.user(owner)) as tx:
        assert (tx.projects.create(name="A", slug="chosen")).slug == "chosen"
        with pytest.raises(InvalidValue, match="slug"):
            tx.projects.create(name="B", slug="not a/slug")
        with pytest.raises(UniqueViolation) as caught:
            with tx.savepoint():
                tx.projects.create(name="C", slug="chosen")
        assert caught.value.columns == ("user_id", "slug")
        assert len((tx.projects.list()).items) == 1


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
def test_bad_values_are_refused_by_name(database: Database, owner: UUID, field: str, value: Any) -> None:
    """InvalidValue names the field, and nothing was written."""
    with database.begin(Actor.user(owner)) as tx:
        with pytest.raises((InvalidValue, TypeError), match=field):
            tx.projects.create(**{"name": "Good", field: value})
        assert (tx.projects.list()).items == []


def test_schedules_of_an_owner_do_not_overlap(database: Database, owner: UUID, stranger: UUID) -> None:
    """S8: the EXCLUDE constraint covers live projects of one owner with both dates."""
    first, last = date(2026, 1, 1), date(2026, 3, 31)
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="First", start_date=first, end_date=last)
        with pytest.raises(ExclusionViolation) as caught:
            with tx.savepoint():
                tx.projects.create(name="Clash", start_date=last, end_date=date(2026, 4, 1))
        assert caught.value.constraint == "ex_projects_dates"
        tx.projects.create(name="Next", start_date=date(2026, 4, 1), end_date=date(2026, 4, 2))
        tx.projects.create(name="Open", start_date=first)
        tx.projects.soft_delete(project.id)
        tx.projects.create(name="Instead", start_date=first, end_date=last)
        with pytest.raises(ExclusionViolation):
            with tx.savepoint():
                tx.projects.restore(project.id)
        with pytest.raises(CheckViolation):
            with tx.savepoint():
                tx.projects.create(name="Backwards", start_date=last, end_date=first)
    with database.begin(Actor.user(stranger)) as tx:
        tx.projects.create(name="Elsewhere", start_date=first, end_date=last)


def test_update_changes_what_is_given(database: Database, owner: UUID) -> None:
    """What is left out stays, None empties, and the history names the fields."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Before", description="text", tags=["a"])
        changed = tx.projects.update(project.id, name="After", description=None)
        assert (changed.name, changed.description) == ("After", None)
        assert (changed.tags, changed.slug) == (["a"], "before")
        assert changed.version == 2
        newest = (tx.activity.timeline(project_id=project.id)).items[0]
        assert newest.action is ActivityAction.UPDATED
        assert newest.details == {"fields": ["description", "name"]}
        tx.projects.update(project.id, name="After")
        assert changed.version == 2


def test_update_is_all_or_nothing(database: Database, owner: UUID) -> None:
    """A value that does not fit leaves the others as they were, also after a later flush."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Before")
        with pytest.raises(InvalidValue, match="tags"):
            tx.projects.update(project.id, name="After", tags="text")
        with pytest.raises(InvalidValue, match="credits"):
            tx.projects.update(project.id, credits=1000)  # type: ignore[call-arg] # the mistake
        with pytest.raises(InvalidValue, match="name"):
            tx.projects.update(project.id, name=None)  # type: ignore[arg-type] # the mistake
    with database.begin(Actor.user(owner)) as tx:
        assert (tx.projects.get(project.id)).name == "Before"


def test_a_lost_write_is_noticed(database: Database, owner: UUID) -> None:
    """Both who hold an old version and who raced another transaction get VersionConflict."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Contested")
    with database.begin(Actor.user(owner)) as tx:
        mine = tx.projects.get(project.id)
        with database.begin(Actor.user(owner)) as other:
            other.projects.update(project.id, name="Theirs", version=1)
        with pytest.raises(VersionConflict):
            with tx.savepoint():
                tx.projects.update(mine.id, name="Mine")
    with database.begin(Actor.user(owner)) as tx:
        with pytest.raises(VersionConflict):
            tx.projects.update(project.id, name="Late", version=1)
        assert (tx.projects.get(project.id)).name == "Theirs"


def test_archive_and_back(database: Database, owner: UUID) -> None:
    """Archiving twice is archiving once, and the list filters by status."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Old")
        tx.projects.archive(project.id)
        tx.projects.archive(project.id)
        assert (tx.projects.list(status=ProjectStatus.ACTIVE)).items == []
        assert len((tx.projects.list(status=ProjectStatus.ARCHIVED)).items) == 1
        tx.projects.unarchive(project.id)
        actions = [entry.action for entry in (tx.activity.timeline(project_id=project.id)).items]
    assert actions == [ActivityAction.UNARCHIVED, ActivityAction.ARCHIVED, ActivityAction.CREATED]


def test_list_pages_while_rows_are_inserted(database: Database, owner: UUID) -> None:
    """Newest first, no row twice or never, whatever is inserted between the pages."""
    with database.begin(Actor.user(owner)) as tx:
        made = [(tx.projects.create(name=f"P{number}")).id for number in range(5)]
        seen: list[UUID] = []
        cursor = None
        while True:
            page = tx.projects.list(cursor=cursor, limit=2)
            seen += [project.id for project in page.items]
            tx.projects.create(name="later")
            if (cursor := page.next_cursor) is None:
                break
    assert seen == made[::-1]


def test_list_by_tag(database: Database, owner: UUID) -> None:
    """Only projects with the tag; a bad limit or cursor is refused."""
    with database.begin(Actor.user(owner)) as tx:
        tagged = tx.projects.create(name="Tagged", tags=["python", "sql"])
        tx.projects.create(name="Plain")
        assert [project.id for project in (tx.projects.list(tag="sql")).items] == [tagged.id]
        with pytest.raises(InvalidValue, match="limit"):
            tx.projects.list(limit=0)
        with pytest.raises(InvalidValue, match="cursor"):
            tx.projects.list(cursor="nonsense")


def test_delete_hides_all_and_restore_brings_back_exactly_that(database: Database, owner: UUID) -> None:
    """S3: what was deleted before the project stays deleted after the project is restored."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Whole")
        epic = tx.epics.create(project_id=project.id, title="Epic")
        kept = tx.tasks.create(project_id=project.id, epic_id=epic.id, title="Kept")
        gone = tx.tasks.create(project_id=project.id, title="Gone")
        file = tx.files.create(project_id=project.id, path="a.py")
        tx.tasks.soft_delete(gone.id)
        tx.projects.soft_delete(project.id)
    with database.begin(Actor.user(owner)) as tx:
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
                attempt()
        assert (tx.tasks.list(project.id)).items == []
        tx.projects.restore(project.id)
        assert (tx.tasks.get(kept.id)).epic_id == epic.id
        assert (tx.files.get(file.id)).path == "a.py"
        with pytest.raises(NotFound):
            tx.tasks.get(gone.id)
        with pytest.raises(NotFound):
            tx.projects.restore(project.id)


def test_a_deleted_project_frees_its_slug(database: Database, owner: UUID) -> None:
    """The slug can be taken; the old project then comes back only under another one."""
    with database.begin(Actor.user(owner)) as tx:
        project = tx.projects.create(name="Slug")
        tx.projects.soft_delete(project.id)
        assert (tx.projects.create(name="Slug")).slug == "slug"
        with pytest.raises(UniqueViolation):
            with tx.savepoint():
                tx.projects.restore(project.id)


def test_rows_of_a_user_go_with_the_user(database: Database, owner: UUID) -> None:
    """S8: deleting a project's row cascades to what is in it."""
    with database.begin(Actor.user(owner)) as tx:
        project = ProjectFactory.insert(tx.session, user_id=owner)
        task = tx.tasks.create(project_id=project.id, title="In it")
        tx.session.execute(delete(Project).where(Project.id == project.id))
        with pytest.raises(NotFound):
            tx.tasks.get(task.id)
        assert (tx.session.execute(select(Project.id).where(Project.user_id == owner))).all() == []

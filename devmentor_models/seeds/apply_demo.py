"""Write the demo: each part that is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from devmentor_models.security.actor import Actor
from devmentor_models.seeds import demo
from devmentor_models.seeds.apply import SERVICE, SeedReport

if TYPE_CHECKING:
    from devmentor_models.database import Database
    from devmentor_models.transaction import Transaction


def apply_demo(database: Database, report: SeedReport) -> None:
    """Write what is missing of the demo, and enter it into ``report``.

    Raises:
        UniqueViolation: A demo user's name belongs to somebody else.
    """
    report.versions["demo"] = demo.VERSION
    with database.begin(Actor.service(SERVICE)) as tx:
        owner = _put_user(tx, demo.OWNER, report)
        member = _put_user(tx, demo.MEMBER, report)
    with database.begin(Actor.user(owner)) as tx:
        project = _put_project(tx, report)
        _put_team(tx, member, report)
        _put_roadmap(tx, project, report)


def _put_user(tx: Transaction, seed: demo.UserSeed, report: SeedReport) -> UUID:
    if found := tx.users.find_by_email(seed.email):
        return found.id
    report.created["user"] += 1
    made = tx.users.register(email=seed.email, username=seed.username, password_hash=demo.NO_PASSWORD)
    return made.user.id


def _put_project(tx: Transaction, report: SeedReport) -> UUID:
    if found := tx.projects.find_by_slug(demo.PROJECT_SLUG):
        return found.id
    report.created["project"] += 1
    start_date, end_date = demo.PROJECT_DATES
    made = tx.projects.create_with_plan(
        name=demo.PROJECT_NAME,
        slug=demo.PROJECT_SLUG,
        description=demo.PROJECT_DESCRIPTION,
        start_date=start_date,
        end_date=end_date,
        tags=demo.PROJECT_TAGS,
        credits=demo.PROJECT_CREDITS,
        plan=demo.PLAN,
    )
    return made.project.id


def _put_team(tx: Transaction, member: UUID, report: SeedReport) -> None:
    if any(team.name == demo.TEAM_NAME for team in tx.teams.list().items):
        return
    report.created["team"] += 1
    team = tx.teams.create(name=demo.TEAM_NAME)
    tx.teams.add_member(team.id, member)


def _put_roadmap(tx: Transaction, project: UUID, report: SeedReport) -> None:
    seed = demo.ROADMAP
    if any(roadmap.title == seed.title for roadmap in tx.roadmaps.list().items):
        return
    report.created["roadmap"] += 1
    tx.roadmaps.create(
        title=seed.title,
        goal=seed.goal,
        topics=seed.topics,
        level=seed.level,
        project_id=project,
        steps=seed.steps,
    )

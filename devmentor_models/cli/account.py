"""The quickstart's user and project, made by the first run and found by the next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from devmentor_models.errors import SignInFailed
from devmentor_models.kit.passwords import hash_password
from devmentor_models.projects.enums import TaskKind, TaskPriority
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.security.actor import Actor
from devmentor_models.sign_in import sign_in as check_password

if TYPE_CHECKING:
    from devmentor_models.database import Database

EMAIL = "quickstart@example.com"
USERNAME = "quickstart"
FULL_NAME = "Quick Start"
PASSWORD = "quickstart"  # noqa: S105 - of an account on this machine, for show
PROJECT_NAME = "Bookshelf"
PROJECT_SLUG = "bookshelf"
PLAN = Plan(
    epics=(
        EpicPlan(
            title="Fill the shelf",
            tasks=(
                TaskPlan(title="Ingest the documents of the installed packages", priority=TaskPriority.HIGH),
                TaskPlan(title="Ingest our own documents", kind=TaskKind.CHORE),
            ),
        ),
        EpicPlan(
            title="Read",
            tasks=(
                TaskPlan(title="Ask three questions", kind=TaskKind.RESEARCH),
                TaskPlan(title="Learn psycopg's pipeline mode", kind=TaskKind.LEARNING),
            ),
        ),
    ),
)


def sign_in(database: Database) -> tuple[UUID, bool]:
    """Return the user, and whether it was registered just now; one who exists logs in instead.

    Raises:
        SignInFailed: The account exists, but its password is not the quickstart's.
    """
    actor = Actor.service("auth")
    with database.begin(actor) as tx:
        exists = tx.users.find_credentials(EMAIL) is not None
    if exists:
        try:
            return check_password(database, EMAIL, PASSWORD, actor=actor).user_id, False
        except SignInFailed:
            raise SignInFailed(f"{EMAIL} has another password than the quickstart gave it.") from None
    password_hash = hash_password(PASSWORD)
    with database.begin(actor) as tx:
        made = tx.users.register(
            email=EMAIL, username=USERNAME, password_hash=password_hash, full_name=FULL_NAME
        )
    with database.begin(actor) as tx:
        return tx.email_verifications.consume(made.verification_token).id, True


def plan(database: Database, user_id: UUID) -> tuple[UUID, bool]:
    """Return the project, and whether it was created just now, with its epics and tasks."""
    with database.begin(Actor.user(user_id)) as tx:
        if found := tx.projects.find_by_slug(PROJECT_SLUG):
            return found.id, False
        made = tx.projects.create_with_plan(name=PROJECT_NAME, slug=PROJECT_SLUG, plan=PLAN)
        return made.project.id, True

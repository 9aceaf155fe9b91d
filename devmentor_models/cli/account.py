"""The quickstart's user and project, made by the first run and found by the next ones."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING
from uuid import UUID

from devmentor_models.errors import TokenInvalid
from devmentor_models.projects.enums import TaskKind, TaskPriority
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.security.actor import Actor

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
# OWASP's parameters for scrypt; a service would use argon2.
_SCRYPT = {"n": 2**14, "r": 8, "p": 5}


def sign_in(database: Database) -> tuple[UUID, bool]:
    """Return the user, and whether it was registered just now; one who exists logs in instead.

    Raises:
        TokenInvalid: The account exists, but its password is not the quickstart's.
    """
    with database.begin(Actor.service("auth")) as tx:
        user = tx.users.find_by_email(EMAIL)
        if user is None:
            made = tx.users.register(
                email=EMAIL, username=USERNAME, password_hash=hash_password(PASSWORD), full_name=FULL_NAME
            )
            tx.email_verifications.consume(made.verification_token)
            return made.user.id, True
        if not password_fits(PASSWORD, user.password_hash):
            raise TokenInvalid(f"{EMAIL} has another password than the quickstart gave it.")
        tx.sessions.open(user.id)
        return user.id, False


def plan(database: Database, user_id: UUID) -> tuple[UUID, bool]:
    """Return the project, and whether it was created just now, with its epics and tasks."""
    with database.begin(Actor.user(user_id)) as tx:
        if found := tx.projects.find_by_slug(PROJECT_SLUG):
            return found.id, False
        made = tx.projects.create_with_plan(name=PROJECT_NAME, slug=PROJECT_SLUG, plan=PLAN)
        return made.project.id, True


def hash_password(password: str) -> str:
    """Return a salted hash of a password."""
    salt = os.urandom(16)
    return f"scrypt${salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT).hex()}"


def password_fits(password: str, stored: str) -> bool:
    """Say whether ``stored`` is the hash of ``password``."""
    kind, _, rest = stored.partition("$")
    salt, _, digest = rest.partition("$")
    if kind != "scrypt":
        return False
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
    return hmac.compare_digest(found, digest)

"""Write the sets of seeds, each under the actors that its rows need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text

from devmentor_models.errors import PermissionDenied
from devmentor_models.security.actor import Actor
from devmentor_models.security.declarations import Service
from devmentor_models.seeds import base, demo, kinds
from devmentor_models.seeds.seeder import Seeder, SeedReport

if TYPE_CHECKING:
    from uuid import UUID

    from devmentor_models.database import Database
    from devmentor_models.seeds.values import UserSeed
    from devmentor_models.transaction import Transaction

SERVICE = "seeds"
#: Whose rows the seeds make.
BASE_ROLES = (Service.PROJECTS.role, Service.AI.role)
DEMO_ROLES = (*BASE_ROLES, Service.AUTH.role, Service.LEARNING.role)
_AUTH = Actor.service("auth")


def apply(database: Database, *, demo: bool = False) -> SeedReport:
    """Write the base data and, on request, the demo's (S9).

    A second run changes nothing, and two at once do what one does. A newer version brings up what an older
    one wrote; what people changed or removed stays as they have it, except that a demo which is asked for is
    made whole again.

    Args:
        database: Where to; at the newest revision. Its login is a member of the roles of the projects and AI
            services; for the demo of those of auth and learning, too.
        demo: Also make the demo users and what is theirs.

    Raises:
        InvalidValue: A seed does not fit its column; the error names it, and nothing of its set was written.
        UniqueViolation: A demo user's name belongs to somebody else.
        PermissionDenied: The login is no such member.
        LockTimeout: Somebody else has been seeding all the while.
    """
    report = SeedReport({})
    with database.begin(Actor.service(SERVICE)) as tx:
        _refuse_stranger(tx, DEMO_ROLES if demo else BASE_ROLES)
        _apply_base(tx, report)
    if demo:
        _apply_demo(database, report)
    return report


def _refuse_stranger(tx: Transaction, roles: tuple[str, ...]) -> None:
    query = text(
        "SELECT session_user, string_agg(role, ', ') FROM unnest(CAST(:roles AS text[])) AS role"
        " WHERE NOT pg_has_role(role, 'USAGE')"
    )
    login, missing = tx.session.execute(query, {"roles": list(roles)}).one()
    if missing:
        raise PermissionDenied(
            f"{login} is no member of {missing}, whose rows the seeds make. An administrator makes it one:"
            f" devmentor-db bootstrap --login {login}, for a login that runs migrations"
        )


def _apply_base(tx: Transaction, report: SeedReport) -> None:
    seeder = Seeder(tx, base.SET, base.VERSION, report)
    for template in base.TEMPLATES:
        seeder.put(kinds.TEMPLATE, template)
    seeder.put(kinds.MODEL, base.EMBEDDING_MODEL)


def _apply_demo(database: Database, report: SeedReport) -> None:
    owner, member = (_restore_user(database, seed, report) for seed in (demo.OWNER, demo.MEMBER))
    with database.begin(Actor.user(owner)) as tx:
        seeder = Seeder(tx, demo.SET, demo.VERSION, report)
        project = seeder.restore(kinds.PROJECT, demo.PROJECT)
        seeder.restore(kinds.team(member), demo.TEAM)
        seeder.restore(kinds.roadmap(project.id), demo.ROADMAP)


def _restore_user(database: Database, seed: UserSeed, report: SeedReport) -> UUID:
    """Make or bring up a demo user, whose row only a transaction on the user's behalf sees."""
    with database.begin(_AUTH) as tx:
        seeder = Seeder(tx, demo.SET, demo.VERSION, report)
        made = seeder.seeded(kinds.USER, seed)
        if made is None or made not in tx.users.usernames([made]):
            account = tx.users.find_credentials(seed.email)
            if account is None:
                return seeder.restore(kinds.USER, seed).id
            made = account.user_id
    with database.begin(replace(_AUTH, user_id=made)) as tx:
        return Seeder(tx, demo.SET, demo.VERSION, report).restore(kinds.USER, seed).id

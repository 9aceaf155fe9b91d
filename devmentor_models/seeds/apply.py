"""Write the sets of seeds, each under the actors that its rows need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devmentor_models.security.actor import Actor
from devmentor_models.seeds import base, demo, kinds
from devmentor_models.seeds.seeder import Seeder, SeedReport

if TYPE_CHECKING:
    from devmentor_models.database import Database
    from devmentor_models.transaction import Transaction

SERVICE = "seeds"


def apply(database: Database, *, demo: bool = False) -> SeedReport:
    """Write the base data and, on request, the demo's (S9).

    A second run changes nothing, and two at once do what one does. A newer version brings up what an older
    one wrote; what people changed or removed stays as they have it, except that a demo which is asked for is
    made whole again.

    Args:
        database: Where to; at the newest revision.
        demo: Also make the demo users and what is theirs.

    Raises:
        InvalidValue: A seed does not fit its column; the error names it, and nothing of its set was written.
        UniqueViolation: A demo user's name belongs to somebody else.
        LockTimeout: Somebody else has been seeding all the while.
    """
    report = SeedReport({})
    with database.begin(Actor.service(SERVICE)) as tx:
        _apply_base(tx, report)
    if demo:
        _apply_demo(database, report)
    return report


def _apply_base(tx: Transaction, report: SeedReport) -> None:
    seeder = Seeder(tx, base.SET, base.VERSION, report)
    for template in base.TEMPLATES:
        seeder.put(kinds.TEMPLATE, template)
    seeder.put(kinds.MODEL, base.EMBEDDING_MODEL)


def _apply_demo(database: Database, report: SeedReport) -> None:
    with database.begin(Actor.service(SERVICE)) as tx:
        seeder = Seeder(tx, demo.SET, demo.VERSION, report)
        owner = seeder.restore(kinds.USER, demo.OWNER)
        member = seeder.restore(kinds.USER, demo.MEMBER)
    with database.begin(Actor.user(owner.id)) as tx:
        seeder = Seeder(tx, demo.SET, demo.VERSION, report)
        project = seeder.restore(kinds.PROJECT, demo.PROJECT)
        seeder.restore(kinds.team(member.id), demo.TEAM)
        seeder.restore(kinds.roadmap(project.id), demo.ROADMAP)

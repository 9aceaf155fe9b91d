"""Write the seed data, and only what is missing or different."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import or_
from sqlalchemy.dialects.postgresql import insert

from devmentor_models.projects.models import ProjectTemplate
from devmentor_models.security.actor import Actor
from devmentor_models.seeds import base
from devmentor_models.seeds.base import TemplateSeed

if TYPE_CHECKING:
    from devmentor_models.database import Database
    from devmentor_models.transaction import Transaction

SERVICE = "seeds"


@dataclass(slots=True)
class SeedReport:
    """What applying the seed data did.

    Attributes:
        versions: Version of each set that was applied, by name.
        created: How many rows of each kind are new.
        updated: How many rows of each kind were brought up to the seed data.
    """

    versions: dict[str, int]
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.created or self.updated)

    def __str__(self) -> str:
        """Return the report as one line."""
        sets = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        done = [
            f"{count} {kind}{'' if count == 1 else 's'} {verb}"
            for verb, counts in (("created", self.created), ("updated", self.updated))
            for kind, count in counts.items()
        ]
        return f"Seeds {sets}: {', '.join(done) or 'everything was there'}."


def apply(database: Database, *, demo: bool = False) -> SeedReport:
    """Write the base data and, on request, the demo's; a second run changes nothing (S9).

    Args:
        database: Where to; at the newest revision.
        demo: Also make the demo users and what is theirs.

    Raises:
        UniqueViolation: The embedding model's name belongs to another model, or a demo user's name to
            somebody else.
    """
    report = SeedReport({"base": base.VERSION})
    with database.begin(Actor.service(SERVICE)) as tx:
        for template in base.TEMPLATES:
            _put_template(tx, template, report)
        _put_model(tx, report)
    if demo:
        from devmentor_models.seeds.apply_demo import apply_demo  # noqa: PLC0415 - it imports this module

        apply_demo(database, report)
    return report


def _put_template(tx: Transaction, template: TemplateSeed, report: SeedReport) -> None:
    """Write a template of the catalogue, which has no owner, unless it is there just so."""
    new = insert(ProjectTemplate).values(
        slug=template.slug,
        name=template.name,
        description=template.description,
        plan=template.plan.to_json(),
    )
    columns = ("name", "description", "plan")
    written = new.on_conflict_do_update(
        index_elements=["user_id", "slug"],
        set_={name: new.excluded[name] for name in columns},
        where=or_(*(getattr(ProjectTemplate, name).is_distinct_from(new.excluded[name]) for name in columns)),
    ).returning(ProjectTemplate.version)
    version = tx.session.execute(written).scalar_one_or_none()
    if version is not None:
        counts = report.created if version == 1 else report.updated
        counts["template"] += 1


def _put_model(tx: Transaction, report: SeedReport) -> None:
    """Register the embedding model; it becomes the default where nobody chose one."""
    seed = base.EMBEDDING_MODEL
    if tx.embedding_models.find_by_name(seed.name) is None:
        report.created["embedding model"] += 1
    model = tx.embedding_models.register(name=seed.name, dimensions=seed.dimensions, metric=seed.metric)
    if not any(known.is_default for known in tx.embedding_models.list().items):
        tx.embedding_models.set_default(model.id)

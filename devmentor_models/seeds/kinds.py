"""How each kind of seed becomes rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select

from devmentor_models.ai.models import EmbeddingModel
from devmentor_models.auth.models import Team, User
from devmentor_models.learning.models import Roadmap
from devmentor_models.projects.models import Project, ProjectTemplate
from devmentor_models.seeds.seeder import Kind
from devmentor_models.seeds.values import (
    ModelSeed,
    ProjectSeed,
    RoadmapSeed,
    TeamSeed,
    TemplateSeed,
    UserSeed,
)

if TYPE_CHECKING:
    from devmentor_models.transaction import Transaction

#: No password has this hash: demo users cannot log in until somebody sets one.
NO_PASSWORD = "!"  # noqa: S105 - the opposite of a password


def _template_values(seed: TemplateSeed) -> dict[str, Any]:
    return {
        "slug": seed.slug,
        "name": seed.name,
        "description": seed.description,
        "plan": seed.plan.to_json(),
    }


def _find_template(tx: Transaction, seed: TemplateSeed) -> ProjectTemplate | None:
    catalogue = select(ProjectTemplate).where(ProjectTemplate.user_id.is_(None))
    return tx.session.scalars(catalogue.where(ProjectTemplate.slug == seed.slug)).one_or_none()


def _create_template(tx: Transaction, seed: TemplateSeed) -> ProjectTemplate:
    # Not with the repository, which makes templates of the acting user.
    template = ProjectTemplate(**_template_values(seed))
    tx.session.add(template)
    tx.session.flush()
    return template


def _create_model(tx: Transaction, seed: ModelSeed) -> EmbeddingModel:
    """Register the model; it becomes the default where nobody chose one."""
    model = tx.embedding_models.register(name=seed.name, dimensions=seed.dimensions, metric=seed.metric)
    if not any(known.is_default for known in tx.embedding_models.list().items):
        return tx.embedding_models.set_default(model.id)
    return model


def _find_user(tx: Transaction, seed: UserSeed) -> User | None:
    """Return the acting user, if the transaction acts for one: it began on behalf of the seed's."""
    return tx.session.get(User, tx.actor.user_id) if tx.actor.user_id else None


def _create_user(tx: Transaction, seed: UserSeed) -> User:
    made = tx.users.register(email=seed.email, username=seed.username, password_hash=NO_PASSWORD)
    return made.user


def _project_values(seed: ProjectSeed) -> dict[str, Any]:
    return {
        "slug": seed.slug,
        "name": seed.name,
        "description": seed.description,
        "start_date": seed.start_date,
        "end_date": seed.end_date,
        "tags": list(seed.tags),
    }


def _create_project(tx: Transaction, seed: ProjectSeed) -> Project:
    values = _project_values(seed)
    return tx.projects.create_with_plan(**values, credits=seed.credits, plan=seed.plan).project


def team(member_id: UUID) -> Kind[TeamSeed, Team]:
    """Return how a team is made that has a member beside its owner."""

    def create(tx: Transaction, seed: TeamSeed) -> Team:
        made = tx.teams.create(name=seed.name, description=seed.description)
        tx.teams.add_member(made.id, member_id)
        return made

    def find(tx: Transaction, seed: TeamSeed) -> Team | None:
        return next((known for known in tx.teams.list().items if known.name == seed.name), None)

    return Kind(
        name="team",
        entity=Team,
        key=lambda seed: seed.name,
        values=lambda seed: {"name": seed.name, "description": seed.description},
        find=find,
        create=create,
    )


def roadmap(project_id: UUID) -> Kind[RoadmapSeed, Roadmap]:
    """Return how a roadmap is made that belongs to a project."""

    def values(seed: RoadmapSeed) -> dict[str, Any]:
        return {
            "title": seed.title,
            "goal": seed.goal,
            "topics": list(seed.topics),
            "level": seed.level,
        }

    def create(tx: Transaction, seed: RoadmapSeed) -> Roadmap:
        return tx.roadmaps.create(**values(seed), project_id=project_id, steps=seed.steps)

    def find(tx: Transaction, seed: RoadmapSeed) -> Roadmap | None:
        return next((known for known in tx.roadmaps.list().items if known.title == seed.title), None)

    return Kind(
        name="roadmap",
        entity=Roadmap,
        key=lambda seed: seed.title,
        values=values,
        find=find,
        create=create,
    )


TEMPLATE: Kind[TemplateSeed, ProjectTemplate] = Kind(
    name="template",
    entity=ProjectTemplate,
    key=lambda seed: seed.slug,
    values=_template_values,
    find=_find_template,
    create=_create_template,
)
#: Fixed, since vectors of the old kind could not be compared with new ones: another model has another name.
MODEL: Kind[ModelSeed, EmbeddingModel] = Kind(
    name="embedding model",
    entity=EmbeddingModel,
    key=lambda seed: seed.name,
    values=lambda seed: {"name": seed.name, "dimensions": seed.dimensions, "metric": seed.metric},
    find=lambda tx, seed: tx.embedding_models.find_by_name(seed.name),
    create=_create_model,
    fixed=True,
)
USER: Kind[UserSeed, User] = Kind(
    name="user",
    entity=User,
    key=lambda seed: seed.email,
    values=lambda seed: {"email": seed.email, "username": seed.username},
    find=_find_user,
    create=_create_user,
)
PROJECT: Kind[ProjectSeed, Project] = Kind(
    name="project",
    entity=Project,
    key=lambda seed: seed.slug,
    values=_project_values,
    find=lambda tx, seed: tx.projects.find_by_slug(seed.slug),
    create=_create_project,
)

"""Plays steps on a real database and compares everything with the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from uuid import UUID

from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.errors import DevMentorError, RoleRequired
from devmentor_models.kit.base import Base
from devmentor_models.security.declarations import Security, Visibility
from tests.support.access.attempt import Action, NothingThereError, Step
from tests.support.access.bare import BARE
from tests.support.access.documents import DOCUMENTS
from tests.support.access.items import ITEMS
from tests.support.access.model import VIEWS, Model
from tests.support.access.projects import PROJECTS
from tests.support.access.teams import TEAMS

ACTIONS: dict[str, Action] = {**PROJECTS, **ITEMS, **DOCUMENTS, **TEAMS, **BARE}

#: What there is before the first step: a project with a part of each kind, a document of it, and a team.
BEGINNING = (
    Step(0, "projects.create", choice=1),
    Step(0, "epics.create"),
    Step(0, "tasks.create", other=1),
    Step(0, "files.create"),
    Step(0, "documents.store", which=1),
    Step(0, "teams.create"),
)


class DisagreementError(AssertionError):
    """The database did something else than the model says."""


def play(databases: Mapping[str, Database], users: Sequence[UUID], steps: Sequence[Step]) -> None:
    """Play steps, one transaction each; in the end, compare all that everybody sees.

    Args:
        databases: By service, with its login.
        users: Three people who have nothing yet.
        steps: What they try, after `BEGINNING`.

    Raises:
        DisagreementError: The database and the model differ.
    """
    model = Model(users)
    for step in (*BEGINNING, *steps):
        _perform(databases, model, step)
    for who, me in enumerate(users):
        for service, database in databases.items():
            _compare(service, database, model, who, me)


def _perform(databases: Mapping[str, Database], model: Model, step: Step) -> None:
    me = model.users[step.who]
    try:
        attempt = ACTIONS[step.action](model, me, step)
    except NothingThereError:
        return
    service = Actor.service(attempt.service, on_behalf_of=me)
    try:
        # Half of the time the service acts for the user: that must not make a difference.
        with databases[attempt.service].begin(service if step.choice % 2 else Actor.user(me)) as tx:
            result = attempt.call(tx)
            answer = attempt.answer(result)
    except DevMentorError as error:
        role = f" {error.role}" if isinstance(error, RoleRequired) else ""
        outcome = f"{type(error).__name__}{role}"
        if outcome != attempt.refused:
            said = attempt.refused or "works"
            raise DisagreementError(f"{step}: {outcome}, the model says: {said}") from error
        return
    if attempt.refused:
        raise DisagreementError(f"{step}: works, the model says: {attempt.refused}")
    if answer != attempt.expected:
        raise DisagreementError(f"{step}: {answer!r}, the model says: {attempt.expected!r}")
    attempt.then(result)


def _compare(service: str, database: Database, model: Model, who: int, me: UUID) -> None:
    """Compare every row of every table that the service may read, through row security, without WHERE."""
    with database.begin(Actor.user(me), readonly=True) as tx:
        for table, statement in _statements(service):
            seen = Counter(tuple(row) for row in tx.session.execute(text(statement)))
            if table not in VIEWS:
                # Tables of their owner alone: the model knows nothing of them, and needs not.
                if strangers := seen.keys() - {(me,), (None,)}:
                    raise DisagreementError(f"{who} as {service} sees in {table} rows of {strangers}")
            elif seen != (expected := model.rows(table, me)):
                raise DisagreementError(
                    f"{who} as {service} sees in {table} {dict(seen - expected)} too much"
                    f" and {dict(expected - seen)} too little"
                )


@cache
def _statements(service: str) -> Sequence[tuple[str, str]]:
    """Return how to read the tables that a service may read, but for what is everybody's."""
    return tuple(_reads(service))


def _reads(service: str) -> Iterator[tuple[str, str]]:
    for mapper in sorted(Base.registry.mappers, key=lambda mapper: str(mapper.local_table)):
        security: Security = mapper.class_.__security__
        if security.policy.visibility is Visibility.EVERYONE or not any(
            privilege.startswith("SELECT")
            for grant in security.grants
            if grant.service.value == service
            for privilege in grant.privileges
        ):
            continue
        name = str(mapper.local_table)
        columns = VIEWS.get(name) or f"DISTINCT {security.policy.owner or 'user_id'}"
        yield name, f"SELECT {columns} FROM {name}"

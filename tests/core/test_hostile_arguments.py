# Generated from test_hostile_arguments_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Whatever a repository is called with, it raises errors of this library only, and none quotes a value.

The calls are made from the annotations of every method: a new one is covered the day it is written.
``HYPOTHESIS_PROFILE=thorough`` makes many more, and others in each run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import DevMentorError, InvalidValue, NotFound
from devmentor_models.testing.factories.ai import EmbeddingModelFactory
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.hostile import arguments, methods, quoted, repositories
from tests.support.hostile_rows import make_rows

pytestmark = pytest.mark.anyio

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
CALLS = 300 if THOROUGH else 8
FIRST = Random().randrange(2**40) if THOROUGH else 0  # noqa: S311 - no secret
REPOSITORIES = dict(repositories(Transaction))


class _EnoughError(Exception):
    """Ends a transaction that is to leave nothing behind."""


@pytest.fixture(scope="module")
def keys(database_url: str, devmentor_engine: Engine) -> Mapping[str, UUID]:
    """Return the keys of rows that calls can be about."""
    with Session(devmentor_engine) as session:
        me, other = (UserFactory.insert(session).id for _ in range(2))
        model = EmbeddingModelFactory.insert(session, dimensions=3).id
        session.commit()
    return {**make_rows(database_url, me, other), "model_id": model}


def test_there_are_calls() -> None:
    """The list is made by introspection, so something must be in it."""
    assert sum(len(methods(repository)) for repository in REPOSITORIES.values()) >= 179


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_a_call_raises_errors_of_ours_only(
    database: Database, keys: Mapping[str, UUID], repository: str
) -> None:
    """Made by users and by services, some in a transaction that is read-only."""
    me = keys["user_id"]
    actors = [Actor.user(me), Actor.user(me), Actor.service("auth"), Actor.service("memory")]
    failed: dict[str, BaseException | str] = {}
    for method in methods(REPOSITORIES[repository]):
        for seed in range(FIRST, FIRST + CALLS):
            random = Random(f"{method} {seed}")  # noqa: S311 - no secret
            values = arguments(getattr(REPOSITORIES[repository], method), keys, random)
            call = repository, method, random.choice(actors), random.random() < 0.2
            if problem := _problem(database, call, values):
                failed[f"{method} {seed}"] = problem
    assert failed == {}


def _problem(
    database: Database, call: tuple[str, str, Actor, bool], values: Mapping[str, Any]
) -> BaseException | str | None:
    """Make a call in a transaction of its own; return what it should not have raised or told."""
    repository, method, actor, readonly = call
    try:
        with database.begin(actor, readonly=readonly) as tx:
            getattr(getattr(tx, repository), method)(**values)
            raise _EnoughError  # noqa: TRY301 - nothing of the call is to stay
    except _EnoughError:
        return None
    except NotFound:
        return None  # it names what was asked for
    except DevMentorError as error:
        unnamed = isinstance(error, InvalidValue) and error.field in {"statement", "value"}
        return error if unnamed else quoted(error)
    except Exception as error:  # noqa: BLE001 - this is what there must not be
        return error

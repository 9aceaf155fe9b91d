"""Learners for the tests of the ``learning`` schema: committed, so that either flavour finds them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from devmentor_models import Actor
from devmentor_models.testing.factories.auth import UserFactory


def _new_user(engine: Engine) -> Actor:
    with Session(engine) as session:
        user_id = UserFactory.insert(session).id
        session.commit()
    return Actor.user(user_id)


@pytest.fixture
def learner(devmentor_engine: Engine) -> Actor:
    """Return a new user, whose learning the test is about."""
    return _new_user(devmentor_engine)


@pytest.fixture
def stranger(devmentor_engine: Engine) -> Actor:
    """Return another new user."""
    return _new_user(devmentor_engine)

"""Users for the tests of the ``projects`` schema: committed, so that either flavour finds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from devmentor_models.testing.factories.auth import UserFactory


def _new_user(engine: Engine) -> UUID:
    with Session(engine) as session:
        user_id = UserFactory.insert(session).id
        session.commit()
    return user_id


@pytest.fixture
def owner(devmentor_engine: Engine) -> UUID:
    """Return the id of a new user, who owns the test's projects."""
    return _new_user(devmentor_engine)


@pytest.fixture
def stranger(devmentor_engine: Engine) -> UUID:
    """Return the id of another new user."""
    return _new_user(devmentor_engine)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Yield a list that every statement of the test is added to, on whatever engine."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)

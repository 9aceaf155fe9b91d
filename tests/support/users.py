"""Rows that a test needs before it starts, made by whoever may do everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from devmentor_models.auth.models import User

T = TypeVar("T")

#: Commits a user; takes the values of `UserFactory`.
NewUser = Callable[..., User]


def committed(url: str, make: Callable[[Session], T]) -> T:
    """Run ``make`` in a session of its own, commit, and return its result."""
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session:
        made = make(session)
        session.commit()
    return made

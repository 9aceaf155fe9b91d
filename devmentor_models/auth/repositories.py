# Generated from repositories_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repositories of the ``auth`` schema."""

from __future__ import annotations

from uuid import UUID

from devmentor_models.auth import queries
from devmentor_models.auth.models import User
from devmentor_models.kit.repository import Repository


class UserRepository(Repository):
    """Accounts (requirements F1, F2, F9)."""

    def get(self, user_id: UUID) -> User:
        """Return a user.

        Raises:
            NotFound: No such user is visible.
        """
        return self._get(queries.USER_BY_ID, {"user_id": user_id}, entity="user", key=user_id)

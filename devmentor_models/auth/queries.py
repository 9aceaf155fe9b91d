"""Statements of the ``auth`` schema: values without a session, testable by compiling."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from devmentor_models.auth.models import User

# Built once: constructing a statement costs more than PostgreSQL takes to answer it.
USER_BY_ID = select(User).where(User.id == bindparam("user_id"))

"""Rows stay their owner's, and what a service purges for nobody is not changed before (Z1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.errors import PermissionDenied
from devmentor_models.kit.base import protected_tables
from devmentor_models.testing.factories.auth import UserSessionFactory
from tests.support.every_model import insert_rows_everywhere
from tests.support.users import NewUser, committed

OWNED = [
    (table.fullname, security.policy.owner)
    for table, security in protected_tables()
    if security.policy.owner and not security.append_only
]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_no_row_changes_its_owner(devmentor_session: Session) -> None:
    """Whoever asks, a superuser here; in every table whose rows may be changed at all."""
    insert_rows_everywhere(devmentor_session)
    assert len(OWNED) > 20
    for table, owner in OWNED:
        with devmentor_session.begin_nested() as savepoint:
            with pytest.raises(ProgrammingError, match=rf"{table}\w*, keep_owner: only the owner may"):
                devmentor_session.execute(text(f"UPDATE {table} SET {owner} = gen_random_uuid()"))
            savepoint.rollback()


@pytest.fixture
def expired(devmentor_url: str, new_user: NewUser) -> UUID:
    """Return a session that expired long ago, as whoever plants one for oneself."""
    planter = new_user()
    times = {"created_at": LONG_AGO, "expires_at": LONG_AGO + timedelta(days=1)}
    return committed(
        devmentor_url, lambda session: UserSessionFactory.insert(session, user_id=planter.id, **times).id
    )


@pytest.mark.parametrize(
    "change", ["user_id = :victim", "revoked_at = now()", "expires_at = expires_at + '9 years'"]
)
def test_a_chore_deletes_and_does_no_more(
    change: str, expired: UUID, devmentor_service_url: Callable[..., str], new_user: NewUser
) -> None:
    """A session planted for oneself cannot be moved to a victim, nor be prolonged, once it has expired."""
    with Database.from_url(devmentor_service_url("auth"), pool_min=0, pool_max=1) as database:
        with (
            pytest.raises(PermissionDenied),
            database.begin(Actor.service("auth")) as tx,
        ):
            change_it = text(f"UPDATE auth.user_sessions SET {change} WHERE id = :id")
            tx.session.execute(change_it, {"id": expired, "victim": new_user().id})
        with database.begin(Actor.service("auth")) as tx:
            assert tx.sessions.purge_expired() > 0

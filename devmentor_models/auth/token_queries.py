"""Statements about sessions and single-use tokens (requirements F2, F3).

What ends or renews the sessions of a user first takes one advisory lock per user, in a statement of its
own: a statement that waits for a lock goes on with a snapshot from before the wait, and would not see the
successor token that the other side made meanwhile (trap 16). Opening a session takes no such lock; it locks
the user's row FOR SHARE, which waits for a deactivation or change of password in flight.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Delete,
    Interval,
    Select,
    Table,
    Text,
    Update,
    Uuid,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import contains_eager
from sqlalchemy.sql.dml import ReturningUpdate

from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import EmailVerification, PasswordReset, User, UserSession
from devmentor_models.auth.queries import USERS, audit_line, parameter
from devmentor_models.kit.batches import delete_batch

SESSIONS = cast("Table", UserSession.__table__)
RESETS = cast("Table", PasswordReset.__table__)
VERIFICATIONS = cast("Table", EmailVerification.__table__)

_USER = parameter(USERS.c.id, "user_id")
_EXPIRY = func.now() + bindparam("p_lifetime", type_=Interval())
_IS_ACTIVE = exists().where(USERS.c.id == SESSIONS.c.user_id, USERS.c.is_active).correlate(SESSIONS)
_IS_LIVE = (
    SESSIONS.c.rotated_at.is_(None) & SESSIONS.c.revoked_at.is_(None) & (SESSIONS.c.expires_at > func.now())
)


def _digest(table: Table) -> ColumnElement[Any]:
    return parameter(table.c.token_hash)


def _lock(user_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.pg_advisory_xact_lock(func.hashtextextended(func.concat("auth.sessions:", user_id), 0))


LOCK_SESSIONS = select(_lock(_USER))


#: Whose token it is; from then on the transaction acts for that user. It takes the same lock, except for a
#: ``live_session``, which is only read. NULL for a token of nobody, or of another than the acting user.
IDENTIFY = select(func.auth.identify(bindparam("p_kind", type_=Text()), _digest(SESSIONS)))


def _open_session(source: CTE, family_id: ColumnElement[Any], event: AuditEvent) -> Select[Any]:
    """Insert a session for the user that ``source`` returns, and its audit line."""
    opened = (
        insert(SESSIONS)
        .from_select(
            ["id", "user_id", "family_id", "token_hash", "expires_at", "ip_address", "user_agent"],
            select(
                parameter(SESSIONS.c.id, "session_id"),
                source.c.user_id,
                family_id,
                parameter(SESSIONS.c.token_hash, "new_hash"),
                _EXPIRY,
                parameter(SESSIONS.c.ip_address),
                parameter(SESSIONS.c.user_agent),
            ),
            include_defaults=False,
        )
        .returning(SESSIONS.c.id, SESSIONS.c.user_id, SESSIONS.c.family_id, SESSIONS.c.expires_at)
        .cte("opened")
    )
    return select(opened).add_cte(audit_line(event, opened, opened.c.user_id))


def _active_user() -> CTE:
    verified = parameter(USERS.c.password_hash)
    locked = select(USERS.c.id.label("user_id")).where(
        USERS.c.id == _USER, USERS.c.is_active, verified.is_(None) | (USERS.c.password_hash == verified)
    )
    return locked.with_for_update(read=True).cte("account")


#: The hot statement of a login: checks the account, inserts the session, logs the event.
OPEN_SESSION = _open_session(_active_user(), parameter(SESSIONS.c.family_id, "session_id"), AuditEvent.LOGIN)


def _rotate() -> Select[Any]:
    spent = (
        update(SESSIONS)
        .where(SESSIONS.c.token_hash == _digest(SESSIONS), _IS_LIVE, _IS_ACTIVE)
        .values(rotated_at=func.now())
        .returning(SESSIONS.c.user_id, SESSIONS.c.family_id)
        .cte("spent")
    )
    return _open_session(spent, spent.c.family_id, AuditEvent.SESSION_REFRESHED)


#: Spends a live token and mints its successor; no row when the token is not live (trap 15).
ROTATE_SESSION = _rotate()


def _revoke(condition: ColumnElement[bool], event: AuditEvent) -> Select[Any]:
    """Revoke the unspent tokens of a condition; log one line, and return their number, if there were any.

    An expired token is revoked too: a rotation that waits for the lock may have begun before the expiry.
    """
    revoked = (
        update(SESSIONS)
        .where(condition, SESSIONS.c.rotated_at.is_(None), SESSIONS.c.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(SESSIONS.c.user_id)
        .cte("revoked")
    )
    ended = select(revoked.c.user_id, func.count().label("number")).group_by(revoked.c.user_id).cte("ended")
    return select(ended.c.number).add_cte(audit_line(event, ended, ended.c.user_id))


_PRESENTED = SESSIONS.alias("presented")
_OWN = SESSIONS.c.user_id == _USER

REVOKE_BY_TOKEN = _revoke(
    SESSIONS.c.family_id.in_(
        select(_PRESENTED.c.family_id).where(_PRESENTED.c.token_hash == _digest(SESSIONS))
    ),
    AuditEvent.LOGOUT,
)
REVOKE_BY_ID = _revoke(
    _OWN
    & SESSIONS.c.family_id.in_(
        select(_PRESENTED.c.family_id).where(
            _PRESENTED.c.user_id == _USER,
            _PRESENTED.c.id == parameter(SESSIONS.c.id, "session_id"),
        )
    ),
    AuditEvent.SESSION_REVOKED,
)
REVOKE_ALL = _revoke(_OWN, AuditEvent.SESSION_REVOKED)


def _revoke_reused() -> Select[Any]:
    presented = (
        select(SESSIONS.c.user_id, SESSIONS.c.family_id)
        .where(SESSIONS.c.token_hash == _digest(SESSIONS), SESSIONS.c.rotated_at.is_not(None))
        .cte("reused")
    )
    revoked = (
        update(SESSIONS)
        .where(SESSIONS.c.family_id.in_(select(presented.c.family_id)), SESSIONS.c.revoked_at.is_(None))
        .where(SESSIONS.c.rotated_at.is_(None))
        .values(revoked_at=func.now())
        .cte("revoked")
    )
    logged = audit_line(AuditEvent.TOKEN_REUSED, presented, presented.c.user_id)
    return select(presented.c.family_id).add_cte(revoked, logged)


#: Ends the family of a token that was spent before; no row when the token is unknown or was never spent.
REVOKE_REUSED = _revoke_reused()

FIND_ACTIVE = (
    select(UserSession)
    .join(UserSession.user)
    .options(contains_eager(UserSession.user))
    .where(UserSession.token_hash == _digest(SESSIONS), _IS_LIVE, User.is_active)
    .execution_options(populate_existing=True)
)


def active_sessions(user_id: object) -> Select[UserSession]:
    """Select the live sessions of a user: one row per device that is logged in."""
    return select(UserSession).where(UserSession.user_id == user_id, _IS_LIVE)


def _purge(model: type[UserSession | PasswordReset | EmailVerification]) -> Delete:
    """Delete at most ``batch`` rows that expired more than ``kept`` ago."""
    outdated = model.expires_at < func.now() - bindparam("p_kept", type_=Interval())
    return delete_batch(model, outdated, oldest_by=model.expires_at)


PURGE_SESSIONS = _purge(UserSession)
PURGE_RESETS = _purge(PasswordReset)
PURGE_VERIFICATIONS = _purge(EmailVerification)


def _issue(table: Table, event: AuditEvent | None) -> Select[Any]:
    """Insert a single-use token for an active user, for the address that is given or the present one."""
    account = select(USERS.c.id, USERS.c.email).where(USERS.c.id == _USER, USERS.c.is_active).cte("account")
    values: dict[str, ColumnElement[Any]] = {
        "id": parameter(table.c.id, "row_id"),
        "user_id": account.c.id,
        "token_hash": _digest(table),
        "expires_at": _EXPIRY,
    }
    if "email" in table.c:
        values["email"] = func.coalesce(parameter(table.c.email), account.c.email)
    issued = (
        insert(table)
        .from_select(list(values), select(*values.values()), include_defaults=False)
        .returning(table.c.user_id, table.c.expires_at)
        .cte("issued")
    )
    statement = select(issued)
    return statement.add_cte(audit_line(event, issued, issued.c.user_id)) if event else statement


ISSUE_RESET = _issue(RESETS, AuditEvent.PASSWORD_RESET_REQUESTED)
ISSUE_VERIFICATION = _issue(VERIFICATIONS, None)


def _void(table: Table) -> Update:
    unused = update(table).where(table.c.user_id == _USER, table.c.used_at.is_(None))
    return unused.values(used_at=func.now())


#: Everything else that was mailed to the user is void once one reset was used.
VOID_RESETS = _void(RESETS)
#: What was mailed before another address was asked for is void.
VOID_VERIFICATIONS = _void(VERIFICATIONS)

USE_RESET = (
    update(RESETS)
    .where(
        RESETS.c.token_hash == _digest(RESETS),
        RESETS.c.used_at.is_(None),
        RESETS.c.expires_at > func.now(),
    )
    .values(used_at=func.now())
    .returning(RESETS.c.user_id)
)

#: Gives the user the address that a token proves, once; from then on the transaction acts for that user.
CONFIRM_EMAIL = select(
    literal_column("confirmed_id", Uuid()), literal_column("is_new", Boolean())
).select_from(func.auth.confirm_email(_digest(VERIFICATIONS)))


def _change_user(**values: Any) -> ReturningUpdate[User]:
    """Change an active user and return the entity as it is now."""
    changed = update(User).where(User.id == _USER, User.is_active).values(**values).returning(User)
    return changed.execution_options(populate_existing=True, synchronize_session=False)


SET_PASSWORD = _change_user(password_hash=parameter(USERS.c.password_hash))

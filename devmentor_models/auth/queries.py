"""Statements of the ``auth`` schema: values without a session, testable by compiling.

They are built once: constructing a statement costs more than PostgreSQL takes to answer it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    CTE,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Enum,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry, User, UserKey
from devmentor_models.kit.base import Base
from devmentor_models.kit.provenance import constant
from devmentor_models.kit.types import Timestamp

# The tables behind the classes: Core statements skip the ORM's compilation and loading.
USERS = cast("Table", User.__table__)
AUDIT = cast("Table", AuditEntry.__table__)

T = TypeVar("T")

#: What an administrator is shown of an account.
ACCOUNT_COLUMNS = (
    "id",
    "email",
    "username",
    "role",
    "is_active",
    "email_verified_at",
    "last_login_at",
    "created_at",
)

#: Parameters that say who acts; the repositories' base fills them.
ACTOR_PARAMETERS = ("actor_id", "actor_name", "request_id", "ip_address", "user_agent")


def parameter(column: Column[T], name: str | None = None) -> BindParameter[T]:
    """Return the parameter ``p_<column>`` (or ``p_<name>``) with the column's type, and so with its checks.

    The prefix matters: a parameter named like a column of an INSERT or UPDATE within a CTE would make
    SQLAlchemy write that column.
    """
    return bindparam(f"p_{name or column.name}", type_=column.type)


def parameters(**values: Any) -> dict[str, Any]:
    """Return values for parameters made by `parameter`."""
    return {f"p_{name}": value for name, value in values.items()}


def audit_line(
    event: AuditEvent, source: FromClause, user_id: ColumnElement[Any], *, name: str = "logged"
) -> CTE:
    """Return the insert of one audit line per row of ``source``, for use within a larger statement.

    Attach it with ``add_cte``; PostgreSQL runs it although nothing reads from it.
    """
    columns = ["created_at", "event", "user_id", *ACTOR_PARAMETERS]
    values: list[ColumnElement[Any]] = [
        func.now(),
        literal(event, AUDIT.c.event.type),
        user_id,
        *(parameter(AUDIT.c[key]) for key in ACTOR_PARAMETERS),
    ]
    lines = select(*values).select_from(source)
    return insert(AUDIT).from_select(columns, lines, include_defaults=False).cte(name)


# Users

USER_BY_ID = select(User).where(User.id == parameter(USERS.c.id, "user_id"))
#: The user as the row is now, also where the session has loaded it before.
USER_BY_ID_AS_IS = USER_BY_ID.execution_options(populate_existing=True)

FIND_USER_ID = select(func.auth.find_user_id(parameter(USERS.c.username)))
USERNAMES = select(literal_column("id", Uuid()), literal_column("username", Text())).select_from(
    func.auth.usernames(bindparam("p_ids", type_=ARRAY(Uuid())))
)

# No entity: its loading and decrypting would make an account that exists take longer than one that does not.
CREDENTIALS_BY_EMAIL = select(
    literal_column("user_id", Uuid()),
    literal_column("password_hash", Text()),
    literal_column("is_active", Boolean()),
).select_from(func.auth.credentials(parameter(USERS.c.email)))

#: Makes the account; from then on the transaction acts for its user.
REGISTER = select(
    func.auth.register(
        *(parameter(USERS.c[name]) for name in ("id", "email", "username", "password_hash", "metadata"))
    )
)

# FOR NO KEY UPDATE: rows that refer to the user can still be inserted meanwhile.
USER_FOR_UPDATE = USER_BY_ID.with_for_update(key_share=True).execution_options(populate_existing=True)

# At most one write per user and hour: the row is hot, and each write counts its version up.
RECORD_LOGIN = (
    update(USERS)
    .where(
        USERS.c.id == parameter(USERS.c.id, "user_id"),
        USERS.c.last_login_at.is_(None)
        | (USERS.c.last_login_at < func.now() - constant("interval '1 hour'")),
    )
    .values(last_login_at=func.now())
    .returning(USERS.c.id)
)

#: The same password in a newer hash. No row when the hash is another one by now.
RENEW_HASH = (
    update(USERS)
    .where(
        USERS.c.id == parameter(USERS.c.id, "user_id"),
        USERS.c.is_active,
        USERS.c.password_hash == parameter(USERS.c.password_hash, "old_hash"),
    )
    .values(password_hash=parameter(USERS.c.password_hash, "new_hash"))
    .returning(USERS.c.id)
)


ACCOUNTS = select(*(literal_column(name, USERS.c[name].type) for name in ACCOUNT_COLUMNS)).select_from(
    func.auth.accounts(
        parameter(USERS.c.role),
        parameter(USERS.c.is_active),
        parameter(USERS.c.id, "before"),
        bindparam("p_limit", type_=Integer()),
    )
)

#: The role that the account had, NULL where there is none.
CHANGE_ROLE = select(
    func.auth.change_role(parameter(USERS.c.id, "user_id"), parameter(USERS.c.role), type_=USERS.c.role.type)
)

#: Rows of others that name the acting user, each with its place.
MENTIONS = select(
    literal_column("place", Text()), literal_column("mention", AUDIT.c.details.type)
).select_from(func.auth.mentions())


# Audit trail

#: Written by triggers; everything else is a security event.
ROW_CHANGES = (AuditEvent.INSERT, AuditEvent.UPDATE, AuditEvent.DELETE)
#: As in the index of security events, which PostgreSQL only takes where it sees the same constants.
IS_SECURITY_EVENT = constant("auth.audit_log.event NOT IN ('insert', 'update', 'delete')")

RECORD_EVENT = insert(AUDIT).inline().values(created_at=func.now())

#: A failed login by address; the line names the user if there is one, and never quotes what was typed.
RECORD_LOGIN_FAILED = select(
    func.auth.record_login_failure(
        parameter(USERS.c.email),
        *(parameter(AUDIT.c[name]) for name in ("details", "request_id", "ip_address", "user_agent")),
    )
)


def audit_lines(user_id: object, events: Sequence[AuditEvent] | None) -> Select[AuditEntry]:
    """Select the lines that concern a user: certain events, or all but changes of rows."""
    statement = select(AuditEntry).where(AuditEntry.user_id == user_id)
    if events is None:
        return statement.where(IS_SECURITY_EVENT)
    return statement.where(AuditEntry.event.in_(events))


def row_changes(user_id: object, table_name: str | None, row_id: object | None) -> Select[AuditEntry]:
    """Select the lines of changed rows of a user, of all of them, of a table, or of one row."""
    statement = select(AuditEntry).where(AuditEntry.user_id == user_id, AuditEntry.event.in_(ROW_CHANGES))
    if table_name is not None:
        statement = statement.where(AuditEntry.table_name == table_name)
    return statement if row_id is None else statement.where(AuditEntry.row_id == row_id)


#: Only once the user's row is gone: the function makes sure of it.
ANONYMISE_TRAIL = select(func.auth.anonymise_trail(parameter(USERS.c.id, "user_id")))

# Personal data

# FOR UPDATE: until the user is deleted, no row that refers to the user can be added.
USER_KEY = select(UserKey.wrapped_key).where(UserKey.user_id == parameter(USERS.c.id, "user_id"))
USER_FOR_DELETION = USER_BY_ID.with_for_update().execution_options(populate_existing=True)


def user_columns(table: Table) -> list[str]:
    """Name the columns that hold a user's id: ``user_id``, ``actor_id``, references to ``auth.users``."""
    if table is USERS:
        return ["id"]
    found = [name for name in ("user_id", "actor_id") if name in table.c]
    for constraint in sorted(table.foreign_key_constraints, key=lambda item: list(item.column_keys)):
        if constraint.referred_table is USERS and constraint.column_keys[0] not in found:
            found.append(constraint.column_keys[0])
    return found


def tables_with_users() -> list[Table]:
    """Return every table that holds something of a user, in the order of their names."""
    tables = sorted(Base.metadata.tables.values(), key=lambda table: table.fullname)
    return [table for table in tables if user_columns(table)]


def mention_columns() -> list[tuple[Table, str, list[Column[Any]]]]:
    """Return where rows of others name a user: table, column, and what of the row the user is given.

    Keys, times and closed sets only: the texts are someone else's.
    """
    return [
        (table, name, [column for column in table.c if isinstance(column.type, Uuid | Enum | Timestamp)])
        for table in tables_with_users()
        for name in user_columns(table)
        if name not in ("id", "user_id")
    ]

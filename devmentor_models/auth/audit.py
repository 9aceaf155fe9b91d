# Generated from audit_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""The audit trail (requirement S2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from devmentor_models.auth import queries
from devmentor_models.auth.base import AuthRepository
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import AuditEntry
from devmentor_models.errors import InvalidValue
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Count, Page
from devmentor_models.security.actor import IpAddress


class AuditLogRepository(AuthRepository):
    """Security events and changes of rows: written together with what they report, never changed."""

    def record(
        self,
        event: AuditEvent,
        *,
        user_id: UUID | None = None,
        details: Mapping[str, Any] | None = None,
        table_name: str | None = None,
        row_id: UUID | None = None,
        ip_address: IpAddress | str | None = None,
        user_agent: str | None = None,
    ) -> None:
        """Write a line in this transaction; needs no right to read the trail.

        The other repositories log their own events. A line that must outlast an error, such as a failed
        login, needs a transaction that commits.

        Args:
            event: What happened; not that a row changed or a user was erased, which the
                database records itself.
            user_id: Whom it concerns; nobody in particular when left out.
            details: What else is known; no secrets.
            table_name: ``schema.table`` of the row that changed, if any.
            row_id: Key of that row.
            ip_address: The client's address; the actor's when left out.
            user_agent: The client's software; the actor's when left out.

        Raises:
            InvalidValue: A value cannot be stored, or the event is one that only the database records.
        """
        if event in {*queries.ROW_CHANGES, AuditEvent.ERASED}:
            raise InvalidValue("event", "changes of rows and erasures are recorded by the database itself")
        line = {
            "details": dict(details or {}),
            "table_name": table_name,
            "row_id": row_id,
            "ip_address": ip_address,
            "user_agent": user_agent,
        }
        self._log(event, user_id, **line)

    def timeline(
        self,
        user_id: UUID | None = None,
        *,
        events: Sequence[AuditEvent] | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[AuditEntry]:
        """Return a page of the security events that concern a user, the newest first.

        Args:
            user_id: Whom; the actor when left out.
            events: Only these; every event but changes of rows when left out.
            cursor: Where the page before ended.
            limit: Lines on the page, 1 to 500.
        """
        statement = queries.audit_lines(self._subject(user_id), events)
        keys = [AuditEntry.created_at, AuditEntry.id]
        return self._page(statement, keys, cursor=cursor, limit=limit)

    def changes(
        self,
        user_id: UUID | None = None,
        *,
        table_name: str | None = None,
        row_id: UUID | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[AuditEntry]:
        """Return a page of the changes of a user's rows, by whomever, the newest first (Z4).

        ``details`` has the changed columns only, as ``old`` and ``new``; what is secret or encrypted shows
        as ``[redacted]``.

        Args:
            user_id: Whose rows; the actor's when left out.
            table_name: Only of this table, ``schema.table``.
            row_id: Only of this row.
            cursor: Where the page before ended.
            limit: Lines on the page, 1 to 500.
        """
        statement = queries.row_changes(self._subject(user_id), table_name, row_id)
        keys = [AuditEntry.created_at, AuditEntry.id]
        return self._page(statement, keys, cursor=cursor, limit=limit)

    def count_recent(
        self, event: AuditEvent, *, user_id: UUID | None = None, within: timedelta, up_to: int = 100
    ) -> Count:
        """Count a user's events of the last while, such as failed logins before the next attempt."""
        since = datetime.now(UTC) - within
        statement = queries.audit_lines(self._subject(user_id), [event]).where(AuditEntry.created_at > since)
        return self._count(statement, up_to)

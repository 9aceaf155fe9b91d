"""The audit trail (S2)."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.auth.enums import AuditEvent
from devmentor_models.errors import InvalidValue

pytestmark = pytest.mark.anyio


async def test_a_line_says_who_did_what_from_where(async_database: AsyncDatabase) -> None:
    """The context comes from the actor, unless the call gives another."""
    user_id, row_id = uuid4(), uuid4()
    actor = Actor.service(
        "auth", on_behalf_of=user_id, request_id="r", ip_address="192.0.2.1", user_agent="cli"
    )
    async with async_database.begin(actor) as tx:
        await tx.audit_log.record(AuditEvent.LOGOUT, user_id=user_id)
        await tx.audit_log.record(
            AuditEvent.PASSWORD_CHANGED,
            user_id=user_id,
            details={"field": "name"},
            table_name="auth.teams",
            row_id=row_id,
            ip_address="2001:db8::1",
            user_agent="app",
        )
    async with async_database.begin(Actor.user(user_id)) as tx:
        events = [AuditEvent.LOGOUT, AuditEvent.PASSWORD_CHANGED]
        lines = {line.event: line for line in (await tx.audit_log.timeline(events=events)).items}
    plain, full = lines[AuditEvent.LOGOUT], lines[AuditEvent.PASSWORD_CHANGED]
    assert (plain.actor_id, plain.actor_name, plain.request_id) == (user_id, "auth", "r")
    assert (plain.ip_address, plain.user_agent, plain.details) == (ip_address("192.0.2.1"), "cli", {})
    assert (full.table_name, full.row_id, full.details) == ("auth.teams", row_id, {"field": "name"})
    assert (full.ip_address, full.user_agent) == (ip_address("2001:db8::1"), "app")


async def test_lines_that_cannot_be_stored_are_refused(async_database: AsyncDatabase) -> None:
    """Before anything is written."""
    user_id = uuid4()
    async with async_database.begin(Actor.service("auth", on_behalf_of=user_id)) as tx:
        for bad in ({"x": float("inf")}, {"x": "\x00"}, {"x": object()}):
            with pytest.raises(InvalidValue, match="details"):
                await tx.audit_log.record(AuditEvent.LOGIN, user_id=user_id, details=bad)
        with pytest.raises(
            InvalidValue, match="event"
        ):  # or an erasure could be proven by what did not happen
            await tx.audit_log.record(AuditEvent.DELETE, user_id=user_id, table_name="auth.users")
        with pytest.raises(InvalidValue, match="table_name"):
            await tx.audit_log.record(AuditEvent.LOGIN, user_id=user_id, table_name="x" * 128)
        assert (await tx.audit_log.timeline(user_id)).items == []


async def test_the_timeline_pages_while_lines_are_added(async_database: AsyncDatabase) -> None:
    """The newest first, each of the first ones exactly once, whatever is added meanwhile."""
    user_id = uuid4()
    auth = Actor.service("auth", on_behalf_of=user_id)
    for _ in range(7):
        async with async_database.begin(auth) as tx:
            await tx.audit_log.record(AuditEvent.LOGIN, user_id=user_id)
    async with async_database.begin(auth) as tx:
        expected = [line.id for line in (await tx.audit_log.timeline(user_id)).items]
    seen: list[UUID] = []
    cursor = None
    while True:
        async with async_database.begin(auth) as tx:
            page = await tx.audit_log.timeline(user_id, cursor=cursor, limit=3)
            await tx.audit_log.record(AuditEvent.LOGIN, user_id=user_id)
        seen += [line.id for line in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == expected
    assert len(seen) == 7


async def test_lines_are_filtered_and_counted_by_event(async_database: AsyncDatabase) -> None:
    """A count reads no more lines than it was asked to."""
    user_id = uuid4()
    async with async_database.begin(Actor.user(user_id)) as tx:
        for _ in range(3):
            await tx.audit_log.record(AuditEvent.LOGIN, user_id=user_id)
        await tx.audit_log.record(AuditEvent.LOGOUT, user_id=user_id)
        (line,) = (await tx.audit_log.timeline(events=[AuditEvent.LOGOUT])).items
        assert line.event is AuditEvent.LOGOUT
        assert (await tx.audit_log.timeline(events=[])).items == []
        hour = timedelta(hours=1)
        some = await tx.audit_log.count_recent(AuditEvent.LOGIN, within=hour, up_to=2)
        every = await tx.audit_log.count_recent(AuditEvent.LOGIN, within=hour)
        none = await tx.audit_log.count_recent(AuditEvent.ERASED, within=hour)
    assert (some.value, some.capped) == (2, True)
    assert (every.value, every.capped) == (3, False)
    assert (none.value, none.capped) == (0, False)

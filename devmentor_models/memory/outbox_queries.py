"""Statements of the queue towards the vector mirror, and of what the mirror is to have."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    REAL,
    Boolean,
    Executable,
    Integer,
    Interval,
    Select,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)

from devmentor_models.kit.base import table_named
from devmentor_models.kit.provenance import constant
from devmentor_models.kit.types import Json
from devmentor_models.memory.models import OutboxEntry

_USER = bindparam("tenant_id", type_=Uuid())
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_COLLECTION = bindparam("collection", type_=OutboxEntry.collection.type)


def _due(*, one_tenant: bool) -> Select[Any]:
    due = select(OutboxEntry.id).where(OutboxEntry.available_at <= func.now())
    if one_tenant:
        due = due.where(OutboxEntry.user_id == _USER)
    return (
        due.order_by(OutboxEntry.available_at, OutboxEntry.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )


@cache
def claim(*, one_tenant: bool) -> Executable:
    """Return an UPDATE that leases up to ``:limit`` due entries for ``:lease`` and returns them.

    A claimed entry becomes due again when its lease ends, so what a crashed worker held is not lost.
    """
    # Materialized: a plain subquery may be evaluated again per row, and then locks more than the limit.
    due = _due(one_tenant=one_tenant).cte("due").prefix_with("MATERIALIZED")
    return (
        update(OutboxEntry)
        .where(OutboxEntry.id == due.c.id)
        .values(
            attempts=OutboxEntry.attempts + 1,
            claimed_at=func.clock_timestamp(),
            available_at=func.clock_timestamp() + bindparam("lease", type_=Interval()),
        )
        .returning(OutboxEntry)
    )


ACKNOWLEDGE: Executable = delete(OutboxEntry).where(OutboxEntry.id == any_(_IDS)).returning(OutboxEntry.id)
FAIL: Executable = (
    update(OutboxEntry)
    .where(OutboxEntry.id == any_(_IDS))
    .values(
        last_error=bindparam("error", type_=OutboxEntry.last_error.type),
        claimed_at=None,
        # 2 seconds, then twice as long each time, an hour at most (2^12 s is more than that); of that a
        # random half to whole, so that what failed together does not come back together.
        available_at=func.clock_timestamp()
        + func.least(func.power(2, func.least(OutboxEntry.attempts, 12)), 3600)
        * ((1 + func.random()) / 2)
        * constant("interval '1 second'"),
    )
    .returning(OutboxEntry.id)
)
WAITING = select(OutboxEntry.id)

#: Of entries that are given by id: the state of their points; see `outbox_functions`.
STATES: Executable = select(
    literal_column("entry_id", Uuid()),
    literal_column("payload", Json()),
    literal_column("embedding", ARRAY(REAL())),
).select_from(func.memory.outbox_states(_IDS, bindparam("vectors", type_=Boolean())))
POINTS: Executable = select(
    literal_column("point_id", Uuid()), literal_column("payload", Json())
).select_from(
    func.memory.mirrored_points(
        _COLLECTION,
        bindparam("after", type_=Uuid()),
        bindparam("limit", type_=Integer()),
    )
)
QUEUE: Executable = select(func.memory.queue_points(_COLLECTION, _IDS))


@cache
def mirrored_models() -> Executable:
    """Return the models that are mirrored, inactive ones too: their vectors are still searched."""
    models = table_named("ai.embedding_models")
    columns = ("id", "name", "dimensions", "metric", "qdrant_collection")
    return (
        select(*(models.c[column] for column in columns))
        .where(models.c.qdrant_collection.is_not(None))
        .order_by(models.c.name)
    )

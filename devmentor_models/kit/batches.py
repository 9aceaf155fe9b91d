"""Deletions in bounded batches, so that no clean-up holds locks, or a snapshot, for long."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Delete, bindparam, delete, select
from sqlalchemy.orm import InstrumentedAttribute

from devmentor_models.kit.base import Record

#: Rows that one call may delete at most.
MAX_BATCH = 10_000


def delete_batch(
    model: type[Record], *conditions: ColumnElement[bool], oldest_by: InstrumentedAttribute[Any]
) -> Delete:
    """Return a DELETE of up to ``:batch`` rows that meet the conditions, the oldest first.

    SKIP LOCKED: clean-ups that run at once share the work instead of waiting for each other. The rows are
    chosen in a CTE, which is evaluated once; a subquery with LIMIT might be evaluated again, and delete more.

    Args:
        model: Whose rows to delete.
        *conditions: Which of them.
        oldest_by: The column that tells how old a row is.
    """
    chosen = (
        select(model.id)
        .where(*conditions)
        .order_by(oldest_by)
        .limit(bindparam("batch"))
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    return delete(model).where(model.id == chosen.c.id).execution_options(synchronize_session=False)

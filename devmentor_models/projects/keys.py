"""Foreign keys within the ``projects`` schema."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint


def child_fk(column: str, target: str, *, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """Return the key that ties a row to a parent of the same tenant *and* the same project.

    Args:
        column: The child's column with the parent's id.
        target: The parent table, ``schema.table``; it has a unique (user_id, project_id, id).
        ondelete: ``CASCADE``, or ``SET NULL (column)`` where the child outlives its parent.
    """
    return ForeignKeyConstraint(
        ["user_id", "project_id", column],
        [f"{target}.user_id", f"{target}.project_id", f"{target}.id"],
        ondelete=ondelete,
    )

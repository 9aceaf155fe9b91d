"""Rows stay their owner's: nobody takes one, or gives one away (Z1).

Row security alone would let editors write their own id into a row that they may change: both the old row and
the new one are theirs to change. What is nobody's, such as a template of the catalogue, stays nobody's.
"""

from __future__ import annotations

from devmentor_models.kit.base import Base, protected_tables
from devmentor_models.kit.objects import declare, function, trigger
from devmentor_models.security.roles import OWNER

_REFUSE = """
CREATE FUNCTION devmentor.keep_owner() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RAISE insufficient_privilege USING
        MESSAGE = format('%s.%s, %s: only the owner may', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_NAME);
END
$fn$
"""


def anothers(table: str) -> str:
    """Return the condition of a trigger that the row is not of who acts, whom a statement cannot change.

    An administrator, whom row security does not bind, may change every row.
    """
    return f"NEW.user_id IS DISTINCT FROM devmentor.user_id() AND row_security_active('{table}')"


def declare_ownership() -> None:
    """Declare the function, and the trigger of every table whose rows have an owner and may be changed."""
    declare(Base.metadata, function(_REFUSE, comment="Refuses to change what is the owner's alone"))
    for table, security in protected_tables():
        if security.policy.owner and not security.append_only:
            keep(table.fullname, "keep_owner", (security.policy.owner,))


def keep(table: str, name: str, columns: tuple[str, ...], *, when: str = "") -> None:
    """Declare that some columns of a table do not change; cascades, which run as the tables' owner, may.

    Args:
        table: ``schema.table``.
        name: The trigger's name.
        columns: The columns.
        when: Condition on OLD and NEW; in any case when empty.
    """
    old, new = (f"({', '.join(f'{row}.{column}' for column in columns)})" for row in ("OLD", "NEW"))
    condition = f"{old} IS DISTINCT FROM {new} AND current_user <> '{OWNER.name}'"
    declare(
        Base.metadata,
        trigger(
            name,
            table,
            f"BEFORE UPDATE OF {', '.join(columns)}",
            "devmentor.keep_owner()",
            when=f"{condition} AND {when}" if when else condition,
        ),
    )

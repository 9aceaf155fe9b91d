"""Tables whose rows never change: the database refuses, whoever asks (DESIGN §4; S2, Z4).

The owner alone is let through: its functions erase people from the trail, and cascades of foreign keys run as
the owner of the table. A superuser who really means it says ``SET ROLE devmentor_owner`` first.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base, protected_tables
from devmentor_models.kit.objects import Statement, declare, function, trigger
from devmentor_models.security.roles import OWNER

_REFUSE_CHANGE = """
CREATE FUNCTION devmentor.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RAISE insufficient_privilege USING
        MESSAGE = format('%s.%s is append-only: %s refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP),
        HINT = 'Write another row that says what is different now.';
END
$fn$
"""

#: Who is refused. In the trigger's condition, so that a cascade does not call the function for each row.
OTHERS = f"current_user <> '{OWNER.name}'"


def declare_append_only() -> None:
    """Declare the function and the triggers of every append-only table.

    PostgreSQL copies triggers of rows to partitions, but not those of TRUNCATE: ``ensure_partitions`` does.
    """
    declare(Base.metadata, function(_REFUSE_CHANGE, comment="Refuses to change an append-only table"))
    for table, security in protected_tables():
        if security.append_only:
            declare(Base.metadata, *_triggers(table))


def _triggers(table: Table) -> Iterator[Statement]:
    called = f"{TECHNICAL_SCHEMA}.refuse_change()"
    yield trigger("append_only", table.fullname, "BEFORE UPDATE OR DELETE", called, when=OTHERS)
    yield trigger(
        "append_only_truncate", table.fullname, "BEFORE TRUNCATE", called, each="STATEMENT", when=OTHERS
    )

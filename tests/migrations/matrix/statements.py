"""Cases that differ in declared SQL statements alone."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from sqlalchemy import Column, Integer, MetaData

from devmentor_models.kit.objects import Declared, declare, statement
from devmentor_models.security.roles import Role
from tests.migrations.matrix.case import case, table

#: Roles are the whole server's: these names are this process's own.
PREFIX = f"matrix_{uuid4().hex[:8]}_"
READER, WRITER = f"{PREFIX}reader", f"{PREFIX}writer"

Declarations = Iterable[Declared | str]

#: A function as early as its name: needed by defaults and checks, and by triggers anyway.
TOUCH = """CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := 'touched';
    RETURN NEW;
END $$"""


def roles(*names: str) -> list[Role]:
    """Return plain roles of these names."""
    return [Role(name, "") for name in names]


def swap(
    group: str,
    name: str,
    before: Declarations = (),
    after: Declarations = (),
    *,
    always: Declarations = (),
    rows: str | None = None,
    kept: str | None = None,
    upgraded: tuple[str, object] | None = None,
) -> None:
    """Register a case about the table ``app.t (id, name, n)``, in which SQL changes."""

    @case(group, name, rows=rows, kept=kept, upgraded=upgraded)
    def _(metadata: MetaData, new: bool) -> None:
        table(metadata, "t", Column("n", Integer))
        for declared in [*always, *(after if new else before)]:
            declare(metadata, statement(declared) if isinstance(declared, str) else declared)

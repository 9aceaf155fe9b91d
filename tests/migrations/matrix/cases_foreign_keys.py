"""Foreign keys: their actions, columns, targets and moments."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, UniqueConstraint

from devmentor_models.kit.objects import declare, statement
from tests.migrations.matrix.case import case, table

ROWS = """INSERT INTO app.u (id, a, b) VALUES (1, 1, 1); INSERT INTO app.v (id, a, b) VALUES (1, 1, 1);
    INSERT INTO app.t (id, x, y) VALUES (1, 1, 1), (2, NULL, NULL)"""
Key = tuple[list[str], list[str], dict[str, object]]


def key(local: str, referred: str, **options: object) -> Key:
    """Return the arguments of a foreign key: ``key("x y", "u.a u.b", ondelete="CASCADE")``."""
    return local.split(), [f"app.{column}" for column in referred.split()], {"name": "fk", **options}


def foreign(name: str, before: Key | str | None, after: Key | str | None) -> None:
    """Register a case in which a foreign key of a table with rows changes; as a string it is SQL."""

    @case("foreign keys", name, rows=ROWS, kept="SELECT id, x, y FROM app.t ORDER BY id")
    def _(metadata: MetaData, new: bool) -> None:
        for target in ("u", "v"):
            unique = [UniqueConstraint("a"), UniqueConstraint("a", "b")]
            table(metadata, target, Column("a", Integer), Column("b", Integer), *unique)
        wanted = after if new else before
        keys = [ForeignKeyConstraint(wanted[0], wanted[1], **wanted[2])] if isinstance(wanted, tuple) else []  # type: ignore[arg-type] # keywords
        table(metadata, "t", Column("x", Integer), Column("y", Integer), *keys)
        if isinstance(wanted, str):
            declare(metadata, statement(f"ALTER TABLE app.t ADD CONSTRAINT fk FOREIGN KEY {wanted}"))


PLAIN = key("x", "u.id")
foreign("add", None, PLAIN)
foreign("drop", PLAIN, None)
foreign("ON DELETE", PLAIN, key("x", "u.id", ondelete="CASCADE"))
foreign("ON UPDATE", PLAIN, key("x", "u.id", onupdate="CASCADE", ondelete="RESTRICT"))
foreign(
    "SET NULL of one column",
    key("x y", "u.a u.b", ondelete="SET NULL"),
    key("x y", "u.a u.b", ondelete="SET NULL (y)"),
)
foreign("deferrable", PLAIN, key("x", "u.id", deferrable=True, initially="DEFERRED"))
foreign("deferrable, but immediate", PLAIN, key("x", "u.id", deferrable=True))
foreign("MATCH FULL", key("x y", "u.a u.b"), key("x y", "u.a u.b", match="FULL"))
foreign("composite", PLAIN, key("x y", "u.a u.b"))
foreign("other table", PLAIN, key("x", "v.id"))
foreign("other column of the table", PLAIN, key("x", "u.a"))
foreign("to itself", PLAIN, key("x", "t.id"))
foreign("rename", PLAIN, key("x", "u.id", name="fk_new"))
foreign("NOT VALID becomes valid", "(x) REFERENCES app.u (id) NOT VALID", PLAIN)
foreign("valid becomes NOT VALID", PLAIN, "(x) REFERENCES app.u (id) NOT VALID")
foreign("NOT ENFORCED", PLAIN, "(x) REFERENCES app.u (id) NOT ENFORCED")
foreign("becomes ENFORCED", "(x) REFERENCES app.u (id) NOT ENFORCED", PLAIN)


@case("foreign keys", "circle of new tables")
def _(metadata: MetaData, new: bool) -> None:
    if new:
        table(metadata, "a", Column("b", Integer), ForeignKeyConstraint(["b"], ["app.b.id"]))
        table(metadata, "b", Column("a", Integer), ForeignKeyConstraint(["a"], ["app.a.id"]))


@case("foreign keys", "names that need quotes")
def _(metadata: MetaData, new: bool) -> None:
    table(metadata, "Odd table", Column("Odd, column", Integer, unique=True))
    keys = [ForeignKeyConstraint(["user (x)"], ["app.Odd table.Odd, column"], name="Odd: key")] if new else []
    table(metadata, "order", Column("user (x)", Integer), *keys)

"""Database objects beside tables, declared as values next to what they belong to.

``declare(Base.metadata, function("CREATE FUNCTION …"))`` makes an object part of the schema: autogenerate and
``devmentor-db check`` then see when it changes. SQL is PostgreSQL's own, so there is nothing it cannot say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import MetaData

from devmentor_models.security.roles import Role

_INFO = "devmentor objects"
_FUNCTION = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE)\s+([^\s(]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema; those of tables need no declaration.

    Attributes:
        name: Its name.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension.

    Attributes:
        name: As CREATE EXTENSION takes it.
        required: False: it may be there (a DBA's tool), but nothing of ours needs it.
    """

    name: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Definer:
    """What `devmentor-db prove-isolation` has to know of a SECURITY DEFINER function.

    Attributes:
        why: Why it shows nobody another tenant's rows although it runs with its owner's rights.
        callers: The roles that may call it.
    """

    why: str
    callers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """An object, by the statement that creates it.

    Attributes:
        sql: The whole statement.
        needs_tables: It is created after the tables; what their defaults or checks call comes before.
        target: How COMMENT ON names the object.
        comment: What it is for.
        definer: Why it is safe, for a SECURITY DEFINER function.
    """

    sql: str
    needs_tables: bool = True
    target: str = ""
    comment: str | None = None
    definer: Definer | None = None


Declared = Extension | Role | Schema | Statement


def declare(metadata: MetaData, *objects: Declared) -> None:
    """Make objects part of the schema of ``metadata``."""
    metadata.info.setdefault(_INFO, []).extend(objects)


def declared(metadata: MetaData) -> list[Declared]:
    """Return the objects that were declared, each once."""
    return list(dict.fromkeys(metadata.info.get(_INFO, [])))


def function(
    sql: str, *, comment: str | None = None, arguments: str = "", needs_tables: bool = False
) -> Statement:
    """Declare a function or procedure by its CREATE statement.

    Args:
        sql: ``CREATE FUNCTION schema.name(…) …``.
        comment: What it is for.
        arguments: Its argument types, for the comment.
        needs_tables: Its signature or its SQL body refers to tables.

    >>> function("CREATE FUNCTION devmentor.touch() RETURNS trigger …", comment="Keeps versions").target
    'FUNCTION devmentor.touch()'
    """
    found = _FUNCTION.match(sql)
    if found is None:
        raise ValueError("function: the statement does not begin with CREATE FUNCTION or CREATE PROCEDURE")
    target = f"{found[1].upper()} {found[2]}({arguments})"
    return Statement(sql, needs_tables=needs_tables, target=target, comment=comment)


def trigger(
    name: str,
    table: str,
    event: str,
    function: str,
    *,
    each: str = "ROW",
    referencing: str = "",
    when: str = "",
) -> Statement:
    """Declare a trigger, of rows unless told otherwise.

    Args:
        name: Its name.
        table: ``schema.table``.
        event: When: ``BEFORE UPDATE``.
        function: What it calls: ``devmentor.touch()``.
        each: ``ROW`` or ``STATEMENT``.
        referencing: What it may read: ``NEW TABLE AS new_rows``.
        when: Under which condition it calls it.

    >>> trigger("touch", "auth.users", "BEFORE UPDATE", "devmentor.touch()").sql
    'CREATE TRIGGER touch BEFORE UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION devmentor.touch()'
    """
    sees = f" REFERENCING {referencing}" if referencing else ""
    condition = f" WHEN ({when})" if when else ""
    fired = f"{event} ON {table}{sees} FOR EACH {each}{condition}"
    sql = f"CREATE TRIGGER {name} {fired} EXECUTE FUNCTION {function}"
    return Statement(sql, target=f"TRIGGER {name} ON {table}")


def view(name: str, query: str, *, materialized: bool = False, security_invoker: bool = True) -> Statement:
    """Declare a view; unless told otherwise it shows a reader only what the reader may see.

    >>> view("auth.names", "SELECT username FROM auth.users").sql
    'CREATE VIEW auth.names WITH (security_invoker=true) AS SELECT username FROM auth.users'
    """
    if materialized:
        return Statement(f"CREATE MATERIALIZED VIEW {name} AS {query}")
    options = " WITH (security_invoker=true)" if security_invoker else ""
    return Statement(f"CREATE VIEW {name}{options} AS {query}")


def statement(sql: str, *, needs_tables: bool = True) -> Statement:
    """Declare anything else by its statement: a policy, a grant, a statistics object, a publication."""
    return Statement(sql, needs_tables=needs_tables)

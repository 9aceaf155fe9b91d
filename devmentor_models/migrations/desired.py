"""The schema that the models declare, built for a moment by PostgreSQL itself.

All of it happens in one transaction of a scratch database that is rolled back: not even roles remain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, MetaData, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from devmentor_models.errors import DevMentorError
from devmentor_models.kit.objects import Extension, Schema, Statement, declared
from devmentor_models.migrations.identifiers import Verbatim, literal, quoted
from devmentor_models.migrations.scratch import scratch_database
from devmentor_models.security.roles import Role


class DeclarationInvalid(DevMentorError):
    """What the models declare cannot be created; the message says what and why."""


@contextmanager
def built(
    metadata: MetaData, live: Connection, *, url: str, owner: str | None = None, scratch: str | None = None
) -> Iterator[Connection]:
    """Yield a connection to a scratch database, in a transaction in which everything declared exists.

    Args:
        metadata: What declares the tables, types and objects.
        live: A connection to the live database, which tells the schemas of its extensions.
        url: The live database, which tells the server to use.
        owner: The role that owns what is made; None for whoever connects.
        scratch: An empty database to use, and leave empty; None for a new one.

    Raises:
        DeclarationInvalid: PostgreSQL refuses a declaration.
    """
    homes = {str(name): str(schema) for name, schema in live.execute(text(_EXTENSION_SCHEMAS))}
    with nullcontext(scratch) if scratch else scratch_database(url) as place:
        engine = create_engine(place, poolclass=NullPool)
        with engine.connect() as connection, connection.begin() as transaction:
            build(connection, metadata, homes, owner)
            yield connection
            transaction.rollback()
        engine.dispose()


_EXTENSION_SCHEMAS = (
    "SELECT x.extname, n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace"
)


def build(connection: Connection, metadata: MetaData, homes: dict[str, str], owner: str | None) -> None:
    """Create everything declared in an empty database, in the transaction of ``connection``.

    Args:
        connection: To an empty database, as a superuser.
        metadata: What declares.
        homes: The schemas of extensions; ``public`` where it says nothing.
        owner: The role that owns what is made; None for whoever connects.

    Raises:
        DeclarationInvalid: PostgreSQL refuses a declaration.
    """
    objects = declared(metadata)
    for role in objects:
        if isinstance(role, Role):
            _role(connection, role.name)
    for extension in objects:
        if isinstance(extension, Extension) and extension.required:
            schema = homes.get(extension.name, "public")
            connection.execute(Verbatim(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}"))
            create = f"CREATE EXTENSION {quoted(extension.name)} SCHEMA {quoted(schema)}"
            connection.execute(Verbatim(create))
    if owner:
        _role(connection, owner)
        database = quoted(str(connection.scalar(text("SELECT current_database()"))))
        connection.execute(Verbatim(f"GRANT CREATE ON DATABASE {database} TO {quoted(owner)}"))
        connection.execute(Verbatim(f"SET LOCAL ROLE {quoted(owner)}"))
    schemas = {table.schema for table in metadata.tables.values() if table.schema}
    for schema in sorted(schemas | {item.name for item in objects if isinstance(item, Schema)}):
        connection.execute(Verbatim(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}"))
    # Bodies may speak of tables that come later.
    connection.execute(Verbatim("SET LOCAL check_function_bodies = off"))
    statements = [thing for thing in objects if isinstance(thing, Statement)]
    waiting = _rounds(connection, [item for item in statements if _early(item)])
    try:
        metadata.create_all(connection, checkfirst=False)
    except DBAPIError as error:
        raise DeclarationInvalid(f"The tables cannot be created: {error.orig}") from error
    if failed := _rounds(connection, [*waiting, *(item for item in statements if not _early(item))]):
        sql, reason = failed[0].sql.strip(), _attempt(connection, failed[0])
        raise DeclarationInvalid(f"{sql.splitlines()[0]} … cannot be created: {reason}")


def _early(item: Statement) -> bool:
    """Say whether a statement comes before the tables; default privileges do: they are of what follows."""
    return not item.needs_tables or item.sql.lstrip().upper().startswith("ALTER DEFAULT PRIVILEGES")


def _role(connection: Connection, name: str) -> None:
    known = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
    if not known:
        connection.execute(Verbatim(f"CREATE ROLE {quoted(name)}"))


def _rounds(connection: Connection, statements: list[Statement]) -> list[Statement]:
    """Create what can be created, until nothing more can; return the rest. Order need not be declared."""
    if _all_at_once(connection, statements):
        return []
    while statements:
        left = [item for item in statements if _attempt(connection, item) is not None]
        if len(left) == len(statements):
            break
        statements = left
    return statements


def _all_at_once(connection: Connection, statements: list[Statement]) -> bool:
    """Run all statements in one message, a third of the time; False, and nothing done, if one fails."""
    message = ";\n".join(sql for item in statements for sql in _commands(item))
    try:
        with connection.begin_nested():
            connection.execute(Verbatim(message))
    except DBAPIError:
        return False
    return True


def _attempt(connection: Connection, item: Statement) -> str | None:
    """Run a statement; return PostgreSQL's reason if it refuses."""
    try:
        with connection.begin_nested():
            for sql in _commands(item):
                connection.execute(Verbatim(sql))
    except DBAPIError as error:
        return str(error.orig)
    return None


def _commands(item: Statement) -> list[str]:
    """Return a statement, and the one that says what the object is for."""
    if item.comment is None:
        return [item.sql]
    return [item.sql, f"COMMENT ON {item.target} IS {literal(item.comment)}"]

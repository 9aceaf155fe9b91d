"""Operations for schemas, extensions, functions, triggers, views and comments."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from devmentor_models.migrations.identifiers import literal, qualified, quoted, split, unquoted
from devmentor_models.migrations.operations.named import operation


def dotted(name: str) -> str:
    """Quote ``schema.name`` where needed.

    >>> dotted("projects.tasks"), dotted("auth.user")
    ('projects.tasks', 'auth."user"')
    """
    schema, _, own = name.rpartition(".")
    return qualified(schema, own)


def bare(sql: str) -> str:
    r"""Return SQL without the indentation that it has in a revision.

    >>> bare("\n    SELECT 1\n      FROM t\n")
    'SELECT 1\n  FROM t'
    """
    return textwrap.dedent(sql).strip()


@operation()
def execute_sql(sql: str) -> str:
    """Run one statement as it stands; ``op.execute`` would take ``:word`` in it for a parameter."""
    return bare(sql)


@operation()
def create_schema(name: str) -> str:
    """Create a schema.

    >>> create_schema("auth")
    'CREATE SCHEMA auth'
    """
    return f"CREATE SCHEMA {quoted(name)}"


@operation()
def drop_schema(name: str) -> str:
    """Drop an empty schema."""
    return f"DROP SCHEMA {quoted(name)}"


@operation()
def create_extension(name: str) -> str:
    """Create an extension, unless bootstrap has done so: most need an administrator."""
    return f"CREATE EXTENSION IF NOT EXISTS {quoted(name)}"


@operation()
def drop_extension(name: str) -> str:
    """Drop an extension; fails where something still uses it."""
    return f"DROP EXTENSION {quoted(name)}"


@operation()
def create_function(definition: str) -> str:
    """Create a function or procedure from its whole ``CREATE FUNCTION …`` statement."""
    return bare(definition)


@operation()
def replace_function(definition: str) -> str:
    """Replace a function's body and settings by a whole ``CREATE OR REPLACE FUNCTION …`` statement."""
    return bare(definition)


@operation()
def drop_function(signature: str, *, routine: str = "FUNCTION") -> str:
    """Drop a function by its name and argument types.

    >>> drop_function("devmentor.touch()")
    'DROP FUNCTION devmentor.touch()'
    """
    return f"DROP {routine} {signature}"


@operation()
def create_trigger(definition: str) -> str:
    """Create a trigger from its whole ``CREATE TRIGGER name BEFORE UPDATE ON schema.table …`` statement."""
    return bare(definition)


@operation()
def drop_trigger(name: str, table: str) -> str:
    """Drop a trigger of a table.

    >>> drop_trigger("touch", "projects.tasks")
    'DROP TRIGGER touch ON projects.tasks'
    """
    return f"DROP TRIGGER {quoted(name)} ON {dotted(table)}"


def _parameters(given: Mapping[str, str] | None) -> str:
    return f" WITH ({', '.join(f'{name}={value}' for name, value in given.items())})" if given else ""


@operation()
def create_view(name: str, query: str, *, parameters: Mapping[str, str] | None = None) -> str:
    """Create a view.

    >>> create_view("auth.names", "SELECT username FROM auth.users", parameters={"security_invoker": "true"})
    'CREATE VIEW auth.names WITH (security_invoker=true) AS SELECT username FROM auth.users'
    """
    return f"CREATE VIEW {dotted(name)}{_parameters(parameters)} AS {bare(query).rstrip(';')}"


@operation()
def drop_view(name: str) -> str:
    """Drop a view."""
    return f"DROP VIEW {dotted(name)}"


@operation()
def create_materialized_view(name: str, query: str, *, parameters: Mapping[str, str] | None = None) -> str:
    """Create a materialized view and fill it."""
    return f"CREATE MATERIALIZED VIEW {dotted(name)}{_parameters(parameters)} AS {bare(query).rstrip(';')}"


@operation()
def drop_materialized_view(name: str) -> str:
    """Drop a materialized view."""
    return f"DROP MATERIALIZED VIEW {dotted(name)}"


@operation()
def comment_on(target: str, comment: str | None) -> str:
    """Set or clear the comment of anything.

    >>> comment_on("CONSTRAINT ck_tasks_points ON projects.tasks", "Story points")
    "COMMENT ON CONSTRAINT ck_tasks_points ON projects.tasks IS 'Story points'"
    """
    return f"COMMENT ON {target} IS {'NULL' if comment is None else literal(comment)}"


@operation()
def set_owner(target: str, owner: str) -> str:
    """Hand something over: ``op.set_owner("TABLE auth.users", "devmentor_owner")``."""
    return f"ALTER {target} OWNER TO {quoted(owner)}"


@operation()
def create_publication(name: str, definition: str) -> str:
    """Create a publication: ``op.create_publication("changes", "FOR TABLE projects.tasks")``."""
    return f"CREATE PUBLICATION {quoted(name)} {definition}".rstrip()


@operation()
def drop_publication(name: str) -> str:
    """Drop a publication."""
    return f"DROP PUBLICATION {quoted(name)}"


#: Settings that are lists of names; as one literal they would be one name.
_LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}


def setting(name: str, value: str | None) -> str:
    """Return how a setting of a role or database is changed.

    >>> setting("search_path", 'auth, "Odd one"'), setting("work_mem", None)
    ("SET search_path TO 'auth', 'Odd one'", 'RESET work_mem')
    """
    if value is None:
        return f"RESET {name}"
    values = [unquoted(part) for part in split(value)] if name in _LISTS else [value]
    return f"SET {name} TO {', '.join(map(literal, values))}"


@operation()
def set_database_setting(name: str, value: str | None) -> str:
    """Set what every new session of this database starts with; None takes the server's word again."""
    change = setting(name, value)
    return (
        "DO $do$ BEGIN EXECUTE format('ALTER DATABASE %I "
        + change.replace("'", "''").replace("%", "%%")
        + "', current_database()); END $do$"
    )


@operation()
def create_event_trigger(name: str, definition: str, *, enabled: str | None = None) -> list[str]:
    """Create an event trigger (needs a superuser): ``definition`` is all that follows its name."""
    made = [f"CREATE EVENT TRIGGER {quoted(name)} {definition}"]
    return made + ([f"ALTER EVENT TRIGGER {quoted(name)} {enabled}"] if enabled else [])


@operation()
def drop_event_trigger(name: str) -> str:
    """Drop an event trigger."""
    return f"DROP EVENT TRIGGER {quoted(name)}"


def listed(values: Sequence[str]) -> str:
    """Return names as SQL lists them; PUBLIC stays a keyword."""
    words = ("PUBLIC", "CURRENT_USER")
    return ", ".join(value if value in words or value.startswith('"') else quoted(value) for value in values)

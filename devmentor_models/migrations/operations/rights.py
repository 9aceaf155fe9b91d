"""Operations for roles, privileges and row-level security (DESIGN §4; Z1, Z2)."""

from __future__ import annotations

from collections.abc import Sequence

from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.migrations.operations.named import operation
from devmentor_models.migrations.operations.objects import dotted, listed


def _as_login(*statements: str) -> str:
    """Run statements about roles as who logged in: the owner may not, an administrator may.

    One statement, so that it does the same in a transaction and outside of one.
    """
    body = "; ".join(statements)
    return (
        "DO $role$ DECLARE acting text := current_setting('role'); BEGIN SET LOCAL ROLE NONE;"
        f" {body}; PERFORM set_config('role', acting, true); END $role$"
    )


@operation()
def create_role(name: str, *, options: str = "NOLOGIN") -> str:
    """Create a role unless bootstrap has done so; roles are the whole server's, and need CREATEROLE."""
    unless = f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(name)})"
    made = f"{unless} THEN CREATE ROLE {quoted(name)} {options}; END IF"
    return _as_login(made)


@operation()
def drop_role(name: str) -> str:
    """Drop a role; fails while it owns or may do anything, in any database of the server."""
    return _as_login(f"DROP ROLE {quoted(name)}")


@operation()
def alter_role(name: str, change: str) -> str:
    """Change a role: ``op.alter_role("devmentor_readonly", "SET statement_timeout TO '30s'")``."""
    return _as_login(f"ALTER ROLE {quoted(name)} {change}")


@operation()
def grant_role(role: str, to: str) -> str:
    """Make a role a member of another."""
    return _as_login(f"GRANT {quoted(role)} TO {quoted(to)}")


@operation()
def revoke_role(role: str, from_: str) -> str:
    """End a role's membership in another."""
    return _as_login(f"REVOKE {quoted(role)} FROM {quoted(from_)}")


@operation()
def grant(privileges: Sequence[str], on: str, to: str, *, grantable: bool = False) -> str:
    """Grant privileges on anything.

    >>> grant(["SELECT", "INSERT"], "TABLE projects.tasks", "devmentor_projects")
    'GRANT SELECT, INSERT ON TABLE projects.tasks TO devmentor_projects'
    """
    option = " WITH GRANT OPTION" if grantable else ""
    return f"GRANT {_on(privileges, on)} TO {listed([to])}{option}"


@operation()
def revoke(privileges: Sequence[str], on: str, from_: str) -> str:
    """Take privileges back.

    >>> revoke(["EXECUTE"], "FUNCTION devmentor.touch()", "PUBLIC")
    'REVOKE EXECUTE ON FUNCTION devmentor.touch() FROM PUBLIC'
    """
    return f"REVOKE {_on(privileges, on)} FROM {listed([from_])}"


def _on(privileges: Sequence[str], on: str) -> str:
    """Return ``SELECT ON TABLE t``; for a column ``SELECT (c) ON TABLE t``."""
    if not on.startswith("COLUMN "):
        return f"{', '.join(privileges)} ON {on}"
    table, _, column = on.removeprefix("COLUMN ").rpartition(".")
    return f"{', '.join(f'{privilege} ({column})' for privilege in privileges)} ON TABLE {table}"


@operation()
def grant_by_default(
    privileges: Sequence[str],
    on: str,
    to: str,
    *,
    schema: str | None = None,
    role: str | None = None,
    grantable: bool = False,
) -> str:
    """Grant privileges on what a role will create.

    >>> grant_by_default(["SELECT"], "TABLES", "devmentor_readonly", schema="auth")
    'ALTER DEFAULT PRIVILEGES IN SCHEMA auth GRANT SELECT ON TABLES TO devmentor_readonly'
    """
    option = " WITH GRANT OPTION" if grantable else ""
    change = f"GRANT {', '.join(privileges)} ON {on} TO {listed([to])}{option}"
    return f"{_defaults(schema, role)} {change}"


@operation()
def revoke_by_default(
    privileges: Sequence[str], on: str, from_: str, *, schema: str | None = None, role: str | None = None
) -> str:
    """Grant no longer by default; what exists keeps its privileges."""
    return f"{_defaults(schema, role)} REVOKE {', '.join(privileges)} ON {on} FROM {listed([from_])}"


def _defaults(schema: str | None, role: str | None) -> str:
    made = "ALTER DEFAULT PRIVILEGES"
    made += f" FOR ROLE {listed([role])}" if role else ""
    return made + (f" IN SCHEMA {quoted(schema)}" if schema else "")


@operation()
def enable_row_security(table: str, *, force: bool = True) -> list[str]:
    """Let policies decide who sees a row; with ``force`` for the owner, too."""
    made = [f"ALTER TABLE {dotted(table)} ENABLE ROW LEVEL SECURITY"]
    forced = "FORCE" if force else "NO FORCE"
    return [*made, f"ALTER TABLE {dotted(table)} {forced} ROW LEVEL SECURITY"]


@operation()
def disable_row_security(table: str) -> list[str]:
    """Let everybody with the privilege see every row."""
    changes = ("DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY")
    return [f"ALTER TABLE {dotted(table)} {change}" for change in changes]


@operation()
def create_policy(
    name: str,
    table: str,
    *,
    command: str = "ALL",
    to: Sequence[str] = ("PUBLIC",),
    using: str | None = None,
    check: str | None = None,
    permissive: bool = True,
) -> str:
    """Create a row-security policy.

    >>> create_policy(
    ...     "own", "projects.tasks", to=["devmentor_projects"], using="user_id = auth.current_user_id()"
    ... )
    'CREATE POLICY own ON projects.tasks TO devmentor_projects USING (user_id = auth.current_user_id())'
    """
    made = f"CREATE POLICY {quoted(name)} ON {dotted(table)}"
    made += "" if permissive else " AS RESTRICTIVE"
    made += "" if command == "ALL" else f" FOR {command}"
    made += f" TO {listed(to)}"
    made += f" USING ({using})" if using else ""
    return made + (f" WITH CHECK ({check})" if check else "")


@operation()
def drop_policy(name: str, table: str) -> str:
    """Drop a policy of a table."""
    return f"DROP POLICY {quoted(name)} ON {dotted(table)}"

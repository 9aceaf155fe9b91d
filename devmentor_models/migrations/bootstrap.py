"""What an administrator does once per database, so that the owner can do the rest (DESIGN §4; M4, Z2).

Roles, extensions and the owner's right to make schemas. Nothing else needs an administrator: migrations run
as ``devmentor_owner``, which is neither superuser nor free of row security.

`plan` says what is missing, `bootstrap` does it. Both may be run again at any time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from devmentor_models.errors import ConfigurationError, LockTimeout
from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.migrations.ownership import foreign_objects
from devmentor_models.migrations.usable import refuse_unusable
from devmentor_models.security.declarations import Service
from devmentor_models.security.roles import EXTENSIONS, OWNER, READONLY, ROLES, SERVICE_ROLES, Role
from devmentor_models.seeds.apply import DEMO_ROLES

TRIES = 20
#: What "tuple concurrently updated" has, in whichever language, for want of a code of its own.
INTERNAL = "XX000"
#: Somebody else made the same role, grant or comment at the same moment.
RACES = frozenset({"23505", "42710", "40001", "40P01", INTERNAL})
FORBIDDEN = "42501"
LOCKED = "55P03"
SET_ROLE_SINCE = (16,)  # before that, every member may SET ROLE

_COLUMNS = {
    "NOSUPERUSER": "rolsuper",
    "NOBYPASSRLS": "rolbypassrls",
    "NOCREATEROLE": "rolcreaterole",
    "NOREPLICATION": "rolreplication",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that an administrator has to do.

    Attributes:
        what: What it makes or changes, in words.
        statements: Its SQL, run in one transaction.
        needed: Whether migrations are impossible without it.
    """

    what: str
    statements: tuple[str, ...]
    needed: bool = True


def plan(connection: Connection, login: str | None = None) -> list[Step]:
    """Return what is missing for migrations, in the order in which to do it; reads the catalogs only.

    Args:
        connection: The database, as any role.
        login: A role that shall run migrations; the connection's own login must be able to in any case.

    Raises:
        ConfigurationError: There is no such login.
        DatabaseUnusable: The database cannot work, whatever is done here.
    """
    refuse_unusable(connection)
    known = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :login)")
    if login and not connection.scalar(known, {"login": login}):
        raise ConfigurationError(f"There is no role {login}: whoever runs the server makes logins first.")
    return [
        *_roles(connection),
        *_memberships(connection),
        *_migrators(connection, login),
        *_privileges(connection),
        *_temporary_tables(connection),
        *_extensions(connection),
        *_ownership(connection),
    ]


def bootstrap(connection: Connection, login: str | None = None) -> list[Step]:
    """Do what is missing, each step in a transaction, and return the steps that were done.

    Several may run at once, also on several databases of one cluster. A declared role that has gained
    SUPERUSER, BYPASSRLS, CREATEROLE or REPLICATION loses it: row security would be void.

    Args:
        connection: The database, as its administrator and outside a transaction.
        login: A role that shall run migrations, beside the connection's own login.

    Raises:
        ConfigurationError: The role may not do something that is needed, or is itself the owner.
        DatabaseUnusable: The database cannot work; nothing was written.
        LockTimeout: A table was in use, so that its ownership could not change; run it again.
    """
    _refuse_owner_as_superuser(connection)
    done: list[Step] = []
    refused: list[Step] = []
    lost: DBAPIError | None = None
    for _ in range(TRIES):
        pending = [step for step in plan(connection, login) if step not in refused]
        connection.commit()
        if not pending:
            return done
        if ignored := [step for step in pending if step in done]:  # PostgreSQL only warned
            if needed := [step for step in ignored if step.needed]:
                raise ConfigurationError(_refusal(needed, "The server accepted it, without effect"))
            done = [step for step in done if step not in ignored]
            refused += ignored
            continue
        if lost := _run(connection, pending, done, refused):
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - spreads competitors, guards nothing
    if lost and _state(lost) == INTERNAL:
        raise lost  # it may be another trouble of the server's
    raise ConfigurationError("Others kept changing the roles of this cluster: run it again.") from lost


def is_administrator(connection: Connection) -> bool:
    """Tell whether the connection's role may make roles."""
    query = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    return bool(connection.scalar(text(query)))


def script(steps: list[Step]) -> str:
    """Return the SQL of ``steps``, for an administrator who runs it by hand in the same database."""
    lines: list[str] = []
    for step in steps:
        lines += [f"-- {step.what}", *(f"{statement};" for statement in step.statements)]
    return "\n".join(lines)


def not_ready(connection: Connection, steps: list[Step]) -> ConfigurationError:
    """Return the error for a login that cannot migrate and is no administrator."""
    login = connection.scalar(text("SELECT session_user"))
    services = [role.name for role in (*SERVICE_ROLES, READONLY)]
    member = text(
        "SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles"
        " WHERE rolname = ANY (:services) AND pg_has_role(oid, 'MEMBER')"
    )
    if found := connection.scalar(member, {"services": services}):
        return ConfigurationError(
            f"Role {login} is a member of {found} and not of {OWNER.name}, so it does not migrate: use the"
            " login that does. Made its owner, a service would be free of row security."
        )
    missing = "; ".join(step.what for step in steps)
    return ConfigurationError(
        f"Role {login} cannot migrate this database yet. Missing: {missing}. An administrator runs, once:"
        f" devmentor-db bootstrap --login {login} --url postgresql://ADMINISTRATOR@HOST/DATABASE"
    )


def _run(
    connection: Connection, steps: list[Step], done: list[Step], refused: list[Step]
) -> DBAPIError | None:
    """Run the steps; return the error when somebody else was at the same thing: the plan has changed."""
    for step in steps:
        try:
            for statement in step.statements:
                connection.execution_options(no_parameters=True).exec_driver_sql(statement)
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            state = _state(error)
            if state in RACES:
                return error
            if state == LOCKED:
                raise LockTimeout(
                    f"{step.what}: a table was in use. Nothing is half done; run it again."
                ) from error
            if state != FORBIDDEN:
                raise
            if step.needed:
                raise ConfigurationError(_refusal([step], _primary(error))) from error
            refused.append(step)
        else:
            done.append(step)
    return None


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _primary(error: DBAPIError) -> str:
    """Return PostgreSQL's message without its hints, which speak of one statement only."""
    diagnosis = error.orig.diag if isinstance(error.orig, psycopg.Error) else None
    return str((diagnosis and diagnosis.message_primary) or error.orig)


def _refusal(steps: list[Step], why: str) -> str:
    what = "; ".join(step.what for step in steps)
    return f"Not done: {what}. {why}. Run devmentor-db bootstrap as a superuser of the server."


def _refuse_owner_as_superuser(connection: Connection) -> None:
    query = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user AND rolname = :owner"
    refused = connection.scalar(text(query), {"owner": OWNER.name})
    connection.commit()
    if refused:
        raise ConfigurationError(
            f"{OWNER.name} must not be a superuser, and cannot take that from itself: log in as another one."
        )


def _roles(connection: Connection) -> Iterator[Step]:
    """Yield the roles that are missing, and those that may too much."""
    columns = ", ".join(_COLUMNS.values())
    rows = connection.execute(text(f"SELECT rolname, {columns} FROM pg_roles")).mappings()
    found = {row["rolname"]: row for row in rows}
    for role in ROLES:
        if role.name not in found:
            yield _creation(role)
            continue
        wrong = [
            option for option in role.options if option in _COLUMNS and found[role.name][_COLUMNS[option]]
        ]
        if wrong:
            options = " ".join(wrong)
            yield Step(
                f"{options} for role {role.name}, which went round row security or grants",
                (f"ALTER ROLE {role.name} {options}",),
            )


def _creation(role: Role) -> Step:
    statements = (
        f"CREATE ROLE {role.name} {' '.join(role.options)}",
        f"COMMENT ON ROLE {role.name} IS {literal(role.comment)}",
        *(f"ALTER ROLE {role.name} SET {name} TO {literal(value)}" for name, value in role.settings.items()),
    )
    return Step(f"role {role.name}", statements)


def _memberships(connection: Connection) -> Iterator[Step]:
    """Yield memberships in PostgreSQL's own roles; granting one may take more than migrations need."""
    query = text(
        "SELECT g.rolname, m.rolname FROM pg_auth_members a"
        " JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member"
    )
    found = {(group, member) for group, member in connection.execute(query)}
    for role in ROLES:
        for group in role.memberships:
            if (group, role.name) not in found:
                yield Step(
                    f"membership of {role.name} in {group}", (f"GRANT {group} TO {role.name}",), needed=False
                )


def _migrators(connection: Connection, login: str | None) -> Iterator[Step]:
    """Yield memberships of who migrates: whoever makes a role may grant it, but not yet act as it.

    As a member of the owner alone one is bound by row security, and sees no row of the catalogues' services.
    """
    version = connection.dialect.server_version_info or ()
    modern = version >= SET_ROLE_SINCE
    rights = ("SET", "USAGE") if modern else ("MEMBER",)
    options = " WITH SET TRUE, INHERIT TRUE" if modern else ""
    held = " AND ".join(f"pg_has_role(r.oid, o.oid, '{right}')" for right in rights)
    query = text(
        "SELECT r.rolname FROM pg_roles r LEFT JOIN pg_roles o ON o.rolname = :role"
        f" WHERE r.rolname = ANY (:names) AND r.rolname <> :owner AND NOT r.rolsuper AND ({held}) IS NOT TRUE"
        " ORDER BY 1"
    )
    own = connection.scalar(text("SELECT session_user"))
    wanted = [
        (OWNER.name, [own, login], "run migrations"),
        *((role, [login], "load seeds") for role in DEMO_ROLES),
    ]
    for role, names, what in wanted:
        for name in connection.scalars(query, {"role": role, "names": names, "owner": OWNER.name}):
            yield Step(
                f"membership of {name} in {role}, to {what}",
                (f"GRANT {role} TO {quoted(name)}{options}",),
                needed=role == OWNER.name,
            )


def _privileges(connection: Connection) -> Iterator[Step]:
    query = text(
        "SELECT current_database(), (SELECT bool_and(has_database_privilege(r.oid, d.oid, privilege))"
        "  FROM pg_roles r, pg_database d, unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege"
        "  WHERE r.rolname = :owner AND d.datname = current_database())"
    )
    database, granted = connection.execute(query, {"owner": OWNER.name}).one()
    if not granted:
        statement = f"GRANT CREATE, TEMPORARY ON DATABASE {quoted(database)} TO {OWNER.name}"
        yield Step(f"right of {OWNER.name} to make schemas in {database}", (statement,))


def rights_of_temporary_tables(database: str) -> tuple[str, ...]:
    """Return the statements that leave temporary tables of a database to those who need them.

    Whoever may make them may also make types and functions there, which a session finds before our own:
    things of one transaction that act in the next. The memory service stores documents through such
    tables, and migrations compare indexes in them.
    """
    return (
        f"GRANT TEMPORARY ON DATABASE {quoted(database)} TO {OWNER.name}, {Service.MEMORY.role}",
        f"REVOKE TEMPORARY ON DATABASE {quoted(database)} FROM PUBLIC",
    )


def _temporary_tables(connection: Connection) -> Iterator[Step]:
    """Yield the right to make temporary tables, which PUBLIC has by default, for who needs it alone."""
    role = Service.MEMORY.role
    query = text(
        "SELECT current_database(), has_database_privilege('public', current_database(), 'TEMPORARY'),"
        " EXISTS (SELECT FROM pg_roles WHERE rolname = :role"
        "         AND has_database_privilege(oid, current_database(), 'TEMPORARY'))"
    )
    database, everybody, granted = connection.execute(query, {"role": role}).one()
    grant, revoke = rights_of_temporary_tables(database)
    if everybody:
        what = f"right to make temporary tables in {database} for {OWNER.name} and {role} alone"
        # While everybody has the right, everything works: who may not take it away can migrate.
        yield Step(what, (grant, revoke), needed=False)
    elif not granted:
        yield Step(f"right of {role} to make temporary tables in {database}", (grant,))


def _extensions(connection: Connection) -> Iterator[Step]:
    found = set(connection.scalars(text("SELECT extname FROM pg_extension")))
    for extension in EXTENSIONS:
        if extension not in found:
            yield Step(f"extension {extension}", (f"CREATE EXTENSION IF NOT EXISTS {extension}",))


def _ownership(connection: Connection) -> Iterator[Step]:
    """Yield the takeover of what an earlier owner has made; only foreign schemas stop migrations."""
    objects = foreign_objects(connection)
    if objects:
        owners = ", ".join(sorted({item.owner for item in objects}))
        yield Step(
            f"ownership of {len(objects)} objects, now of {owners}",
            tuple(f"ALTER {item.kind} {item.identity} OWNER TO {OWNER.name}" for item in objects),
            needed=any(item.kind == "SCHEMA" for item in objects),
        )

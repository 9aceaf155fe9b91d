"""Refuse a database that cannot work, before anything is written to it.

What is looked at cannot be put right by us, or is not ours to change: its encoding, the server's age and its
extensions, the rights of others, schemas of others. Each is named with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from devmentor_models.errors import DatabaseUnusable
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA
from devmentor_models.security.roles import EXTENSIONS, OWNER, ROLES, SERVICE_ROLES

#: The oldest version of PostgreSQL that serves.
OLDEST = 15
#: The oldest versions of extensions: iterative scans are of 0.8.
OLDEST_EXTENSIONS = {"vector": (0, 8)}
#: Where the extensions are: our SQL says ``vector`` and ``gin_trgm_ops``, and its search_path is this.
HOME = "public"
#: Extensions whose types and operators our SQL names; the others are found by the types they serve.
NAMED = frozenset({"pg_trgm", "vector"})

_SERVER = text(
    "SELECT current_setting('server_version_num')::integer, current_database(),"
    " (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database())"
)
_EXTENSIONS = text(
    """
    SELECT w.name, coalesce(x.extversion, a.default_version), x.oid IS NOT NULL, n.nspname
    FROM unnest(CAST(:names AS text[])) AS w (name)
    LEFT JOIN pg_extension x ON x.extname = w.name
    LEFT JOIN pg_namespace n ON n.oid = x.extnamespace
    LEFT JOIN pg_available_extensions a ON a.name = w.name
    ORDER BY 1
    """
)
_HOME = text("SELECT oid FROM pg_namespace WHERE nspname = :home")
# A role that is not there yet will have what everybody has.
_WITHOUT_RIGHTS = text(
    """
    SELECT w.name, r.oid IS NOT NULL
    FROM unnest(CAST(:names AS text[])) AS w (name) LEFT JOIN pg_roles r ON r.rolname = w.name
    WHERE NOT CASE WHEN r.oid IS NULL THEN has_schema_privilege('public', CAST(:home AS oid), 'USAGE')
                   ELSE has_schema_privilege(r.oid, CAST(:home AS oid), 'USAGE') END
    """
)
# Our revisions make the schemas, so they come with a revision. Only the technical one may be there before.
_FOREIGN = text(
    """
    SELECT n.nspname, n.nspowner::regrole::text FROM pg_namespace n
    WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace t ON t.oid = c.relnamespace
                      WHERE t.nspname = :technical AND c.relname = 'alembic_version')
      AND (n.nspname = ANY (:schemas)
           OR n.nspname = :technical AND n.nspowner::regrole::text <> ALL (:roles)
              AND (EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid)
                   OR EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid)
                   OR EXISTS (SELECT FROM pg_type WHERE typnamespace = n.oid)))
    ORDER BY 1
    """
)


def refuse_unusable(connection: Connection) -> None:
    """Look whether the database can work, as any role and without writing.

    Raises:
        DatabaseUnusable: It cannot; says everything that is in the way, and what to do about it.
    """
    if found := [*_server(connection), *_extensions(connection), *_rights(connection), *_schemas(connection)]:
        raise DatabaseUnusable(found)


def too_old(version: int) -> str | None:
    """Return what to say about a server of this ``server_version_num``; None where it serves."""
    if version // 10_000 >= OLDEST:
        return None
    return f"The server is PostgreSQL {version // 10_000}: use {OLDEST} or later."


def _server(connection: Connection) -> Iterator[str]:
    version, database, encoding = connection.execute(_SERVER).one()
    if problem := too_old(version):
        yield problem
    if encoding != "UTF8":
        yield (
            f"The database {database} is encoded in {encoding}, which cannot hold every text. Make another:"
            " CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


def _extensions(connection: Connection) -> Iterator[str]:
    for name, version, installed, schema in connection.execute(_EXTENSIONS, {"names": list(EXTENSIONS)}):
        oldest = OLDEST_EXTENSIONS.get(name, ())
        if version is None:
            package = "pgvector" if name == "vector" else "PostgreSQL's contrib modules"
            yield f"The server has no extension {name}: install {package} there."
        elif tuple(int(part) for part in version.split(".") if part.isdigit()) < oldest:
            wanted = ".".join(map(str, oldest))
            yield (
                f"The extension {name} is of version {version}: install {wanted} or later on the server, and"
                f" run ALTER EXTENSION {name} UPDATE."
            )
        if installed and name in NAMED and schema != HOME:
            yield (
                f"The extension {name} is in the schema {schema}, where our SQL does not look. Move it:"
                f" ALTER EXTENSION {name} SET SCHEMA {HOME}."
            )


def _rights(connection: Connection) -> Iterator[str]:
    home = connection.scalar(_HOME, {"home": HOME})
    if home is None:
        yield f"There is no schema {HOME}: CREATE SCHEMA {HOME}, and GRANT USAGE ON SCHEMA {HOME} TO PUBLIC."
        return
    names = [OWNER.name, *(role.name for role in SERVICE_ROLES)]
    refused = connection.execute(_WITHOUT_RIGHTS, {"names": names, "home": home}).all()
    if refused:
        everybody = not all(exists for _, exists in refused)
        grantees = "PUBLIC" if everybody else ", ".join(name for name, _ in refused)
        yield (
            f"Not every role of ours may use the schema {HOME}, where the extensions are:"
            f" GRANT USAGE ON SCHEMA {HOME} TO {grantees}."
        )


def _schemas(connection: Connection) -> Iterator[str]:
    names = {"technical": TECHNICAL_SCHEMA, "schemas": list(SCHEMAS), "roles": [role.name for role in ROLES]}
    for schema, owner in connection.execute(_FOREIGN, names):
        yield (
            f"The schema {schema}, of {owner}, is somebody else's: no revision of DevMentor has run here."
            " Use a database of its own, or rename that schema."
        )

"""Find what in our schemas belongs to somebody else (DESIGN §4)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA
from devmentor_models.security.roles import ROLES

# What follows its owner by itself is left out: indexes, sequences of columns, types of tables and arrays,
# members of extensions. pg_shdepend would be shorter, but says nothing about what the first superuser owns.
_OBJECTS = text(
    """
    WITH named AS (
        SELECT oid, nspowner FROM pg_namespace WHERE nspname = ANY (:schemas)
    ), found AS (
        SELECT 'pg_namespace'::regclass AS catalog, oid, nspowner AS owner FROM named
        UNION ALL
        SELECT 'pg_class'::regclass, c.oid, relowner FROM pg_class c JOIN named n ON n.oid = relnamespace
         WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                           AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype IN ('a', 'i')
                           AND relkind = 'S' AND d.refclassid = 'pg_class'::regclass)
        UNION ALL
        SELECT 'pg_proc'::regclass, p.oid, proowner FROM pg_proc p JOIN named n ON n.oid = pronamespace
        UNION ALL
        SELECT 'pg_type'::regclass, t.oid, typowner FROM pg_type t JOIN named n ON n.oid = typnamespace
         LEFT JOIN pg_class c ON c.oid = typrelid
         WHERE typtype IN ('b', 'd', 'e', 'r') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
            OR typtype = 'c' AND c.relkind = 'c'
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, s.oid, stxowner FROM pg_statistic_ext s
         JOIN named n ON n.oid = stxnamespace
        UNION ALL
        SELECT 'pg_ts_config'::regclass, c.oid, cfgowner FROM pg_ts_config c
         JOIN named n ON n.oid = cfgnamespace
        UNION ALL
        SELECT 'pg_ts_dict'::regclass, d.oid, dictowner FROM pg_ts_dict d
         JOIN named n ON n.oid = dictnamespace
        UNION ALL
        SELECT 'pg_collation'::regclass, c.oid, collowner FROM pg_collation c
         JOIN named n ON n.oid = collnamespace
    )
    SELECT i.type, i.identity, r.rolname
    FROM found f JOIN pg_roles r ON r.oid = f.owner, pg_identify_object(f.catalog, f.oid, 0) i
    WHERE r.rolname <> ALL (:roles)
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = f.catalog AND d.objid = f.oid AND d.deptype = 'e')
    ORDER BY f.catalog <> 'pg_namespace'::regclass, i.type, i.identity
    """
)


@dataclass(frozen=True, slots=True)
class ForeignObject:
    """An object of ours that somebody else owns.

    Attributes:
        kind: What it is, as ALTER takes it.
        identity: Its full name, quoted.
        owner: Who owns it.
    """

    kind: str
    identity: str
    owner: str


def foreign_objects(connection: Connection) -> list[ForeignObject]:
    """Return what in our schemas none of our roles owns, the schemas themselves first."""
    names = {"schemas": [TECHNICAL_SCHEMA, *SCHEMAS], "roles": [role.name for role in ROLES]}
    return [
        ForeignObject(_kind(kind), identity, owner)
        for kind, identity, owner in connection.execute(_OBJECTS, names)
    ]


def _kind(kind: str) -> str:
    routine = kind in {"function", "procedure", "aggregate"}
    return "ROUTINE" if routine else {"statistics object": "STATISTICS"}.get(kind, kind.upper())

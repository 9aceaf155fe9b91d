"""A scratch database that is like the live one in what decides about leftovers.

Built by the revisions, as the live one was; then it gets what somebody may have done to that one since:
the functions of ours, the rights to temporary objects, and settings of the database and of roles in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from devmentor_models import migrate
from devmentor_models.migrations.identifiers import literal
from devmentor_models.migrations.scratch import scratch_database
from devmentor_models.proof.declared import TRIED
from devmentor_models.registry import SCHEMAS, TECHNICAL_SCHEMA
from devmentor_models.settings import conninfo

# Whether contexts are signed is not copied: the scratch database has a key of its own.
_FUNCTIONS = f"""
SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f' AND n.nspname IN ({", ".join(literal(name) for name in (*SCHEMAS, TECHNICAL_SCHEMA))})
  AND p.oid <> '{TECHNICAL_SCHEMA}.signed()'::regprocedure ORDER BY 1"""
_SETTINGS = """
SELECT coalesce(r.rolname, ''), s.setconfig
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = current_database()"""
_TEMPORARY = f"""
SELECT 'PUBLIC' WHERE has_database_privilege('public', current_database(), 'TEMPORARY')
UNION ALL SELECT rolname FROM pg_roles
WHERE rolname IN ({", ".join(literal(name) for name in TRIED)})
  AND has_database_privilege(oid, current_database(), 'TEMPORARY')"""


_LISTS = frozenset({"search_path", "temp_tablespaces"})


@contextmanager
def likeness(url: str) -> Iterator[str]:
    """Make a scratch database like the one of ``url``, yield its URL, and drop it.

    Raises:
        ConfigurationError: There is no server for a scratch database.
    """
    with scratch_database(url) as scratch:
        migrate.upgrade(scratch)
        with (
            psycopg.connect(conninfo(url), prepare_threshold=None) as live,
            psycopg.connect(conninfo(scratch), prepare_threshold=None) as copy,
        ):
            _resemble(live, copy)
        yield scratch


def _resemble(live: psycopg.Connection[Any], copy: psycopg.Connection[Any]) -> None:
    database = sql.Identifier(copy.info.dbname)
    copy.execute("SET LOCAL search_path = pg_catalog")
    live.execute("SET LOCAL search_path = pg_catalog")
    there = dict(copy.execute(_FUNCTIONS.encode()).fetchall())
    for name, definition in live.execute(_FUNCTIONS.encode()).fetchall():
        if there.get(name) != definition:
            copy.execute(definition.encode())
    temporary = sql.SQL("{} TEMPORARY ON DATABASE {} {} {}")
    copy.execute(temporary.format(sql.SQL("REVOKE"), database, sql.SQL("FROM"), sql.SQL("PUBLIC")))
    for (role,) in live.execute(_TEMPORARY.encode()).fetchall():
        who = sql.SQL("PUBLIC") if role == "PUBLIC" else sql.Identifier(role)
        copy.execute(temporary.format(sql.SQL("GRANT"), database, sql.SQL("TO"), who))
    for role, settings in live.execute(_SETTINGS.encode()).fetchall():
        for setting in settings:
            name, _, value = setting.partition("=")
            whose = (
                sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), database)
                if role
                else sql.SQL("DATABASE {}").format(database)
            )
            _set(copy, whose, name, value)


def _set(copy: psycopg.Connection[Any], whose: sql.Composed, name: str, value: str) -> None:
    given: sql.Composable = sql.SQL("= {}").format(sql.Literal(value))
    if name in _LISTS:  # a list is kept as it was written, with quotes of its own
        copy.execute("SELECT set_config(%s, %s, true)", [name, value])
        given = sql.SQL("FROM CURRENT")
    copy.execute(sql.SQL("ALTER {} SET {} {}").format(whose, sql.Identifier(*name.split(".")), given))

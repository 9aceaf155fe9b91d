"""What SQL that somebody injects can leave in a pooled session, for the next actor to meet.

A table of attempts; `across` makes one. Words in braces are filled in: ``attacker`` and ``victim`` are the
users' ids, ``login`` is the role that all transactions have, ``seal`` is that of the attacker's transaction,
and ``database`` the scratch database. The rest are arguments of ``devmentor.enter()`` for the victim, which
somebody has read where they can be read, or changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from devmentor_models.migrations.identifiers import literal
from devmentor_models.security.actor import SHARED_SETTINGS, SIGNED_SETTINGS
from devmentor_models.security.context import PINNED_SETTINGS
from devmentor_models.security.declarations import Service

#: Whether the attacker sees anything of the victim's.
LOOT = "SELECT id FROM projects.projects WHERE user_id = '{victim}'"


class Answer(StrEnum):
    """What the server says to the planting itself."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Planted:
    """Something to leave in a session.

    Attributes:
        way: What it is a case of.
        name: What tells it from the other cases.
        sql: Leaves it; run as the attacker.
        left: Finds it in the victim's transaction; any row is one too many.
        answer: What the server says to ``sql``.
        loot: Finds something of the victim's; run as the attacker, after the victim's transaction.
        temporary: Whether it takes the right to make temporary tables.
        committed: False: the attacker's transaction is rolled back.
        reconnects: Whether the victim comes on a new connection.
        settles: Whether it is gone only after the victim's first transaction.
        forges: Whether ``sql`` is to show the victim's rows at once; a failure where contexts are signed.
        accepted: Why it may, if it may.
    """

    way: str
    name: str
    sql: str
    left: str = ""
    answer: Answer = Answer.ACCEPTED
    loot: str = LOOT
    temporary: bool = False
    committed: bool = True
    reconnects: bool = False
    settles: bool = False
    forges: bool = False
    accepted: str = ""


# How a setting reads, or begins, once it is planted. Timeouts are long enough for the attempt itself.
_SETTINGS = {
    "search_path": "pg_temp, pg_catalog",
    "TimeZone": "Asia/Kolkata",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "gin_fuzzy_search_limit": "1",
    "client_encoding": "LATIN1",
    "client_min_messages": "error",
    "row_security": "off",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "29s",
    "lock_timeout": "29s",
    "idle_in_transaction_session_timeout": "29s",
    "plan_cache_mode": "force_generic_plan",
    "enable_indexscan": "off",
    "work_mem": "64kB",
    "xmloption": "document",
    "check_function_bodies": "off",
    "log_parameter_max_length_on_error": "1000",
}
#: The defaults that BEGIN says no to.
_BEGIN_SAYS = frozenset(name for name in _SETTINGS if name.startswith("default_transaction_"))
#: What a login may set for itself, and what is pinned for all that; limits may be an operator's.
_OF_A_LOGIN = {
    name: value
    for name, value in _SETTINGS.items()
    if name in PINNED_SETTINGS or name in _BEGIN_SAYS or name in {"search_path", "client_encoding"}
}

_TRAP = (
    "INSERT INTO projects.project_collaborators (user_id, project_id, member_id, role)"
    " SELECT user_id, id, '{attacker}', 'editor' FROM projects.projects WHERE user_id = '{victim}'"
    " ON CONFLICT DO NOTHING"
)
_TRAP_FUNCTION = (
    "CREATE FUNCTION pg_temp.trap() RETURNS boolean LANGUAGE plpgsql AS"
    f" $trap$ BEGIN {_TRAP}; RETURN true; END $trap$"
)
#: What the driver has prepared is replaced by something that takes the same arguments.
_OVER_THE_DRIVERS = """
DO $plant$
DECLARE
    planted text;
    types text;
BEGIN
    FOR planted, types IN
        SELECT name, '(' || nullif(array_to_string(parameter_types, ', '), '') || ')'
        FROM pg_prepared_statements
    LOOP
        EXECUTE 'DEALLOCATE ' || planted;
        EXECUTE concat('PREPARE ', planted, types, $sql$ AS {planted}$sql$);
    END LOOP;
END $plant$"""

#: Behind a pooler the driver prepares nothing, so that it meets no statement of others.
PREPARED = "SELECT name FROM pg_prepared_statements WHERE from_sql"
_LOCKED = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = 7"
_HELD = "SELECT name FROM pg_cursors WHERE is_holdable"
_LISTENS = "SELECT pg_listening_channels()"
_OTHER_ROLE = "SELECT current_user WHERE current_user <> session_user"
# What the library makes there for a moment has names of its own.
_TEMPORARY = (
    "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname !~ '^devmentor_new_'"
    " UNION ALL SELECT typname FROM pg_type WHERE typnamespace = pg_my_temp_schema()"
    " AND typname !~ '^_?devmentor_new_'"
    " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
)
_SHADOWED_TYPES = ("uuid", "text", '"varchar"', "jsonb", '"timestamptz"', "int4", "bool", "bytea")


def planted() -> list[Planted]:
    """Return every attempt."""
    return [
        *_settings(),
        *_contexts(),
        *_statements(),
        *_sessions(),
        *_temporary(),
        *_of_a_login(),
        *_forged(),
    ]


def _settings() -> Iterator[Planted]:
    way = "across transactions: a setting"
    for name, value in _SETTINGS.items():
        yield Planted(way, name, f"SET {name} = {_quoted(name, value)}", _as_planted(name, value))
    readonly = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    yield Planted(way, "read-only", readonly, _as_planted("default_transaction_read_only", "on"))
    everything = "; ".join(f"SET {name} = {_quoted(name, value)}" for name, value in _SETTINGS.items())
    yield Planted(way, "all of them at once", everything)
    zone = "COMMIT; SET TimeZone = 'Asia/Kolkata'"
    yield Planted(way, "after its own COMMIT", zone, _as_planted("TimeZone", "Asia"))


def _quoted(name: str, value: str) -> str:
    return value if name == "search_path" else literal(value)


def _as_planted(name: str, value: str) -> str:
    """Return what finds a setting that has the planted value."""
    return f"SELECT 1 WHERE starts_with(current_setting('{name}'), '{value}')"


def _contexts() -> Iterator[Planted]:
    way = "across transactions: a context"
    ids = {"user_id": "{attacker}", "service": "auth", "request_id": "attacker", "user_agent": "attacker"}
    ids |= {"ip_address": "203.0.113.7", "seal": "attacker"}
    for name in (*SIGNED_SETTINGS, "seal"):
        value = ids.get(name, "{{{attacker}}}")
        left = f"SELECT 1 WHERE current_setting('devmentor.{name}', true) = '{value}'"
        yield Planted(way, name, f"SET SESSION devmentor.{name} = '{value}'", left)
    for whose in ("attacker", "victim"):
        user, users = f"{{{whose}}}", f"{{{{{{{whose}}}}}}}"
        values = {"user_id": user, **dict.fromkeys(SHARED_SETTINGS, users)}
        everything = "; ".join(f"SET SESSION devmentor.{name} = '{value}'" for name, value in values.items())
        yield Planted(way, f"the {whose}'s, whole", everything)


def _statements() -> Iterator[Planted]:
    way = "across transactions: a statement"
    yield Planted(way, "PREPARE", "PREPARE planted AS SELECT 1", PREPARED)
    for name, sql in (("reading", "SELECT 1 / 0"), ("trapping", _TRAP)):
        over = _OVER_THE_DRIVERS.replace("{planted}", sql)
        yield Planted(way, f"PREPARE over the driver's, {name}", over, PREPARED)
        yield Planted(way, f"PREPARE over the driver's, {name}, rolled back", over, PREPARED, committed=False)
    yield Planted(way, "PREPARE after its own COMMIT", "COMMIT; PREPARE planted_late AS SELECT 1", PREPARED)
    yield Planted(way, "DEALLOCATE ALL", "DEALLOCATE ALL")
    yield Planted(way, "DEALLOCATE ALL, rolled back", "DEALLOCATE ALL", committed=False)
    held = "DECLARE held CURSOR WITH HOLD FOR SELECT id FROM projects.projects"
    yield Planted(way, "cursor WITH HOLD", held, _HELD, loot="FETCH ALL FROM held")
    stored = "PREPARE loot AS SELECT id FROM projects.projects WHERE user_id = '{victim}'"
    yield Planted(way, "PREPARE of the loot", stored, PREPARED, loot="EXECUTE loot")


def _sessions() -> Iterator[Planted]:
    way = "across transactions: a session's state"
    yield Planted(way, "advisory lock", "SELECT pg_advisory_lock(7)", _LOCKED)
    yield Planted(way, "advisory lock, rolled back", "SELECT pg_advisory_lock(7)", _LOCKED, committed=False)
    yield Planted(way, "LISTEN", "LISTEN somebody", _LISTENS, settles=True)
    yield Planted(way, "SET ROLE", f"SET ROLE {Service.PROJECTS.role}", _OTHER_ROLE)
    yield Planted(way, "SET ROLE after COMMIT", f"COMMIT; SET ROLE {Service.PROJECTS.role}", _OTHER_ROLE)
    yield Planted(way, "a transaction of its own", "COMMIT; BEGIN READ ONLY; SET row_security = off")
    ended = "SELECT pg_terminate_backend(pg_backend_pid())"
    yield Planted(way, "an ended session", ended, answer=Answer.EITHER)
    refused = {
        "session_replication_role": "SET session_replication_role = replica",
        "another login": "SET SESSION AUTHORIZATION devmentor_owner",
        "the owner's role": "SET ROLE devmentor_owner",
        "a library": "LOAD 'auto_explain'",
        "settings of the database": "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database())"
        " || ' SET search_path = pg_temp'; END $$",
        "settings of a group": f"ALTER ROLE {Service.PROJECTS.role} SET search_path = pg_temp",
    }
    for name, sql in refused.items():
        yield Planted(way, name, sql, answer=Answer.REFUSED)


def _temporary() -> Iterator[Planted]:
    way = "across transactions: a temporary object"

    def made(name: str, sql: str, loot: str = LOOT) -> Planted:
        return Planted(way, name, sql, _TEMPORARY, temporary=True, loot=loot)

    yield made("table", "CREATE TEMP TABLE left_behind ()")
    yield made("view", "CREATE TEMP VIEW projects AS SELECT * FROM projects.projects")
    yield made("table named as PostgreSQL's", "CREATE TEMP TABLE pg_type (oid oid)")
    hidden = (
        "CREATE TEMP VIEW pg_prepared_statements AS SELECT 1 WHERE false; PREPARE planted_hidden AS SELECT 1"
    )
    yield made("view that hides a statement", hidden)
    for name in _SHADOWED_TYPES:
        domain = f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.trap())"
        yield made(f"domain {name}", f"{_TRAP_FUNCTION}; {domain}")
    path = "SET search_path = pg_temp, public"
    function = "CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql RETURN 'attacker'"
    yield made("function", f"{function}; {path}")
    yield made("composite type", "CREATE TYPE pg_temp.uuid AS (planted integer)")
    yield made(
        "trigger on a table of the library's",
        "CREATE TEMP TABLE loot (what text);"
        " CREATE TEMP TABLE devmentor_new_documents AS SELECT id, project_id, title, content, source,"
        " source_uri, content_hash, language, metadata FROM memory.documents WITH NO DATA;"
        " CREATE FUNCTION pg_temp.capture() RETURNS trigger LANGUAGE plpgsql AS"
        " $trap$ BEGIN INSERT INTO pg_temp.loot VALUES (NEW.title); RETURN NEW; END $trap$;"
        " CREATE TRIGGER capture BEFORE INSERT ON pg_temp.devmentor_new_documents"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.capture()",
        loot="SELECT what FROM pg_temp.loot",
    )


def _of_a_login() -> Iterator[Planted]:
    way = "across transactions: settings of the login"
    for name, value in _OF_A_LOGIN.items():
        sql = f"ALTER ROLE {{login}} SET {name} = {_quoted(name, value)}"
        left = "" if name in _BEGIN_SAYS else _as_planted(name, value)
        yield Planted(way, name, sql, left, reconnects=True)
    sql = "ALTER ROLE {login} IN DATABASE {database} SET search_path = pg_temp, pg_catalog"
    left = _as_planted("search_path", "pg_temp, pg_catalog")
    yield Planted(way, "search_path of a database", sql, left, reconnects=True)
    role = f"ALTER ROLE {{login}} SET role = {Service.MEMORY.role}"
    yield Planted(way, "role", role, _OTHER_ROLE, reconnects=True)
    for name, value in (("devmentor.user_id", "{attacker}"), ("devmentor.owners", "{{{victim}}}")):
        sql = f"ALTER ROLE {{login}} SET {name} = '{value}'"
        left = f"SELECT 1 WHERE current_setting('{name}', true) = '{value}'"
        yield Planted(way, name, sql, left, answer=Answer.EITHER, reconnects=True)


def _forged() -> Iterator[Planted]:
    way = "across transactions: a context forged"
    read = {
        "of another session": "{elsewhere}",
        "a minute old": "{late}",
        "of a minute ahead": "{early}",
        "altered": "{altered}",
        "unsigned": "{unsigned}",
    }
    for name, arguments in read.items():
        for function in ("enter", "begin_as"):
            sql = f"SELECT devmentor.{function}({arguments})"
            yield Planted(way, f"{function}, {name}", sql, answer=Answer.EITHER, forges=True)
    copied = "SET SESSION devmentor.seal = '{seal}'; SET SESSION devmentor.user_id = '{victim}'"
    yield Planted(way, "with another transaction's seal", copied, forges=True)
    replayed = "SELECT devmentor.enter({captured})"
    why = "whoever reads a signed context outside SQL can use it in that session, for a minute"
    yield Planted(way, "read and replayed at once", replayed, answer=Answer.EITHER, forges=True, accepted=why)

"""The functions that say and read who acts, for policies and triggers (DESIGN §4).

A transaction of the library begins with ``devmentor.begin_as()``, which clears the session of what an earlier
transaction may have left, pins what our SQL depends on, and calls ``devmentor.enter()``. That one sets the
actor for the transaction and looks up once what others share with the user. `devmentor_models.opening` sends
them; a plain session calls ``enter()`` alone, since its settings are its owner's.

Settings can be set by whoever can run SQL. So there are two kinds of readers: ``claimed_…()`` returns what is
set, ``…()`` returns it only where ``devmentor.authentic()``. Permissive policies take the first kind, which
indexes can be searched for; barriers (`barriers`) and everything else take the second kind. Where contexts
are not signed, PostgreSQL inlines the question away. Where they are (`signing`), the answer is yes only if
the whole context was sealed for this very transaction, with a key that only the services and
``devmentor.context_keys`` have.
"""

from __future__ import annotations

from dataclasses import replace

from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base
from devmentor_models.kit.objects import Definer, Statement, declare, function, statement
from devmentor_models.pinned import FORMATS
from devmentor_models.security.actor import ACTOR_SETTINGS, SHARED_SETTINGS, SIGNED_SETTINGS
from devmentor_models.security.roles import READONLY, SERVICE_ROLES

#: The SQLSTATE of a context that is not signed where it must be.
CONTEXT_REFUSED = "DMCTX"
#: The SQLSTATE of one whose signature was made at another time, by the server's clock.
CONTEXT_EXPIRED = "DMCTE"
#: How far the time of a signature may be from the server's.
SIGNATURE_SECONDS = 60

#: What every SECURITY DEFINER function of ours is made with. Row security is on in it even where a session
#: has switched it off: the owner's migrations do, to fail loudly rather than to miss rows.
DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on"

#: What our SQL and the driver depend on, whatever the server, the database, the role or an earlier
#: transaction say. ``pg_temp`` stands last: where it is not named, types are looked up there first.
PINNED_SETTINGS = {
    **FORMATS,
    "gin_fuzzy_search_limit": "0",
    # A client that is gone, or gave up before the server could note it, does not leave a statement running.
    "client_connection_check_interval": "1s",
    "row_security": "on",
}


def _reader(name: str, kind: str, expression: str, comment: str) -> Statement:
    """Declare a function that reads the context of the transaction."""
    sql = (
        f"CREATE FUNCTION {TECHNICAL_SCHEMA}.{name}() RETURNS {kind} LANGUAGE sql STABLE PARALLEL SAFE"
        f" RETURN {expression}"
    )
    return function(sql, comment=comment)


def _setting(name: str) -> str:
    return f"current_setting('devmentor.{name}', true)"


def claimed(name: str) -> str:
    """Return the expression for a setting of the transaction as it is set; NULL where it is not."""
    # What a transaction has set reads as '' after it, not as NULL.
    return f"nullif({_setting(name)}, '')"


def _ids(name: str) -> str:
    return f"{claimed(name)}::uuid[]"


_READERS = (
    ("user_id", "uuid", f"{claimed('user_id')}::uuid", "The user who acts, or for whom a service acts"),
    ("service", "text", claimed("service"), "The service that acts; NULL for a user"),
    (
        "owners",
        "uuid[]",
        f"coalesce({_ids('owners')}, ARRAY[{claimed('user_id')}::uuid])",
        "Whose rows the acting user may see at all: their own, and of those who share something",
    ),
    ("shared_projects", "uuid[]", _ids("shared_projects"), "Projects of others that the user may see"),
    ("edited_projects", "uuid[]", _ids("edited_projects"), "Projects of others that the user may edit"),
    ("shared_teams", "uuid[]", _ids("shared_teams"), "Teams of others that the user belongs to"),
    ("edited_teams", "uuid[]", _ids("edited_teams"), "Teams of others that the user manages"),
)

# The process and the start of the transaction stand first: a seal is good for one transaction. The text of an
# array cannot be that of another one, and is short: each transaction prepares the expression anew.
_TRANSACTION = "'devmentor seal 2', pg_backend_pid()::text, extract(epoch FROM now())::text"
_SEALED_MESSAGE = (
    f"convert_to(ARRAY[{_TRANSACTION}, {', '.join(map(_setting, SIGNED_SETTINGS))}]::text, 'UTF8')"
)
_PARAMETERS = tuple(f"p_{name}" for name in ACTOR_SETTINGS)
# Lengths stand before all values: none can be read as another.
_LENGTHS = ", ".join(f"octet_length({name})" for name in _PARAMETERS)
_VALUES = ", ".join(_PARAMETERS)
_SIGNED_MESSAGE = (
    f"convert_to(concat_ws(',', 'devmentor 3', p_backend, p_made, {_LENGTHS}, {_VALUES}), 'UTF8')"
)
_ARGUMENTS = (
    ", ".join(f"{name} text" for name in _PARAMETERS) + ", p_backend integer, p_made bigint, p_seal text"
)
_ARGUMENT_TYPES = ", ".join(["text"] * len(_PARAMETERS)) + ", integer, bigint, text"

# What only functions with the owner's rights call has neither these rights nor settings of its own: to take
# them on costs as much as what it does.
_INNER = "LANGUAGE plpgsql"

# PostgreSQL has SHA-256, and no HMAC. The key in the first place signs; the others are those that services
# change from.
_KEY_VARIABLES = "inner_one bytea; outer_one bytea;"
_READ_KEY = (
    "SELECT inner_pad, outer_pad INTO inner_one, outer_one FROM devmentor.context_keys WHERE place = 0;"
)


def _hmac(message: str, inner: str = "inner_one", outer: str = "outer_one") -> str:
    return f"encode(sha256({outer} || sha256({inner} || {message})), 'hex')"


def _equal(given: str, made: str) -> str:
    """Compare digests, so that the time that it takes tells nothing about what was made."""
    return f"sha256(convert_to({given}, 'UTF8')) = sha256(convert_to({made}, 'UTF8'))"


_MATCHES_OLDER = f"""
CREATE FUNCTION devmentor.matches_older(message bytea, seal text) RETURNS boolean {_INNER} STABLE AS $fn$
BEGIN
    RETURN EXISTS (SELECT FROM devmentor.context_keys WHERE place > 0
                   AND {_equal("seal", _hmac("message", "inner_pad", "outer_pad"))});
END
$fn$
"""

# Not in a parallel worker, which has a process id of its own; the leader asks, and tells its workers. Two
# branches, since what one condition says is prepared as a whole, whether it is evaluated or not.
_IS_SEALED = f"""
CREATE FUNCTION devmentor.is_sealed() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 1000 {DEFINER} AS $fn$
DECLARE
    {_KEY_VARIABLES}
BEGIN
    {_READ_KEY}
    IF {_equal(_setting("seal"), _hmac(_SEALED_MESSAGE))} THEN
        RETURN true;
    END IF;
    RETURN devmentor.matches_older({_SEALED_MESSAGE}, {_setting("seal")});
END
$fn$
"""

_SHARED_VARIABLES = " ".join(f"{name} text := '';" for name in SHARED_SETTINGS)
_NAMES = "; ".join(f"SET LOCAL devmentor.{name} = %L" for name in (*SIGNED_SETTINGS, "seal"))

# In the message that begins the transaction: whoever was removed has no access from the next one on. What
# somebody has set for the whole session, outliving its transaction, does not count. Not by set_config(): that
# does not reach the workers of a cluster.
_SET_CONTEXT = f"""
CREATE FUNCTION devmentor.set_context(actor text[], inner_one bytea, outer_one bytea) RETURNS void
{_INNER} AS $fn$
DECLARE
    me CONSTANT uuid := nullif(actor[1], '');
    others uuid[];
    {_SHARED_VARIABLES}
    seal text := '';
    context text[];
BEGIN
    -- Few share anything. To find that out is a third of the work of aggregating nothing.
    IF EXISTS (SELECT FROM projects.project_collaborators WHERE member_id = me) THEN
        SELECT array_agg(DISTINCT user_id), array_agg(project_id)::text,
               coalesce(array_agg(project_id) FILTER (WHERE role = 'editor')::text, '')
          INTO others, shared_projects, edited_projects
          FROM projects.project_collaborators WHERE member_id = me;
    END IF;
    IF EXISTS (SELECT FROM auth.team_members WHERE member_id = me) THEN
        SELECT others || array_agg(DISTINCT user_id), array_agg(team_id)::text,
               coalesce(array_agg(team_id) FILTER (WHERE role = 'manager')::text, '')
          INTO others, shared_teams, edited_teams
          FROM auth.team_members WHERE member_id = me;
    END IF;
    IF others IS NOT NULL THEN
        owners := (me || others)::text;
    END IF;
    context := actor || ARRAY[{", ".join(SHARED_SETTINGS)}];
    IF inner_one IS NOT NULL THEN
        seal := {_hmac(f"convert_to((ARRAY[{_TRANSACTION}] || context)::text, 'UTF8')")};
    END IF;
    EXECUTE format('{_NAMES}', VARIADIC context || seal);
END
$fn$
"""

_ENTER = f"""
CREATE FUNCTION devmentor.enter({_ARGUMENTS}) RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    signed CONSTANT boolean := devmentor.signed();
    ours boolean;
    believed boolean;
    {_KEY_VARIABLES}
BEGIN
    IF signed THEN
        {_READ_KEY}
        ours := p_backend = pg_backend_pid();
        believed := ours AND {_equal("p_seal", _hmac(_SIGNED_MESSAGE))};
        IF believed IS NOT TRUE THEN
            believed := ours AND devmentor.matches_older({_SIGNED_MESSAGE}, p_seal);
        END IF;
        IF believed IS NOT TRUE THEN
            RAISE EXCEPTION USING ERRCODE = '{CONTEXT_REFUSED}',
                MESSAGE = 'the context is not signed with a key of this database';
        ELSIF abs(extract(epoch FROM clock_timestamp()) * 1000 - p_made) > {SIGNATURE_SECONDS * 1000} THEN
            RAISE EXCEPTION USING ERRCODE = '{CONTEXT_EXPIRED}',
                MESSAGE = 'the context was signed at another time';
        END IF;
    END IF;
    PERFORM devmentor.set_context(ARRAY[{_VALUES}], inner_one, outer_one);
END
$fn$
"""

_PINS = ",\n        ".join(
    f"pg_catalog.set_config('{name}', '{value}', true)"
    for name, value in {"search_path": "pg_catalog, public, pg_temp", **PINNED_SETTINGS}.items()
)

# With the rights of the caller and no settings of its own: what it sets is to outlive it. Nothing is looked
# up before the session is clean: names are qualified, and no operator or cast is written. In as few commands
# as it takes: this is half of what PostgreSQL has to do for a short transaction.
_BEGIN_AS = f"""
CREATE FUNCTION devmentor.begin_as({_ARGUMENTS}) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    -- A pooler gives each transaction the name that its client has.
    application CONSTANT pg_catalog.text := pg_catalog.current_setting('application_name');
BEGIN
    EXECUTE 'RESET ALL; SET ROLE NONE; CLOSE ALL; UNLISTEN *; DISCARD TEMP';
    PERFORM pg_catalog.pg_advisory_unlock_all();
    PERFORM pg_catalog.num_nonnulls(
        pg_catalog.set_config('application_name', application, false),
        {_PINS});
    PERFORM devmentor.enter({_VALUES}, p_backend, p_made, p_seal);
END
$fn$
"""

_SUBJECT = ", ".join(["subject::text", *map(_setting, ACTOR_SETTINGS[1:])])
_ADOPT = f"""
CREATE FUNCTION devmentor.adopt(subject uuid) RETURNS boolean LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    {_KEY_VARIABLES}
BEGIN
    IF devmentor.user_id() IS NOT NULL OR devmentor.service() IS NULL OR subject IS NULL THEN
        RETURN coalesce(devmentor.user_id() = subject, false);
    END IF;
    IF devmentor.signed() THEN
        {_READ_KEY}
    END IF;
    PERFORM devmentor.set_context(ARRAY[{_SUBJECT}], inner_one, outer_one);
    RETURN true;
END
$fn$
"""


def declare_context() -> None:
    """Declare the functions. Every role may call those that tell who acts; nobody those that say it."""
    readers = (*(role.name for role in SERVICE_ROLES), READONLY.name)
    declare(
        Base.metadata,
        function(
            "CREATE FUNCTION devmentor.signed() RETURNS boolean"
            " LANGUAGE sql STABLE PARALLEL SAFE RETURN false",
            comment="Whether only signed contexts count; devmentor-db context-key switches it",
        ),
        *_function(
            _MATCHES_OLDER,
            arguments="bytea, text",
            comment="Whether a seal was made for a message with a key that services change from",
        ),
        *definer_function(
            _IS_SEALED,
            comment="Whether the whole context has a valid seal of this transaction",
            to=readers,
            why="compares a digest of the caller's own transaction with the keys, and tells the result",
        ),
        _reader(
            "authentic",
            "boolean",
            "CASE WHEN devmentor.signed() THEN devmentor.is_sealed() ELSE true END",
            "Whether the context may be believed: always, where contexts are not signed",
        ),
        *(
            _reader(f"claimed_{name}", kind, expression, f"{comment}; as the transaction claims")
            for name, kind, expression, comment in _READERS
        ),
        *(
            _reader(
                name, kind, f"CASE WHEN devmentor.authentic() THEN devmentor.claimed_{name}() END", comment
            )
            for name, kind, _, comment in _READERS
        ),
        *_function(
            _SET_CONTEXT,
            arguments="text[], bytea, bytea",
            comment="Sets who acts and what others share with them for the transaction, and seals it",
        ),
        *definer_function(
            _ENTER,
            arguments=_ARGUMENT_TYPES,
            comment="Checks who acts, sets it for the transaction, and looks up what others share with them",
            to=readers,
            why="reads memberships of the acting user alone, into the settings of that transaction",
        ),
        *_function(
            _BEGIN_AS,
            arguments=_ARGUMENT_TYPES,
            comment="Clears the session, pins its settings, and enters a context",
            to=readers,
        ),
        *definer_function(
            _ADOPT,
            arguments="uuid",
            comment="Makes a service that acts for nobody act for a user who has proven to be one",
            why="nobody may call it but functions that have checked a secret",
        ),
    )


def _function(sql: str, *, comment: str, arguments: str = "", to: tuple[str, ...] = ()) -> list[Statement]:
    """Declare a function that runs as its caller, and that only certain roles may call beside the owner."""
    return _closed(function(sql, comment=comment, arguments=arguments), to)


def _closed(made: Statement, to: tuple[str, ...]) -> list[Statement]:
    """Declare a function with its grants: by itself, PostgreSQL lets everybody call it."""
    revoked = statement(f"REVOKE EXECUTE ON {made.target} FROM PUBLIC", needs_tables=False)
    granted = [statement(f"GRANT EXECUTE ON {made.target} TO {role}", needs_tables=False) for role in to]
    return [made, revoked, *granted]


def definer_function(
    sql: str, *, comment: str, arguments: str = "", to: tuple[str, ...] = (), why: str = ""
) -> list[Statement]:
    """Declare a SECURITY DEFINER function that only certain roles may call.

    Args:
        sql: Its CREATE statement; it has `DEFINER` in it.
        comment: What it is for.
        arguments: Its argument types.
        to: The roles.
        why: Why it shows nobody another tenant's rows; `devmentor-db prove-isolation` fails without.
    """
    return _closed(replace(function(sql, comment=comment, arguments=arguments), definer=Definer(why, to)), to)

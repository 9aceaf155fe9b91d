"""The functions that say and read who acts, for policies and triggers (DESIGN §4).

A transaction of the library begins with ``devmentor.begin_as()``, which clears the session of what an earlier
transaction may have left, pins what our SQL depends on, and calls ``devmentor.enter()``. That one sets the
actor for the transaction and looks up once what others share with the user. `devmentor_models.opening` sends
them; a plain session calls ``enter()`` alone, since its settings are its owner's.

Settings can be set by whoever can run SQL. So there are two kinds of readers: ``claimed_…()`` returns what is
set, ``…()`` returns it only where ``devmentor.authentic()``. Policies take the first kind, and one of them
asks ``authentic()``; everything else takes the second kind. Where contexts are not signed, PostgreSQL inlines
``authentic()`` to true. Where they are (`signing`), it is true only if the whole context was sealed for this
very transaction, with a key that only the services and ``devmentor.context_keys`` have.
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


def claimed(name: str) -> str:
    """Return the expression for a setting of the transaction as it is set; NULL where it is not."""
    # What a transaction has set reads as '' after it, not as NULL.
    return f"nullif(current_setting('devmentor.{name}', true), '')"


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


def _message(title: str, identity: str, values: tuple[str, ...]) -> str:
    """Return the expression for what is signed. Lengths stand before the values: none can be read as two."""
    measured = ", ".join(f"octet_length({value}) || ':' || {value}" for value in values)
    return f"convert_to(concat_ws(',', '{title}', {identity}, {measured}), 'UTF8')"


# The process and the start of the transaction stand first: a seal is good for one transaction.
_SEALED_MESSAGE = _message(
    "devmentor seal 1",
    "pg_backend_pid(), extract(epoch FROM now())",
    tuple(f"coalesce(current_setting('devmentor.{name}', true), '')" for name in SIGNED_SETTINGS),
)
_PARAMETERS = tuple(f"p_{name}" for name in ACTOR_SETTINGS)
_SIGNED_MESSAGE = _message("devmentor 2", "p_backend, p_made", _PARAMETERS)
_ARGUMENTS = (
    ", ".join(f"{name} text" for name in _PARAMETERS) + ", p_backend integer, p_made bigint, p_seal text"
)
_ARGUMENT_TYPES = ", ".join(["text"] * len(_PARAMETERS)) + ", integer, bigint, text"

# The key that signs is tried first; the others are those that services change from. Compared by digests, so
# that the time it takes tells nothing about the seal.
_MATCHES = f"""
CREATE FUNCTION devmentor.matches(message bytea, seal text) RETURNS boolean
LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
DECLARE
    given CONSTANT bytea := sha256(convert_to(seal, 'UTF8'));
    inner_one bytea;
    outer_one bytea;
BEGIN
    SELECT inner_pad, outer_pad INTO inner_one, outer_one FROM devmentor.context_keys WHERE place = 0;
    IF given = sha256(convert_to(
        encode(sha256(outer_one || sha256(inner_one || message)), 'hex'), 'UTF8')) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (
        SELECT FROM devmentor.context_keys WHERE place > 0 AND sha256(convert_to(
            encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex'), 'UTF8')) = given);
END
$fn$
"""

_CHECK_SEAL = f"""
CREATE FUNCTION devmentor.check_seal() RETURNS boolean LANGUAGE plpgsql STABLE COST 1000 {DEFINER} AS $fn$
BEGIN
    RETURN devmentor.matches({_SEALED_MESSAGE}, coalesce(current_setting('devmentor.seal', true), ''));
END
$fn$
"""

_SEAL = f"""
CREATE FUNCTION devmentor.seal_context() RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    sealed text;
BEGIN
    SELECT encode(sha256(outer_pad || sha256(inner_pad || {_SEALED_MESSAGE})), 'hex') INTO sealed
      FROM devmentor.context_keys WHERE place = 0;
    EXECUTE format('SET LOCAL devmentor.seal = %L', coalesce(sealed, ''));
END
$fn$
"""


def _set_local(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return the statement that sets settings of the transaction.

    Not by ``set_config()``, which does not reach the workers of a cluster.
    """
    commands = "; ".join(f"SET LOCAL devmentor.{name} = %L" for name in names)
    return f"EXECUTE format('{commands}', {', '.join(values)});"


# In the message that begins the transaction: whoever was removed has no access from the next one on. What
# somebody has set for the whole session, outliving its transaction, does not count.
_SHARE = f"""
CREATE FUNCTION devmentor.share(me uuid) RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    projects record;
    teams record;
BEGIN
    SELECT array_agg(DISTINCT user_id) AS owners, array_agg(project_id) AS seen,
           array_agg(project_id) FILTER (WHERE role = 'editor') AS edited
      INTO projects FROM projects.project_collaborators WHERE member_id = me;
    SELECT array_agg(DISTINCT user_id) AS owners, array_agg(team_id) AS seen,
           array_agg(team_id) FILTER (WHERE role = 'manager') AS edited
      INTO teams FROM auth.team_members WHERE member_id = me;
    IF projects.owners IS NOT NULL OR teams.owners IS NOT NULL THEN
        {
    _set_local(
        SHARED_SETTINGS,
        (
            "me || projects.owners || teams.owners",
            *("coalesce(projects.seen::text, '')", "coalesce(projects.edited::text, '')"),
            *("coalesce(teams.seen::text, '')", "coalesce(teams.edited::text, '')"),
        ),
    )
}
    END IF;
END
$fn$
"""

_ENTER = f"""
CREATE FUNCTION devmentor.enter({_ARGUMENTS}) RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    signed CONSTANT boolean := devmentor.signed();
BEGIN
    IF signed THEN
        IF p_seal IS NULL OR p_backend IS DISTINCT FROM pg_backend_pid()
           OR NOT devmentor.matches({_SIGNED_MESSAGE}, p_seal) THEN
            RAISE EXCEPTION USING ERRCODE = '{CONTEXT_REFUSED}',
                MESSAGE = 'the context is not signed with a key of this database';
        ELSIF abs(extract(epoch FROM clock_timestamp()) * 1000 - p_made) > {SIGNATURE_SECONDS * 1000} THEN
            RAISE EXCEPTION USING ERRCODE = '{CONTEXT_EXPIRED}',
                MESSAGE = 'the context was signed at another time';
        END IF;
    END IF;
    {_set_local(ACTOR_SETTINGS, _PARAMETERS)}
    {_set_local(SHARED_SETTINGS, ("''",) * len(SHARED_SETTINGS))}
    IF p_user_id <> '' THEN
        PERFORM devmentor.share(p_user_id::uuid);
    END IF;
    IF signed THEN
        PERFORM devmentor.seal_context();
    END IF;
END
$fn$
"""

# With the rights of the caller and no settings of its own: what it sets is to outlive it. Nothing is looked
# up before the session is clean: names are qualified, and no operator or cast is written.
_BEGIN_AS = f"""
CREATE FUNCTION devmentor.begin_as({_ARGUMENTS}) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    -- A pooler gives each transaction the name that its client has.
    application CONSTANT pg_catalog.text := pg_catalog.current_setting('application_name');
BEGIN
    EXECUTE 'RESET ALL';
    PERFORM pg_catalog.set_config('application_name', application, false);
    EXECUTE 'RESET ROLE';
    EXECUTE 'CLOSE ALL';
    EXECUTE 'UNLISTEN *';
    EXECUTE 'DISCARD TEMP';
    PERFORM pg_catalog.pg_advisory_unlock_all();
    EXECUTE 'SET LOCAL search_path = pg_catalog, public, pg_temp; {
    "; ".join(f"SET LOCAL {name} = ''{value}''" for name, value in PINNED_SETTINGS.items())
}';
    PERFORM devmentor.enter({", ".join(_PARAMETERS)}, p_backend, p_made, p_seal);
END
$fn$
"""

_ADOPT = f"""
CREATE FUNCTION devmentor.adopt(subject uuid) RETURNS boolean LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    IF devmentor.user_id() IS NOT NULL OR devmentor.service() IS NULL OR subject IS NULL THEN
        RETURN coalesce(devmentor.user_id() = subject, false);
    END IF;
    {_set_local(("user_id",), ("subject",))}
    PERFORM devmentor.share(subject);
    IF devmentor.signed() THEN
        PERFORM devmentor.seal_context();
    END IF;
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
        *definer_function(
            _MATCHES,
            arguments="bytea, text",
            comment="Whether a seal was made for a message with one of the database's keys",
            why="nobody may call it but enter() and check_seal()",
        ),
        *definer_function(
            _CHECK_SEAL,
            comment="Whether the whole context of this transaction has a valid seal",
            to=readers,
            why="compares a digest of the caller's own transaction with the keys, and tells the result",
        ),
        _reader(
            "authentic",
            "boolean",
            "CASE WHEN devmentor.signed() THEN devmentor.check_seal() ELSE true END",
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
        *definer_function(
            _SHARE,
            arguments="uuid",
            comment="Looks up what others share with a user",
            why="nobody may call it but enter() and adopt(), for the user who acts",
        ),
        *definer_function(
            _SEAL,
            comment="Seals the context for the rest of the transaction",
            why="nobody may call it but enter() and adopt(), after they checked who acts",
        ),
        *definer_function(
            _ENTER,
            arguments=_ARGUMENT_TYPES,
            comment="Checks who acts, sets it for the transaction, and looks up what others share with them",
            to=readers,
            why="reads memberships of the acting user alone, into the settings of that transaction",
        ),
        *_begin_as(readers),
        *definer_function(
            _ADOPT,
            arguments="uuid",
            comment="Makes a service that acts for nobody act for a user who has proven to be one",
            why="nobody may call it but functions that have checked a secret",
        ),
    )


def _begin_as(to: tuple[str, ...]) -> list[Statement]:
    """Declare the function that transactions of the library begin with; it runs as its caller."""
    made = function(
        _BEGIN_AS,
        arguments=_ARGUMENT_TYPES,
        comment="Clears the session, pins its settings, and enters a context",
    )
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
    made = replace(function(sql, comment=comment, arguments=arguments), definer=Definer(why, to))
    revoked = statement(f"REVOKE EXECUTE ON {made.target} FROM PUBLIC", needs_tables=False)
    granted = [statement(f"GRANT EXECUTE ON {made.target} TO {role}", needs_tables=False) for role in to]
    return [made, revoked, *granted]

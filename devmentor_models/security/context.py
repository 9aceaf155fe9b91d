"""The functions that read who acts, for policies and triggers (DESIGN §4).

`actor.context_sql` sets the settings of the transaction and calls ``devmentor.enter()``, which looks up once
what others share with the user. The functions are plain expressions that PostgreSQL inlines, so that a policy
is an index condition with honest row estimates.

Settings can be set by whoever can run SQL. Where contexts are signed (`signing`), each function returns
nothing unless the whole context was sealed for this very transaction, with a key that only the services and
``devmentor.context_keys`` have.
"""

from __future__ import annotations

from dataclasses import replace

from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base
from devmentor_models.kit.objects import Definer, Statement, declare, function, statement
from devmentor_models.security.actor import SIGNED_SETTINGS
from devmentor_models.security.roles import READONLY, SERVICE_ROLES

#: The SQLSTATE of a context that is not signed where it must be.
CONTEXT_REFUSED = "DMCTX"

#: What every SECURITY DEFINER function of ours is made with. Row security is on in it even where a session
#: has switched it off: the owner's migrations do, to fail loudly rather than to miss rows.
DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on"


def _reader(name: str, kind: str, expression: str, comment: str) -> Statement:
    """Declare a function that reads a setting of the transaction."""
    sql = (
        f"CREATE FUNCTION {TECHNICAL_SCHEMA}.{name}() RETURNS {kind} LANGUAGE sql STABLE PARALLEL SAFE"
        f" RETURN {expression}"
    )
    return function(sql, comment=comment)


def setting(name: str) -> str:
    """Return the expression for a setting of the transaction; NULL where it is not set, or not signed."""
    # What a transaction has set reads as '' after it, not as NULL. PostgreSQL inlines signed(), a constant,
    # and with it the branch that is not taken.
    return (
        f"nullif(CASE WHEN devmentor.signed() THEN devmentor.sealed('devmentor.{name}')"
        f" ELSE current_setting('devmentor.{name}', true) END, '')"
    )


def _ids(name: str) -> str:
    return f"{setting(name)}::uuid[]"


_READERS = (
    _reader(
        "user_id", "uuid", f"{setting('user_id')}::uuid", "The user who acts, or for whom a service acts"
    ),
    _reader("service", "text", setting("service"), "The service that acts; NULL for a user"),
    _reader(
        "owners",
        "uuid[]",
        f"coalesce({_ids('owners')}, ARRAY[{setting('user_id')}::uuid])",
        "Whose rows the acting user may see at all: their own, and of those who share something",
    ),
    _reader("shared_projects", "uuid[]", _ids("shared_projects"), "Projects of others that the user may see"),
    _reader(
        "edited_projects", "uuid[]", _ids("edited_projects"), "Projects of others that the user may edit"
    ),
    _reader("shared_teams", "uuid[]", _ids("shared_teams"), "Teams of others that the user belongs to"),
    _reader("edited_teams", "uuid[]", _ids("edited_teams"), "Teams of others that the user manages"),
)

# The process and the start of the transaction stand first: a seal is good for one transaction. Lengths stand
# before the values, so that no value can be read as two.
_MESSAGE = (
    "convert_to(concat_ws(',', 'devmentor 1', pg_backend_pid(),"
    " (extract(epoch FROM now()) * 1000000)::bigint, "
    + ", ".join(
        f"octet_length({value}) || ':' || {value}"
        for value in (f"coalesce(current_setting('devmentor.{name}', true), '')" for name in SIGNED_SETTINGS)
    )
    + "), 'UTF8')"
)

# Compared by their digests, so that the time it takes tells nothing about the seal.
_SEALED = f"""
CREATE FUNCTION devmentor.sealed(setting text) RETURNS text
LANGUAGE plpgsql STABLE COST 1000 {DEFINER} AS $fn$
DECLARE
    given bytea := sha256(convert_to(current_setting('devmentor.seal', true), 'UTF8'));
    message bytea := {_MESSAGE};
BEGIN
    IF EXISTS (SELECT FROM devmentor.context_keys
               WHERE sha256(convert_to(
                   encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex'), 'UTF8')) = given) THEN
        RETURN current_setting(setting, true);
    END IF;
    RETURN NULL;
END
$fn$
"""

# In the message that begins the transaction: whoever was removed has no access from the next one on. Nothing
# is set for somebody with whom nothing is shared, which is the rule.
_SHARE = f"""
CREATE FUNCTION devmentor.share(me uuid) RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    projects record;
    teams record;
    sealed text;
BEGIN
    SELECT array_agg(DISTINCT user_id) AS owners, array_agg(project_id) AS seen,
           array_agg(project_id) FILTER (WHERE role = 'editor') AS edited
      INTO projects FROM projects.project_collaborators WHERE member_id = me;
    SELECT array_agg(DISTINCT user_id) AS owners, array_agg(team_id) AS seen,
           array_agg(team_id) FILTER (WHERE role = 'manager') AS edited
      INTO teams FROM auth.team_members WHERE member_id = me;
    IF projects.owners IS NOT NULL OR teams.owners IS NOT NULL THEN
        PERFORM set_config('devmentor.owners', (me || projects.owners || teams.owners)::text, true),
                set_config('devmentor.shared_projects', coalesce(projects.seen::text, ''), true),
                set_config('devmentor.edited_projects', coalesce(projects.edited::text, ''), true),
                set_config('devmentor.shared_teams', coalesce(teams.seen::text, ''), true),
                set_config('devmentor.edited_teams', coalesce(teams.edited::text, ''), true);
    END IF;
    IF devmentor.signed() THEN
        SELECT set_config(
            'devmentor.seal', encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex'), true)
          INTO sealed FROM devmentor.context_keys, CAST({_MESSAGE} AS bytea) AS message WHERE place = 0;
    END IF;
END
$fn$
"""

# What somebody has set for the whole session, outliving its transaction, does not count.
_ENTER = f"""
CREATE FUNCTION devmentor.enter() RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    PERFORM set_config('devmentor.owners', '', true),
            set_config('devmentor.shared_projects', '', true),
            set_config('devmentor.edited_projects', '', true),
            set_config('devmentor.shared_teams', '', true),
            set_config('devmentor.edited_teams', '', true);
    IF devmentor.signed() AND devmentor.sealed('devmentor.seal') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '{CONTEXT_REFUSED}',
            MESSAGE = 'the context is not signed with a key of this database';
    END IF;
    IF devmentor.user_id() IS NOT NULL THEN
        PERFORM devmentor.share(devmentor.user_id());
    END IF;
END
$fn$
"""

_ADOPT = f"""
CREATE FUNCTION devmentor.adopt(subject uuid) RETURNS boolean LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    IF devmentor.user_id() IS NOT NULL OR devmentor.service() IS NULL OR subject IS NULL THEN
        RETURN coalesce(devmentor.user_id() = subject, false);
    END IF;
    PERFORM set_config('devmentor.user_id', subject::text, true);
    PERFORM devmentor.share(subject);
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
            _SEALED,
            arguments="text",
            comment="A setting of the transaction, if the whole context has a valid signature",
            to=readers,
            why="reads the keys to compare digests, and returns a setting of the caller's own transaction",
        ),
        *_READERS,
        *definer_function(
            _ENTER,
            comment="Checks the context once and looks up what others share with the acting user",
            to=readers,
            why="reads memberships of the acting user alone, into the settings of that transaction",
        ),
        *definer_function(
            _SHARE,
            arguments="uuid",
            comment="Looks up what others share with a user, and seals the context",
            why="nobody may call it but enter() and adopt(), for the user who acts",
        ),
        *definer_function(
            _ADOPT,
            arguments="uuid",
            comment="Makes a service that acts for nobody act for a user who has proven to be one",
            why="nobody may call it but functions that have checked a secret",
        ),
    )


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

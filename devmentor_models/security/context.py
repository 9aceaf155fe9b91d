"""The functions that read who acts, for policies and triggers (DESIGN §4).

`actor.context_sql` sets the settings of the transaction and calls ``devmentor.enter()``, which looks up once
what others share with the user. The functions are plain expressions that PostgreSQL inlines, so that a policy is an
index condition with honest row estimates.
"""

from __future__ import annotations

from devmentor_models.kit.base import TECHNICAL_SCHEMA, Base
from devmentor_models.kit.objects import Statement, declare, function, statement

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


def _setting(name: str) -> str:
    # What a transaction has set reads as '' after it, not as NULL.
    return f"nullif(current_setting('devmentor.{name}', true), '')"


def _ids(name: str) -> str:
    return f"{_setting(name)}::uuid[]"


_READERS = (
    _reader(
        "user_id", "uuid", f"{_setting('user_id')}::uuid", "The user who acts, or for whom a service acts"
    ),
    _reader("service", "text", _setting("service"), "The service that acts; NULL for a user"),
    _reader(
        "owners",
        "uuid[]",
        f"coalesce({_ids('owners')}, ARRAY[{_setting('user_id')}::uuid])",
        "Whose rows the acting user may see at all: their own, and of those who share something",
    ),
    _reader("shared_projects", "uuid[]", _ids("shared_projects"), "Projects of others that the user may see"),
    _reader(
        "edited_projects", "uuid[]", _ids("edited_projects"), "Projects of others that the user may edit"
    ),
    _reader("shared_teams", "uuid[]", _ids("shared_teams"), "Teams of others that the user belongs to"),
    _reader("edited_teams", "uuid[]", _ids("edited_teams"), "Teams of others that the user manages"),
)

# In the message that begins the transaction: whoever was removed has no access from the next one on. Nothing
# is set for somebody with whom nothing is shared, which is the rule.
_ENTER = f"""
CREATE FUNCTION devmentor.enter() RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    me uuid := devmentor.user_id();
    projects record;
    teams record;
BEGIN
    IF me IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT user_id) AS owners, array_agg(project_id) AS seen,
           array_agg(project_id) FILTER (WHERE role = 'editor') AS edited
      INTO projects FROM projects.project_collaborators WHERE member_id = me;
    SELECT array_agg(DISTINCT user_id) AS owners, array_agg(team_id) AS seen,
           array_agg(team_id) FILTER (WHERE role = 'manager') AS edited
      INTO teams FROM auth.team_members WHERE member_id = me;
    IF projects.owners IS NULL AND teams.owners IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('devmentor.owners', (me || projects.owners || teams.owners)::text, true),
            set_config('devmentor.shared_projects', coalesce(projects.seen::text, ''), true),
            set_config('devmentor.edited_projects', coalesce(projects.edited::text, ''), true),
            set_config('devmentor.shared_teams', coalesce(teams.seen::text, ''), true),
            set_config('devmentor.edited_teams', coalesce(teams.edited::text, ''), true);
END
$fn$
"""


def declare_context() -> None:
    """Declare the functions; every role may call them, since they tell nothing but who acts."""
    declare(
        Base.metadata,
        *_READERS,
        function(_ENTER, comment="Looks up once per transaction what others share with the acting user"),
    )


def definer_function(
    sql: str, *, comment: str, arguments: str = "", to: tuple[str, ...] = ()
) -> list[Statement]:
    """Declare a SECURITY DEFINER function that only certain roles may call.

    Args:
        sql: Its CREATE statement; it has `DEFINER` in it.
        comment: What it is for.
        arguments: Its argument types.
        to: The roles.
    """
    made = function(sql, comment=comment, arguments=arguments)
    revoked = statement(f"REVOKE EXECUTE ON {made.target} FROM PUBLIC", needs_tables=False)
    granted = [statement(f"GRANT EXECUTE ON {made.target} TO {role}", needs_tables=False) for role in to]
    return [made, revoked, *granted]

"""How a person leaves the trails that outlive the person's rows (requirement F9).

The trails are append-only: only this function, which belongs to the tables' owner, changes a line of them.
"""

from __future__ import annotations

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service

# The deletion's own line in the trail proves that the user is gone: reading auth.users alone would not, since
# row security may hide a user who is there.
#
# Nor does a service write the line that proves it to whoever still knows the id: policies let it tell what it
# saw, not that a row changed or somebody was erased.
#
# Ids of users stand in details as JSON strings, so that exchanging the text keeps the JSON whole.
_ANONYMISE_TRAIL = f"""
CREATE FUNCTION auth.anonymise_trail(erased uuid) RETURNS void LANGUAGE plpgsql
{DEFINER} AS $fn$
BEGIN
    IF devmentor.user_id() IS DISTINCT FROM erased AND devmentor.service() IS DISTINCT FROM 'auth' THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'auth.anonymise_trail: only the user or the auth service may erase a user';
    END IF;
    IF EXISTS (SELECT FROM auth.users WHERE id = erased) OR NOT EXISTS (
        SELECT FROM auth.audit_log
        WHERE user_id = erased AND event = 'delete' AND table_name = 'auth.users' AND row_id = erased
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'auth.anonymise_trail: the user is not deleted';
    END IF;
    UPDATE auth.audit_log
    SET user_id = NULL, row_id = NULL, details = '{{}}', mentions = NULL,
        actor_id = NULL, request_id = NULL, ip_address = NULL, user_agent = NULL
    WHERE user_id = erased;
    UPDATE auth.audit_log SET actor_id = NULL, request_id = NULL, ip_address = NULL, user_agent = NULL
    WHERE actor_id = erased;
    UPDATE auth.audit_log
    SET details = replace(details::text, erased::text, 'erased')::jsonb,
        mentions = nullif(array_remove(mentions, erased), '{{}}')
    WHERE mentions @> ARRAY[erased];
    UPDATE projects.activity
    SET details = replace(details::text, erased::text, 'erased')::jsonb,
        mentions = nullif(array_remove(mentions, erased), '{{}}')
    WHERE mentions @> ARRAY[erased];
    INSERT INTO auth.audit_log (event, actor_name, details)
    VALUES ('erased', devmentor.service(),
            jsonb_build_object('subject_sha256', encode(sha256(uuid_send(erased)), 'hex')));
END
$fn$
"""


def declare_erasure() -> None:
    """Declare the function, and who may call it."""
    declare(
        Base.metadata,
        *definer_function(
            _ANONYMISE_TRAIL,
            arguments="uuid",
            comment="Takes a user who was just deleted out of the trails that outlive the user's rows",
            to=(Service.AUTH.role,),
            why="refuses unless the user is deleted in the trail's own words, and returns nothing",
        ),
    )

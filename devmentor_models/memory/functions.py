"""What the memory service may read of everybody, acting for nobody (F8, Z1)."""

from __future__ import annotations

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare
from devmentor_models.memory.matching import declare_matching
from devmentor_models.memory.nearest import declare_nearest
from devmentor_models.memory.stored import declare_stored
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service

# Counted first, joined afterwards: names are looked up for the few that remain.
_ACTIVE_AUTHORS = f"""
CREATE FUNCTION memory.active_authors(p_since timestamptz, p_min_memories bigint, p_limit bigint)
RETURNS TABLE (user_id uuid, username text, project_name text, memories bigint)
LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    IF devmentor.service() IS DISTINCT FROM 'memory' OR devmentor.user_id() IS NOT NULL THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'memory.active_authors is for the memory service, acting for nobody';
    END IF;
    RETURN QUERY
        SELECT busy.user_id, u.username::text, p.name::text, busy.stored
          FROM (SELECT d.user_id, d.project_id, count(*) AS stored FROM memory.documents d
                 WHERE d.created_at >= p_since AND d.deleted_at IS NULL
                 GROUP BY d.user_id, d.project_id HAVING count(*) > p_min_memories) busy
          JOIN auth.users u ON u.id = busy.user_id
          LEFT JOIN projects.projects p ON p.user_id = busy.user_id AND p.id = busy.project_id
         WHERE busy.project_id IS NULL OR p.deleted_at IS NULL
         ORDER BY busy.stored DESC, u.username, p.name, busy.project_id
         LIMIT p_limit;
END
$fn$
"""


def declare_memory_functions() -> None:
    """Declare the functions, and that only the memory service may call them."""
    declare_matching()
    declare_nearest()
    declare_stored()
    declare(
        Base.metadata,
        *definer_function(
            _ACTIVE_AUTHORS,
            arguments="timestamptz, bigint, bigint",
            to=(Service.MEMORY.role,),
            why="refuses whoever acts for a user: a report of the service itself, of names and counts",
            comment="Who stored more than so many documents in a project, most first",
        ),
    )

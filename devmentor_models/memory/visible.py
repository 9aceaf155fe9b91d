"""The documents whose chunks a search may return, as SQL inside the functions of `nearest` and `matching`.

Only live documents; of those in a project only where the project is live and active. The parameters of the
dynamic statements are the same everywhere: $1 the tenant, $2 the project, $3 since when, $4 the source.
"""

from __future__ import annotations

from typing import Final

#: Without filters: what is hidden, which is little and found by indexes.
HIDDEN: Final = """
    WITH hidden AS MATERIALIZED (
        SELECT d.id FROM memory.documents d WHERE d.user_id = $1 AND d.deleted_at IS NOT NULL
        UNION ALL
        SELECT d.id FROM projects.projects p JOIN memory.documents d ON d.user_id = $1 AND d.project_id = p.id
         WHERE p.user_id = $1 AND (p.status <> 'active' OR p.deleted_at IS NOT NULL))
"""
#: With filters: what is wanted. The planner sees the values, so a filter that is NULL costs nothing.
WANTED: Final = """
    WITH wanted AS MATERIALIZED (
        SELECT d.id FROM memory.documents d
          LEFT JOIN projects.projects p ON p.user_id = $1 AND p.id = d.project_id
         WHERE d.user_id = $1 AND d.deleted_at IS NULL
           AND (d.project_id IS NULL OR p.status = 'active' AND p.deleted_at IS NULL)
           AND ($2::uuid IS NULL OR d.project_id = $2)
           AND ($3::timestamptz IS NULL OR d.created_at >= $3)
           AND ($4::memory.document_source IS NULL OR d.source = $4))
"""
#: IS TRUE keeps the planner from turning the condition into a join, which would lose an index's order.
IS_VISIBLE: Final = "(document_id IN (SELECT id FROM wanted)) IS TRUE"
IS_NOT_HIDDEN: Final = "document_id NOT IN (SELECT id FROM hidden)"

#: The declarations and the first statement of a function with the arguments p_project, p_since and p_source.
DECLARE: Final = """
    filtered CONSTANT boolean := p_project IS NOT NULL OR p_since IS NOT NULL OR p_source IS NOT NULL;
    documents text;
    visible text;
"""
CHOOSE: Final = f"""
    IF filtered THEN
        documents := $sql${WANTED}$sql$;
        visible := '{IS_VISIBLE}';
    ELSE
        documents := $sql${HIDDEN}$sql$;
        visible := '{IS_NOT_HIDDEN}';
    END IF;
"""

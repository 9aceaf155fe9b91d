"""The documents whose chunks a search may return, as SQL inside the functions of `nearest` and `matching`.

Only live documents; of those in a project only where the project is live and active. They are looked up
first: as an array in the statements after it, they cost no join, and an index is used in its order.
"""

from __future__ import annotations

from typing import Final

#: The declarations of a function with the arguments p_project, p_since and p_source.
DECLARE: Final = """
    me CONSTANT uuid := devmentor.user_id();
    documents uuid[];
    visible text;
    wanted integer;
"""
#: Its first statement. Without filters: what is hidden, which is little and found by indexes; the plan is
#: kept. With filters: what is wanted, planned for the filters that there are, and how many.
CHOOSE: Final = """
    IF p_project IS NULL AND p_since IS NULL AND p_source IS NULL THEN
        visible := 'document_id <> ALL ($2)';
        documents := ARRAY(
            SELECT d.id FROM memory.documents d WHERE d.user_id = me AND d.deleted_at IS NOT NULL
            UNION ALL
            SELECT d.id FROM projects.projects p
              JOIN memory.documents d ON d.user_id = me AND d.project_id = p.id
             WHERE p.user_id = me AND (p.status <> 'active' OR p.deleted_at IS NOT NULL));
    ELSE
        visible := 'document_id = ANY ($2)';
        EXECUTE $sql$
            SELECT ARRAY(
                SELECT d.id FROM memory.documents d
                  LEFT JOIN projects.projects p ON p.user_id = $1 AND p.id = d.project_id
                 WHERE d.user_id = $1 AND d.deleted_at IS NULL
                   AND (d.project_id IS NULL OR p.status = 'active' AND p.deleted_at IS NULL)
                   AND ($2 IS NULL OR d.project_id = $2)
                   AND ($3 IS NULL OR d.created_at >= $3)
                   AND ($4 IS NULL OR d.source = $4))
        $sql$ INTO documents USING me, p_project, p_since, p_source;
        wanted := cardinality(documents);
    END IF;
"""

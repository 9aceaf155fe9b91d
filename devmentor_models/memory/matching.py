"""The chunks whose words, identifiers and paths match best: a function that searches by index (F5, P4).

Neither ``@@`` nor ``LIKE`` is LEAKPROOF, so under row security PostgreSQL would read every chunk of the
tenant to search for a word. The function therefore runs with its owner's rights, and names the acting user
as the tenant in each table that it reads.

Words are compared in the language of each document. Identifiers, paths and error codes, which a text
search configuration takes to pieces, are kept whole in ``chunks.symbols`` and found by trigrams, any part of
them.
"""

from __future__ import annotations

from typing import Final

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare, function
from devmentor_models.memory.visible import CHOOSE, DECLARE
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service

#: Chunks that are ranked at most: about 30 ms.
RANKED_AT_MOST: Final = 10_000
#: Identifiers of a query that count, and the length from which on a trigram can tell anything.
SYMBOLS_AT_MOST: Final = 8
SHORTEST_SYMBOL: Final = 3

#: Several minus signs exclude nothing: a rule of a table, or an option's. More than 32 make PostgreSQL fail.
MINUSES: Final = '-([^[:alnum:]"]*-)+'

# What has a sign inside or before (user_id, src/app/main.py, std::vector, __init__, --no-cache), changes its
# case (getUser, KeyError) or mixes letters and digits (E1234, 0x80070005). ASCII alone, and one shape rather
# than several: a third of the time, which every stored chunk takes.
_SYMBOL = (
    r"[A-Za-z0-9]*(?:[_./:\\@#$]+[A-Za-z0-9_]|--[A-Za-z0-9]|[a-z][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z])"
    r"[A-Za-z0-9_./:\\@#$-]*"
)
_SYMBOLS = f"""
CREATE FUNCTION memory.symbols(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT coalesce(string_agg(DISTINCT rtrim(lower(found[1]), '.:/-'), ' '), '')
      FROM regexp_matches(content, '{_SYMBOL}', 'g') AS found
)
"""

# Twice at most: first what has all the words or a symbol of the query, which comes first in any case; only
# where that is too little, what has any of the words. A word to exclude keeps its meaning: then any is all. A
# document that is found by its title or its address is represented by its first chunk.
_MATCHING = f"""
CREATE FUNCTION memory.matching_chunks(
    p_query text, p_language memory.text_language, p_project uuid, p_since timestamptz,
    p_source memory.document_source, p_limit integer,
    OUT ids uuid[], OUT ranks double precision[], OUT truncated boolean
) LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    said CONSTANT text := regexp_replace(p_query, '{MINUSES}', ' ', 'g');
    symbol text;
    spoken memory.text_language;
    all_words tsquery;
    any_words tsquery;
    complete text := 'false';
    partial text := 'false';
    rank text := '';
    symbolic text := 'false';
    named text := 'false';
    score text := '0';
    symbols integer := 0;
    words text;
    considered bigint;
{DECLARE}
BEGIN
{CHOOSE}
    FOR symbol IN
        SELECT '%' || replace(replace(replace(s, '\\', '\\\\'), '_', '\\_'), '%', '\\%') || '%'
          FROM unnest(string_to_array(memory.symbols(p_query), ' ')) AS s
         WHERE length(s) >= {SHORTEST_SYMBOL} LIMIT {SYMBOLS_AT_MOST}
    LOOP
        symbols := symbols + 1;
        symbolic := symbolic || format(' OR symbols LIKE %L', symbol);
        named := named || format(' OR title ILIKE %1$L OR source_uri ILIKE %1$L', symbol);
        score := score || format(' + (haystack LIKE %L)::int', symbol);
    END LOOP;
    FOR spoken IN
        WITH RECURSIVE languages AS (
            (SELECT language FROM memory.documents WHERE user_id = me ORDER BY language LIMIT 1)
            UNION ALL
            SELECT (SELECT d.language FROM memory.documents d WHERE d.user_id = me AND d.language > l.language
                     ORDER BY d.language LIMIT 1)
              FROM languages l WHERE l.language IS NOT NULL)
        SELECT language FROM languages
         WHERE language IS NOT NULL AND (p_language IS NULL OR language = p_language)
    LOOP
        all_words := websearch_to_tsquery(spoken::text::regconfig, said);
        CONTINUE WHEN numnode(all_words) = 0;
        any_words := CASE WHEN all_words::text LIKE '%!%' THEN all_words
                       ELSE replace(all_words::text, ' & ', ' | ')::tsquery END;
        complete := complete || format(' OR language = %L AND fts @@ %L::tsquery', spoken, all_words);
        partial := partial || format(' OR language = %L AND fts @@ %L::tsquery', spoken, any_words);
        rank := rank || format(' WHEN language = %L THEN ts_rank(fts, %L::tsquery)', spoken, any_words);
    END LOOP;
    FOREACH words IN ARRAY ARRAY[complete, partial] LOOP
        EXECUTE format($sql$
            WITH named AS MATERIALIZED (
                SELECT id, concat_ws(' ', lower(title), lower(source_uri)) AS name, %2$s AS titled
                  FROM memory.documents WHERE user_id = $1 AND (%1$s OR %2$s) AND %9$s
                 LIMIT {RANKED_AT_MOST} + 1
            ), ranked AS MATERIALIZED (
                SELECT chunks.id,
                       (%2$s OR ordinal = 0 AND coalesce(titled, false))::int
                           + (%6$s)::float8 / %7$s AS grade,
                       (CASE WHEN false THEN 0 %8$s ELSE 0 END)::float8 AS rank
                  FROM (
                    SELECT id, document_id, ordinal, language, fts, symbols
                      FROM memory.chunks WHERE user_id = $1 AND (%3$s OR %4$s)
                    UNION ALL
                    SELECT c.id, document_id, ordinal, language, fts, symbols
                      FROM named n JOIN memory.chunks c ON c.document_id = n.id
                     WHERE c.user_id = $1 AND ordinal = 0 AND NOT (%3$s OR %4$s)
                  ) chunks
                  LEFT JOIN named n ON n.id = document_id,
                  LATERAL (SELECT concat_ws(' ', symbols, name) AS haystack) h
                 WHERE %5$s LIMIT {RANKED_AT_MOST} + 1
            )
            SELECT array_agg(id ORDER BY grade DESC, rank DESC, id),
                   array_agg(rank ORDER BY grade DESC, rank DESC, id),
                   (SELECT count(*) FROM ranked)
              FROM (SELECT * FROM ranked ORDER BY grade DESC, rank DESC, id LIMIT $3) best$sql$,
            named, complete, words, symbolic, visible, score, greatest(symbols, 1), rank,
            replace(visible, 'document_id', 'id'))
        INTO ids, ranks, considered USING me, documents, p_limit;
        truncated := considered > {RANKED_AT_MOST};
        EXIT WHEN considered >= p_limit OR complete = partial;
    END LOOP;
END
$fn$
"""


def declare_matching() -> None:
    """Declare the functions, and that only the memory service may search."""
    declare(
        Base.metadata,
        function(
            _SYMBOLS,
            arguments="text",
            comment="The identifiers, paths and codes in a text, in lower case, each once",
        ),
        *definer_function(
            _MATCHING,
            arguments="text, memory.text_language, uuid, timestamptz, memory.document_source, integer",
            to=(Service.MEMORY.role,),
            why="every table that it reads is restricted to the acting user, whom the caller cannot choose",
            comment="The acting user's chunks that match words and symbols best",
        ),
    )

"""One query for each kind of object; each row is the object's identity, address and state.

Every query gives: schema, table, name, catalog, object id, column number, state, comment, owner, privileges.
They read PostgreSQL's catalogs alone, which anyone may, and lock no table. ``pg_get_*def`` write out what
they read from there under an empty search_path, so two servers of a version write equal things alike.
"""

from __future__ import annotations

from typing import Final

_NOT_OF_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = {oid}"
    " AND e.deptype = 'e')"
)


def _own(catalog: str, oid: str) -> str:
    """Return the condition that no extension brought the object."""
    return _NOT_OF_EXTENSION.format(catalog=catalog, oid=oid)


def _privileges(acl: str, kind: str, owner: str) -> str:
    """Return the expression for who was given what; of the owner's, what was taken away, as neither true nor false."""
    return (
        "(SELECT jsonb_agg(jsonb_build_array(coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'),"
        " a.privilege_type, a.is_grantable)) FROM ("
        f"SELECT grantee, privilege_type, is_grantable FROM aclexplode(coalesce({acl}, acldefault('{kind}', {owner})))"
        f" WHERE grantee <> {owner}"
        f" UNION ALL SELECT d.grantee, d.privilege_type, NULL FROM aclexplode(acldefault('{kind}', {owner})) d"
        f" WHERE d.grantee = {owner} AND {acl} IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode({acl}) o"
        " WHERE o.grantee = d.grantee AND o.privilege_type = d.privilege_type)) a)"
    )


_OPTIONS = "(SELECT jsonb_agg(o ORDER BY o) FROM unnest({}) o)"

SCHEMAS: Final = f"""
SELECT '', '', n.nspname, 'pg_namespace'::regclass::oid, n.oid, 0, '{{}}'::jsonb,
    obj_description(n.oid, 'pg_namespace'), n.nspowner::regrole::text, {_privileges("n.nspacl", "n", "n.nspowner")}
FROM pg_namespace n WHERE n.nspname = ANY(:schemas)
"""

EXTENSIONS: Final = """
SELECT '', '', x.extname, 'pg_extension'::regclass::oid, x.oid, 0, '{}'::jsonb, NULL, NULL, NULL
FROM pg_extension x WHERE x.extname <> 'plpgsql'
"""

ENUMS: Final = f"""
SELECT n.nspname, '', t.typname, 'pg_type'::regclass::oid, t.oid, 0,
    jsonb_build_object('values', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)),
    obj_description(t.oid, 'pg_type'), t.typowner::regrole::text, {_privileges("t.typacl", "T", "t.typowner")}
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND n.nspname = ANY(:schemas) AND {_own("pg_type", "t.oid")}
"""

DOMAINS: Final = f"""
SELECT n.nspname, '', t.typname, 'pg_type'::regclass::oid, t.oid, 0,
    jsonb_build_object('type', format_type(t.typbasetype, t.typtypmod)
            || coalesce(' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(c.collname), ''),
        'default', t.typdefault, 'not_null', t.typnotnull,
        'constraints', (SELECT jsonb_object_agg(k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k
            WHERE k.contypid = t.oid AND k.contype = 'c')),
    obj_description(t.oid, 'pg_type'), t.typowner::regrole::text, {_privileges("t.typacl", "T", "t.typowner")}
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_collation c ON c.oid = t.typcollation AND t.typcollation <> b.typcollation
LEFT JOIN pg_namespace cn ON cn.oid = c.collnamespace
WHERE t.typtype = 'd' AND n.nspname = ANY(:schemas) AND {_own("pg_type", "t.oid")}
"""

COMPOSITES: Final = f"""
SELECT n.nspname, '', c.relname, 'pg_type'::regclass::oid, t.oid, 0,
    jsonb_build_object('attributes', (SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod))
        ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)),
    obj_description(t.oid, 'pg_type'), t.typowner::regrole::text, {_privileges("t.typacl", "T", "t.typowner")}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.typrelid = c.oid
WHERE c.relkind = 'c' AND n.nspname = ANY(:schemas) AND {_own("pg_class", "c.oid")}
"""

#: The parameters of a sequence, without those that CREATE SEQUENCE chooses by itself.
_SEQUENCE = """jsonb_strip_nulls(jsonb_build_object('increment', nullif(s.seqincrement, 1),
    'minvalue', CASE WHEN s.seqincrement > 0 THEN nullif(s.seqmin, 1) ELSE nullif(s.seqmin, l.low) END,
    'maxvalue', CASE WHEN s.seqincrement > 0 THEN nullif(s.seqmax, l.high) ELSE nullif(s.seqmax, -1) END,
    'start', nullif(s.seqstart, CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END),
    'cache', nullif(s.seqcache, 1), 'cycle', nullif(s.seqcycle, false)))"""
_LIMITS = """(VALUES ('smallint'::regtype, -32768::bigint, 32767::bigint), ('integer', -2147483648, 2147483647),
    ('bigint', -9223372036854775808, 9223372036854775807)) l (kind, low, high)"""

SEQUENCES: Final = f"""
SELECT n.nspname, '', c.relname, 'pg_class'::regclass::oid, c.oid, 0,
    {_SEQUENCE} || jsonb_build_object('type', nullif(format_type(s.seqtypid, NULL), 'bigint'), 'unlogged', nullif(c.relpersistence = 'u', false)),
    obj_description(c.oid, 'pg_class'), c.relowner::regrole::text, {_privileges("c.relacl", "s", "c.relowner")}
FROM pg_sequence s JOIN {_LIMITS} ON l.kind = s.seqtypid JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND {_own("pg_class", "c.oid")} AND NOT EXISTS (SELECT FROM pg_depend i
    WHERE i.classid = 'pg_class'::regclass AND i.objid = c.oid AND i.deptype = 'i')
"""

#: Sequences that go with a column, such as those of SERIAL.
OWNED_SEQUENCES: Final = f"""
SELECT n.nspname, '', c.relname, 'pg_class'::regclass::oid, c.oid, -4,
    jsonb_build_object('column', format('%s.%I', i.refobjid::regclass, (SELECT a.attname FROM pg_attribute a
        WHERE a.attrelid = i.refobjid AND a.attnum = i.refobjsubid))), NULL, NULL, NULL
FROM pg_depend i JOIN pg_class c ON c.oid = i.objid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.classid = 'pg_class'::regclass AND i.deptype = 'a' AND i.refclassid = 'pg_class'::regclass AND i.refobjsubid > 0
    AND c.relkind = 'S' AND n.nspname = ANY(:schemas) AND {_own("pg_class", "c.oid")}
"""

FUNCTIONS: Final = f"""
SELECT n.nspname, '', format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), 'pg_proc'::regclass::oid, p.oid, 0,
    jsonb_build_object('definition', pg_get_functiondef(p.oid), 'result', coalesce(pg_get_function_result(p.oid), ''), 'defaults', nullif(p.pronargdefaults, 0), 'routine', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END),
    obj_description(p.oid, 'pg_proc'), p.proowner::regrole::text, {_privileges("p.proacl", "f", "p.proowner")}
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p', 'w') AND n.nspname = ANY(:schemas) AND {_own("pg_proc", "p.oid")}
"""

_RELATION = """
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND NOT c.relispartition AND NOT format('%s.%s', n.nspname, c.relname) = ANY(:ignored)
"""

TABLES: Final = f"""
SELECT n.nspname, '', c.relname, 'pg_class'::regclass::oid, c.oid, 0,
    jsonb_build_object('unlogged', c.relpersistence = 'u', 'partition_by', pg_get_partkeydef(c.oid),
        'parameters', {_OPTIONS.format("c.reloptions")},
        'toast_parameters', (SELECT {_OPTIONS.format("toast.reloptions")} FROM pg_class toast WHERE toast.oid = c.reltoastrelid),
        'comment', obj_description(c.oid, 'pg_class')),
    NULL, c.relowner::regrole::text, {_privileges("c.relacl", "r", "c.relowner")}
{_RELATION} AND c.relkind IN ('r', 'p') AND {_own("pg_class", "c.oid")}
"""

VIEWS: Final = f"""
SELECT n.nspname, '', c.relname, 'pg_class'::regclass::oid, c.oid, 0,
    jsonb_build_object('query', pg_get_viewdef(c.oid), 'parameters', {_OPTIONS.format("c.reloptions")}),
    obj_description(c.oid, 'pg_class'), c.relowner::regrole::text, {_privileges("c.relacl", "r", "c.relowner")}
{_RELATION} AND c.relkind = :relkind AND {_own("pg_class", "c.oid")}
"""

#: Of a view's columns those about which something is said; none of it stands in the way of anything.
VIEW_COLUMNS: Final = f"""
SELECT n.nspname, c.relname, a.attname, 'pg_class'::regclass::oid, c.oid, -100 - a.attnum,
    jsonb_build_object('default', pg_get_expr(d.adbin, d.adrelid)),
    col_description(c.oid, a.attnum), NULL, (SELECT jsonb_agg(jsonb_build_array(
        coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'), x.privilege_type, x.is_grantable))
        FROM aclexplode(a.attacl) x WHERE x.grantee <> c.relowner)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('v', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND {_own("pg_class", "c.oid")}
    AND (d.oid IS NOT NULL OR a.attacl IS NOT NULL OR col_description(c.oid, a.attnum) IS NOT NULL)
"""

#: What has a comment of its own within a type; how the type is made says the rest.
ATTRIBUTES: Final = f"""
SELECT n.nspname, c.relname, a.attname, 'pg_class'::regclass::oid, c.oid, -100 - a.attnum, '{{}}'::jsonb,
    col_description(c.oid, a.attnum), NULL, NULL
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped AND {_own("pg_class", "c.oid")}
    AND col_description(c.oid, a.attnum) IS NOT NULL
"""

DOMAIN_CONSTRAINTS: Final = f"""
SELECT n.nspname, t.typname, k.conname, 'pg_constraint'::regclass::oid, k.oid, -1,
    jsonb_build_object('definition', pg_get_constraintdef(k.oid)), obj_description(k.oid, 'pg_constraint'), NULL, NULL
FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY(:schemas) AND {_own("pg_type", "t.oid")} AND obj_description(k.oid, 'pg_constraint') IS NOT NULL
"""

ROW_SECURITY: Final = f"""
SELECT n.nspname, c.relname, '', 'pg_class'::regclass::oid, c.oid, -1,
    jsonb_build_object('force', c.relforcerowsecurity, 'enabled', c.relrowsecurity), NULL, NULL, NULL
{_RELATION} AND c.relkind IN ('r', 'p') AND (c.relrowsecurity OR c.relforcerowsecurity)
"""

REPLICA_IDENTITIES: Final = f"""
SELECT n.nspname, c.relname, '', 'pg_class'::regclass::oid, c.oid, -3,
    jsonb_build_object('identity', CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
        ELSE 'USING INDEX ' || (SELECT quote_ident(r.relname) FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
            WHERE i.indrelid = c.oid AND i.indisreplident) END), NULL, NULL, NULL
{_RELATION} AND c.relkind IN ('r', 'p') AND c.relreplident <> 'd'
"""

_NOT_NULL_NOT_VALID = """CASE WHEN current_setting('server_version_num')::integer >= 180000 THEN
    (SELECT k.conname FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum
        AND NOT k.convalidated) END"""

COLUMNS: Final = f"""
SELECT n.nspname, c.relname, a.attname, 'pg_class'::regclass::oid, c.oid, a.attnum,
    jsonb_build_object('position', a.attnum, 'type', format_type(a.atttypid, a.atttypmod),
        'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        'nullable', NOT a.attnotnull, 'not_null_not_valid', {_NOT_NULL_NOT_VALID},
        'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'generated', nullif(a.attgenerated, ''),
        'expression', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'identity', CASE WHEN a.attidentity <> '' THEN (SELECT {_SEQUENCE} || jsonb_build_object('always', a.attidentity = 'a')
            FROM pg_depend i JOIN pg_sequence s ON s.seqrelid = i.objid JOIN {_LIMITS} ON l.kind = s.seqtypid
            WHERE i.refclassid = 'pg_class'::regclass AND i.refobjid = c.oid AND i.refobjsubid = a.attnum AND i.deptype = 'i') END,
        'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END, 'compression', nullif(a.attcompression, ''),
        'statistics', nullif(a.attstattarget, -1), 'parameters', {_OPTIONS.format("a.attoptions")},
        'comment', col_description(c.oid, a.attnum)),
    NULL, c.relowner::regrole::text, (SELECT jsonb_agg(jsonb_build_array(coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'), x.privilege_type,
        x.is_grantable)) FROM aclexplode(a.attacl) x WHERE x.grantee <> c.relowner)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = ANY(:schemas) AND NOT c.relispartition AND NOT format('%s.%s', n.nspname, c.relname) = ANY(:ignored)
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_own("pg_class", "c.oid")}
"""

CONSTRAINTS: Final = f"""
SELECT n.nspname, c.relname, k.conname, 'pg_constraint'::regclass::oid, k.oid, 0,
    jsonb_build_object('type', k.contype, 'definition', pg_get_constraintdef(k.oid),
        'parameters', (SELECT {_OPTIONS.format("i.reloptions")} FROM pg_class i WHERE i.oid = k.conindid AND k.contype IN ('p', 'u', 'x'))),
    obj_description(k.oid, 'pg_constraint'), NULL, NULL
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND NOT c.relispartition AND NOT format('%s.%s', n.nspname, c.relname) = ANY(:ignored)
    AND k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0 AND {_own("pg_class", "c.oid")}
"""

INDEXES: Final = f"""
SELECT n.nspname, c.relname, x.relname, 'pg_class'::regclass::oid, x.oid, 0,
    jsonb_build_object('definition', regexp_replace(pg_get_indexdef(x.oid), ' ON ONLY ', ' ON '), 'valid', i.indisvalid, 'clustered', nullif(i.indisclustered, false)),
    obj_description(x.oid, 'pg_class'), NULL, NULL
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND NOT x.relispartition AND NOT c.relispartition AND {_own("pg_class", "c.oid")}
    AND NOT format('%s.%s', n.nspname, c.relname) = ANY(:ignored)
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid AND k.contype IN ('p', 'u', 'x'))
"""

TRIGGERS: Final = f"""
SELECT n.nspname, c.relname, t.tgname, 'pg_trigger'::regclass::oid, t.oid, 0,
    jsonb_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled),
    obj_description(t.oid, 'pg_trigger'), NULL, NULL
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND NOT c.relispartition AND NOT t.tgisinternal AND t.tgparentid = 0
    AND NOT format('%s.%s', n.nspname, c.relname) = ANY(:ignored) AND {_own("pg_class", "c.oid")}
"""

POLICIES: Final = """
SELECT n.nspname, c.relname, p.polname, 'pg_policy'::regclass::oid, p.oid, 0,
    jsonb_build_object('command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, 'permissive', p.polpermissive,
        'to', (SELECT jsonb_agg(r.name ORDER BY r.name) FROM (SELECT coalesce(nullif(o, 0)::regrole::text, 'PUBLIC') AS name
            FROM unnest(p.polroles) o) r),
        'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)),
    obj_description(p.oid, 'pg_policy'), NULL, NULL
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND NOT c.relispartition AND NOT format('%s.%s', n.nspname, c.relname) = ANY(:ignored)
"""

RULES: Final = """
SELECT n.nspname, c.relname, r.rulename, 'pg_rewrite'::regclass::oid, r.oid, 0,
    jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled), obj_description(r.oid, 'pg_rewrite'), NULL, NULL
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND r.rulename <> '_RETURN' AND NOT c.relispartition
"""

STATISTICS: Final = """
SELECT n.nspname, '', s.stxname, 'pg_statistic_ext'::regclass::oid, s.oid, 0,
    jsonb_build_object('definition', pg_get_statisticsobjdef(s.oid), 'target', nullif(s.stxstattarget, -1)), obj_description(s.oid, 'pg_statistic_ext'),
    s.stxowner::regrole::text, NULL
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE n.nspname = ANY(:schemas)
"""

COLLATIONS: Final = """
SELECT n.nspname, '', c.collname, 'pg_collation'::regclass::oid, c.oid, 0,
    jsonb_build_object('definition', format('(provider = %s', CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END)
        || CASE WHEN c.collprovider = 'c' THEN format(', lc_collate = %L, lc_ctype = %L', c.collcollate, c.collctype)
            ELSE format(', locale = %L', coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate)) END
        || coalesce(', rules = ' || quote_literal(to_jsonb(c) ->> 'collicurules'), '')
        || CASE WHEN c.collisdeterministic THEN '' ELSE ', deterministic = false' END || ')'),
    obj_description(c.oid, 'pg_collation'), c.collowner::regrole::text, NULL
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE n.nspname = ANY(:schemas)
"""

PUBLICATIONS: Final = """
SELECT '', '', p.pubname, 'pg_publication'::regclass::oid, p.oid, 0, jsonb_build_object('all_tables', p.puballtables,
    'publish', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
        CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END), 'via_root', p.pubviaroot,
    'generated', nullif(to_jsonb(p) ->> 'pubgencols', 'n'),
    'tables', (SELECT jsonb_agg(r.prrelid::regclass::text || coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', '
            ORDER BY a.attnum) || ')' FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs)), '')
            || coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')
        ORDER BY r.prrelid::regclass::text) FROM pg_publication_rel r WHERE r.prpubid = p.oid),
    'schemas', (SELECT jsonb_agg(s.pnnspid::regnamespace::text ORDER BY s.pnnspid::regnamespace::text)
        FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)),
    obj_description(p.oid, 'pg_publication'), p.pubowner::regrole::text, NULL
FROM pg_publication p
"""

EVENT_TRIGGERS: Final = """
SELECT '', '', e.evtname, 'pg_event_trigger'::regclass::oid, e.oid, 0, jsonb_build_object('event', e.evtevent,
    'function', e.evtfoid::regprocedure::text, 'tags', to_jsonb(e.evttags), 'enabled', e.evtenabled),
    obj_description(e.oid, 'pg_event_trigger'), e.evtowner::regrole::text, NULL
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_event_trigger'::regclass AND x.objid = e.oid AND x.deptype = 'e')
"""

#: What a role says for every schema takes the place of PostgreSQL's defaults: of those what it leaves out is told,
#: as neither true nor false, and not what it repeats.
DEFAULT_PRIVILEGES: Final = """
SELECT coalesce(n.nspname, ''), CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
        WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
    format('%s by %s', coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), d.defaclrole::regrole), 'pg_default_acl'::regclass::oid, d.oid,
    a.grantee::bigint::integer, jsonb_build_object('role', d.defaclrole::regrole::text,
        'to', coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'),
        'privileges', coalesce(jsonb_object_agg(a.privilege_type, a.is_grantable) FILTER (WHERE a.is_grantable IS NOT NULL), '{}'),
        'of_itself', jsonb_object_agg(a.privilege_type, false) FILTER (WHERE a.is_grantable IS NULL)),
    NULL, NULL, NULL
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
LATERAL (SELECT acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) AS acl) o,
LATERAL (SELECT e.grantee, e.privilege_type, e.is_grantable FROM aclexplode(d.defaclacl) e
        WHERE n.oid IS NOT NULL OR NOT EXISTS (SELECT FROM aclexplode(o.acl) s WHERE (s.grantee, s.privilege_type) = (e.grantee, e.privilege_type))
    UNION ALL SELECT s.grantee, s.privilege_type, NULL FROM aclexplode(o.acl) s
        WHERE n.oid IS NULL AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) e WHERE (s.grantee, s.privilege_type) = (e.grantee, e.privilege_type))) a
WHERE n.nspname = ANY(:schemas) OR n.oid IS NULL
GROUP BY n.nspname, d.defaclobjtype, a.grantee, d.oid, d.defaclrole
"""

DATABASE_SETTINGS: Final = """
SELECT '', '', split_part(c, '=', 1), 'pg_db_role_setting'::regclass::oid, s.setdatabase, hashtext(c),
    jsonb_build_object('value', substr(c, strpos(c, '=') + 1)), NULL, NULL, NULL
FROM pg_db_role_setting s, unnest(s.setconfig) c
WHERE s.setrole = 0 AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

#: What differs between a partition and its parent although the parent's word should count for both.
PARTITIONS: Final = """
SELECT n.nspname, c.relname, '', 'pg_class'::regclass::oid, c.oid, -2, jsonb_strip_nulls(jsonb_build_object(
    'parent', p.oid::regclass::text,
    'unlogged', CASE WHEN c.relpersistence <> p.relpersistence THEN c.relpersistence = 'u' END,
    'is_owner', CASE WHEN c.relowner <> p.relowner THEN c.relowner::regrole::text END,
    'owner', CASE WHEN c.relowner <> p.relowner THEN p.relowner::regrole::text END)), NULL, NULL, NULL
FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND c.relispartition AND c.relkind IN ('r', 'p')
    AND (c.relpersistence <> p.relpersistence OR c.relowner <> p.relowner)
"""

#: Kind: query, in the order in which parts of equal standing are created.
KINDS: Final[dict[str, str]] = {
    "schema": SCHEMAS,
    "extension": EXTENSIONS,
    "collation": COLLATIONS,
    "enum": ENUMS,
    "composite": COMPOSITES,
    "domain": DOMAINS,
    "attribute": ATTRIBUTES,
    "domain_constraint": DOMAIN_CONSTRAINTS,
    "sequence": SEQUENCES,
    "function": FUNCTIONS,
    "table": TABLES,
    "column": COLUMNS,
    "constraint": CONSTRAINTS,
    "index": INDEXES,
    "owned_sequence": OWNED_SEQUENCES,
    "statistics": STATISTICS,
    "view": VIEWS.replace(":relkind", "'v'"),
    "materialized_view": VIEWS.replace(":relkind", "'m'"),
    "view_column": VIEW_COLUMNS,
    "rule": RULES,
    "trigger": TRIGGERS,
    "replica_identity": REPLICA_IDENTITIES,
    "row_security": ROW_SECURITY,
    "policy": POLICIES,
    "default_privileges": DEFAULT_PRIVILEGES,
    "publication": PUBLICATIONS,
    "event_trigger": EVENT_TRIGGERS,
    "database_setting": DATABASE_SETTINGS,
    "partition": PARTITIONS,
}

#: Who depends on whom; the right side must exist first.
DEPENDENCIES: Final = """
SELECT d.classid, d.objid, CASE WHEN s.oid IS NULL THEN d.objsubid ELSE -4 END, d.refclassid, d.refobjid, d.refobjsubid
FROM pg_depend d LEFT JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S' AND d.deptype = 'a'
WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND d.deptype IN ('n', 'a', 'i')
UNION ALL SELECT 'pg_class'::regclass, c.oid, -4, 'pg_class'::regclass, c.oid, 0 FROM pg_class c WHERE c.relkind = 'S' AND c.oid >= 16384
UNION ALL SELECT 'pg_class'::regclass, i.indrelid, -3, 'pg_class'::regclass, i.indexrelid, 0 FROM pg_index i
    WHERE i.indisreplident AND i.indexrelid >= 16384
"""

#: Objects that stand for another one: a table's row type, a type's arrays, a column's default, a view's rule,
#: the index of a constraint, the members of an extension.
ALIASES: Final = """
SELECT 'pg_type'::regclass::oid, t.oid, 0, 'pg_class'::regclass::oid, t.typrelid, 0 FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.oid >= 16384 AND c.relkind <> 'c'
UNION ALL SELECT 'pg_class'::regclass, t.typrelid, 0, 'pg_type'::regclass, t.oid, 0 FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.oid >= 16384 AND c.relkind = 'c'
UNION ALL SELECT 'pg_type'::regclass, typarray, 0, 'pg_type'::regclass, oid, 0 FROM pg_type WHERE oid >= 16384 AND typarray <> 0
UNION ALL SELECT 'pg_attrdef'::regclass, oid, 0, 'pg_class'::regclass, adrelid, adnum FROM pg_attrdef
UNION ALL SELECT 'pg_rewrite'::regclass, oid, 0, 'pg_class'::regclass, ev_class, 0 FROM pg_rewrite WHERE rulename = '_RETURN' AND oid >= 16384
UNION ALL SELECT 'pg_class'::regclass, conindid, 0, 'pg_constraint'::regclass, oid, 0 FROM pg_constraint WHERE contype IN ('p', 'u', 'x') AND conparentid = 0
UNION ALL SELECT 'pg_constraint'::regclass, oid, 0, 'pg_type'::regclass, contypid, 0 FROM pg_constraint WHERE contypid <> 0
UNION ALL SELECT 'pg_publication_rel'::regclass, oid, 0, 'pg_publication'::regclass, prpubid, 0 FROM pg_publication_rel
UNION ALL SELECT 'pg_publication_namespace'::regclass, oid, 0, 'pg_publication'::regclass, pnpubid, 0 FROM pg_publication_namespace
UNION ALL SELECT classid, objid, objsubid, refclassid, refobjid, 0 FROM pg_depend WHERE deptype = 'e' AND objid >= 16384
"""

"""Whether a statement was composed of constructs alone, so that nobody can have put SQL into it.

A session that ran such statements only is as it was before: they prepare nothing, change no setting, make no
temporary table and take no lock that outlives the transaction. Any other statement may have, so the session
is cleared after its transaction (`devmentor_models.opening`). What is not known here is not ours: that costs
some time, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import TextClause, quoted_name
from sqlalchemy.sql.selectable import ForUpdateArg

#: Where a compiled statement, which SQLAlchemy caches, keeps the answer.
_ANSWER: Final = "_devmentor_is_ours"

#: Constructs that are rendered from their parts, by their ``__visit_name__``.
_CONSTRUCTS: Final = frozenset(
    """
    aggregate_order_by aggregateorderby alias array bindparam case clauselist collation compound_select cte
    delete dmltargetcopy element_list expression_clauselist false for_update_arg frame_clause funcfilter
    grouping insert join label label_reference lateral memoized_select_entities null on_conflict_do_nothing
    on_conflict_do_update order_by_list over override_binds release_savepoint rollback_to_savepoint
    savepoint scalar_function_column scalar_values select select_statement_grouping slice subquery table
    table_valued_alias table_valued_column textual_select true tuple type_coerce update values withingroup
    """.split()  # noqa: SIM905 - a list of words reads best as one
)
#: Functions of PostgreSQL that compute a value, and no more. Functions of our schemas are ours.
_FUNCTIONS: Final = frozenset(
    """
    abs any array_agg array_append array_length array_position array_remove avg bool_and bool_or cardinality
    ceil char_length clock_timestamp coalesce concat concat_ws convert_to count count_distinct cume_dist
    date date_part date_trunc daterange decode dense_rank encode exists extract first_value floor format
    generate_series greatest hashtextextended json_build_object jsonb_agg jsonb_array_elements
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_object_agg jsonb_set
    jsonb_strip_nulls lag last_value lead least left length lower make_interval max md5 min mode normalize
    now ntile nullif octet_length percent_rank percentile_cont percentile_disc pg_advisory_xact_lock
    pg_current_xact_id position power rank regexp_replace replace right round row_number sha256 split_part
    sqrt starts_with string_agg strpos substr substring sum timezone to_char to_jsonb to_regclass to_tsquery
    to_tsvector trim ts_headline ts_rank ts_rank_cd txid_current unnest upper uuidv7 websearch_to_tsquery
    """.split()  # noqa: SIM905 - likewise
)
_SCHEMAS: Final = frozenset({"devmentor", "auth", "projects", "memory", "learning", "ai"})
_PACKAGES: Final = ("sqlalchemy.", "devmentor_models.", "pgvector.")
# Neither a comment nor the end of a statement can be written with these.
_OPERATOR: Final = re.compile(r"(?!.*(?:--|/\*))[-+*/<>=~!@#%^&|`?]+")
_WORDS: Final = re.compile(r"[A-Za-z_]+(?: [A-Za-z_]+)*")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")

_texts: set[str] = {"*"}  # of count(*)


def constant(sql: str) -> TextClause:
    """Return text for a statement of this library: a constant, into which nothing was put.

    >>> str(constant("interval '1 hour'"))
    "interval '1 hour'"
    """
    made: TextClause = text(sql)
    _texts.add(made.text)
    return made


def is_ours(context: Any) -> bool:
    """Tell whether the statement of an execution was composed of constructs and constants.

    Args:
        context: SQLAlchemy's execution context; None for text that was handed to the driver.
    """
    compiled = getattr(context, "compiled", None)
    if not isinstance(compiled, SQLCompiler):
        return False
    known = compiled.__dict__.get(_ANSWER)
    if known is None:
        known = compiled.__dict__[_ANSWER] = all(map(_is_known, _elements(compiled)))
    return bool(known)


def _elements(compiled: SQLCompiler) -> Iterator[Any]:
    """Yield every element of a statement, also of what the ORM made of it."""
    made = getattr(compiled.compile_state, "statement", None)
    roots = [compiled.statement] if made is None or made is compiled.statement else [compiled.statement, made]
    return chain.from_iterable(visitors.iterate(root) for root in roots if root is not None)


def _is_known(element: Any) -> bool:
    kind = getattr(element, "__visit_name__", None)
    if any(getattr(element, name, None) for name in ("_suffixes", "_hints", "_statement_hints")):
        return False
    if not all(
        _WORDS.fullmatch(getattr(prefix, "text", "")) for prefix, *_ in getattr(element, "_prefixes", ())
    ):
        return False
    check = _CHECKS.get(str(kind))
    return check(element) if check else kind in _CONSTRUCTS or isinstance(element, ForUpdateArg)


def _is_column(element: Any) -> bool:
    name = element.name
    if element.is_literal:
        return str(name) in _texts or bool(_IDENTIFIER.fullmatch(str(name)))
    return not isinstance(name, quoted_name) or name.quote is not False


def _is_function(element: Any) -> bool:
    packages = getattr(element, "packagenames", ())
    if packages:
        return packages[0] in _SCHEMAS
    return str(element.name).lower() in _FUNCTIONS


def _has_operator(element: Any) -> bool:
    return all(
        _OPERATOR.fullmatch(spelled) or _WORDS.fullmatch(spelled)
        for operator in (getattr(element, "operator", None), getattr(element, "modifier", None))
        if (spelled := getattr(operator, "opstring", None)) is not None
    )


def _is_type(element: Any) -> bool:
    return type(element.type).__module__.startswith(_PACKAGES)


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "column": _is_column,
    "function": _is_function,
    "binary": _has_operator,
    "unary": _has_operator,
    "typeclause": _is_type,
    "cast": _is_type,
    "textclause": lambda element: element.text in _texts,
    "extract": lambda element: bool(_WORDS.fullmatch(element.field)),
}

"""The one statement of a search: vector leg, text leg, their fusion, context and related memories (F5).

The scan of a tenant's vectors is exact: it compares the bare column, which no approximate index covers, so
a filter never costs a hit. Conditions on documents and projects are part of each leg, the distance threshold
stands outside of it, and the legs meet in a FULL OUTER JOIN, so that a hit of either one is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Label,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY, aggregate_order_by
from sqlalchemy.types import Double, Text

from devmentor_models.kit.base import table_named
from devmentor_models.kit.types import Embedding as Halfvec
from devmentor_models.kit.types import Json, Timestamp
from devmentor_models.memory.enums import SearchMode

CHUNKS = table_named("memory.chunks")
DOCUMENTS = table_named("memory.documents")
EMBEDDINGS = table_named("memory.embeddings_meta")
HISTORY = table_named("memory.search_history")
PROJECTS = table_named("projects.projects")
USERS = table_named("auth.users")

#: Constant of reciprocal rank fusion: how much a first place is worth over a second.
RRF: Final = 60
OPERATORS: Final = {"cosine": "<=>", "l2": "<->", "inner_product": "<#>"}

_USER = bindparam("tenant_id", type_=Uuid())
_MODEL = bindparam("model_id", type_=Uuid())
_QUERY = bindparam("query", type_=Text())
_VECTOR = bindparam("embedding", type_=Halfvec())
_PROJECT = bindparam("project_id", type_=Uuid())


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides a search statement's text; the values are its parameters.

    Attributes:
        mode: Which legs there are.
        metric: How vectors are compared; None without an embedding model, and then nothing is related.
        project: Only documents of ``:project_id``.
        since: Only documents stored at or after ``:since``.
        source: Only documents from ``:source``.
        max_distance: Only vectors up to ``:max_distance`` away.
        related: Look for ``:related`` memories near each hit.
        log: Record the search in the history.
    """

    mode: SearchMode
    metric: str | None
    project: bool
    since: bool
    source: bool
    max_distance: bool
    related: bool
    log: bool


@cache
def search(shape: Shape) -> Select[*tuple[Any, ...]]:
    """Return the statement for searches of one shape; a row per hit, best first."""
    top = _fused(shape).cte("top")
    statement = _with_context(shape, top)
    return statement.add_cte(_log(top).cte("log")) if shape.log else statement


def distance(shape: Shape, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return the distance of two vectors by the model's metric."""
    return left.op(OPERATORS[shape.metric or "cosine"], return_type=Double())(right)


def _visible(shape: Shape) -> tuple[FromClause, ColumnElement[bool]]:
    """Return chunks with documents and projects, and the condition for those that may be hits."""
    tables = CHUNKS.join(
        DOCUMENTS, and_(DOCUMENTS.c.user_id == CHUNKS.c.user_id, DOCUMENTS.c.id == CHUNKS.c.document_id)
    ).outerjoin(
        PROJECTS, and_(PROJECTS.c.user_id == DOCUMENTS.c.user_id, PROJECTS.c.id == DOCUMENTS.c.project_id)
    )
    conditions = [
        CHUNKS.c.user_id == _USER,
        DOCUMENTS.c.user_id == _USER,
        DOCUMENTS.c.deleted_at.is_(None),
        or_(
            DOCUMENTS.c.project_id.is_(None),
            and_(PROJECTS.c.status == "active", PROJECTS.c.deleted_at.is_(None)),
        ),
    ]
    if shape.project:
        conditions.append(DOCUMENTS.c.project_id == _PROJECT)
    if shape.since:
        conditions.append(DOCUMENTS.c.created_at >= bindparam("since", type_=Timestamp()))
    if shape.source:
        conditions.append(DOCUMENTS.c.source == bindparam("source", type_=DOCUMENTS.c.source.type))
    return tables, and_(*conditions)


def _vector_leg(shape: Shape) -> FromClause:
    """Return the nearest chunks with distance and place."""
    tables, visible = _visible(shape)
    tables = tables.join(
        EMBEDDINGS, and_(EMBEDDINGS.c.user_id == CHUNKS.c.user_id, EMBEDDINGS.c.chunk_id == CHUNKS.c.id)
    )
    away = distance(shape, EMBEDDINGS.c.embedding, _VECTOR).label("distance")
    # Materialized: otherwise the planner sorts whole vectors, on disk, in the hope to stop early.
    candidates = (
        select(CHUNKS.c.id, away)
        .select_from(tables)
        .where(
            visible,
            EMBEDDINGS.c.user_id == _USER,
            EMBEDDINGS.c.model_id == _MODEL,
            EMBEDDINGS.c.embedding.is_not(None),
        )
        .cte("candidates")
        .prefix_with("MATERIALIZED")
    )
    nearest = (
        select(candidates.c.id, candidates.c.distance)
        .order_by(candidates.c.distance, candidates.c.id)
        .limit(bindparam("depth", type_=Integer()))
        .cte("nearest")
    )
    place = func.row_number().over(order_by=(nearest.c.distance, nearest.c.id)).label("place")
    leg = select(nearest.c.id, nearest.c.distance, place)
    if shape.max_distance:
        leg = leg.where(nearest.c.distance <= bindparam("max_distance", type_=Double()))
    return leg.cte("vector_leg")


def words() -> CTE:
    """Return a row of two text queries: for all words of ``:query``, and for any of them.

    A question rarely has all its words in one chunk, so any word matches and chunks with all of them come
    first. A word to exclude keeps its meaning: then a match of any is a match of all.
    """
    strict = func.websearch_to_tsquery(cast(bindparam("language", type_=String()), REGCONFIG), _QUERY)
    text = cast(strict, Text)
    either = cast(func.replace(text, literal(" & "), literal(" | ")), TSQUERY)
    return select(strict.label("strict"), case((text.like("%!%"), strict), else_=either).label("either")).cte(
        "words"
    )


def _text_leg(shape: Shape) -> FromClause:
    """Return the chunks whose words match best, with rank and place."""
    tables, visible = _visible(shape)
    query = words()
    # Scalar subqueries: the words are parsed once, not once per row, and can be looked up in the index.
    strict = select(query.c.strict).scalar_subquery()
    either = select(query.c.either).scalar_subquery()
    complete = CHUNKS.c.fts.bool_op("@@")(strict).label("complete")
    rank: Label[float] = func.ts_rank(CHUNKS.c.fts, either, type_=Double()).label("rank")
    matching = (
        select(CHUNKS.c.id, complete, rank)
        .select_from(tables)
        .where(visible, CHUNKS.c.fts.bool_op("@@")(either))
        .order_by(complete.desc(), rank.desc(), CHUNKS.c.id)
        .limit(bindparam("depth", type_=Integer()))
        .cte("matching")
    )
    order = (matching.c.complete.desc(), matching.c.rank.desc(), matching.c.id)
    place = func.row_number().over(order_by=order).label("place")
    return select(matching.c.id, matching.c.rank, place).cte("text_leg")


def _fused(shape: Shape) -> Select[*tuple[Any, ...]]:
    """Return the best chunks: id, distance, rank, both places and the score."""
    nothing = cast(null(), Double)
    nowhere = cast(null(), Integer)
    if shape.mode is SearchMode.VECTOR:
        leg = _vector_leg(shape)
        columns = [leg.c.id, leg.c.distance, nothing, leg.c.place, nowhere]
        source = leg
    elif shape.mode is SearchMode.TEXT:
        leg = _text_leg(shape)
        columns = [leg.c.id, nothing, leg.c.rank, nowhere, leg.c.place]
        source = leg
    else:
        near, match = _vector_leg(shape), _text_leg(shape)
        source = near.outerjoin(match, near.c.id == match.c.id, full=True)
        columns = [
            func.coalesce(near.c.id, match.c.id),
            near.c.distance,
            match.c.rank,
            near.c.place,
            match.c.place,
        ]
    names = ["id", "distance", "rank", "vector_place", "text_place"]
    inner = select(*(c.label(name) for c, name in zip(columns, names, strict=True))).select_from(source)
    legs = inner.subquery("legs")
    score = func.coalesce(1.0 / (RRF + legs.c.vector_place), 0.0) + func.coalesce(
        1.0 / (RRF + legs.c.text_place), 0.0
    )
    scored = cast(score, Double).label("score")
    return (
        select(*legs.c, scored).order_by(scored.desc(), legs.c.id).limit(bindparam("limit", type_=Integer()))
    )


def _with_context(shape: Shape, top: FromClause) -> Select[*tuple[Any, ...]]:
    """Return the hits with document, project, author and related memories."""
    tables = (
        top.join(CHUNKS, and_(CHUNKS.c.user_id == _USER, CHUNKS.c.id == top.c.id))
        .join(DOCUMENTS, and_(DOCUMENTS.c.user_id == _USER, DOCUMENTS.c.id == CHUNKS.c.document_id))
        .join(USERS, USERS.c.id == DOCUMENTS.c.user_id)
        .outerjoin(PROJECTS, and_(PROJECTS.c.user_id == _USER, PROJECTS.c.id == DOCUMENTS.c.project_id))
    )
    away: ColumnElement[Any] = top.c.distance
    related: ColumnElement[Any] = null()
    if shape.metric is not None:
        tables = tables.outerjoin(
            EMBEDDINGS,
            and_(
                EMBEDDINGS.c.user_id == _USER,
                EMBEDDINGS.c.chunk_id == top.c.id,
                EMBEDDINGS.c.model_id == _MODEL,
            ),
        )
        if shape.mode is SearchMode.HYBRID:
            # A keyword hit outside the nearest ones has a distance too.
            away = func.coalesce(away, distance(shape, EMBEDDINGS.c.embedding, _VECTOR))
        if shape.related:
            around = _related(shape).lateral("around")
            tables = tables.outerjoin(around, true())
            related = around.c.memories
    # Named as the fields of a hit.
    columns: dict[str, ColumnElement[Any]] = {
        "document_id": DOCUMENTS.c.id,
        "title": DOCUMENTS.c.title,
        "source": DOCUMENTS.c.source,
        "source_uri": DOCUMENTS.c.source_uri,
        "created_at": DOCUMENTS.c.created_at,
        "chunk_id": CHUNKS.c.id,
        "ordinal": CHUNKS.c.ordinal,
        "content": CHUNKS.c.content,
        "distance": away,
        "text_rank": top.c.rank,
        "vector_place": top.c.vector_place,
        "text_place": top.c.text_place,
        "score": top.c.score,
        "project_id": DOCUMENTS.c.project_id,
        "project_name": PROJECTS.c.name,
        "author": USERS.c.username,
        "related": related,
    }
    labelled = (column.label(name) for name, column in columns.items())
    return select(*labelled).select_from(tables).order_by(top.c.score.desc(), top.c.id)


def _pool(shape: Shape) -> CTE:
    """Return the vectors that may be related to a hit, joined and filtered once for all hits."""
    pool = (
        select(CHUNKS.c.id, DOCUMENTS.c.project_id, EMBEDDINGS.c.embedding)
        .select_from(
            EMBEDDINGS.join(CHUNKS, CHUNKS.c.id == EMBEDDINGS.c.chunk_id).join(
                DOCUMENTS, DOCUMENTS.c.id == CHUNKS.c.document_id
            )
        )
        .where(
            EMBEDDINGS.c.user_id == _USER,
            CHUNKS.c.user_id == _USER,
            DOCUMENTS.c.user_id == _USER,
            EMBEDDINGS.c.model_id == _MODEL,
            EMBEDDINGS.c.embedding.is_not(None),
            DOCUMENTS.c.deleted_at.is_(None),
        )
    )
    if shape.project:
        pool = pool.where(DOCUMENTS.c.project_id == _PROJECT)
    return pool.cte("pool").prefix_with("MATERIALIZED")


def _related(shape: Shape) -> Select[*tuple[Any, ...]]:
    """Return the memories nearest to the hit, of its project (or of none), as one JSON array."""
    pool, chunk, document = _pool(shape), CHUNKS.alias("chunk"), DOCUMENTS.alias("document")
    away = distance(shape, pool.c.embedding, EMBEDDINGS.c.embedding).label("distance")
    closest = (
        select(pool.c.id, away)
        .where(
            EMBEDDINGS.c.embedding.is_not(None),
            pool.c.id != EMBEDDINGS.c.chunk_id,
            pool.c.project_id.is_not_distinct_from(DOCUMENTS.c.project_id),
        )
        .order_by(away, pool.c.id)
        .limit(bindparam("related", type_=Integer()))
        .correlate(EMBEDDINGS, DOCUMENTS)
        .lateral("closest")
    )
    item = func.jsonb_build_array(
        document.c.id,
        document.c.title,
        chunk.c.id,
        chunk.c.ordinal,
        chunk.c.content,
        closest.c.distance,
        type_=Json(),
    )
    ordered = aggregate_order_by(item, closest.c.distance, closest.c.id)
    return select(func.jsonb_agg(ordered, type_=Json()).label("memories")).select_from(
        closest.join(chunk, and_(chunk.c.user_id == _USER, chunk.c.id == closest.c.id)).join(
            document, and_(document.c.user_id == _USER, document.c.id == chunk.c.document_id)
        )
    )


def _log(top: FromClause) -> Any:
    """Return the INSERT into the history, a part of the same statement."""
    count = select(func.count()).select_from(top).scalar_subquery()
    columns: dict[str, ColumnElement[Any]] = {
        "user_id": _USER,
        "project_id": _PROJECT,
        "model_id": _MODEL,
        "query": _QUERY,
        "mode": bindparam("mode", type_=HISTORY.c.mode.type),
        "filters": bindparam("filters", type_=Json()),
        "hit_count": count,
    }
    return insert(HISTORY).from_select([*columns], select(*columns.values()), include_defaults=False)

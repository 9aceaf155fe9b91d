"""The one statement of a search: its legs, their fusion, what each hit belongs to, what is related (F5).

The legs are functions of the database, `nearest` and `matching`, which choose their plans. Conditions on
documents and projects are part of each leg, and the legs meet in a FULL OUTER JOIN, so that a hit of either
one is kept. The embedding model is looked up in it as well; whoever executes it checks what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    column,
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
from devmentor_models.kit.types import Json, Timestamp
from devmentor_models.kit.vectors import Packed
from devmentor_models.memory.enums import SearchMode
from devmentor_models.memory.matching import MINUSES
from devmentor_models.memory.queries import is_model_named

CHUNKS = table_named("memory.chunks")
DOCUMENTS = table_named("memory.documents")
EMBEDDINGS = table_named("memory.embeddings_meta")
MODELS = table_named("ai.embedding_models")
HISTORY = table_named("memory.search_history")
PROJECTS = table_named("projects.projects")
USERS = table_named("auth.users")

#: Constant of reciprocal rank fusion: how much a first place is worth over a second.
RRF: Final = 60
OPERATORS: Final = {"cosine": "<=>", "l2": "<->", "inner_product": "<#>"}
#: The columns before those of a hit: the model, and how the search was made.
MADE: Final = ("model_id", "model_name", "dimensions", "plan", "vector_truncated", "text_truncated")
#: A snippet of the text around the words that match, each in **double asterisks**.
HEADLINE: Final = "StartSel=**, StopSel=**, MaxWords=40, MinWords=20"

_USER = bindparam("tenant_id", type_=Uuid())
_MODEL = bindparam("model", type_=Text())
_QUERY = bindparam("query", type_=Text())
_VECTOR = bindparam("embedding", type_=Packed())
_PROJECT = bindparam("project_id", type_=Uuid())
_FILTERS = (
    _PROJECT,
    bindparam("since", type_=Timestamp()),
    bindparam("source", type_=DOCUMENTS.c.source.type),
)
_DEPTH = bindparam("depth", type_=Integer())
_NOTHING: Final = cast(null(), Double)
_NOWHERE: Final = cast(null(), Integer)


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides a search statement's text; the values are its parameters.

    Attributes:
        mode: Which legs there are.
        related: Look for ``:related`` memories near each hit.
        log: Record the search in the history.
    """

    mode: SearchMode
    related: bool
    log: bool


@cache
def search(shape: Shape) -> Select[*tuple[Any, ...]]:
    """Return the statement for searches of one shape.

    It returns a row per hit, best first, each beginning with `MADE`: how the search was made; one row without
    a ``chunk_id`` if there are no hits.
    """
    model = _model(shape)
    legs = [leg(model) for leg in _LEGS[shape.mode]]
    top = _fused(shape, *legs).cte("top")
    hits = _with_context(shape, model, top).subquery("hits")
    plan: ColumnElement[Any] = legs[0].c.plan if shape.mode is not SearchMode.TEXT else null()
    made: FromClause = model
    for leg in legs:
        made = made.join(leg, true())
    cut: list[ColumnElement[Any]] = [leg.c.truncated for leg in legs]
    near_cut, text_cut = {SearchMode.VECTOR: (*cut, null()), SearchMode.TEXT: (null(), *cut)}.get(
        shape.mode, cut
    )
    columns = (model.c.id, model.c.name, model.c.dimensions, plan, near_cut, text_cut)
    statement = (
        select(*(value.label(name) for value, name in zip(columns, MADE, strict=True)), *hits.c)
        .select_from(made.outerjoin(hits, true()))
        .order_by(hits.c.score.desc(), hits.c.chunk_id)
    )
    return statement.add_cte(_log(shape, model, top).cte("log")) if shape.log else statement


def _model(shape: Shape) -> CTE:
    """Return one row: the active model called ``:model``, NULL stands for the default one; empty without one.

    Its ``usable`` is its key, unless the vector has another length than the model's.
    """
    fits = (
        true()
        if shape.mode is SearchMode.TEXT
        else MODELS.c.dimensions == bindparam("length", type_=Integer())
    )
    one = select(literal(1).label("one")).subquery("one")
    return (
        select(
            MODELS.c.id,
            MODELS.c.name,
            MODELS.c.dimensions,
            cast(MODELS.c.metric, Text).label("metric"),
            case((fits, MODELS.c.id)).label("usable"),
        )
        .select_from(one.outerjoin(MODELS, is_model_named(_MODEL)))
        .limit(1)  # what the planner cannot know
        .cte("model")
        .prefix_with("MATERIALIZED")
    )


def _nearest(model: CTE) -> CTE:
    """Return one row: the nearest chunks with their distances, as arrays."""
    leg = (
        func.memory.nearest_chunks(
            model.c.usable,
            model.c.metric,
            _VECTOR,
            *_FILTERS,
            bindparam("max_distance", type_=Double()),
            _DEPTH,
            bindparam("plan", type_=Text()),
        )
        .table_valued(
            column("ids", ARRAY(Uuid())),
            column("distances", ARRAY(Double())),
            column("plan", Text()),
            column("truncated", Boolean()),
        )
        .lateral()
    )
    return select(leg).select_from(model.join(leg, true())).cte("near").prefix_with("MATERIALIZED")


def _matching(_: CTE) -> CTE:
    """Return one row: the chunks that match best with their ranks, as arrays."""
    leg = func.memory.matching_chunks(
        _QUERY, bindparam("language", type_=DOCUMENTS.c.language.type), *_FILTERS, _DEPTH
    ).table_valued(
        column("ids", ARRAY(Uuid())), column("ranks", ARRAY(Double())), column("truncated", Boolean())
    )
    return select(leg).cte("matching").prefix_with("MATERIALIZED")


_LEGS: Final = {
    SearchMode.VECTOR: (_nearest,),
    SearchMode.TEXT: (_matching,),
    SearchMode.HYBRID: (_nearest, _matching),
}


def _rows(leg: CTE, value: str) -> FromClause:
    """Return a leg's arrays as rows: id, value and place."""
    places = (
        func.unnest(leg.c.ids, leg.c[value])
        .table_valued(
            column("id", Uuid()), column("value", Double()), with_ordinality="place", name=f"{leg.name}_rows"
        )
        .render_derived()
    )
    return select(places).select_from(leg.join(places, true())).cte(f"{leg.name}_places")


def _fused(shape: Shape, *legs: CTE) -> Select[*tuple[Any, ...]]:
    """Return the best chunks: id, distance, rank, both places and the score."""
    if shape.mode is SearchMode.VECTOR:
        near = _rows(legs[0], "distances")
        columns = [near.c.id, near.c.value, _NOTHING, near.c.place, _NOWHERE]
        source = near
    elif shape.mode is SearchMode.TEXT:
        match = _rows(legs[0], "ranks")
        columns = [match.c.id, _NOTHING, match.c.value, _NOWHERE, match.c.place]
        source = match
    else:
        near, match = _rows(legs[0], "distances"), _rows(legs[1], "ranks")
        source = near.outerjoin(match, near.c.id == match.c.id, full=True)
        either = func.coalesce(near.c.id, match.c.id)
        columns = [either, near.c.value, match.c.value, near.c.place, match.c.place]
    names = ["id", "distance", "rank", "vector_place", "text_place"]
    inner = select(*(c.label(name) for c, name in zip(columns, names, strict=True))).select_from(source)
    places = inner.subquery("places")
    score = func.coalesce(1.0 / (RRF + places.c.vector_place), 0.0) + func.coalesce(
        1.0 / (RRF + places.c.text_place), 0.0
    )
    scored = cast(score, Double).label("score")
    return (
        select(*places.c, scored)
        .order_by(scored.desc(), places.c.id)
        .limit(bindparam("limit", type_=Integer()))
    )


def _with_context(shape: Shape, model: CTE, top: FromClause) -> Select[*tuple[Any, ...]]:
    """Return the hits with document, project, author, snippet and related memories."""
    away: ColumnElement[Any] = top.c.distance
    tables: FromClause = _CHUNK_AND_DOCUMENT.join(USERS, USERS.c.id == DOCUMENTS.c.user_id).outerjoin(
        PROJECTS, and_(PROJECTS.c.user_id == _USER, PROJECTS.c.id == DOCUMENTS.c.project_id)
    )
    if shape.mode is SearchMode.HYBRID:
        # A keyword hit outside the nearest ones has a distance too.
        tables = tables.outerjoin(
            EMBEDDINGS,
            and_(
                EMBEDDINGS.c.user_id == _USER,
                EMBEDDINGS.c.document_id == CHUNKS.c.document_id,
                EMBEDDINGS.c.chunk_id == CHUNKS.c.id,
                EMBEDDINGS.c.model_id == _of(model.c.usable),
            ),
        )
        away = func.coalesce(away, _distance(_of(model.c.metric)))
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
        "headline": null() if shape.mode is SearchMode.VECTOR else _headline(top),
        "distance": away,
        "text_rank": top.c.rank,
        "vector_place": top.c.vector_place,
        "text_place": top.c.text_place,
        "score": top.c.score,
        "project_id": DOCUMENTS.c.project_id,
        "project_name": PROJECTS.c.name,
        "author": USERS.c.username,
    }
    hit = _one_by_one(top.c.id, *(made.label(name) for name, made in columns.items()), tables=tables)
    found: FromClause = top.join(hit, true())
    related: ColumnElement[Any] = null()
    if shape.related:
        around = _related(model, top)
        found = found.outerjoin(around, around.c.hit == top.c.id)
        related = around.c.memories
    return select(*hit.c, related.label("related")).select_from(found)


_CHUNK_AND_DOCUMENT: Final = CHUNKS.join(
    DOCUMENTS, and_(DOCUMENTS.c.user_id == _USER, DOCUMENTS.c.id == CHUNKS.c.document_id)
)


def _of(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a value of the model's one row, wherever it is needed."""
    return select(value).scalar_subquery()


def _distance(metric: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return how far an embedding is from the searched vector, by a metric."""
    away: dict[str, ColumnElement[float]] = {
        name: EMBEDDINGS.c.embedding.op(operator, return_type=Double())(_VECTOR)
        for name, operator in OPERATORS.items()
    }
    return case(away, value=metric)


def _one_by_one(
    chunk_id: ColumnElement[UUID], *columns: ColumnElement[Any], tables: FromClause
) -> FromClause:
    """Return what belongs to each of few chunks, looked up by their keys.

    With LIMIT, so that it stays what it is: a plan for any tenant believes that tenants are small, and would
    rather read all chunks of this one.
    """
    chosen = select(*columns).select_from(tables).where(CHUNKS.c.user_id == _USER, CHUNKS.c.id == chunk_id)
    return chosen.limit(1).lateral()


def _headline(top: FromClause) -> ColumnElement[Any]:
    """Return the snippet of a hit whose words match, made in the language of its document."""
    language = cast(cast(CHUNKS.c.language, Text), REGCONFIG)
    said = func.regexp_replace(_QUERY, literal(MINUSES), literal(" "), literal("g"))
    # Any of the words: a chunk may have only some.
    words = func.replace(
        cast(func.websearch_to_tsquery(language, said), Text), literal(" & "), literal(" | ")
    )
    snippet = func.ts_headline(language, CHUNKS.c.content, cast(words, TSQUERY), literal(HEADLINE))
    return case((top.c.text_place.is_not(None), snippet))


def _related(model: CTE, top: FromClause) -> FromClause:
    """Return the memories nearest to each hit as one JSON array."""
    hits = select(func.array_agg(top.c.id)).scalar_subquery()
    closest = func.memory.related_chunks(
        _of(model.c.usable), _of(model.c.metric), hits, bindparam("related", type_=Integer())
    ).table_valued(
        column("hit", Uuid()), column("chunk_id", Uuid()), column("distance", Double()), name="closest"
    )
    item = func.jsonb_build_array(
        DOCUMENTS.c.id,
        DOCUMENTS.c.title,
        CHUNKS.c.id,
        CHUNKS.c.ordinal,
        CHUNKS.c.content,
        closest.c.distance,
        type_=Json(),
    )
    memory = _one_by_one(closest.c.chunk_id, item.label("item"), tables=_CHUNK_AND_DOCUMENT)
    ordered = aggregate_order_by(memory.c.item, closest.c.distance, closest.c.chunk_id)
    return (
        select(closest.c.hit, func.jsonb_agg(ordered, type_=Json()).label("memories"))
        .select_from(closest.join(memory, true()))
        .group_by(closest.c.hit)
        .subquery("around")
    )


def _log(shape: Shape, model: CTE, top: FromClause) -> Any:
    """Return the INSERT into the history, a part of the same statement; not for a model that there is not."""
    count = select(func.count()).select_from(top).scalar_subquery()
    columns: dict[str, ColumnElement[Any]] = {
        "user_id": _USER,
        "project_id": _PROJECT,
        "model_id": model.c.usable,
        "query": _QUERY,
        "mode": bindparam("mode", type_=HISTORY.c.mode.type),
        "filters": bindparam("filters", type_=Json()),
        "hit_count": count,
    }
    found: ColumnElement[bool] = model.c.usable.is_not(None)
    if shape.mode is SearchMode.TEXT:
        found = or_(found, _MODEL.is_(None))
    row = select(*columns.values()).where(found)
    return insert(HISTORY).from_select([*columns], row, include_defaults=False)

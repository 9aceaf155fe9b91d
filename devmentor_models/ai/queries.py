"""Statements of the ``ai`` schema: values without a session, testable by compiling."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Date,
    Select,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from devmentor_models.ai.enums import Provider
from devmentor_models.ai.models import (
    CachedResponse,
    EmbeddingModel,
    ProjectEmbedding,
    ProviderConfig,
    Usage,
)
from devmentor_models.kit.batches import delete_batch
from devmentor_models.kit.provenance import constant

# What RETURNING delivers replaces what the session remembers of a row.
_FRESH = {"populate_existing": True, "synchronize_session": False}
# Unlike now(), it moves on within a transaction.
_NOW = func.statement_timestamp()
# Not "user_id": in an UPDATE, a parameter named like a column would be taken for a value to set.
_USER: BindParameter[Any] = bindparam("tenant", type_=Uuid())

# -- Provider configurations -------------------------------------------------------------------------------

_CONFIGS = select(ProviderConfig).where(ProviderConfig.user_id == _USER)
PROVIDER_CONFIG_BY_ID = _CONFIGS.where(ProviderConfig.id == bindparam("id"))
PROVIDER_CONFIG_FOR_UPDATE = PROVIDER_CONFIG_BY_ID.with_for_update(key_share=True).execution_options(
    populate_existing=True
)
PROVIDER_CONFIG_BY_NAME = _CONFIGS.where(ProviderConfig.name == bindparam("name"))

_put_config = insert(ProviderConfig)
PUT_PROVIDER_CONFIG = (
    _put_config.on_conflict_do_update(
        index_elements=[ProviderConfig.user_id, ProviderConfig.name],
        set_={
            name: _put_config.excluded[name]
            for name in (
                "provider",
                "api_key",
                "base_url",
                "default_model",
                "settings",
                "is_active",
                "priority",
            )
        },
    )
    .returning(ProviderConfig)
    .execution_options(populate_existing=True)
)


def provider_configs(
    user_id: UUID, provider: Provider | None, *, active_only: bool
) -> Select[ProviderConfig]:
    """Return the statement that lists a user's configurations."""
    statement = select(ProviderConfig).where(ProviderConfig.user_id == user_id)
    if provider is not None:
        statement = statement.where(ProviderConfig.provider == provider)
    if active_only:
        statement = statement.where(ProviderConfig.is_active)
    return statement


# -- Embedding models --------------------------------------------------------------------------------------

EMBEDDING_MODEL_BY_ID = select(EmbeddingModel).where(EmbeddingModel.id == bindparam("id"))
EMBEDDING_MODEL_BY_NAME = select(EmbeddingModel).where(EmbeddingModel.name == bindparam("name"))
DEFAULT_EMBEDDING_MODEL = select(EmbeddingModel).where(EmbeddingModel.is_default)
EMBEDDING_MODELS = select(EmbeddingModel)
ACTIVE_EMBEDDING_MODELS = EMBEDDING_MODELS.where(EmbeddingModel.active)

REGISTER_EMBEDDING_MODEL = (
    insert(EmbeddingModel)
    .on_conflict_do_nothing(index_elements=[EmbeddingModel.name])
    .returning(EmbeddingModel)
)
# Taken before the default changes hands: two changes at once could neither see nor clear each other's.
LOCK_DEFAULT = select(func.pg_advisory_xact_lock(func.hashtextextended("ai.embedding_models.is_default", 0)))
CLEAR_DEFAULT = (
    update(EmbeddingModel)
    .where(EmbeddingModel.is_default, EmbeddingModel.id != bindparam("model_id"))
    .values(is_default=False)
    .execution_options(synchronize_session="fetch")
)
SET_DEFAULT = (
    update(EmbeddingModel)
    .where(EmbeddingModel.id == bindparam("model_id"), EmbeddingModel.active)
    .values(is_default=True)
    .returning(EmbeddingModel)
    .execution_options(**_FRESH)
)
SET_MODEL_ACTIVE = (
    update(EmbeddingModel)
    .where(EmbeddingModel.id == bindparam("model_id"))
    .values(active=bindparam("is_active"), is_default=EmbeddingModel.is_default & bindparam("is_active"))
    .returning(EmbeddingModel)
    .execution_options(**_FRESH)
)

# -- Response cache ----------------------------------------------------------------------------------------

HIT_RESPONSE = (
    update(CachedResponse)
    .where(
        CachedResponse.user_id == _USER,
        CachedResponse.request_hash == bindparam("request"),
        CachedResponse.model == bindparam("model_name"),
        CachedResponse.expires_at > _NOW,
    )
    .values(hits=CachedResponse.hits + 1, last_hit_at=_NOW)
    .returning(CachedResponse)
    .execution_options(**_FRESH)
)
_put_response = insert(CachedResponse)
PUT_RESPONSE = (
    _put_response.on_conflict_do_update(
        index_elements=[CachedResponse.user_id, CachedResponse.request_hash, CachedResponse.model],
        set_={
            "response": _put_response.excluded.response,
            "expires_at": _put_response.excluded.expires_at,
            "created_at": func.now(),
            "hits": 0,
            "last_hit_at": None,
        },
    )
    .returning(CachedResponse)
    .execution_options(populate_existing=True)
)


_EXPIRED = CachedResponse.expires_at <= _NOW
PURGE_RESPONSES = delete_batch(CachedResponse, _EXPIRED, oldest_by=CachedResponse.expires_at)
PURGE_RESPONSES_OF_USER = delete_batch(
    CachedResponse, _EXPIRED, CachedResponse.user_id == _USER, oldest_by=CachedResponse.expires_at
)

# -- Usage -------------------------------------------------------------------------------------------------

# The bounds of the period stand on the partition key itself, so that other months are not opened.
_PERIOD = (
    Usage.user_id == _USER,
    Usage.created_at >= bindparam("since"),
    Usage.created_at < bindparam("until"),
)
# A literal: as a parameter it would not be recognised as the same expression in GROUP BY.
_DAY = cast(func.timezone(constant("'UTC'"), Usage.created_at), Date).label("day")
USAGE_TOTALS = (
    select(
        _DAY,
        Usage.provider,
        Usage.model,
        func.count().label("calls"),
        func.count().filter(Usage.cached).label("cached_calls"),
        func.sum(Usage.prompt_tokens).label("prompt_tokens"),
        func.sum(Usage.completion_tokens).label("completion_tokens"),
        func.sum(Usage.cost).label("cost"),
        func.avg(Usage.latency_ms).label("latency_ms"),
    )
    .where(*_PERIOD)
    .group_by(_DAY, Usage.provider, Usage.model)
    .order_by(_DAY, Usage.provider, Usage.model)
)
USAGE_COST = select(func.coalesce(func.sum(Usage.cost), 0)).where(*_PERIOD)

# -- Project embeddings ------------------------------------------------------------------------------------

PROJECT_EMBEDDING = select(ProjectEmbedding).where(
    ProjectEmbedding.user_id == _USER,
    ProjectEmbedding.project_id == bindparam("project_id"),
    ProjectEmbedding.model_id == bindparam("model_id"),
)
_put_embedding = insert(ProjectEmbedding)
PUT_PROJECT_EMBEDDING = (
    _put_embedding.on_conflict_do_update(
        index_elements=[ProjectEmbedding.user_id, ProjectEmbedding.project_id, ProjectEmbedding.model_id],
        set_={name: _put_embedding.excluded[name] for name in ("dimensions", "embedding", "content_hash")},
    )
    .returning(ProjectEmbedding)
    .execution_options(populate_existing=True)
)
_DELETE_EMBEDDINGS = delete(ProjectEmbedding).where(
    ProjectEmbedding.user_id == _USER, ProjectEmbedding.project_id == bindparam("project_id")
)
DELETE_PROJECT_EMBEDDINGS = _DELETE_EMBEDDINGS.execution_options(synchronize_session="fetch")
DELETE_PROJECT_EMBEDDING = _DELETE_EMBEDDINGS.where(
    ProjectEmbedding.model_id == bindparam("model_id")
).execution_options(synchronize_session="fetch")

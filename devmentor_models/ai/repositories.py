# Generated from repositories_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Repositories of the ``ai`` schema: what the gateway calls models with (requirement F7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult

from devmentor_models.ai import queries
from devmentor_models.ai.enums import DistanceMetric, Operation, Provider
from devmentor_models.ai.models import CachedResponse, EmbeddingModel, ProjectEmbedding, ProviderConfig, Usage
from devmentor_models.ai.values import UsageTotal
from devmentor_models.errors import ForeignKeyViolation, InvalidValue, NotFound, UniqueViolation
from devmentor_models.kit.arguments import moment, whole_number
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page
from devmentor_models.kit.repository import Repository
from devmentor_models.kit.types import MAX_HALFVEC_DIMENSIONS

#: Longest period that usage is totalled over in one call: a leap year.
MAX_PERIOD = timedelta(days=366)
LAST_MONTH = date.max.replace(day=1)


class ProviderConfigRepository(Repository):
    """How the user's calls reach the providers of models. API keys are encrypted (F7, Z5)."""

    def put(
        self,
        *,
        name: str,
        provider: Provider,
        api_key: str | None = None,
        base_url: str | None = None,
        default_model: str | None = None,
        settings: dict[str, Any] | None = None,
        is_active: bool = True,
        priority: int = 100,
    ) -> ProviderConfig:
        """Create the configuration of this name, or replace the whole of it, key included.

        The key is never kept from the configuration before: it would be sent to another ``base_url``.

        Args:
            name: Unique for the user, ≤ 100 characters.
            provider: Who runs the models.
            api_key: Secret, ≤ 4,096 characters; None where the provider needs none.
            base_url: Address of the API; None for the provider's usual one.
            default_model: Model to use when a request names none.
            settings: Further settings; no secrets, since they are not encrypted.
            is_active: Whether the gateway uses it.
            priority: Which configuration to try first: the smallest number.

        Raises:
            InvalidValue: A value does not fit its column.
            EncryptionKeyMissing: There is a key to store, but none to encrypt it with.
        """
        ProviderConfig.api_key.check(api_key)
        values = {
            "user_id": self.user_id,
            "name": name,
            "provider": provider,
            "api_key": None,
            "base_url": base_url,
            "default_model": default_model,
            "settings": {} if settings is None else settings,
            "is_active": is_active,
            "priority": whole_number("priority", priority),
        }
        config = self._get(queries.PUT_PROVIDER_CONFIG, values, entity="provider configuration")
        if api_key is not None:
            # Only now it is known which row it is encrypted for: a new one, or the one that is replaced.
            config.api_key = api_key
            self._flush()
        return config

    def get(self, config_id: UUID) -> ProviderConfig:
        """Return a configuration.

        Raises:
            NotFound: The user has no such configuration.
        """
        return self._get(
            queries.PROVIDER_CONFIG_BY_ID,
            {"tenant": self.user_id, "id": config_id},
            entity="provider configuration",
            key=config_id,
        )

    def find_by_name(self, name: str) -> ProviderConfig | None:
        """Return the configuration of this name, or None."""
        return self._find(queries.PROVIDER_CONFIG_BY_NAME, {"tenant": self.user_id, "name": name})

    def list(
        self,
        *,
        provider: Provider | None = None,
        active_only: bool = False,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[ProviderConfig]:
        """Return one page of the user's configurations, in the order in which to try them."""
        return self._page(
            queries.provider_configs(self.user_id, provider, active_only=active_only),
            [ProviderConfig.priority, ProviderConfig.id],
            cursor=cursor,
            limit=limit,
            descending=False,
        )

    def set_key(self, config_id: UUID, api_key: str | None) -> ProviderConfig:
        """Replace the API key, as after a rotation at the provider; None removes it.

        Raises:
            NotFound: The user has no such configuration.
            InvalidValue: It is too long, or no text.
            EncryptionKeyMissing: There is no key to encrypt with.
        """
        ProviderConfig.api_key.check(api_key)
        config = self._locked(config_id)
        config.api_key = api_key
        self._flush()
        return config

    def activate(self, config_id: UUID) -> ProviderConfig:
        """Let the gateway use a configuration.

        Raises:
            NotFound: The user has no such configuration.
        """
        return self._set_active(config_id, active=True)

    def deactivate(self, config_id: UUID) -> ProviderConfig:
        """Keep the gateway from using a configuration; the key stays.

        Raises:
            NotFound: The user has no such configuration.
        """
        return self._set_active(config_id, active=False)

    def _set_active(self, config_id: UUID, *, active: bool) -> ProviderConfig:
        config = self._locked(config_id)
        config.is_active = active
        self._flush()
        return config

    def _locked(self, config_id: UUID) -> ProviderConfig:
        return self._get(
            queries.PROVIDER_CONFIG_FOR_UPDATE,
            {"tenant": self.user_id, "id": config_id},
            entity="provider configuration",
            key=config_id,
        )


class EmbeddingModelRepository(Repository):
    """The catalog of models that make vectors; services write it, everybody reads it (F7)."""

    def register(
        self,
        *,
        name: str,
        dimensions: int,
        metric: DistanceMetric = DistanceMetric.COSINE,
        default: bool = False,
    ) -> EmbeddingModel:
        """Enter a model, or return the one of this name when it is the same.

        Args:
            name: Unique, ≤ 100 characters.
            dimensions: Length of its vectors, 1 to 4,000.
            metric: How two of its vectors are compared.
            default: Make it the model to use when none is named.

        Raises:
            UniqueViolation: The name belongs to a model with other dimensions or another metric.
            InvalidValue: A value does not fit its column.
        """
        whole_number("dimensions", dimensions, at_least=1, at_most=MAX_HALFVEC_DIMENSIONS)
        values = {"name": name, "dimensions": dimensions, "metric": metric}
        model = self._find(queries.REGISTER_EMBEDDING_MODEL, values)
        if model is None:
            model = self._get(
                queries.EMBEDDING_MODEL_BY_NAME, {"name": name}, entity="embedding model", key=name
            )
        if (model.dimensions, model.metric) != (dimensions, metric):
            raise UniqueViolation("uq_embedding_models_name", "ai.embedding_models", ("name",))
        return self.set_default(model.id) if default and not model.is_default else model

    def get(self, model_id: UUID) -> EmbeddingModel:
        """Return a model.

        Raises:
            NotFound: No such model.
        """
        return self._get(
            queries.EMBEDDING_MODEL_BY_ID, {"id": model_id}, entity="embedding model", key=model_id
        )

    def find_by_name(self, name: str) -> EmbeddingModel | None:
        """Return the model of this name, or None."""
        return self._find(queries.EMBEDDING_MODEL_BY_NAME, {"name": name})

    def get_default(self) -> EmbeddingModel:
        """Return the model to use when none is named.

        Raises:
            NotFound: No model is the default.
        """
        return self._get(queries.DEFAULT_EMBEDDING_MODEL, entity="default embedding model")

    def set_default(self, model_id: UUID) -> EmbeddingModel:
        """Make a model the one to use when none is named, instead of the one before.

        Raises:
            NotFound: No such model, or it is not active. The default stays what it was.
        """
        self._execute(queries.LOCK_DEFAULT)
        model = self.get(model_id)
        if not model.active:
            raise NotFound("active embedding model", model_id)
        self._execute(queries.CLEAR_DEFAULT, {"model_id": model_id})
        return self._get(
            queries.SET_DEFAULT, {"model_id": model_id}, entity="active embedding model", key=model_id
        )

    def list(
        self, *, active_only: bool = True, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[EmbeddingModel]:
        """Return one page of models, in the order in which they were registered."""
        statement = queries.ACTIVE_EMBEDDING_MODELS if active_only else queries.EMBEDDING_MODELS
        return self._page(statement, [EmbeddingModel.id], cursor=cursor, limit=limit, descending=False)

    def activate(self, model_id: UUID) -> EmbeddingModel:
        """Allow new vectors of a model.

        Raises:
            NotFound: No such model.
        """
        return self._set_active(model_id, is_active=True)

    def deactivate(self, model_id: UUID) -> EmbeddingModel:
        """Keep a model for its old vectors only; it is no longer the default either.

        Raises:
            NotFound: No such model.
        """
        return self._set_active(model_id, is_active=False)

    def _set_active(self, model_id: UUID, *, is_active: bool) -> EmbeddingModel:
        return self._get(
            queries.SET_MODEL_ACTIVE,
            {"model_id": model_id, "is_active": is_active},
            entity="embedding model",
            key=model_id,
        )


class ResponseCacheRepository(Repository):
    """Answers of providers, kept for the user's next identical request (F7)."""

    def get_or_none(self, request_hash: bytes, *, model: str) -> CachedResponse | None:
        """Return the answer to a request and count the hit; None when there is none or it has expired.

        One statement, which writes: it needs a transaction that may.

        Args:
            request_hash: SHA-256 of the request in a canonical form (32 bytes).
            model: The model that was asked.
        """
        return self._find(
            queries.HIT_RESPONSE,
            {"tenant": self.user_id, "request": request_hash, "model_name": model},
        )

    def put(self, request_hash: bytes, *, model: str, response: Any, expires_at: datetime) -> CachedResponse:
        """Keep an answer until ``expires_at``; it replaces the one before and its count of hits.

        Raises:
            InvalidValue: A value does not fit its column, or ``response`` is None.
        """
        if response is None:
            raise InvalidValue("response", "is missing")
        values = {
            "user_id": self.user_id,
            "request_hash": request_hash,
            "model": model,
            "response": response,
            "expires_at": expires_at,
        }
        return self._get(queries.PUT_RESPONSE, values, entity="cached response")

    def purge_expired(self, *, limit: int = 1000) -> int:
        """Delete up to ``limit`` expired answers, oldest first; call it until it returns less.

        A service that acts for no user purges everybody's, any other actor the user's own.

        Args:
            limit: 1 to 10,000.

        Returns:
            How many were deleted.
        """
        return self._delete_batch(queries.PURGE_RESPONSES, queries.PURGE_RESPONSES_OF_USER, limit)


class UsageRepository(Repository):
    """Calls of models: tokens, cost and time (F7)."""

    def record(
        self,
        *,
        provider: Provider,
        model: str,
        operation: Operation,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cost: Decimal | int = 0,
        latency_ms: int | None = None,
        cached: bool = False,
        project_id: UUID | None = None,
    ) -> Usage:
        """Record one call.

        Args:
            provider: Who ran the model.
            model: The model, ≤ 200 characters.
            operation: What it was asked to do.
            prompt_tokens: Tokens sent to the model.
            completion_tokens: Tokens made by the model.
            cost: US dollars, with up to 6 digits after the point.
            latency_ms: Milliseconds until the answer was complete.
            cached: Answered from the response cache.
            project_id: The project that the call was made for; remembered, not checked.

        Raises:
            InvalidValue: A value does not fit its column or is negative.
        """
        usage = Usage(
            user_id=self.user_id,
            project_id=project_id,
            provider=provider,
            model=model,
            operation=operation,
            prompt_tokens=whole_number("prompt_tokens", prompt_tokens),
            completion_tokens=whole_number("completion_tokens", completion_tokens),
            cost=cost,
            latency_ms=None if latency_ms is None else whole_number("latency_ms", latency_ms),
            cached=cached,
        )
        if usage.cost < 0:
            raise InvalidValue("cost", "is negative")
        return self._add(usage)

    def totals(self, *, since: datetime, until: datetime) -> Sequence[UsageTotal]:
        """Return what each model was used for on each day (UTC), oldest day first.

        One statement, which opens the partitions of the period only.

        Args:
            since: Start of the period, included.
            until: End of the period, not included; at most 366 days later.

        Raises:
            InvalidValue: The period is empty, too long, or a bound has no time zone.
        """
        if not timedelta(0) < moment("until", until) - moment("since", since) <= MAX_PERIOD:
            raise InvalidValue("until", f"must follow since by at most {MAX_PERIOD.days} days")
        result = self._execute(queries.USAGE_TOTALS, {"tenant": self.user_id, "since": since, "until": until})
        return [UsageTotal(**row) for row in result.mappings()]

    def monthly_cost(self, month: date) -> Decimal:
        """Return the US dollars that the month of ``month`` (UTC) has cost the user; 0 if nothing.

        Raises:
            InvalidValue: It is the last month that there is.
        """
        if month >= LAST_MONTH:
            raise InvalidValue("month", "is followed by no other")
        since = datetime(month.year, month.month, 1, tzinfo=UTC)
        until = (since + timedelta(days=31)).replace(day=1)
        result = self._execute(queries.USAGE_COST, {"tenant": self.user_id, "since": since, "until": until})
        return Decimal(result.scalar_one())


class ProjectEmbeddingRepository(Repository):
    """Vectors that stand for whole projects, one per model (F8)."""

    def put(
        self, *, project_id: UUID, model_id: UUID, embedding: Sequence[float], content_hash: bytes
    ) -> ProjectEmbedding:
        """Keep the vector of a project; it replaces the one that the model made before.

        Args:
            project_id: The project.
            model_id: The model that made the vector.
            embedding: As long as the model's vectors are; finite, not all zero.
            content_hash: SHA-256 of the text that was embedded (32 bytes).

        Raises:
            InvalidValue: The vector does not fit the model, or a value its column.
            NotFound: The user has no such project, or there is no such model.
        """
        vector = ProjectEmbedding(embedding=embedding).embedding
        model = self._get(
            queries.EMBEDDING_MODEL_BY_ID, {"id": model_id}, entity="embedding model", key=model_id
        )
        if len(vector) != model.dimensions:
            raise InvalidValue("embedding", f"has {len(vector)} dimensions; {model.dimensions} are expected")
        values = {
            "user_id": self.user_id,
            "project_id": project_id,
            "model_id": model_id,
            "dimensions": model.dimensions,
            "embedding": vector,
            "content_hash": content_hash,
        }
        try:
            return self._get(queries.PUT_PROJECT_EMBEDDING, values, entity="project embedding")
        except ForeignKeyViolation:
            raise NotFound("project", project_id) from None

    def find(self, project_id: UUID, *, model_id: UUID) -> ProjectEmbedding | None:
        """Return the vector that a model made of a project, or None."""
        return self._find(
            queries.PROJECT_EMBEDDING,
            {"tenant": self.user_id, "project_id": project_id, "model_id": model_id},
        )

    def delete(self, project_id: UUID, *, model_id: UUID | None = None) -> int:
        """Delete the vector that a model made of a project, or those of all models.

        Returns:
            How many were deleted.
        """
        key: dict[str, Any] = {"tenant": self.user_id, "project_id": project_id}
        if model_id is None:
            result = self._execute(queries.DELETE_PROJECT_EMBEDDINGS, key)
        else:
            result = self._execute(queries.DELETE_PROJECT_EMBEDDING, {**key, "model_id": model_id})
        return cast("CursorResult[Any]", result).rowcount

"""Factories of the ``ai`` schema."""

# factory-boy reads a nested Meta per class, which a type checker takes for an override of the base's.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence

from devmentor_models.ai.enums import Operation, Provider
from devmentor_models.ai.models import CachedResponse, EmbeddingModel, ProjectEmbedding, ProviderConfig, Usage
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.base import KeyOf, ModelFactory
from devmentor_models.testing.factories.projects import ProjectFactory


def _random_digest() -> bytes:
    return hashlib.sha256(os.urandom(32)).digest()


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


class ProviderConfigFactory(ModelFactory[ProviderConfig]):
    """An active configuration without a key, so that no encryption key is needed to make it."""

    class Meta:
        model = ProviderConfig

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    name = Sequence(lambda number: f"provider {number}")
    provider = Provider.OLLAMA
    base_url = "http://localhost:11434"


class EmbeddingModelFactory(ModelFactory[EmbeddingModel]):
    """An active model with vectors of 3 dimensions; not the default."""

    class Meta:
        model = EmbeddingModel

    id = LazyFunction(uuid7)
    name = LazyAttribute(lambda model: f"model-{model.id.hex}")
    dimensions = 3


class CachedResponseFactory(ModelFactory[CachedResponse]):
    """An answer that is good until tomorrow."""

    class Meta:
        model = CachedResponse

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    request_hash = LazyFunction(_random_digest)
    model = "gpt-test"
    response = LazyFunction(lambda: {"text": "42"})
    expires_at = LazyFunction(_tomorrow)


class UsageFactory(ModelFactory[Usage]):
    """A call that cost nothing."""

    class Meta:
        model = Usage

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    provider = Provider.OPENAI
    model = "gpt-test"
    operation = Operation.CHAT
    prompt_tokens = 100
    completion_tokens = 20


class ProjectEmbeddingFactory(ModelFactory[ProjectEmbedding]):
    """A vector of 3 dimensions; give ``project`` and ``model`` to choose what made it of what."""

    class Meta:
        model = ProjectEmbedding

    class Params:
        user = None
        project = None
        model = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("project.user_id", "user.id", make=UserFactory)
    project_id = KeyOf("project.id", make=ProjectFactory, user_id=SelfAttribute("..user_id"))
    model_id = KeyOf("model.id", make=EmbeddingModelFactory)
    dimensions = 3
    embedding = LazyFunction(lambda: [1.0, 0.0, 0.0])
    content_hash = LazyFunction(_random_digest)

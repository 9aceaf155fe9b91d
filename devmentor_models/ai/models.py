"""Tables of the ``ai`` schema (requirements S6, F7)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from devmentor_models.ai.enums import DistanceMetric, Operation, Provider
from devmentor_models.kit.base import MutableRecord, PartitionedRecord, pg_enum, tenant_fk
from devmentor_models.kit.encrypted import Encrypted, KeyedByUser
from devmentor_models.kit.encryption import EncryptedText
from devmentor_models.kit.types import (
    MAX_HALFVEC_DIMENSIONS,
    Embedding,
    Json,
    Money,
    NormalizedVarchar,
    Sha256,
    Timestamp,
    Varchar,
)
from devmentor_models.security import EXPORT, PURGE, Chore, Grant, Security, catalog, owned_by
from devmentor_models.security.declarations import Service

SCHEMA = "ai"
EMPTY_OBJECT = text("'{}'::jsonb")


class ProviderConfig(KeyedByUser, MutableRecord):
    """A user's access to a provider of models, with the API key encrypted (Z5).

    Every configuration belongs to a user, the platform's own ones to the account that it runs the gateway
    under: a row without a tenant could neither be protected nor distributed like all others (DESIGN §2).
    """

    __tablename__ = "provider_configs"
    __table_args__ = (
        UniqueConstraint("user_id", "name"),
        CheckConstraint("priority >= 0", name="priority"),
        {"schema": SCHEMA, "comment": "How the gateway reaches the providers of models, with encrypted keys"},
    )
    # By the owner of the tables: `devmentor-db rotate-keys`.
    __security__: ClassVar = Security(
        owned_by(),
        grants=(Grant(Service.AI), EXPORT),
        definer=("SELECT", "UPDATE"),
        audited=True,
        redacted=("api_key",),
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose configuration this is"
    )
    provider: Mapped[Provider] = mapped_column(pg_enum(Provider, SCHEMA), comment="Who runs the models")
    name: Mapped[str] = mapped_column(NormalizedVarchar(100), comment="Name, unique for its user")
    _api_key: Mapped[bytes | None] = mapped_column(
        "api_key", EncryptedText(4096), comment="API key, encrypted; NULL where the provider needs none"
    )
    api_key = Encrypted("_api_key")
    base_url: Mapped[str | None] = mapped_column(
        Varchar(2048), comment="Address of the API; NULL for the provider's usual one"
    )
    default_model: Mapped[str | None] = mapped_column(
        Varchar(200), comment="Model to use when a request names none"
    )
    settings: Mapped[dict[str, Any]] = mapped_column(
        Json(),
        default=dict,
        server_default=EMPTY_OBJECT,
        comment="Further settings of the provider; no secrets",
    )
    is_active: Mapped[bool] = mapped_column(
        default=True, server_default=text("true"), comment="False: the gateway does not use it"
    )
    priority: Mapped[int] = mapped_column(
        default=100, server_default=text("100"), comment="Which one to try first: the smallest number"
    )


class EmbeddingModel(MutableRecord):
    """A model that makes vectors. Reference data: name, dimensions and metric never change."""

    __tablename__ = "embedding_models"
    __table_args__ = (
        UniqueConstraint("name"),
        # What a table with vectors refers to, so that the database refuses a vector of a wrong length.
        UniqueConstraint("id", "dimensions"),
        CheckConstraint(f"dimensions BETWEEN 1 AND {MAX_HALFVEC_DIMENSIONS}", name="dimensions"),
        CheckConstraint("active OR NOT is_default", name="default_is_active"),
        # A chunk is one point: two models in one collection would overwrite each other's.
        UniqueConstraint("qdrant_collection"),
        CheckConstraint("qdrant_collection ~ '^[A-Za-z0-9_.-]+$'", name="qdrant_collection"),
        Index("uq_embedding_models_default", "is_default", unique=True, postgresql_where=text("is_default")),
        {"schema": SCHEMA, "comment": "Models that make vectors"},
    )
    __security__: ClassVar = Security(
        catalog(),
        grants=(
            Grant(Service.AI),
            *(Grant(service, ("SELECT",)) for service in Service if service is not Service.AI),
        ),
        chores=(Chore(("INSERT", "UPDATE", "DELETE")),),
        # By the owner of the tables: `devmentor-db models` adds rows, `reembed` moves the default and
        # `sync-qdrant` changes collections, which triggers look up.
        definer=("SELECT", "INSERT", "UPDATE"),
        audited=True,
    )

    name: Mapped[str] = mapped_column(NormalizedVarchar(100), comment="Name by which services know the model")
    dimensions: Mapped[int] = mapped_column(comment="Length of its vectors, at most what halfvec can index")
    metric: Mapped[DistanceMetric] = mapped_column(
        pg_enum(DistanceMetric, SCHEMA),
        default=DistanceMetric.COSINE,
        server_default=DistanceMetric.COSINE,
        comment="How two of its vectors are compared",
    )
    active: Mapped[bool] = mapped_column(
        default=True, server_default=text("true"), comment="False: kept for old vectors, makes no new ones"
    )
    is_default: Mapped[bool] = mapped_column(
        default=False,
        server_default=text("false"),
        comment="The model to use when none is named; one at most",
    )
    qdrant_collection: Mapped[str | None] = mapped_column(
        Varchar(255), comment="Collection of the vector mirror with copies of its vectors; NULL: not mirrored"
    )


class CachedResponse(MutableRecord):
    """A provider's answer, kept for the next identical request of the same user.

    Answers may quote private text, so they are never shared between users.
    """

    __tablename__ = "response_cache"
    __table_args__ = (
        UniqueConstraint("user_id", "request_hash", "model"),
        CheckConstraint("hits >= 0", name="hits"),
        Index("ix_response_cache_expires_at", "expires_at"),
        {"schema": SCHEMA, "comment": "Answers of providers by request, until they expire"},
    )
    __security__: ClassVar = Security(
        owned_by(), grants=(Grant(Service.AI), EXPORT), chores=(Chore(PURGE, "expires_at < now()"),)
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose request this answers"
    )
    request_hash: Mapped[bytes] = mapped_column(Sha256(), comment="SHA-256 of the request in canonical form")
    model: Mapped[str] = mapped_column(Varchar(200), comment="Model that answered")
    response: Mapped[Any] = mapped_column(Json(), comment="The answer")
    expires_at: Mapped[datetime] = mapped_column(Timestamp(), comment="From when the answer is not used")
    hits: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="How often the answer was used again"
    )
    last_hit_at: Mapped[datetime | None] = mapped_column(
        Timestamp(), comment="When the answer was last used again"
    )


class Usage(PartitionedRecord):
    """One call of a model: tokens, cost and time. Append-only."""

    __tablename__ = "usage"
    __table_args__ = (
        CheckConstraint("prompt_tokens >= 0 AND completion_tokens >= 0", name="tokens"),
        CheckConstraint("cost >= 0 AND cost <> 'NaN'", name="cost"),
        CheckConstraint("latency_ms >= 0", name="latency"),
        Index("ix_usage_user_id_created_at", "user_id", "created_at"),
        {
            "schema": SCHEMA,
            "comment": "Calls of models: tokens, cost and time, append-only, partitioned by month",
            "postgresql_partition_by": "RANGE (created_at)",
        },
    )
    __security__: ClassVar = Security(
        owned_by(), grants=(Grant(Service.AI, ("SELECT", "INSERT")), EXPORT), append_only=True
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Whose call this was"
    )
    # No foreign key: what a project has cost stays known after the project, and rows here never change.
    project_id: Mapped[UUID | None] = mapped_column(comment="The project that the call was made for, if any")
    provider: Mapped[Provider] = mapped_column(pg_enum(Provider, SCHEMA), comment="Who ran the model")
    model: Mapped[str] = mapped_column(Varchar(200), comment="The model")
    operation: Mapped[Operation] = mapped_column(
        pg_enum(Operation, SCHEMA), comment="What it was asked to do"
    )
    prompt_tokens: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="Tokens sent to the model"
    )
    completion_tokens: Mapped[int] = mapped_column(
        default=0, server_default=text("0"), comment="Tokens made by the model"
    )
    cost: Mapped[Decimal] = mapped_column(
        Money(), default=Decimal(0), server_default=text("0"), comment="Price of the call in US dollars"
    )
    latency_ms: Mapped[int | None] = mapped_column(
        comment="Milliseconds until the answer was complete; NULL when not measured"
    )
    cached: Mapped[bool] = mapped_column(
        default=False, server_default=text("false"), comment="Answered from the response cache"
    )


class ProjectEmbedding(MutableRecord):
    """The vector that stands for a project as a whole (the seed's ``ai_embeddings``; F8)."""

    __tablename__ = "project_embeddings"
    __table_args__ = (
        tenant_fk("project_id", "projects.projects"),
        # RESTRICT: a model's vectors mean nothing without it; they go first, on purpose.
        ForeignKeyConstraint(
            ["model_id", "dimensions"],
            ["ai.embedding_models.id", "ai.embedding_models.dimensions"],
            ondelete="RESTRICT",
        ),
        UniqueConstraint("user_id", "project_id", "model_id"),
        CheckConstraint("vector_dims(embedding) = dimensions", name="dimensions"),
        # A zero vector has no direction: every cosine distance to it is NaN.
        CheckConstraint("l2_norm(embedding) > 0", name="direction"),
        Index("ix_project_embeddings_model_id_dimensions", "model_id", "dimensions"),
        {"schema": SCHEMA, "comment": "Vectors that stand for whole projects, one per model"},
    )
    __security__: ClassVar = Security(
        owned_by(), grants=(Grant(Service.AI), Grant(Service.PROJECTS, ("SELECT",)), EXPORT)
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth.users.id", ondelete="CASCADE"), comment="Owner of the project"
    )
    project_id: Mapped[UUID] = mapped_column(comment="The project")
    model_id: Mapped[UUID] = mapped_column(comment="The model that made the vector")
    dimensions: Mapped[int] = mapped_column(comment="Length of the vector, as the model has it")
    embedding: Mapped[list[float]] = mapped_column(Embedding(), comment="The vector, in half precision")
    content_hash: Mapped[bytes] = mapped_column(
        Sha256(), comment="SHA-256 of the text that was embedded, to notice when it is stale"
    )

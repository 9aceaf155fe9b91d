"""Create the ai schema: providers, embedding models, response cache, usage, project vectors.

Revision: 0d1c5a6e0004
Revises: 0d1c5a6e0003
Created: 2026-11-23 20:16:02.067289+00:00

Downgrade loses: all rows of the schema ai.
"""

from __future__ import annotations

from collections.abc import Sequence

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0d1c5a6e0004"
down_revision: str | None = "0d1c5a6e0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Rows that change: a trigger keeps updated_at and version, whoever writes.
MUTABLE = (
    "ai.embedding_models",
    "ai.project_embeddings",
    "ai.provider_configs",
    "ai.response_cache",
)
PARTITIONED = ("ai.usage",)
# DROP TABLE leaves the types of its columns behind.
ENUMS = (
    "ai.distance_metric",
    "ai.operation",
    "ai.provider",
)


def upgrade() -> None:
    """Create the schema with its types, tables, indexes, triggers and first partitions."""
    op.execute("CREATE SCHEMA ai")
    op.create_table(
        "embedding_models",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "name", sa.String(length=100), nullable=False, comment="Name by which services know the model"
        ),
        sa.Column(
            "dimensions",
            sa.Integer(),
            nullable=False,
            comment="Length of its vectors, at most what halfvec can index",
        ),
        sa.Column(
            "metric",
            sa.Enum("cosine", "l2", "inner_product", name="distance_metric", schema="ai"),
            server_default="cosine",
            nullable=False,
            comment="How two of its vectors are compared",
        ),
        sa.Column(
            "active",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="False: kept for old vectors, makes no new ones",
        ),
        sa.Column(
            "is_default",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="The model to use when none is named; one at most",
        ),
        sa.Column(
            "qdrant_collection",
            sa.String(length=255),
            nullable=True,
            comment="Collection of the vector mirror with copies of its vectors; NULL: not mirrored",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint("active OR NOT is_default", name=op.f("ck_embedding_models_default_is_active")),
        sa.CheckConstraint("dimensions BETWEEN 1 AND 4000", name=op.f("ck_embedding_models_dimensions")),
        sa.CheckConstraint(
            "(qdrant_collection)::text ~ '^[A-Za-z0-9_.-]+$'::text",
            name=op.f("ck_embedding_models_qdrant_collection"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding_models")),
        sa.UniqueConstraint("id", "dimensions", name=op.f("uq_embedding_models_id_dimensions")),
        sa.UniqueConstraint("name", name=op.f("uq_embedding_models_name")),
        sa.UniqueConstraint("qdrant_collection", name=op.f("uq_embedding_models_qdrant_collection")),
        schema="ai",
        comment="Models that make vectors",
    )
    op.create_index(
        "uq_embedding_models_default",
        "embedding_models",
        ["is_default"],
        unique=True,
        schema="ai",
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "provider_configs",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose configuration this is"),
        sa.Column(
            "provider",
            sa.Enum(
                "openai", "anthropic", "ollama", "azure", "google", "other", name="provider", schema="ai"
            ),
            nullable=False,
            comment="Who runs the models",
        ),
        sa.Column("name", sa.String(length=100), nullable=False, comment="Name, unique for its user"),
        sa.Column(
            "api_key",
            sa.LargeBinary(),
            nullable=True,
            comment="API key, encrypted; NULL where the provider needs none",
        ),
        sa.Column(
            "base_url",
            sa.String(length=2048),
            nullable=True,
            comment="Address of the API; NULL for the provider's usual one",
        ),
        sa.Column(
            "default_model",
            sa.String(length=200),
            nullable=True,
            comment="Model to use when a request names none",
        ),
        sa.Column(
            "settings",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="Further settings of the provider; no secrets",
        ),
        sa.Column(
            "is_active",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="False: the gateway does not use it",
        ),
        sa.Column(
            "priority",
            sa.Integer(),
            server_default=sa.text("100"),
            nullable=False,
            comment="Which one to try first: the smallest number",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint("priority >= 0", name=op.f("ck_provider_configs_priority")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_provider_configs_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_configs")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_provider_configs_user_id_name")),
        schema="ai",
        comment="How the gateway reaches the providers of models, with encrypted keys",
    )
    op.create_table(
        "response_cache",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose request this answers"),
        sa.Column(
            "request_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the request in canonical form",
        ),
        sa.Column("model", sa.String(length=200), nullable=False, comment="Model that answered"),
        sa.Column("response", postgresql.JSONB(), nullable=False, comment="The answer"),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="From when the answer is not used",
        ),
        sa.Column(
            "hits",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="How often the answer was used again",
        ),
        sa.Column(
            "last_hit_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the answer was last used again",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint("hits >= 0", name=op.f("ck_response_cache_hits")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_response_cache_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response_cache")),
        sa.UniqueConstraint(
            "user_id", "request_hash", "model", name=op.f("uq_response_cache_user_id_request_hash_model")
        ),
        schema="ai",
        comment="Answers of providers by request, until they expire",
    )
    op.create_index(
        "ix_response_cache_expires_at", "response_cache", ["expires_at"], unique=False, schema="ai"
    )
    op.create_table(
        "usage",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it happened; decides the partition",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose call this was"),
        sa.Column(
            "project_id", sa.Uuid(), nullable=True, comment="The project that the call was made for, if any"
        ),
        sa.Column(
            "provider",
            sa.Enum(
                "openai", "anthropic", "ollama", "azure", "google", "other", name="provider", schema="ai"
            ),
            nullable=False,
            comment="Who ran the model",
        ),
        sa.Column("model", sa.String(length=200), nullable=False, comment="The model"),
        sa.Column(
            "operation",
            sa.Enum(
                "chat",
                "completion",
                "embedding",
                "rerank",
                "moderation",
                "other",
                name="operation",
                schema="ai",
            ),
            nullable=False,
            comment="What it was asked to do",
        ),
        sa.Column(
            "prompt_tokens",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Tokens sent to the model",
        ),
        sa.Column(
            "completion_tokens",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Tokens made by the model",
        ),
        sa.Column(
            "cost",
            sa.Numeric(precision=14, scale=6),
            server_default=sa.text("0"),
            nullable=False,
            comment="Price of the call in US dollars",
        ),
        sa.Column(
            "latency_ms",
            sa.Integer(),
            nullable=True,
            comment="Milliseconds until the answer was complete; NULL when not measured",
        ),
        sa.Column(
            "cached",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Answered from the response cache",
        ),
        sa.CheckConstraint("cost >= 0 AND cost <> 'NaN'", name=op.f("ck_usage_cost")),
        sa.CheckConstraint("latency_ms >= 0", name=op.f("ck_usage_latency")),
        sa.CheckConstraint("prompt_tokens >= 0 AND completion_tokens >= 0", name=op.f("ck_usage_tokens")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_usage_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", "created_at", name=op.f("pk_usage")),
        schema="ai",
        comment="Calls of models: tokens, cost and time, append-only, partitioned by month",
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "ix_usage_user_id_created_at", "usage", ["user_id", "created_at"], unique=False, schema="ai"
    )
    op.create_table(
        "project_embeddings",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("devmentor.uuidv7()"),
            nullable=False,
            comment="Time-ordered UUIDv7, made by the client or by default by the server",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Owner of the project"),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project"),
        sa.Column("model_id", sa.Uuid(), nullable=False, comment="The model that made the vector"),
        sa.Column(
            "dimensions", sa.Integer(), nullable=False, comment="Length of the vector, as the model has it"
        ),
        sa.Column(
            "embedding",
            pgvector.sqlalchemy.HALFVEC(),
            nullable=False,
            comment="The vector, in half precision",
        ),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the text that was embedded, to notice when it is stale",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was inserted",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was last changed (set by trigger)",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Optimistic lock, counted up by trigger",
        ),
        sa.CheckConstraint("l2_norm(embedding) > 0", name=op.f("ck_project_embeddings_direction")),
        sa.CheckConstraint(
            "vector_dims(embedding) = dimensions", name=op.f("ck_project_embeddings_dimensions")
        ),
        sa.ForeignKeyConstraint(
            ["model_id", "dimensions"],
            ["ai.embedding_models.id", "ai.embedding_models.dimensions"],
            name=op.f("fk_project_embeddings_model_id_dimensions"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "project_id"],
            ["projects.projects.user_id", "projects.projects.id"],
            name=op.f("fk_project_embeddings_user_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name=op.f("fk_project_embeddings_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_embeddings")),
        sa.UniqueConstraint(
            "user_id",
            "project_id",
            "model_id",
            name=op.f("uq_project_embeddings_user_id_project_id_model_id"),
        ),
        schema="ai",
        comment="Vectors that stand for whole projects, one per model",
    )
    op.create_index(
        "ix_project_embeddings_model_id_dimensions",
        "project_embeddings",
        ["model_id", "dimensions"],
        unique=False,
        schema="ai",
    )
    for table in MUTABLE:
        op.execute(
            f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION devmentor.touch()"
        )
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute("SELECT devmentor.ensure_partitions()")


def downgrade() -> None:
    """Drop everything in the schema, and the schema."""
    op.drop_index("ix_project_embeddings_model_id_dimensions", table_name="project_embeddings", schema="ai")
    op.drop_table("project_embeddings", schema="ai")
    op.drop_index("ix_usage_user_id_created_at", table_name="usage", schema="ai")
    op.drop_table("usage", schema="ai")
    op.drop_index("ix_response_cache_expires_at", table_name="response_cache", schema="ai")
    op.drop_table("response_cache", schema="ai")
    op.drop_table("provider_configs", schema="ai")
    op.drop_index(
        "uq_embedding_models_default",
        table_name="embedding_models",
        schema="ai",
        postgresql_where=sa.text("is_default"),
    )
    op.drop_table("embedding_models", schema="ai")
    for enum in ENUMS:
        op.execute(f"DROP TYPE {enum}")
    op.execute("DROP SCHEMA ai")

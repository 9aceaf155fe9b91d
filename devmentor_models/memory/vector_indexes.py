"""The approximate index of one embedding model: a partial HNSW index on its vectors (F5).

No model declares it, since a row decides that it is there: `devmentor-db models index NAME` builds it. Here
stands what it looks like, for whoever builds it, compares it or searches with it.
"""

from __future__ import annotations

import re
from uuid import UUID

SCHEMA = "memory"
TABLE = "embeddings_meta"
PREFIX = "ix_embeddings_meta_hnsw_"
#: Operator classes by metric; the metric of an index is that of its model.
OPERATOR_CLASSES = {
    "cosine": "halfvec_cosine_ops",
    "l2": "halfvec_l2_ops",
    "inner_product": "halfvec_ip_ops",
}

_DIGITS = "".join(rf"([0-9a-f]{{{length}}})" for length in (8, 4, 4, 4, 12))
#: How PostgreSQL writes such an index down when the search path is empty. The name tells the model: what
#: stands under it with another cast, operator class or condition is something else.
DEFINITION = (
    rf"CREATE INDEX {PREFIX}{_DIGITS} ON {SCHEMA}\.{TABLE} USING hnsw"
    rf" \(\(\(embedding\)::(?:\S+\.)?halfvec\((\d+)\)\) (?:\S+\.)?(halfvec_(?:cosine|l2|ip)_ops)\)"
    r"(?: WITH \([^)]*\))?"
    r" WHERE \(model_id = '\1-\2-\3-\4-\5'::uuid\)"
)


def index_name(model_id: UUID) -> str:
    """Return the name of a model's index.

    >>> index_name(UUID(int=255))
    'ix_embeddings_meta_hnsw_000000000000000000000000000000ff'
    """
    return f"{PREFIX}{model_id.hex}"


def index_column(dimensions: int, metric: str) -> str:
    """Return what is indexed; a search must order by the very same expression.

    >>> index_column(256, "cosine")
    '(embedding::halfvec(256)) halfvec_cosine_ops'
    """
    return f"(embedding::halfvec({dimensions})) {OPERATOR_CLASSES[metric]}"


def index_condition(model_id: UUID) -> str:
    """Return the condition on the rows that are in the index."""
    return f"model_id = '{model_id}'::uuid"


def is_index_of(definition: str, model_id: UUID, dimensions: int, metric: str) -> bool:
    """Say whether a definition, as PostgreSQL writes it, is that of a model's index."""
    found = re.fullmatch(DEFINITION, definition)
    return found is not None and ("".join(found.groups()[:5]), found[6], found[7]) == (
        model_id.hex,
        str(dimensions),
        OPERATOR_CLASSES[metric],
    )

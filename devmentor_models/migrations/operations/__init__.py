"""Named Alembic operations for what Alembic has none for, such as ``op.create_trigger`` and ``op.create_policy``.

Importing this package registers them; a revision needs ``from alembic import op`` and nothing else.
"""

from devmentor_models.migrations.operations import objects, rights, tables, types
from devmentor_models.migrations.operations.named import NamedOperation, Steps, call

__all__ = ["NamedOperation", "Steps", "call", "objects", "rights", "tables", "types"]

"""Named Alembic operations for what Alembic has none for: ``op.create_trigger`` and many more.

Importing this package registers them; a revision needs ``from alembic import op`` and nothing else.
"""

from devmentor_models.migrations.operations import objects, rights, tables, types
from devmentor_models.migrations.operations.named import BothWays, NamedOperation, call

__all__ = ["BothWays", "NamedOperation", "call", "objects", "rights", "tables", "types"]

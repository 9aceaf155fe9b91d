"""From two snapshots to the operations that lead from one to the other."""

from devmentor_models.migrations.compare.changes import Change
from devmentor_models.migrations.compare.plan import changes

__all__ = ["Change", "changes"]

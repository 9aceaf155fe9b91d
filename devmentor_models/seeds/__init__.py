"""Seed data, apart from the migrations (requirement S9): typed, versioned, and safe to apply again.

`base` is what every installation needs: the catalogue's templates and the embedding model. `demo` is
something to look at: two users, a project with its plan, a team, a roadmap. `ledger` remembers which version
wrote what, so that a newer one can tell its own rows from those that people changed.
"""

from devmentor_models.seeds.apply import apply
from devmentor_models.seeds.seeder import SeedReport

__all__ = ["SeedReport", "apply"]

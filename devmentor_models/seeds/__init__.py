"""Seed data, apart from the migrations (requirement S9): typed, versioned, and safe to apply again.

`base` is what every installation needs: the catalogue's templates and the embedding model. `demo` is
something to look at: two users, a project with its plan, a team, a roadmap.
"""

from devmentor_models.seeds.apply import SeedReport, apply

__all__ = ["SeedReport", "apply"]

"""Alembic's entry point: everything it does stands in `devmentor_models.migrations.environment`."""

from devmentor_models.migrations.environment import run

run()

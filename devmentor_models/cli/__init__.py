"""``devmentor-db``: the command line of the database. Nothing is imported before a command needs it."""

from __future__ import annotations


def main() -> None:
    """Run ``devmentor-db``."""
    from devmentor_models.cli.app import app  # noqa: PLC0415 - python -m devmentor_models.cli.x needs no app

    app()

"""``devmentor-db sql``: print revisions as a script."""

from __future__ import annotations

from typing import Annotated

import typer


def sql(
    steps: Annotated[
        str,
        typer.Argument(metavar="FROM:TO", help="Revisions, such as base:head or 0d1c5a6e0005:0d1c5a6e0006."),
    ],
) -> None:
    """Print revisions as a script for psql, to be reviewed; needs no database. TO may be older than FROM."""
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import
    from devmentor_models.migrations.script import write_script  # noqa: PLC0415 - likewise

    start, colon, end = steps.partition(":")
    if not (start and colon and end):
        raise typer.BadParameter("expected FROM:TO, such as base:head")
    typer.echo(write_script(migrate.config(), start, end), nl=False)

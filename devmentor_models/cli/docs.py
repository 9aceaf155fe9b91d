"""``devmentor-db docs``: the data dictionary and the diagrams, from the models (requirement S9)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devmentor_models.cli.report import FAILED
from devmentor_models.cli.target import note

DEFAULT_OUTPUT = Path("docs")


def docs(
    output: Annotated[Path, typer.Option(help="The folder to write to.")] = DEFAULT_OUTPUT,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a page is not up to date.")
    ] = False,
) -> None:
    """Write the data dictionary and the diagrams from the models. Needs no database."""
    from devmentor_models import documentation  # noqa: PLC0415 - slow to import

    if check:
        _check(output)
        return
    changed = documentation.write(output)
    for path in changed:
        typer.echo(path)
    if not changed:
        note("Every page was up to date.")
    drawn = documentation.draw(output)
    if drawn is None:
        note("No SVG was drawn: Graphviz is not installed. The pages hold the diagrams as Mermaid.")
    for path in drawn or ():
        typer.echo(path)


def _check(output: Path) -> None:
    """Name every page that differs, and the command that repairs it.

    Raises:
        Exit: With code 1, when there is one.
    """
    from devmentor_models import documentation  # noqa: PLC0415 - slow to import

    differences = documentation.compare(output)
    if not differences:
        typer.echo("The documentation is what the models say.")
        return
    for difference in differences:
        typer.echo(difference)
    typer.echo(f"Run `devmentor-db docs --output {output}`.")
    raise typer.Exit(FAILED)

"""``devmentor-db prove-isolation``: try every way round, and say what happened."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from devmentor_models.cli.report import FAILED
from devmentor_models.cli.target import URL_VARIABLE, resolve


def prove_isolation(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Annotated[
        str | None, typer.Option("--url", envvar=URL_VARIABLE, show_envvar=True, show_default=False)
    ] = None,
    through: Annotated[
        str | None, typer.Option(help="URL of the pooler that services connect to, if they do.")
    ] = None,
) -> None:
    """Try every role, command and way round on every relation of the database, and take it all back.

    What one transaction leaves to the next is tried in a scratch database beside it.

    Needs a superuser. Exit code 1 if anything ended otherwise than it is declared.
    """
    from devmentor_models import proof  # noqa: PLC0415 - slow to import

    report = proof.prove(resolve(url).url, through=through)
    typer.echo(json.dumps(report.as_data(), indent=2) if as_json else "\n".join(proof.lines(report)))
    if not report.passed:
        raise typer.Exit(FAILED)

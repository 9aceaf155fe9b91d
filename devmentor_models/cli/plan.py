"""``devmentor-db plan``: what the pending revisions will do to a database in use."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from devmentor_models.cli.target import URL_VARIABLE, note, resolve

if TYPE_CHECKING:
    from devmentor_models.migrations.plan import RevisionPlan


def plan(
    start: Annotated[
        str | None,
        typer.Option("--from", show_default="where the database is", help="Begin here; base is nothing."),
    ] = None,
    end: Annotated[str, typer.Option("--to", help="The last revision.")] = "head",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Annotated[
        str | None, typer.Option("--url", envvar=URL_VARIABLE, show_envvar=True, show_default=False)
    ] = None,
) -> None:
    """Tell for each pending revision its locks, what it reads and rewrites, and whether services may run on.

    Measured in a scratch database with the same schema; the database itself is only asked for its revision.
    """
    from devmentor_models.migrations import plan as plans  # noqa: PLC0415 - slow to import

    found = plans.plan(resolve(url).url, start, end)
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in found], indent=2))
        return
    for step in found:
        typer.echo("\n".join(_lines(step)))
    if not found:
        note("Nothing is pending.")


def _lines(step: RevisionPlan) -> list[str]:
    """Return what to print about a revision."""
    locks = [f"{table}: {mode}" for table, mode in step.locks.items()]
    writes = [f"{table} ({rows} rows here)" for table, rows in step.writes.items()]
    parts: dict[str, list[str]] = {
        "locks": locks or ["nothing that was there before"],
        "rewrites": step.rewrites,
        "reads all of": step.scans,
        "builds index on": step.indexes,
        "writes to": writes,
        "time": [step.duration],
        "while serving": [step.verdict.upper(), *step.reasons],
        "works with": [f"code of {step.compatible_from} or later"],
    }
    lines = [f"{step.revision}  {step.title}"]
    for name, values in parts.items():
        lines += [f"  {name if place == 0 else '':<16}{value}" for place, value in enumerate(values)]
    return lines

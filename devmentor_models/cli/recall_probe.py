"""``devmentor-db recall-probe``: what the search finds, and how long it takes."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from devmentor_models.cli.models import Url
from devmentor_models.cli.target import note, resolve

if TYPE_CHECKING:
    from devmentor_models.embeddings.recall import Probe


def recall_probe(
    *,
    model: Annotated[str | None, typer.Option(help="Name of the model; without one: the default.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Hits of each search.")] = 10,
    queries: Annotated[int, typer.Option(min=1, max=10_000, help="Queries for each size of tenants.")] = 100,
    user: Annotated[UUID | None, typer.Option(help="Only this user; without: some of each size.")] = None,
    seed: Annotated[int, typer.Option(help="Another one chooses other tenants and queries.")] = 1,
    url: Url = None,
) -> None:
    """Measure the vector search on the database's own data: how much it finds of what is there, and how fast.

    Stored vectors are the queries. Each is searched for in the plan that the library chooses, exactly, and
    through the model's index. Reads only. The login is a member of devmentor_owner and devmentor_memory.
    """
    from rich.console import Console  # noqa: PLC0415 - --help should be quick
    from rich.progress import Progress  # noqa: PLC0415 - likewise

    from devmentor_models.embeddings.recall import probe  # noqa: PLC0415 - likewise

    target = resolve(url)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Searching", total=None)
        found = probe(
            target.url,
            model=model,
            user=user,
            k=k,
            queries=queries,
            seed=seed,
            advance=lambda done: bar.advance(task, done),
        )
    _print(found)
    for line in found.advice():
        note(line)


def _print(found: Probe) -> None:
    title = f"{found.model.name}: {found.model.dimensions} dimensions, {found.model.metric}"
    typer.echo(f"{title}, {'with' if found.indexed else 'without'} an index; the {found.k} nearest.")
    lines: list[tuple[str, ...]] = [
        ("vectors of a tenant", "queries", "chosen", "recall", "worst", "plan", "median ms", "P95 ms")
    ]
    for item in found.classes:
        chosen = ", ".join(f"{plan} {times}" for plan, times in sorted(item.plans.items()))
        recall = (f"{statistics.mean(item.recall):.3f}", f"{min(item.recall):.2f}")
        first: tuple[str, ...] = (item.name, str(len(item.recall)), chosen, *recall)
        for plan in item.milliseconds:
            timed = (str(plan), f"{item.median(plan):.2f}", f"{item.p95(plan):.2f}")
            lines.append((*first, *timed))
            first = ("", "", "", "", "")
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        typer.echo("  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip())

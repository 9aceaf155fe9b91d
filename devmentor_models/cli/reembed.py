"""``devmentor-db reembed``: go over to another embedding model, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devmentor_models.cli.embedders import BUILT_IN, load_embedder
from devmentor_models.cli.models import Memory, Url, build, delete_vectors
from devmentor_models.cli.report import FAILED, complain
from devmentor_models.cli.target import note, resolve

if TYPE_CHECKING:
    from devmentor_models.embeddings.reembed import Reembedding


def reembed(
    *,
    to: Annotated[str, typer.Option("--to", help="Name of the model that is to become the default.")],
    embedder: Annotated[
        str, typer.Option(help="What makes the vectors: package.module:callable, of texts to vectors.")
    ] = BUILT_IN,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Texts per call of the embedder.")] = 256,
    switch: Annotated[
        bool, typer.Option("--switch/--no-switch", help="Make the model the default in the end.")
    ] = True,
    tolerate: Annotated[
        int, typer.Option(min=0, help="Switch although so many chunks have texts that make no vector.")
    ] = 0,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Delete the vectors of the former default; no quick way back.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    memory: Memory = None,
    url: Url = None,
) -> None:
    """Give every live chunk of everybody a vector of another model, then make that model the default.

    Services go on: both models can be searched by name, chunks stored meanwhile are caught up, and the
    default changes in one moment. Run it again after a kill, or several at once. `--to` the former model is
    the way back; only what was stored since is embedded then.
    """
    from devmentor_models import migrate  # noqa: PLC0415 - --help should be quick
    from devmentor_models.embeddings.indexes import BuildOptions  # noqa: PLC0415 - likewise
    from devmentor_models.embeddings.reembed import Reembedding  # noqa: PLC0415 - likewise

    if drop_old and not switch:
        raise typer.BadParameter("vectors of the default are not deleted", param_hint="--drop-old")
    function = load_embedder(embedder)
    target = resolve(url)
    if migrate.current(target.url) != migrate.head():
        complain("the database is not at the newest revision; run `devmentor-db upgrade` first")
        raise typer.Exit(FAILED)
    with Reembedding(target.url, to, function, batch=batch) as run:
        old = run.default()
        if drop_old and not yes and old and old.name != to:
            typer.confirm(f"Delete all vectors of {old.name} in the end?", abort=True)
        _run(run)
        _tell_refused(run)
        if switch:
            if run.needs_index() and build(target.url, run.model, BuildOptions(memory=memory)):
                typer.echo(f"Built {run.model.index}, as {old.name if old else 'it'} has one.")
            run.switch(tolerate=tolerate)
            typer.echo(f"The default is {to}" + (f", before {old.name}." if old and old.name != to else "."))
    if drop_old and old and old.name != to:
        typer.echo(f"Deleted {delete_vectors(target.url, old)} vectors of {old.name}.")
    elif switch and old and old.name != to:
        note(f"The way back: `devmentor-db reembed --to {old.name}`, with that model's embedder.")


def _run(run: Reembedding) -> None:
    """Embed what lacks a vector, with a bar that tells the rate."""
    from rich.console import Console  # noqa: PLC0415 - --help should be quick
    from rich.progress import (  # noqa: PLC0415 - likewise
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"Embedding with {run.model.name}", total=run.pending(), rate="")

        def advance(chunks: int) -> None:
            bar.advance(task, chunks)
            shown = bar.tasks[0]
            bar.update(
                task,
                total=max(shown.total or 0, shown.completed),
                rate=f"{shown.speed:.0f}/s" if shown.speed else "",
            )

        done = run.run(advance)
    typer.echo(f"Stored {done.stored} vectors of {run.model.name}.")


def _tell_refused(run: Reembedding) -> None:
    for chunk, reason in list(run.done.refused.items())[:10]:
        complain(f"chunk {chunk} got no vector: it {reason}")
    if len(run.done.refused) > 10:  # noqa: PLR2004 - as many as are named
        complain(f"… {len(run.done.refused)} chunks got none in all")

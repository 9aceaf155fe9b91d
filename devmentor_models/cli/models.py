"""``devmentor-db models``: which models make vectors, and their indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devmentor_models.cli.report import FAILED, complain
from devmentor_models.cli.target import URL_VARIABLE, note, resolve

if TYPE_CHECKING:
    from devmentor_models.embeddings.catalog import CatalogModel, ModelReport
    from devmentor_models.embeddings.indexes import BuildOptions

models = typer.Typer(no_args_is_help=True, help="Embedding models: list and add them, build their indexes.")

Url = Annotated[str | None, typer.Option("--url", envvar=URL_VARIABLE, show_envvar=True, show_default=False)]
Name = Annotated[str, typer.Argument(help="Name of the model.")]
Memory = Annotated[
    str | None,
    typer.Option(help="Memory of the build, such as 2GB; what does not fit takes many times longer."),
]


@models.command("list")
def list_models(url: Url = None) -> None:
    """Print every model with its vectors and the state of its index; counts all vectors."""
    from devmentor_models.embeddings.catalog import EmbeddingCatalog, IndexState  # noqa: PLC0415 - slow to import

    with EmbeddingCatalog(resolve(url).url) as catalog:
        reports = catalog.report()
    lines = [("model", "dimensions", "metric", "use", "vectors", "index"), *map(_line, reports)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        typer.echo("  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip())
    for report in reports:
        if report.index.state in {IndexState.INVALID, IndexState.WRONG}:
            complain(
                f"the index of {report.model.name} is {report.index.state} and serves no search:"
                f" `devmentor-db models drop-index {report.model.name}` drops it"
            )


def _line(report: ModelReport) -> tuple[str, ...]:
    model, index = report.model, report.index
    use = "default" if model.is_default else "active" if model.active else "inactive"
    size = f", {index.size / 2**20:.1f} MiB" if index.size else ""
    built = f" ({', '.join(index.options)})" if index.options else ""
    return (
        model.name,
        str(model.dimensions),
        model.metric,
        use,
        str(report.vectors),
        f"{index.state}{size}{built}",
    )


@models.command()
def add(
    name: Name,
    dimensions: Annotated[int, typer.Option(help="Length of its vectors, 1 to 4000.")],
    metric: Annotated[str, typer.Option(help="cosine, l2 or inner_product.")] = "cosine",
    url: Url = None,
) -> None:
    """Register a model; name, dimensions and metric never change. `reembed --to` makes it the default."""
    from devmentor_models.embeddings.catalog import EmbeddingCatalog  # noqa: PLC0415 - slow to import

    with EmbeddingCatalog(resolve(url).url) as catalog:
        model = catalog.add(name, dimensions, metric)
    typer.echo(f"{model.name}: {model.dimensions} dimensions, {model.metric}.")


@models.command()
def index(
    name: Name,
    *,
    m: Annotated[int | None, typer.Option("--m", help="Neighbours of each vector; pgvector's 16.")] = None,
    ef_construction: Annotated[int | None, typer.Option(help="Candidates; pgvector's 64.")] = None,
    memory: Memory = None,
    workers: Annotated[int | None, typer.Option(help="Further processes of the build.")] = None,
    url: Url = None,
) -> None:
    """Build the approximate index of a model, while services go on; for tenants with 10,000 vectors and more.

    What a killed build left behind is dropped and built again. Writing vectors takes longer with an index.
    """
    from devmentor_models.embeddings.catalog import EmbeddingCatalog  # noqa: PLC0415 - slow to import
    from devmentor_models.embeddings.indexes import BuildOptions  # noqa: PLC0415 - likewise

    target = resolve(url)
    with EmbeddingCatalog(target.url) as catalog:
        model = catalog.get(name)
    made = build(target.url, model, BuildOptions(m, ef_construction, memory, workers))
    typer.echo(f"Built {model.index}." if made else f"Nothing to do: {model.index} is there.")


def build(url: str, model: CatalogModel, options: BuildOptions) -> bool:
    """Build an index with a progress bar; return False where it is there already."""
    from rich.console import Console  # noqa: PLC0415 - --help should be quick
    from rich.progress import Progress  # noqa: PLC0415 - likewise

    from devmentor_models.embeddings.indexes import build_index  # noqa: PLC0415 - likewise

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"Indexing {model.name}", total=1.0)
        return build_index(
            url,
            model,
            options,
            lambda progress: bar.update(task, completed=progress.done, description=progress.phase),
        )


@models.command("drop-index")
def drop(name: Name, url: Url = None) -> None:
    """Drop the index of a model, while services go on; searches compare every vector of a tenant then."""
    from devmentor_models.embeddings.catalog import EmbeddingCatalog  # noqa: PLC0415 - slow to import
    from devmentor_models.embeddings.indexes import drop_index  # noqa: PLC0415 - likewise

    target = resolve(url)
    with EmbeddingCatalog(target.url) as catalog:
        model = catalog.get(name)
    gone = drop_index(target.url, model)
    typer.echo(f"Dropped {model.index}." if gone else f"Nothing to do: {name} has no index.")


@models.command("drop-vectors")
def drop_vectors(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = None,
) -> None:
    """Delete every vector of a model that is not the default, and its index; the model stays registered."""
    from devmentor_models.embeddings.catalog import EmbeddingCatalog  # noqa: PLC0415 - slow to import

    target = resolve(url)
    with EmbeddingCatalog(target.url) as catalog:
        model = catalog.get(name)
    if model.is_default:
        complain(f"{name} is the default; `devmentor-db reembed --to` another model first")
        raise typer.Exit(FAILED)
    if not yes:
        typer.confirm(f"Delete all vectors of {name}? Only its embedder can bring them back.", abort=True)
    typer.echo(f"Deleted {delete_vectors(target.url, model)} vectors of {name}.")
    note("Autovacuum makes room of them; the model stays registered.")


def delete_vectors(url: str, model: CatalogModel) -> int:
    """Drop a model's index and delete its vectors; return how many there were."""
    from devmentor_models.embeddings.indexes import drop_index  # noqa: PLC0415 - slow to import
    from devmentor_models.embeddings.reembed import drop_vectors as delete  # noqa: PLC0415 - likewise

    drop_index(url, model)
    return delete(url, model)

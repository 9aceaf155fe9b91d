"""``devmentor-db sync-qdrant``: bring changes of vectors to the mirror in Qdrant."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from devmentor_models.cli.report import FAILED, complain
from devmentor_models.cli.target import URL_VARIABLE, note, resolve

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from devmentor_models.memory.mirror import VectorMirror
    from devmentor_models.memory.mirror_values import Delivered

QDRANT_URL = "DEVMENTOR_QDRANT_URL"
API_KEY = "DEVMENTOR_QDRANT_API_KEY"
#: Well below half of a worker's lease, after which another worker may take over.
TIMEOUT_SECONDS = 60
MAX_BATCH = 500


def sync_qdrant(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until SIGTERM or Ctrl-C.")] = False,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="First compare both sides, and queue what differs.")
    ] = False,
    enable: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Mirror this embedding model from now on; as owner.")
    ] = None,
    disable: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Mirror it no longer, and delete its collection; as owner."),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="With --enable: its collection, if not called like the model.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=MAX_BATCH, help="Changes to deliver at a time.")] = 200,
    url: Annotated[
        str | None, typer.Option("--url", envvar=URL_VARIABLE, show_envvar=True, show_default=False)
    ] = None,
    qdrant_url: Annotated[
        str | None,
        typer.Option(
            envvar=QDRANT_URL,
            show_envvar=True,
            show_default=False,
            help="http://host:6333, or file:///a/folder for Qdrant's local engine, to try things out.",
        ),
    ] = None,
) -> None:
    """Deliver changed vectors to Qdrant: what is due now, or with --watch for ever. Run as many as you like.

    Vectors are copied of the embedding models that are enabled, each to a collection of its own, which is
    made when it is missing. The worker's login is a member of devmentor_memory; --enable and --disable need
    a member of devmentor_owner. An API key is read from DEVMENTOR_QDRANT_API_KEY only.

    After --enable, and after a restore of either side, run --reconcile once.
    """
    if enable is not None:
        _enable(resolve(url).url, enable, collection)
        return
    client = _client(qdrant_url)
    try:
        if disable is not None:
            _disable(resolve(url).url, disable, client)
        else:
            _work(resolve(url).url, client, batch, watch=watch, reconcile=reconcile)
    finally:
        client.close()


def _enable(url: str, model: str, collection: str | None) -> None:
    from devmentor_models.embeddings import mirror_switch  # noqa: PLC0415 - slow to import

    name = mirror_switch.enable(url, model, collection)
    typer.echo(f"{model} is mirrored to the collection {name}.")
    note("Run `devmentor-db sync-qdrant --reconcile` to copy the vectors that are there already.")


def _disable(url: str, model: str, client: QdrantClient) -> None:
    from devmentor_models.embeddings import mirror_switch  # noqa: PLC0415 - slow to import
    from devmentor_models.memory.mirror_client import MirrorClient  # noqa: PLC0415 - likewise

    name = mirror_switch.disable(url, model, MirrorClient(client).drop)
    typer.echo(
        f"{model} was not mirrored."
        if name is None
        else f"{model} is mirrored no longer; the collection {name} is deleted."
    )


def _work(url: str, client: QdrantClient, batch: int, *, watch: bool, reconcile: bool) -> None:
    from devmentor_models.database import Database  # noqa: PLC0415 - slow to import
    from devmentor_models.memory.mirror import VectorMirror  # noqa: PLC0415 - likewise

    with Database.from_url(url, pool_min=0, pool_max=1) as database, _stopped() as stop:
        mirror = VectorMirror(database, client, batch=batch)
        _prepare(mirror, watch=watch)
        if reconcile:
            _reconcile(mirror)
        done = mirror.watch(stop) if watch else mirror.drain(stop)
    _report(done)
    if done.failed and not watch:
        complain(
            f"{done.failed} changes were refused; they are due again after a pause. Run this again then."
        )
        raise typer.Exit(FAILED)


def _prepare(mirror: VectorMirror, *, watch: bool) -> None:
    from devmentor_models.errors import MirrorRefused  # noqa: PLC0415 - slow to import

    try:
        if not mirror.prepare():
            note("No embedding model is mirrored; `devmentor-db sync-qdrant --enable MODEL` begins it.")
    except MirrorRefused as error:
        # A worker may be started before Qdrant is.
        if not watch:
            raise
        complain(str(error))


def _reconcile(mirror: VectorMirror) -> None:
    for found in mirror.reconcile():
        typer.echo(
            f"{found.collection}: {found.compared} in both, {found.missing} missing, {found.extra} too many,"
            f" {found.stale} out of date."
        )


def _report(done: Delivered) -> None:
    typer.echo(f"Delivered: {done.upserted} written, {done.deleted} deleted.")


def _client(url: str | None) -> QdrantClient:
    """Return a client for the URL.

    Raises:
        ConfigurationError: There is no URL, or not the extra.
    """
    from devmentor_models.errors import ConfigurationError, ExtraMissing  # noqa: PLC0415 - slow to import
    from devmentor_models.kit.variables import variable  # noqa: PLC0415 - likewise

    try:
        from qdrant_client import QdrantClient  # noqa: PLC0415 - likewise, and an extra
    except ImportError:
        raise ExtraMissing("qdrant") from None
    if not url:
        raise ConfigurationError(f"Where is Qdrant? Give --qdrant-url or {QDRANT_URL}.")
    if url.startswith("file://"):
        return QdrantClient(path=url.removeprefix("file://"))
    # Its check of versions is a thread that warns when the server is away, which calls report by themselves.
    return QdrantClient(
        url=url, api_key=variable(API_KEY), timeout=TIMEOUT_SECONDS, check_compatibility=False
    )


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and Ctrl-C set: the batch that is under way is finished first."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

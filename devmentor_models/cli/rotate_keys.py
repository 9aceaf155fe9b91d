"""``devmentor-db rotate-keys``: bring everything encrypted under the first key of the ring."""

from __future__ import annotations

from typing import Annotated

import typer

from devmentor_models.cli.report import FAILED, complain
from devmentor_models.cli.target import URL_VARIABLE, note, resolve


def rotate_keys(
    url: Annotated[
        str | None, typer.Option("--url", envvar=URL_VARIABLE, show_envvar=True, show_default=False)
    ] = None,
) -> None:
    """Encrypt under the first key of DEVMENTOR_ENCRYPTION_KEYS what is under the others; services go on.

    First every service gets the new key behind the old one, then in front of it. Then this command runs, as
    a member of devmentor_owner. When a second run finds nothing to do, the old key can go. The next run goes
    on where a killed one was.
    """
    from rich.console import Console  # noqa: PLC0415 - --help should be quick
    from rich.progress import Progress  # noqa: PLC0415 - likewise

    from devmentor_models import migrate  # noqa: PLC0415 - likewise
    from devmentor_models.cli.secrets import provide_encryption_key  # noqa: PLC0415 - likewise
    from devmentor_models.key_rotation import KeyRotation  # noqa: PLC0415 - likewise

    target = resolve(url)
    if migrate.current(target.url) != migrate.head():
        complain("the database is not at the newest revision; run `devmentor-db upgrade` first")
        raise typer.Exit(FAILED)
    if target.server:
        provide_encryption_key(target.server.directory)
    with KeyRotation(target.url) as rotation:
        pending = rotation.pending()
        if not pending:
            typer.echo("Nothing to do: everything is under the first key of the ring.")
            return
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Rotating", total=pending)
            done = rotation.run(lambda rows: bar.advance(task, rows))
    typer.echo(f"Wrapped anew: {done.keys} keys of users. Encrypted anew: {done.texts} texts.")
    if done.unreadable:
        complain(f"{done.unreadable} values fit no key of the ring: put the key back that encrypted them")
    if done.locked:
        complain(f"{done.locked} values were locked, or written under another key meanwhile: run this again")
    if not done.complete:
        raise typer.Exit(FAILED)
    note("Run it again once every service has this ring; if nothing is left to do then, former keys can go.")
